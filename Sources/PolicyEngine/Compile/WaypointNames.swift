// From a waypoint's name to the pod that is meant, and which services are known that it may be asked for.
// Enters: the services that policies name, and the inventory, once. Leaves: the namespace and labels of the waypoint's pods; whether a service is known.
// Never here: pods without the label of a Gateway; whatever they are, policies do not treat them as waypoints (Istio: attachment).

internal import PolicyModel

struct WaypointNames: Sendable {
  private struct Pods: Sendable {
    var namespace: ExactText
    var labels: [ExactText: ExactText]
  }

  /// By `namespace/name` and `namespace/kind/name`; workloads before Gateways, whose pods Istio makes under the Gateway's name.
  private let pods: [[UInt8]: Pods]
  /// The services of the inventory, the namespaces that have any, and beside the former those that policies name.
  private let loaded: Set<ServiceName>
  private let namespaces: Set<ExactText>
  private let named: Set<ServiceName>

  init(_ set: PolicySet, servicesNamed: Set<ServiceName>) {
    let inventory = Self.services(of: set.inventory)
    loaded = inventory
    namespaces = Set(inventory.map(\.namespace))
    named = inventory.union(servicesNamed)
    var pods: [[UInt8]: Pods] = [:]
    func add(_ key: ObjectKey, kind: ExactText, _ labels: [ExactText: ExactText]) {
      for kind in ["", "\(kind)/", "\(kind.string.lowercased())/"] {
        let name = Array("\(key.namespace)/\(kind)\(key.name)".utf8)
        if pods[name] == nil { pods[name] = Pods(namespace: key.namespace, labels: labels) }
      }
    }
    for workload in set.workloads where workload.labels[gatewayNameLabel] != nil {
      add(workload.metadata.key, kind: workload.metadata.key.kind, workload.labels)
    }
    // The kind of Istio's own `Gateway` has no group in its key.
    for object in set.inventory where object.metadata.key.kind == "Gateway.gateway.networking.k8s.io" {
      add(object.metadata.key, kind: "Gateway", [gatewayNameLabel: object.metadata.key.name])
    }
    self.pods = pods
  }

  private static func service(_ kind: ExactText, _ namespace: ExactText, _ name: ExactText) -> ServiceName? {
    let kind = ServiceName.Kind.allCases.first { ExactText("\($0.name)") == kind }
    return kind.map { ServiceName(kind: $0, namespace: namespace, name: name) }
  }

  private static func services(of inventory: [InventoryObject]) -> Set<ServiceName> {
    Set(inventory.compactMap { service($0.metadata.key.kind, $0.metadata.key.namespace, $0.metadata.key.name) })
  }

  /// The services that target references of these policies name.
  static func servicesNamed(by policies: [AuthorizationPolicy]) -> Set<ServiceName> {
    var services: Set<ServiceName> = []
    for policy in policies {
      guard case .targets(let references) = policy.attachment else { continue }
      services.formUnion(references.compactMap { service($0.kind, policy.metadata.key.namespace, $0.name) })
    }
    return services
  }

  /// Whether a manifest is the service, or a policy names it.
  func knows(_ service: ServiceName) -> Bool { named.contains(service) }

  /// Whether the service is among the loaded ones; `nil` when none of its namespace is loaded.
  func isLoaded(_ service: ServiceName) -> Bool? { namespaces.contains(service.namespace) ? loaded.contains(service) : nil }

  func find(_ name: Span<UInt8>) -> (namespace: ExactText, labels: [ExactText: ExactText])? {
    var key: [UInt8] = []
    for index in name.indices { key.append(name[index]) }
    return pods[key].map { ($0.namespace, $0.labels) }
  }
}
