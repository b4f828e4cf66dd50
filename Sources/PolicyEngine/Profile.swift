// What kind of proxy enforces, and for which workload.

internal import PolicyModel

/// The kind of proxy that asks. Which policies attach and which gates stand depends on it (Istio: attachment).
public enum Profile: UInt8, Sendable, Hashable, CaseIterable {
  /// The sidecar of a workload, or a classic ingress gateway's pod.
  case sidecar
  /// A gateway; PeerAuthentication does not apply to its servers.
  case gateway
  /// ztunnel, the node's proxy in ambient mode: it decides connections, by less than Envoy sees. Never asked for over the wire.
  case ztunnel

  /// The word in hints and on the command line.
  public var name: StaticString {
    switch self {
    case .sidecar: "sidecar"
    case .gateway: "gateway"
    case .ztunnel: "ztunnel"
    }
  }
}

/// The label whose presence makes a pod a Gateway API pod (Istio: attachment, case B).
let gatewayNameLabel: ExactText = "gateway.networking.k8s.io/gateway-name"

/// The API group of `Gateway` target references.
let gatewayAPIGroup: ExactText = "gateway.networking.k8s.io"

extension AuthorizationPolicy.Attachment {
  /// Whether a policy in `namespace` attaches to a workload. Waypoints are not among the profiles, so references to services,
  /// service entries and gateway classes attach to nothing here. O(labels, references).
  func attaches(from namespace: ExactText, to workloadNamespace: ExactText, labels: [ExactText: ExactText], root: ExactText) -> Bool {
    guard namespace == root || namespace == workloadNamespace else { return false }
    switch self {
    case .selector(let selector):
      return selector.selects(labels)
    case .targets(let references):
      guard let gateway = labels[gatewayNameLabel], namespace == workloadNamespace else { return false }
      return references.contains { $0.group == gatewayAPIGroup && $0.kind == "Gateway" && $0.name == gateway }
    }
  }
}

extension PolicySet {
  /// Istio enforces CUSTOM rules in dry run, as DENY rules. Validation refuses such policies, so only those that passed it by are meant.
  var withCustomDryRunAsDeny: PolicySet {
    var set = self
    for index in set.policies.indices where set.policies[index].action == .custom && set.policies[index].isDryRun {
      set.policies[index].action = .deny
      set.policies[index].isDryRun = false
    }
    return set
  }
}

extension PolicySet {
  /// Every namespace that an object is in, or is.
  var namespaces: Set<ExactText> {
    var names = Set(policies.map(\.metadata.key.namespace))
    names.formUnion(peerAuthentications.map(\.metadata.key.namespace))
    names.formUnion(workloads.map(\.metadata.key.namespace))
    for object in inventory {
      let key = object.metadata.key
      names.insert(key.kind == "Namespace" ? key.name : key.namespace)
    }
    return names
  }
}
