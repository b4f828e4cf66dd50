// From a waypoint's name to the pod that is meant, and which services are known that it may be asked for.
// Enters: the policies and the inventory, once. Leaves: the namespace and labels of the waypoint's pods; whether a service is known.
// Never here: pods without the label of a Gateway; whatever they are, policies do not treat them as waypoints (Istio: attachment).

internal import PolicyModel

struct WaypointNames: Sendable {
  private struct Pods: Sendable {
    var namespace: ExactText
    var labels: [ExactText: ExactText]
  }

  /// By `namespace/name` and `namespace/kind/name`; workloads before Gateways, whose pods Istio makes under the Gateway's name.
  private let pods: [[UInt8]: Pods]
  private let services: Set<ServiceName>

  init(_ set: PolicySet) {
    services = Self.services(set)
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

  /// The services of the inventory, and those that policies name.
  private static func services(_ set: PolicySet) -> Set<ServiceName> {
    var services: Set<ServiceName> = []
    func add(_ kind: ExactText, _ namespace: ExactText, _ name: ExactText) {
      guard let kind = ServiceName.Kind.allCases.first(where: { ExactText("\($0.name)") == kind }) else { return }
      services.insert(ServiceName(kind: kind, namespace: namespace, name: name))
    }
    for object in set.inventory { add(object.metadata.key.kind, object.metadata.key.namespace, object.metadata.key.name) }
    for policy in set.policies {
      guard case .targets(let references) = policy.attachment else { continue }
      for reference in references { add(reference.kind, policy.metadata.key.namespace, reference.name) }
    }
    return services
  }

  func knows(_ service: ServiceName) -> Bool { services.contains(service) }

  func find(_ name: Span<UInt8>) -> (namespace: ExactText, labels: [ExactText: ExactText])? {
    var key: [UInt8] = []
    for index in name.indices { key.append(name[index]) }
    return pods[key].map { ($0.namespace, $0.labels) }
  }
}
