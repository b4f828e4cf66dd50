// The destinations of one policy set: workloads, Gateways, services behind waypoints.
// Enters: a set. Leaves: by name what can be asked about, as which proxy, and why. Never here: two sets.

internal import PolicyEngine
internal import PolicyModel

/// The destinations of one set.
struct DestinationFinder {
  /// Whether policies are enforced.
  enum Standing { case enforced, bare, unknown }

  struct Found {
    var key: ObjectKey
    var address: AnalyzedDestination.Address
    /// Of a workload at which nothing enforces, as a sidecar would be.
    var proxy: AnalyzedProxy
    var standing = Standing.enforced
    var because: String
    var answering: [(key: ObjectKey, labels: [ExactText: ExactText])] = []
    var waypointIdentities: [[UInt8]] = []
  }

  /// A waypoint of the files.
  private struct Waypoint {
    var key: ObjectKey
    var labels: [ExactText: ExactText]
    var serviceAccount: ExactText
  }

  private(set) var found: [String: Found] = [:]
  private let labels: WaypointLabels
  private let set: PolicySet
  private let trustDomain: ExactText

  init(_ set: PolicySet, assumed: Profile, trustDomain: ExactText) {
    self.set = set
    self.trustDomain = trustDomain
    labels = WaypointLabels(set)
    let finder = ProxyFinder(set, assumed: .sidecar)
    /// The pods of Gateways, by namespace and the Gateway's name.
    var pods: Set<[ExactText]> = []
    var waypoints: [WaypointLabels.Waypoint: Waypoint] = [:]
    for workload in set.workloads {
      let key = workload.metadata.key
      let name = Self.name(key)
      let finding = finder.proxy(of: workload)
      let gateway = workload.labels[gatewayLabel]
      if let gateway { pods.insert([key.namespace, gateway]) }
      if finding.kind == .waypoint, let gateway {
        let place = WaypointLabels.Waypoint(namespace: key.namespace, name: gateway)
        waypoints[place] = waypoints[place] ?? Waypoint(key: key, labels: workload.labels, serviceAccount: workload.serviceAccount)
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
    for object in set.inventory where object.metadata.key.kind == gatewayKind {
      let key = object.metadata.key
      guard !pods.contains([key.namespace, key.name]) else { continue }
      let labels = [gatewayLabel: key.name]
      let own = ObjectKey(kind: "Gateway", namespace: key.namespace, name: key.name)
      if object.gatewayClass == "istio-waypoint" {
        waypoints[WaypointLabels.Waypoint(namespace: key.namespace, name: key.name)] = Waypoint(
          key: own, labels: labels, serviceAccount: key.name)
      } else {
        let words = object.gatewayClass.map { "its class is `\($0)`" } ?? "it names no class"
        let isKnown = object.gatewayClass == "istio"
        found[Self.name(own)] = Found(
          key: own, address: .labels, proxy: AnalyzedProxy(namespace: key.namespace, labels: labels, profile: .gateway),
          standing: isKnown ? .enforced : .unknown, because: isKnown ? words : "may not be of Istio: \(words)")
      }
    }
    addServices(waypoints)
    for (place, waypoint) in waypoints where labels.takes(.workload, place) { addWorkloads(of: waypoint, place) }
  }

  static func name(_ key: ObjectKey) -> String { "\(key.namespace)/\(key.kind.string.lowercased())/\(key.name)" }

  private func identity(_ waypoint: Waypoint) -> [UInt8] {
    SPIFFEID(trustDomain: trustDomain, namespace: waypoint.key.namespace, serviceAccount: waypoint.serviceAccount).uri.bytes
  }

  /// Services at their waypoints; of those whose waypoint the files do not hold nobody knows what it lets in.
  private mutating func addServices(_ waypoints: [WaypointLabels.Waypoint: Waypoint]) {
    /// The waypoints that workloads are behind; nil for one that is also called without any.
    var ways: [String: [[UInt8]]?] = [:]
    var byLabel: [ExactText: [LabelSelector.Pair: [Int]]] = [:]
    for (place, workload) in set.workloads.enumerated() {
      for (key, value) in workload.labels {
        byLabel[workload.metadata.key.namespace, default: [:]][LabelSelector.Pair(key: key, value: value), default: []].append(place)
      }
    }
    for object in set.inventory {
      let key = object.metadata.key
      guard let kind = ServiceName.Kind.allCases.first(where: { ExactText("\($0.name)") == key.kind }) else { continue }
      let answering = answering(object, byLabel)
      let place = labels.waypoint(of: object.metadata)
      let waypoint = place.flatMap { labels.takes(.service, $0) ? waypoints[$0] : nil }
      for (key, _) in answering {
        let name = Self.name(key)
        let known = ways[name] ?? .some([])
        ways[name] = waypoint.flatMap { waypoint in known.map { $0 + [identity(waypoint)] } } as [[UInt8]]?
      }
      guard let place else { continue }
      let service = ServiceName(kind: kind, namespace: key.namespace, name: key.name)
      if let waypoint {
        let own = Self.name(waypoint.key)
        found["\(Self.name(key)) through \(own)"] = Found(
          key: key, address: .waypoint(own, service: Self.name(key)),
          proxy: AnalyzedProxy(namespace: waypoint.key.namespace, labels: waypoint.labels, profile: .waypoint, service: service),
          because: "it is behind the waypoint \(own)", answering: answering)
      } else if waypoints[place] == nil {
        found["\(Self.name(key)) through \(place.namespace)/\(place.name)"] = Found(
          key: key, address: .labels,
          proxy: AnalyzedProxy(
            namespace: place.namespace, labels: [gatewayLabel: place.name], profile: .waypoint, service: service),
          standing: .unknown, because: "is called through a waypoint that the files do not hold", answering: answering)
      }
    }
    for (name, identities) in ways { if let identities { found[name]?.waypointIdentities = identities } }
  }

  /// The workloads that answer for a service.
  private func answering(
    _ object: InventoryObject, _ byLabel: [ExactText: [LabelSelector.Pair: [Int]]]
  ) -> [(key: ObjectKey, labels: [ExactText: ExactText])] {
    guard let selector = object.service?.selector, let first = selector.matchLabels.first else { return [] }
    let candidates = byLabel[object.metadata.key.namespace]?[first] ?? []
    return candidates.map { set.workloads[$0] }.filter { selector.selects($0.labels) }.map { ($0.metadata.key, $0.labels) }
  }

  /// A waypoint that is called for workloads' own addresses.
  private mutating func addWorkloads(of waypoint: Waypoint, _ place: WaypointLabels.Waypoint) {
    let own = Self.name(waypoint.key)
    let behind = set.workloads.filter { workload in
      labels.waypoint(of: workload.metadata, also: workload.labels) == place
    }
    found["\(own), for the addresses of workloads"] = Found(
      key: waypoint.key, address: .waypoint(own, service: nil),
      proxy: AnalyzedProxy(namespace: waypoint.key.namespace, labels: waypoint.labels, profile: .waypoint), because: "it is a waypoint",
      answering: behind.map { ($0.metadata.key, $0.labels) })
  }
}

/// Which services and workloads go through which waypoint (Istio: the labels `istio.io/use-waypoint`, `istio.io/use-waypoint-namespace`, of the
/// object, else of its namespace; `istio.io/waypoint-for` of the Gateway).
struct WaypointLabels {
  /// What a waypoint is called for.
  enum Traffic: String { case service, workload }

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
      case gatewayKind:
        traffic[Waypoint(namespace: key.namespace, name: key.name)] = object.metadata.labels["istio.io/waypoint-for"] ?? "service"
      default: break
      }
    }
  }

  /// The waypoint that a service or a workload names, or its namespace; nil for none.
  func waypoint(of metadata: ObjectMetadata, also own: [ExactText: ExactText] = [:]) -> Waypoint? {
    let key = metadata.key
    for labels in [own, metadata.labels, namespaces[key.namespace] ?? [:]] {
      guard let name = labels["istio.io/use-waypoint"], !name.isEmpty else { continue }
      return name == "none" ? nil : Waypoint(namespace: labels["istio.io/use-waypoint-namespace"] ?? key.namespace, name: name)
    }
    return nil
  }

  /// Whether a waypoint takes such traffic; one whose Gateway is not loaded may take any.
  func takes(_ kind: Traffic, _ waypoint: Waypoint) -> Bool {
    traffic[waypoint].map { $0 == "all" || $0.string.utf8.elementsEqual(kind.rawValue.utf8) } ?? true
  }
}

/// The label whose presence makes a pod one of a Gateway (Istio).
let gatewayLabel: ExactText = "gateway.networking.k8s.io/gateway-name"

/// The kind of the Gateway API's Gateways in the inventory; Istio's own `Gateway` has no group in its key.
let gatewayKind: ExactText = "Gateway.gateway.networking.k8s.io"
