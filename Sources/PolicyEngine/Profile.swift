// What kind of proxy enforces, and what attaches to it.
// Enters: a policy's attachment, and a proxy. Leaves: whether the one concerns the other (Istio, pilot/pkg/model/policyattachment).
// Never here: rules.

public import PolicyModel

/// The kind of proxy that asks. Which policies attach and which gates stand depends on it (Istio: attachment).
public enum Profile: UInt8, Sendable, Hashable, CaseIterable {
  /// The sidecar of a workload, or a classic ingress gateway's pod.
  case sidecar
  /// A gateway; PeerAuthentication does not apply to its servers.
  case gateway
  /// A waypoint: it terminates HBONE for the service that is addressed.
  case waypoint
  /// ztunnel, the node's proxy in ambient mode: it decides connections, by less than Envoy sees. Never asked for over the wire.
  case ztunnel

  /// The word in hints and on the command line.
  public var name: StaticString {
    switch self {
    case .sidecar: "sidecar"
    case .gateway: "gateway"
    case .waypoint: "waypoint"
    case .ztunnel: "ztunnel"
    }
  }
}

/// The service that traffic through a waypoint is addressed to.
public struct ServiceName: Sendable, Hashable {
  /// Where the service is registered; references of policies name one kind or the other.
  public enum Kind: Sendable, Hashable, CaseIterable {
    /// A Kubernetes service.
    case service
    /// A host of a ServiceEntry, by the entry's own name.
    case serviceEntry

    /// The kind in Kubernetes.
    public var name: StaticString {
      switch self {
      case .service: "Service"
      case .serviceEntry: "ServiceEntry"
      }
    }
  }

  /// Where the service is registered.
  public var kind: Kind
  /// The object's namespace.
  public var namespace: ExactText
  /// The object's name.
  public var name: ExactText

  /// Names a service.
  public init(kind: Kind = .service, namespace: ExactText, name: ExactText) {
    self.kind = kind
    self.namespace = namespace
    self.name = name
  }

  /// Reads `namespace/name` or `namespace/kind/name`; `nil` for anything else.
  public init?(_ text: String) {
    let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { ExactText(String($0) ?? "") }
    guard parts.count == 2 || parts.count == 3, !parts.contains("") else { return nil }
    let kind: Kind? =
      switch parts.count == 2 ? "service" : parts[1].string.lowercased() {
      case "service": .service
      case "serviceentry": .serviceEntry
      default: nil
      }
    guard let kind else { return nil }
    self.init(kind: kind, namespace: parts[0], name: parts[parts.count - 1])
  }
}

/// The proxy whose policies are looked for.
struct AttachmentScope {
  /// The namespace of the proxy's pod.
  let namespace: ExactText
  /// The labels of the proxy's pod.
  let labels: [ExactText: ExactText]
  /// Whether it is a waypoint, and then the service that is addressed; `nil` for traffic to a workload's own address.
  let isWaypoint: Bool
  let service: ServiceName?
  /// The mesh's root namespace.
  let root: ExactText

  /// The namespaces in which policies for the proxy are looked for, each once.
  var namespaces: [ExactText] {
    var names = [root]
    for name in [namespace, service?.namespace].compactMap({ $0 }) where !names.contains(name) { names.append(name) }
    return names
  }

  /// Every reference that can mean the proxy or the service behind it, as it may be written.
  var references: [AuthorizationPolicy.TargetReference] {
    guard let gateway else { return [] }
    var found = [AuthorizationPolicy.TargetReference(group: gatewayAPIGroup, kind: "Gateway", name: gateway)]
    guard isWaypoint else { return found }
    found.append(AuthorizationPolicy.TargetReference(group: gatewayAPIGroup, kind: "GatewayClass", name: waypointClass))
    switch service?.kind {
    case .service:
      for group: ExactText in ["", "core"] {
        found.append(AuthorizationPolicy.TargetReference(group: group, kind: "Service", name: service?.name ?? ""))
      }
    case .serviceEntry:
      found.append(AuthorizationPolicy.TargetReference(group: "networking.istio.io", kind: "ServiceEntry", name: service?.name ?? ""))
    case nil: break
    }
    return found
  }

  /// Whether the labels say that the pod is a waypoint; asked about as another kind of proxy, it would lose the policies of its services.
  var isWaypointPod: Bool { labels[gatewayClassLabel] == waypointClass }

  /// The Gateway whose pod this is, if any: the presence of the label makes a pod one of the Gateway API, whatever the proxy is.
  var gateway: ExactText? { labels[gatewayNameLabel] }
}

/// The label whose presence makes a pod a Gateway API pod (Istio: attachment, case B).
let gatewayNameLabel: ExactText = "gateway.networking.k8s.io/gateway-name"

/// The label with which Istio marks the pods of a Gateway's class.
let gatewayClassLabel: ExactText = "gateway.networking.k8s.io/gateway-class-name"

/// The API group of `Gateway` and `GatewayClass` target references.
let gatewayAPIGroup: ExactText = "gateway.networking.k8s.io"

/// The only GatewayClass that policies can name: that of waypoints.
let waypointClass: ExactText = "istio-waypoint"

extension AuthorizationPolicy.Attachment {
  /// Whether a policy in `namespace` attaches to a proxy. O(labels, references).
  func attaches(from namespace: ExactText, to scope: AttachmentScope) -> Bool {
    guard scope.namespaces.contains(namespace) else { return false }
    switch self {
    case .selector(let selector):
      // Waypoints with the label of their Gateway know no selectors, not even the empty one.
      return !(scope.isWaypoint && scope.gateway != nil) && selector.selects(scope.labels)
        && (namespace == scope.root || namespace == scope.namespace)
    case .targets(let references):
      guard let gateway = scope.gateway else { return false }
      return references.contains { $0.names(scope, gateway: gateway, from: namespace) }
    }
  }
}

extension AuthorizationPolicy.TargetReference {
  /// Whether a reference of a policy in `namespace` means the proxy, or the service behind it.
  fileprivate func names(_ scope: AttachmentScope, gateway: ExactText, from namespace: ExactText) -> Bool {
    switch (group, kind) {
    case (gatewayAPIGroup, "Gateway"):
      return name == gateway && namespace == scope.namespace
    case (gatewayAPIGroup, "GatewayClass"):
      return scope.isWaypoint && name == waypointClass && namespace == scope.root
    case ("", "Service"), ("core", "Service"):
      return scope.isWaypoint && scope.service == ServiceName(namespace: namespace, name: name)
    case ("networking.istio.io", "ServiceEntry"):
      return scope.isWaypoint && scope.service == ServiceName(kind: .serviceEntry, namespace: namespace, name: name)
    default:
      return false
    }
  }
}
