// Everything that decisions are made from, compiled and immutable.
// Enters: a policy set and the mesh's settings, once. Leaves: targets (what is attached to a workload) and decisions, on any thread.
// Never here: change. A new policy set is a new snapshot.

public import PolicyModel

/// What is attached to one workload's proxy.
public struct Target: Sendable, Hashable {
  /// Groups of policies, ascending.
  let groups: [UInt32]
  /// The server mode for ports that are not in `strictExceptions`.
  let isStrict: Bool
  /// The ports with the other server mode, ascending.
  let strictExceptions: [UInt16]
  /// Whether the proxy is a waypoint.
  let isWaypoint: Bool
  /// Whether the pod's labels say that it is one.
  let isWaypointPod: Bool
  /// Whether its CUSTOM policies name more than one provider, where Istio allows one.
  let hasSeveralProviders: Bool
  /// What its RequestAuthentications say.
  let tokenRules: [TokenRule]
}

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
  let tables: CompiledPolicies
  let workloads: WorkloadIndex
  let attachments: AttachmentIndex
  let trustDomainPrefixes: [Literal]
  let joinsHeaderLines: Bool
  let headerInterest: HeaderInterest
  private let waypoints: WaypointNames
  /// The rules by number, for explanations.
  public let rules: [RuleOrigin]
  /// Their names as bytes, for replies.
  private let ruleNames: [[UInt8]]
  /// What is attached to the workloads of the inventory; workloads with the same policies share one.
  public let targets: [Target]
  /// The workloads that exist and cannot be used: what is inferred from the others might be one of them.
  private let unusableWorkloads: [UnusableWorkload]
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

  /// Compiles the policies as this data plane reads them. O(total size, n log n).
  public init(_ set: PolicySet, mesh: MeshSettings, dataPlane: DataPlane = .envoy) {
    self.dataPlane = dataPlane
    let set = dataPlane == .envoy ? set.refusingUndecidable(mesh) : set
    let hash = ByteHash(seed: UInt64.random(in: .min ... .max))
    var compiler = RuleCompiler(mesh: mesh, dataPlane: dataPlane, hash: hash)
    let groups = GroupCompiler(set, mesh: mesh, dataPlane: dataPlane).compile(with: &compiler)
    trustDomainPrefixes = dataPlane.trustDomains(of: mesh).map { compiler.intern(Array("spiffe://\($0)/".utf8)) }
    let (tables, _) = compiler.finish()
    self.tables = tables
    headerInterest = HeaderInterest(tables)
    rules = groups.origins
    ruleNames = groups.origins.map(\.name.bytes)
    let attachments = AttachmentIndex(groups, set, mesh: mesh, dataPlane: dataPlane)
    var numbers: [Target: Int] = [:]
    var targets: [Target] = []
    workloads = WorkloadIndex(set.workloads, namespaces: set.namespaces, hash: hash) { workload in
      let target = attachments.target(namespace: workload.metadata.key.namespace, labels: workload.labels)
      if let number = numbers[target] { return number }
      targets.append(target)
      numbers[target] = targets.count - 1
      return targets.count - 1
    }
    self.attachments = attachments
    self.targets = targets
    waypoints = WaypointNames(set)
    joinsHeaderLines = mesh.olderBehaviors.contains(.joinedHeaderLines)
    unusableWorkloads = set.unusableWorkloads
    self.mesh = mesh
    contentHash = ContentHash.text(of: set, mesh: mesh)
    contentHashBytes = contentHash.bytes
    policyCount = set.policies.count
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
  public func knows(namespace: Span<UInt8>) -> Bool { workloads.knows(namespace: namespace) }

  /// The workload named `namespace/name` or `namespace/kind/name`.
  public func target(workload name: Span<UInt8>) -> TargetLookup { workloads.named(name) }

  /// The workloads of a namespace that run as a service account, both as `namespace/account`.
  public func target(namespaceAndAccount name: Span<UInt8>) -> TargetLookup { workloads.running(as: name) }

  /// The workload with an address.
  public func target(address: IPAddress) -> TargetLookup { workloads.at(address) }

  /// Whether every workload of the namespace, or of all where it is `nil`, could be read, so that nothing but them can be meant.
  public func isInventoryComplete(namespace: ExactText?) -> Bool {
    !unusableWorkloads.contains { $0.namespace == nil || namespace == nil || $0.namespace == namespace }
  }

  /// The bytes of a rule's name; empty for no rule.
  public func nameBytes(of rule: RuleReference) -> [UInt8] {
    Int(rule.number) < ruleNames.count ? ruleNames[Int(rule.number)] : []
  }

  /// The name of a rule, or `none`.
  public func name(of rule: RuleReference) -> ExactText {
    rule == .none || Int(rule.number) >= rules.count ? "none" : rules[Int(rule.number)].name
  }
}
