// What a client's proxy sends: the TLS of its DestinationRule, or what automatic mTLS chooses (Istio: pilot/pkg/networking/util,
// pilot/pkg/xds/endpoints/mtls_checker.go).
// Enters: a merged rule, a port, a subset; what the endpoint offers. Leaves: plaintext or a kind of TLS, and what made it so.
// Never here: whether the server takes it.

package import PolicyModel

/// What a client's proxy puts on the wire.
package enum ClientTransport: String, Sendable {
  /// Nothing is added to what the application sends.
  case plaintext
  /// The mesh's mutual TLS.
  case istioMutual
  /// TLS without a client certificate.
  case simple
  /// TLS with a certificate of the user's.
  case mutual
}

/// Why.
package enum ClientCause: String, Sendable {
  /// `tls` of a DestinationRule.
  case rule
  /// `credentialName` on a sidecar, which a rule without `workloadSelector` may not use.
  case credentialIgnored = "credential-ignored"
  /// The port's entry has no `tls`; the endpoint's mode is taken from the top level.
  case topLevelOfPort = "top-level-of-port"
  /// Automatic mTLS, and the endpoint takes it.
  case automatic
  /// Automatic mTLS, and the endpoint does not say that it takes mutual TLS.
  case endpointWithoutMutualTLS = "endpoint-without-mtls"
  /// Automatic mTLS, and the endpoint's own mode is DISABLE.
  case endpointDisabled = "endpoint-disabled"
  /// Automatic mTLS is not asked: mesh or namespace of the service say DISABLE.
  case serviceDisabled = "service-disabled"
  /// Automatic mTLS to a service whose endpoints the client chooses, one of which takes none.
  case headlessWithoutMutualTLS = "headless-without-mtls"
  /// Automatic mTLS to a service whose endpoints the client chooses, which all take it.
  case headless
  /// Automatic mTLS is off.
  case automaticOff = "automatic-off"
  /// The service is outside the mesh.
  case external
  /// The client's proxy reads no DestinationRules, or there is none.
  case application
}

/// What is sent, and why.
package struct ClientChoice: Sendable {
  /// On the wire.
  package var transport: ClientTransport
  /// Why.
  package var cause: ClientCause
  /// The settings that were used.
  package var tls: DestinationRule.ClientTLS?
  /// Where they are written: the field, and the object.
  package var place: (field: String, owner: ObjectMetadata, span: SourceSpan)?

  /// `DISABLE`, `SIMPLE`, … of a rule, `AUTO` of automatic mTLS, `-` where no proxy chooses.
  package var word: String {
    switch cause {
    case .rule, .credentialIgnored: tls?.mode.rawValue ?? "-"
    case .application, .external: "-"
    case .automaticOff: "NONE"
    default: "AUTO"
    }
  }
}

/// What a rule says about TLS on a port.
struct RuleTLS {
  /// `nil`: not set, which is not DISABLE.
  var tls: DestinationRule.ClientTLS?
  /// Where it, or its absence, was decided.
  var place: (field: String, owner: ObjectMetadata, span: SourceSpan)?
  /// The mode that the endpoint's check reads, which falls back to the top level of the same policy.
  var endpointMode: DestinationRule.ClientTLS.Mode?

  init(_ merged: MergedRule?, port: UInt32?, subset: ExactText?) {
    guard let merged else { return }
    let policy = merged.rule.trafficPolicy
    let owner = merged.policyOwner ?? merged.rule.metadata
    if let policy {
      if let entry = Self.entry(policy, port) {
        tls = entry.tls
        place = ("trafficPolicy.portLevelSettings", owner, entry.tls?.span ?? entry.span)
      } else {
        tls = policy.tls
        place = ("trafficPolicy.tls", owner, policy.tls?.span ?? policy.span)
      }
      endpointMode = Self.endpointMode(policy, port)
    }
    guard let subset, let found = merged.rule.subsets.first(where: { $0.name == subset }), let own = found.trafficPolicy else { return }
    let subsetOwner = merged.subsetOwners[subset] ?? owner
    if let entry = Self.entry(own, port) {
      tls = entry.tls
      place = ("subsets.\(subset).trafficPolicy.portLevelSettings", subsetOwner, entry.tls?.span ?? entry.span)
    } else if let set = own.tls {
      tls = set
      place = ("subsets.\(subset).trafficPolicy.tls", subsetOwner, set.span)
    }
    endpointMode = Self.endpointMode(own, port) ?? endpointMode
  }

  private static func entry(_ policy: DestinationRule.TrafficPolicy, _ port: UInt32?) -> DestinationRule.PortLevelSettings? {
    port.flatMap { port in policy.portLevelSettings.first { $0.port == port } }
  }

  private static func endpointMode(_ policy: DestinationRule.TrafficPolicy, _ port: UInt32?) -> DestinationRule.ClientTLS.Mode? {
    entry(policy, port)?.tls?.mode ?? policy.tls?.mode
  }
}

/// What automatic mTLS knows of a service and one of its endpoints.
struct AutomaticFacts {
  /// The mesh's `enableAutoMtls`.
  var isOn: Bool
  var isExternal: Bool
  /// The mode by namespace and mesh alone.
  var serviceMode: PeerAuthentication.Mode
  /// The endpoint's own mode on the port.
  var endpointMode: PeerAuthentication.Mode
  var advertisesMutualTLS: Bool
  var isHeadless: Bool
  var allAdvertise: Bool
}

extension ClientChoice {
  /// What an Envoy with this rule sends. `isGateway`: gateways read secrets themselves.
  init(_ merged: MergedRule?, port: UInt32?, subset: ExactText?, isGateway: Bool, _ facts: AutomaticFacts) {
    let rule = RuleTLS(merged, port: port, subset: subset)
    if let tls = rule.tls {
      let isIgnored =
        tls.credentialName != nil && (tls.mode == .simple || tls.mode == .mutual) && !isGateway && merged?.rule.workloadSelector == nil
      let transport: ClientTransport =
        switch tls.mode {
        case .disable: .plaintext
        case .istioMutual: .istioMutual
        case .simple: isIgnored ? .plaintext : .simple
        case .mutual: isIgnored ? .plaintext : .mutual
        }
      self.init(transport: transport, cause: isIgnored ? .credentialIgnored : .rule, tls: tls, place: rule.place)
      return
    }
    let (transport, cause) = Self.automatic(rule.endpointMode, facts)
    self.init(transport: transport, cause: cause, tls: nil, place: cause == .topLevelOfPort ? rule.place : nil)
  }

  private static func automatic(
    _ ruleMode: DestinationRule.ClientTLS.Mode?, _ facts: AutomaticFacts
  ) -> (ClientTransport, ClientCause) {
    if facts.isExternal { return (.plaintext, .external) }
    if !facts.isOn { return (.plaintext, .automaticOff) }
    if facts.serviceMode == .disable { return (.plaintext, .serviceDisabled) }
    if facts.isHeadless {
      return facts.allAdvertise ? (.istioMutual, .headless) : (.plaintext, .headlessWithoutMutualTLS)
    }
    if !facts.advertisesMutualTLS { return (.plaintext, .endpointWithoutMutualTLS) }
    if let ruleMode { return (ruleMode == .istioMutual ? .istioMutual : .plaintext, .topLevelOfPort) }
    return facts.endpointMode == .disable ? (.plaintext, .endpointDisabled) : (.istioMutual, .automatic)
  }
}
