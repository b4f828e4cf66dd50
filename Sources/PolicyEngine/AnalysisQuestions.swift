// What analyses ask the engine about single parts of a policy, so that they cannot read them otherwise than decisions do.
// Enters: an attachment and a proxy; one value of a rule and an identity. Leaves: yes or no. Never here: a decision.

package import PolicyModel

/// A proxy that policies may be attached to.
package struct ProxyPlace: Sendable {
  let scope: AttachmentScope

  /// The proxy of a workload with these labels, or a waypoint of such labels before a service.
  package init(
    namespace: ExactText, labels: [ExactText: ExactText], isWaypoint: Bool = false, service: ServiceName? = nil, root: ExactText
  ) {
    scope = AttachmentScope(namespace: namespace, labels: labels, isWaypoint: isWaypoint, service: service, root: root)
  }

  /// Whether the labels say that the pod is one of the Gateway API.
  package var isGatewayPod: Bool { scope.gateway != nil }
  /// Whether the labels say that the pod is a waypoint.
  package var isWaypointPod: Bool { scope.isWaypointPod }
}

extension AuthorizationPolicy.Attachment {
  /// Whether an object of `namespace` attaches to a proxy. O(labels, references).
  package func attaches(from namespace: ExactText, to place: ProxyPlace) -> Bool { attaches(from: namespace, to: place.scope) }
}

extension MeshSettings {
  /// Whether an identity satisfies one value of `principals`, `namespaces`, `serviceAccounts` or `trustDomains`, as Envoy compares; false for
  /// other attributes. O(bytes).
  package func admits(_ identity: SPIFFEID, _ value: ExactText, _ attribute: Attribute, policyNamespace: ExactText) -> Bool {
    switch attribute {
    case .sourcePrincipal, .sourceNamespace, .sourceServiceAccount, .sourceTrustDomain: break
    default: return false
    }
    var request = Request()
    request.addIdentity(identity.uri.bytes.span, kind: .uri)
    return ReferenceMatching(attribute: attribute, policyNamespace: policyNamespace, mesh: self).matches(value, request) == .yes
  }
}
