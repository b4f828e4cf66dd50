// From a waypoint's name to the pod that is meant.
// Enters: the inventory, once. Leaves: the namespace and labels of the waypoint's pods.
// Never here: pods without the label of a Gateway; whatever they are, policies do not treat them as waypoints (Istio: attachment).

internal import PolicyModel

struct WaypointNames: Sendable {
  private struct Pods: Sendable {
    var namespace: ExactText
    var labels: [ExactText: ExactText]
  }

  /// By `namespace/name` and `namespace/kind/name`; workloads before Gateways, whose pods Istio makes under the Gateway's name.
  private let pods: [[UInt8]: Pods]

  /// The services of the inventory, and the namespaces that have any.
  private let services: Set<ServiceName>
  private let namespaces: Set<ExactText>

  init(_ set: PolicySet) {
    services = Set(
      set.inventory.compactMap { object in
        let key = object.metadata.key
        let kind = ServiceName.Kind.allCases.first { key.kind == ExactText("\($0.name)") }
        return kind.map { ServiceName(kind: $0, namespace: key.namespace, name: key.name) }
      })
    namespaces = Set(services.map(\.namespace))
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

  /// Whether the service is there; `nil` when no service of its namespace is.
  func knows(_ service: ServiceName) -> Bool? { namespaces.contains(service.namespace) ? services.contains(service) : nil }

  func find(_ name: Span<UInt8>) -> (namespace: ExactText, labels: [ExactText: ExactText])? {
    var key: [UInt8] = []
    for index in name.indices { key.append(name[index]) }
    return pods[key].map { ($0.namespace, $0.labels) }
  }
}
