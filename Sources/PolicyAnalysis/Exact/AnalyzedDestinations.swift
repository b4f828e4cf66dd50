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
  /// Of a service behind a waypoint the labels of the workloads that answer.
  package var answering: [[ExactText: ExactText]] = []
  /// Whether it is a workload that is called through a waypoint, which is a destination of its own.
  public package(set) var isBehindWaypoint = false

  /// The namespace; at a waypoint that of the service.
  public var namespace: ExactText { after.service?.namespace ?? after.namespace }
  /// The labels after the change.
  public var labels: [ExactText: ExactText] { after.labels }
  /// What decides there.
  public var profile: Profile { after.profile }

  /// Whether `namespace/name` or `namespace/kind/name` means it.
  public func isNamed(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard let key, parts.count == 2 || parts.count == 3, let last = parts.last else { return false }
    let isKind = parts.count == 2 || key.kind.string.lowercased().utf8.elementsEqual(parts[1].lowercased().utf8)
    return key.namespace == ExactText(parts[0]) && key.name == ExactText(last) && isKind
  }

  /// Whether a selector selects it, or a workload that answers for it.
  public func isSelected(by selector: LabelSelector) -> Bool {
    profile == .waypoint ? answering.contains { selector.selects($0) } : selector.selects(labels)
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
}

/// All destinations of two sets.
public struct AnalyzedDestinations: Sendable {
  /// By name.
  public private(set) var all: [AnalyzedDestination] = []
  /// What cannot be asked about, by name.
  public private(set) var unasked: [Unasked] = []
  /// The kind of proxy of workloads of which the files do not say it.
  public let assumed: Profile

  /// Finds them. A destination that is on one side only is compared under the policies of both.
  ///
  /// - Parameter assumed: the kind of proxy of workloads of which the files do not say it.
  public init(before: PolicySet, after: PolicySet, assumed: Profile = .sidecar) {
    self.assumed = assumed
    let isAmbient = (before.inventory + after.inventory).contains { $0.metadata.labels["istio.io/dataplane-mode"] == "ambient" }
    var planes: Set<DataPlane> = isAmbient ? [assumed.dataPlane, .ztunnel] : [assumed.dataPlane]
    let old = DestinationFinder(before, assumed: assumed).found
    let new = DestinationFinder(after, assumed: assumed).found
    for name in Set(old.keys).union(new.keys).sorted() {
      guard let one = old[name] ?? new[name], let two = new[name] ?? old[name] else { continue }
      let destination = AnalyzedDestination(
        key: two.key, name: name, address: two.address, before: one.proxy, after: two.proxy, answering: two.answering,
        isBehindWaypoint: two.isBehindWaypoint)
      if one.standing == .unknown || two.standing == .unknown {
        unasked.append(Unasked(destination: destination, why: "\(name) may not be of Istio: \(two.because)", isEnforced: true))
      } else if one.standing == .bare, two.standing == .bare {
        unasked.append(Unasked(destination: destination, why: "nothing enforces policies at \(name): \(two.because)", isEnforced: false))
      } else if one.standing != two.standing || one.proxy.profile != two.proxy.profile {
        let why =
          "\(name) has another kind of proxy on each side (before: \(one.because); after: \(two.because)); "
          + "who gets in then was not compared"
        unasked.append(Unasked(destination: destination, why: why, isEnforced: true))
      } else {
        all.append(destination)
        planes.insert(destination.profile.dataPlane)
      }
    }
    dataPlanes = planes
  }

  /// The same for one set.
  public init(_ set: PolicySet, assumed: Profile = .sidecar) { self.init(before: set, after: set, assumed: assumed) }

  /// Why some cannot be asked about.
  public var gaps: [String] { unasked.map(\.why) }

  /// The data planes that snapshots are needed for, also for workloads that the files do not hold.
  public let dataPlanes: Set<DataPlane>
}

/// The destinations of one set.
private struct DestinationFinder {
  /// Whether policies are enforced.
  enum Standing { case enforced, bare, unknown }

  struct Found {
    var key: ObjectKey
    var address: AnalyzedDestination.Address
    /// Of a workload at which nothing enforces, as a sidecar would be.
    var proxy: AnalyzedProxy
    var standing = Standing.enforced
    var because: String
    var answering: [[ExactText: ExactText]] = []
    var isBehindWaypoint = false
  }

  private(set) var found: [String: Found] = [:]
  private let labels: ServiceLabels

