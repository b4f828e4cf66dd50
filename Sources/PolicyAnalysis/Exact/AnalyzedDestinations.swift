// What of two policy sets can be asked about: every workload as the proxy that stands in front of it, and every service behind a waypoint.
// Enters: two sets. Leaves: destinations, each with its proxy before and after; what cannot be asked about, and why.
// Never here: a workload that is taken for another kind of proxy than the files say.

public import PolicyEngine
public import PolicyModel

/// A workload, a service behind a waypoint, or any workload with certain labels, that is compared.
public struct AnalyzedDestination: Sendable {
  /// How `check` is asked about it.
  public enum Address: Sendable {
    /// As a workload of the files, `namespace/kind/name`.
    case workload(String)
    /// As a waypoint of the files, for a service; nil for the addresses of workloads.
    case waypoint(String, service: String?)
    /// By namespace and labels.
    case labels
  }

  /// Whether it is `namespace/kind/name`; nil for one that only labels describe.
  public var key: ObjectKey?
  /// That name, or a description.
  public var name: String
  /// Whether a manifest describes it.
  public var isOfInventory: Bool { key != nil }
  /// How to ask about it.
  public var address: Address
  /// As it is before and after; of a destination that is on one side only, both are that one.
  package var before: AnalyzedProxy
  package var after: AnalyzedProxy
  /// Of what is behind a waypoint the workloads that answer, with their labels.
  package var answering: [(key: ObjectKey, labels: [ExactText: ExactText])] = []
  /// Of a workload all whose services are behind waypoints: the names under which these come to it. Each is a destination of its own.
  public package(set) var waypointIdentities: [[UInt8]] = []

  /// The namespace; at a waypoint that of the service.
  public var namespace: ExactText { after.service?.namespace ?? after.namespace }
  /// The labels after the change.
  public var labels: [ExactText: ExactText] { after.labels }
  /// What decides there.
  public var profile: Profile { after.profile }

  /// Whether `namespace/name` or `namespace/kind/name` means it, or a workload that answers for it.
  public func isNamed(_ text: String) -> Bool { Self.isNamed([key].compactMap { $0 } + answering.map(\.key), text) }

  /// Whether the name means it, and not a workload that answers for it.
  public func isItself(_ text: String) -> Bool { Self.isNamed([key].compactMap { $0 }, text) }

  private static func isNamed(_ keys: [ObjectKey], _ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 || parts.count == 3, let last = parts.last else { return false }
    return keys.contains { key in
      let isKind = parts.count == 2 || key.kind.string.lowercased().utf8.elementsEqual(parts[1].lowercased().utf8)
      return key.namespace == ExactText(parts[0]) && key.name == ExactText(last) && isKind
    }
  }

  /// Whether a selector selects it, or a workload that answers for it.
  public func isSelected(by selector: LabelSelector) -> Bool {
    profile == .waypoint ? answering.contains { selector.selects($0.labels) } : selector.selects(labels)
  }
}

/// A workload that cannot be asked about.
public struct Unasked: Sendable {
  /// The workload.
  public var destination: AnalyzedDestination
  /// Why, as a sentence.
  public var why: String
  /// Whether something enforces policies there, on one side at least.
  public var isEnforced: Bool
  /// Whether the two sides differ in it.
  public var isChange = false
}

/// All destinations of two sets.
public struct AnalyzedDestinations: Sendable {
  /// By name.
  public let all: [AnalyzedDestination]
  /// What cannot be asked about, by name.
  public let unasked: [Unasked]
  /// The kind of proxy of workloads of which the files do not say it.
  public let assumed: Profile

  /// Finds them. A destination that is on one side only is compared under the policies of both.
  ///
  /// - Parameters:
  ///   - assumed: the kind of proxy of workloads of which the files do not say it.
  ///   - trustDomain: the mesh's own, under which waypoints come to workloads.
  public init(before: PolicySet, after: PolicySet, assumed: Profile = .sidecar, trustDomain: ExactText = "cluster.local") {
    self.assumed = assumed
    let isAmbient = (before.inventory + after.inventory).contains { $0.metadata.labels["istio.io/dataplane-mode"] == "ambient" }
    var planes: Set<DataPlane> = isAmbient ? [assumed.dataPlane, .ztunnel] : [assumed.dataPlane]
    let old = DestinationFinder(before, assumed: assumed, trustDomain: trustDomain).found
    let new = DestinationFinder(after, assumed: assumed, trustDomain: trustDomain).found
    // An object that both sides hold, and that is a destination on one of them only, is called in another way on the other.
    let objects = [old, new].map { side in Set(side.values.map(\.key)) }
    let known = [Self.keys(before).union(objects[0]), Self.keys(after).union(objects[1])]
    var all: [AnalyzedDestination] = []
    var unasked: [Unasked] = []
    for name in Set(old.keys).union(new.keys).sorted() {
      guard let one = old[name] ?? new[name], let two = new[name] ?? old[name] else { continue }
      let destination = AnalyzedDestination(
        key: two.key, name: name, address: two.address, before: one.proxy, after: two.proxy, answering: two.answering,
        waypointIdentities: two.waypointIdentities)
      func add(_ why: String, isEnforced: Bool = true, isChange: Bool = false) {
        unasked.append(Unasked(destination: destination, why: why, isEnforced: isEnforced, isChange: isChange))
      }
      let isOneSided = old[name] == nil || new[name] == nil
      if isOneSided, known[old[name] == nil ? 0 : 1].contains(one.key) {
        add("\(name) is there on one side only (\(one.because)); what decides on the other was not compared", isChange: true)
      } else if one.standing == .bare, two.standing == .bare {
        add("nothing enforces policies at \(name): \(two.because)", isEnforced: false)
      } else if one.standing != two.standing || one.proxy.profile != two.proxy.profile {
        add(
          "\(name) has another kind of proxy on each side (before: \(one.because); after: \(two.because)); "
            + "who gets in then was not compared", isChange: true)
      } else if one.standing == .unknown {
        add("\(name) \(two.because)")
      } else {
        all.append(destination)
        planes.insert(destination.profile.dataPlane)
      }
    }
    (self.all, self.unasked, dataPlanes) = (all, unasked, planes)
  }

  /// Objects that are called under their own name.
  private static func keys(_ set: PolicySet) -> Set<ObjectKey> {
    let kinds: Set<ExactText> = ["Service", "ServiceEntry"]
    let gateways = set.inventory.filter { $0.metadata.key.kind == gatewayKind }.map { object in
      ObjectKey(kind: "Gateway", namespace: object.metadata.key.namespace, name: object.metadata.key.name)
    }
    return Set(
      set.inventory.map(\.metadata.key).filter { kinds.contains($0.kind) } + gateways + set.workloads.map(\.metadata.key))
  }

  /// The same for one set.
  public init(_ set: PolicySet, assumed: Profile = .sidecar, trustDomain: ExactText = "cluster.local") {
    self.init(before: set, after: set, assumed: assumed, trustDomain: trustDomain)
  }

  /// Why some cannot be asked about.
  public var gaps: [String] { unasked.map(\.why) }

  /// The data planes that snapshots are needed for, also for workloads that the files do not hold.
  public let dataPlanes: Set<DataPlane>
}
