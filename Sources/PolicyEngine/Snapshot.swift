// Everything that decisions are made from, compiled and immutable.
// Enters: a policy set and the mesh's settings, once. Leaves: targets (what is attached to a workload) and decisions, on any thread.
// Never here: change. A new policy set is a new snapshot.

public import PolicyModel
internal import Synchronization

/// The result of looking for a workload.
public enum TargetLookup: Sendable, Hashable {
  /// It is known; `Snapshot.targets` has what is attached.
  case found(Int)
  /// Nothing of this name.
  case unknown
  /// Several workloads fit, and different policies are attached to them.
  case ambiguous
}

/// A compiled policy set.
public final class Snapshot: Sendable {
  private let attachments: Attachments
  private let numbering: RuleNumbering
  private let everywhere: [UnusablePolicy]
  private let workloads: WorkloadIndex
  private let known: KnownNamespaces
  private let waypoints: WaypointNames
  let gate: PeerGate
  let joinsHeaderLines: Bool
  let headerInterest: HeaderInterest
  /// What is attached to the workloads of the inventory, in its order; workloads of one namespace with the same policies share one.
  public let targets: [Target]
  /// The workloads that exist and cannot be used: what is inferred from the others might be one of them.
  private let unusableWorkloads: [UnusableWorkload]
  private let revisions: Revisions?
  /// A number that no other snapshot of the process has.
  let serial: UInt64
  /// Whose reading of the policies it holds; profiles of another are refused.
  public let dataPlane: DataPlane
  /// The settings it was compiled under.
  public let mesh: MeshSettings
  /// A hash of the policies and settings, 16 hexadecimal digits; the same in every replica that has loaded the same.
  public let contentHash: ExactText
  /// The same as bytes, for replies.
  public let contentHashBytes: [UInt8]
  /// How many AuthorizationPolicies it holds.
  public let policyCount: Int

  private static let serials = Atomic<UInt64>(1)

  /// Compiles the policies as this data plane reads them. O(total size, n log n); what has not changed since `previous`, by the set's
  /// revisions and under the same settings, is taken over from it.
  public init(_ set: PolicySet, mesh: MeshSettings, dataPlane: DataPlane = .envoy, reusing previous: Snapshot? = nil) {
    self.dataPlane = dataPlane
    self.mesh = mesh
    serial = Self.serials.add(1, ordering: .relaxed).newValue
    // What is left out below depends on settings and data plane alone, and with other ones nothing is taken over.
    let revisions = set.revisions
    let set = dataPlane == .envoy ? set.refusingUndecidable(mesh) : set.attachedByZtunnel
    let earlier = previous.flatMap { $0.mesh == mesh && $0.dataPlane == dataPlane ? $0 : nil }
    let parts = SetParts(set) { earlier?.unchanged($0, revisions) != nil }
    let compiled = parts.parts.map { part in
      earlier?.unchanged(part.namespace, revisions) ?? CompiledNamespace(part, mesh: mesh, dataPlane: dataPlane)
    }
    let numbering = RuleNumbering(compiled, keeping: earlier?.numbering)
    let attachments = Attachments(
      mesh: mesh, dataPlane: dataPlane, namespaces: Dictionary(compiled.map { ($0.namespace, $0) }) { first, _ in first },
      bases: numbering.bases, isUnusable: !parts.everywhere.isEmpty)
    let workloads = earlier.flatMap { $0.workloads.isSame(as: set.workloads) ? $0.workloads : nil } ?? WorkloadIndex(set.workloads)
    targets = Self.targets(workloads, attachments, reusing: earlier)
    self.workloads = workloads
    self.attachments = attachments
    self.numbering = numbering
    everywhere = parts.everywhere
    self.revisions = revisions
    gate = PeerGate(trustDomains: dataPlane.trustDomains(of: mesh))
    headerInterest = HeaderInterest(compiled)
    known = KnownNamespaces(parts.known)
    waypoints = WaypointNames(set, servicesNamed: compiled.reduce(into: []) { $0.formUnion($1.servicesNamed) })
    joinsHeaderLines = mesh.olderBehaviors.contains(.joinedHeaderLines)
    unusableWorkloads = set.unusableWorkloads
    contentHash = ContentHash.text(mesh: mesh, namespaces: compiled, everywhere: parts.everywhere)
    contentHashBytes = contentHash.bytes
    policyCount = set.policies.count
  }

  /// What was compiled of a namespace, if the set that has these revisions holds the same.
  private func unchanged(_ namespace: ExactText, _ newer: Revisions?) -> CompiledNamespace? {
    guard let revisions, let newer, revisions.source == newer.source, let number = newer.namespaces[namespace],
      revisions.namespaces[namespace] == number
    else { return nil }
    return attachments.namespaces[namespace]
  }