  init(_ set: PolicySet, assumed: Profile) {
    labels = ServiceLabels(set)
    let finder = ProxyFinder(set, assumed: .sidecar)
    /// The pods of Gateways, by namespace and the Gateway's name.
    var pods: Set<[ExactText]> = []
    var waypoints: [(key: ObjectKey, labels: [ExactText: ExactText])] = []
    for workload in set.workloads {
      let key = workload.metadata.key
      let name = Self.name(key)
      let finding = finder.proxy(of: workload)
      let gateway = workload.labels[gatewayLabel]
      if let gateway { pods.insert([key.namespace, gateway]) }
      if finding.kind == .waypoint, gateway != nil {
        waypoints.append((key, workload.labels))
        continue
      }
      let profile: Profile? =
        switch finding.kind {
        case .sidecar: finding.isAssumed ? assumed : .sidecar
        case .gateway: .gateway
        case .ambient: .ztunnel
        case .none, .waypoint: nil
        }
      found[name] = Found(
        key: key, address: .workload(name),
        proxy: AnalyzedProxy(namespace: key.namespace, labels: workload.labels, profile: profile ?? .sidecar),
        standing: profile != nil ? .enforced : .bare,
        because: finding.kind == .waypoint ? "it is a waypoint without the label `\(gatewayLabel)`" : finding.because)
    }
    // Istio makes the pods of a Gateway itself, under the Gateway's name.
    for object in set.inventory where object.metadata.key.kind == "Gateway.gateway.networking.k8s.io" {
      let key = object.metadata.key
      guard !pods.contains([key.namespace, key.name]) else { continue }
      let labels = [gatewayLabel: key.name]
      let own = ObjectKey(kind: "Gateway", namespace: key.namespace, name: key.name)
      if object.gatewayClass == "istio-waypoint" {
        waypoints.append((own, labels))
      } else {
        found[Self.name(own)] = Found(
          key: own, address: .labels, proxy: AnalyzedProxy(namespace: key.namespace, labels: labels, profile: .gateway),
          standing: object.gatewayClass == "istio" ? .enforced : .unknown,
          because: object.gatewayClass.map { "its class is `\($0)`" } ?? "it names no class")
      }
    }
    for waypoint in waypoints { addServices(of: waypoint.key, waypoint.labels, set) }
  }

  static func name(_ key: ObjectKey) -> String { "\(key.namespace)/\(key.kind.string.lowercased())/\(key.name)" }

  /// The labels of the workloads that answer for a service, each of which is then behind its waypoint.
  private mutating func answering(_ object: InventoryObject, _ set: PolicySet) -> [[ExactText: ExactText]] {
    guard let selector = object.service?.selector, !selector.matchLabels.isEmpty else { return [] }
    let own = set.workloads.filter { workload in
      workload.metadata.key.namespace == object.metadata.key.namespace && selector.selects(workload.labels)
    }
    for workload in own { found[Self.name(workload.metadata.key)]?.isBehindWaypoint = true }
    return own.map(\.labels)
  }

  private mutating func addServices(of waypoint: ObjectKey, _ labels: [ExactText: ExactText], _ set: PolicySet) {
    guard let gateway = labels[gatewayLabel] else { return }
    let own = Self.name(waypoint)
    func proxy(_ service: ServiceName?) -> AnalyzedProxy {
      AnalyzedProxy(namespace: waypoint.namespace, labels: labels, profile: .waypoint, service: service)
    }
    let because = "it is behind the waypoint \(own)"
    for object in set.inventory {
      let key = object.metadata.key
      guard let kind = ServiceName.Kind.allCases.first(where: { ExactText("\($0.name)") == key.kind }),
        self.labels.waypoint(of: object) == ServiceLabels.Waypoint(namespace: waypoint.namespace, name: gateway)
      else { continue }
      let service = ServiceName(kind: kind, namespace: key.namespace, name: key.name)
      found["\(Self.name(key)) through \(own)"] = Found(
        key: key, address: .waypoint(own, service: Self.name(key)), proxy: proxy(service), because: because,
        answering: answering(object, set))
    }
    guard self.labels.takesWorkloads(ServiceLabels.Waypoint(namespace: waypoint.namespace, name: gateway)) else { return }
    found["\(own), for the addresses of workloads"] = Found(
      key: waypoint, address: .waypoint(own, service: nil), proxy: proxy(nil), because: "it is a waypoint")
  }
}

/// Which services and workloads go through which waypoint (Istio: the labels `istio.io/use-waypoint`, `istio.io/use-waypoint-namespace`, of the
/// object, else of its namespace; `istio.io/waypoint-for` of the Gateway).
struct ServiceLabels {
  struct Waypoint: Hashable {
    var namespace: ExactText
    var name: ExactText
  }

  private var namespaces: [ExactText: [ExactText: ExactText]] = [:]
  private var traffic: [Waypoint: ExactText] = [:]

  init(_ set: PolicySet) {
    for object in set.inventory {
      let key = object.metadata.key
      switch key.kind {
      case "Namespace": namespaces[key.name] = object.metadata.labels
      case "Gateway.gateway.networking.k8s.io":
        traffic[Waypoint(namespace: key.namespace, name: key.name)] = object.metadata.labels["istio.io/waypoint-for"] ?? "service"
      default: break
      }
    }
  }

  /// The waypoint of a service; nil for none.
  func waypoint(of object: InventoryObject) -> Waypoint? {
    let key = object.metadata.key
    for labels in [object.metadata.labels, namespaces[key.namespace] ?? [:]] {
      guard let name = labels["istio.io/use-waypoint"], !name.isEmpty else { continue }
      return name == "none" ? nil : Waypoint(namespace: labels["istio.io/use-waypoint-namespace"] ?? key.namespace, name: name)
    }
    return nil
  }

  /// Whether a waypoint also takes traffic to workloads' own addresses; one whose Gateway is not loaded may.
  func takesWorkloads(_ waypoint: Waypoint) -> Bool {
    traffic[waypoint].map { $0 == "all" || $0 == "workload" } ?? true
  }
}

/// The label whose presence makes a pod one of a Gateway (Istio).
private let gatewayLabel: ExactText = "gateway.networking.k8s.io/gateway-name"