  /// The target of each workload. One that is made of nothing new is the earlier one.
  private static func targets(_ workloads: WorkloadIndex, _ attachments: Attachments, reusing earlier: Snapshot?) -> [Target] {
    let root = attachments.mesh.rootNamespace
    func isSame(_ namespace: ExactText) -> Bool {
      guard let earlier else { return false }
      return earlier.attachments.namespaces[namespace] === attachments.namespaces[namespace]
        && earlier.attachments.bases[namespace] == attachments.bases[namespace]
    }
    let reusesAny = earlier.map { $0.workloads === workloads && $0.attachments.isUnusable == attachments.isUnusable } ?? false
    let reusesRoot = reusesAny && isSame(root)
    var same: [ExactText: Bool] = [:]
    var shared: Set<Target> = []
    return workloads.workloads.enumerated().map { place, workload in
      let namespace = workload.metadata.key.namespace
      if reusesRoot, let earlier {
        let isSame = same[namespace] ?? isSame(namespace)
        same[namespace] = isSame
        if isSame { return earlier.targets[place] }
      }
      return shared.insert(attachments.target(namespace: namespace, labels: workload.labels)).memberAfterInsert
    }
  }

  /// What is attached to a workload with these labels. For labels that come with a request; O(labels, selectors that could match).
  public func target(namespace: ExactText, labels: [ExactText: ExactText]) -> Target {
    attachments.target(namespace: namespace, labels: labels)
  }

  /// What is attached to a waypoint with these labels, for traffic to a service (`nil`: to a workload's own address). `nil` without the label
  /// of a Gateway: pods without it are no waypoints, and no policy would name them.
  public func target(waypointIn namespace: ExactText, labels: [ExactText: ExactText], service: ServiceName?) -> Target? {
    guard labels[gatewayNameLabel] != nil else { return nil }
    return attachments.target(namespace: namespace, labels: labels, isWaypoint: true, service: service)
  }

  /// Whether a service can be meant: where services of its namespace are loaded, it must be among them; else its namespace must be known.
  public func mayBe(service: ServiceName) -> Bool {
    let namespace = service.namespace.bytes
    return waypoints.isLoaded(service) ?? knows(namespace: namespace.span)
  }

  /// The same for the waypoint named `namespace/name` or `namespace/kind/name`: a workload with the label of its Gateway, or the Gateway.
  /// `nil` when there is none of this name.
  public func target(waypoint name: Span<UInt8>, service: ServiceName?) -> Target? {
    guard let (namespace, labels) = waypoints.find(name) else { return nil }
    return target(waypointIn: namespace, labels: labels, service: service)
  }

  /// Namespace and labels of the pods of the waypoint of this name.
  public func waypoint(named name: Span<UInt8>) -> (namespace: ExactText, labels: [ExactText: ExactText])? { waypoints.find(name) }

  /// Whether a loaded object is this service, or a policy names it.
  public func knows(service: ServiceName) -> Bool { waypoints.knows(service) }

  /// Whether any loaded object is in this namespace, or is it. A name that nothing knows is more likely a slip than a namespace.
  public func knows(namespace: Span<UInt8>) -> Bool { known.contains(namespace) }

  /// The workload named `namespace/name` or `namespace/kind/name`.
  public func target(workload name: Span<UInt8>) -> TargetLookup { workloads.named(name, targets) }

  /// The workloads of a namespace that run as a service account, both as `namespace/account`.
  public func target(namespaceAndAccount name: Span<UInt8>) -> TargetLookup { workloads.running(as: name, targets) }

  /// The workload with an address.
  public func target(address: IPAddress) -> TargetLookup { workloads.at(address, targets) }

  /// Whether every workload of the namespace, or of all where it is `nil`, could be read, so that nothing but them can be meant.
  public func isInventoryComplete(namespace: ExactText?) -> Bool {
    !unusableWorkloads.contains { $0.namespace == nil || namespace == nil || $0.namespace == namespace }
  }

  /// Lends the bytes of a rule's name, piece by piece; nothing for no rule. Without allocation.
  public func forEachNamePiece(of rule: RuleReference, _ body: (Span<UInt8>) -> Void) {
    guard let (namespace, number) = numbering.find(rule) else { return }
    namespace.names.forEachPiece(of: number, literals: namespace.tables.value.literals, body)
  }

  /// Where a rule is written; `nil` for no rule.
  public func origin(of rule: RuleReference) -> RuleOrigin? {
    guard let (namespace, number) = numbering.find(rule) else { return nil }
    return namespace.names.origin(number, literals: namespace.tables.value.literals)
  }

  /// The name of a rule, or `none`.
  public func name(of rule: RuleReference) -> ExactText { origin(of: rule)?.name ?? "none" }

  /// How many bytes its tables take: what the index costs, without the model that it was compiled from.
  public var byteCount: Int { attachments.namespaces.values.reduce(0) { $0 + $1.byteCount } }
}
