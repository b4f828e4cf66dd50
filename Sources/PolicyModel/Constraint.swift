// One constraint of a policy: an attribute of the request and the texts that it may and may not be.
// Enters: a field (`principals`/`notPrincipals`) or a `when` entry. Leaves: attribute, values, notValues.
// Never here: what a value means; that differs by attribute and is the engine's matter (istio: "matching, field by field").

/// "The attribute is one of `values` and none of `notValues`"; a list that is empty demands nothing.
public struct Constraint: Sendable {
  /// What is compared.
  public var attribute: Attribute
  /// What it must be, any of them.
  public var values: [Located<ExactText>]
  /// What it must not be, none of them. Holds when the attribute is missing.
  public var notValues: [Located<ExactText>]
  /// Where the field's name or the condition's key is written.
  public var span: SourceSpan

  /// Makes a constraint.
  public init(
    _ attribute: Attribute, values: [Located<ExactText>] = [], notValues: [Located<ExactText>] = [], span: SourceSpan = .nowhere
  ) {
    self.attribute = attribute
    self.values = values
    self.notValues = notValues
    self.span = span
  }

  /// Whether it demands nothing: Envoy is given no trace of it, whatever its attribute (Istio: each half is generated only with values).
  /// Unlike Envoy, ztunnel sees that it was written.
  package var demandsNothing: Bool { values.isEmpty && notValues.isEmpty }
}

/// What a constraint compares.
public enum Attribute: Sendable, Hashable {
  /// `principals`, `source.principal`.
  case sourcePrincipal
  /// `namespaces`, `source.namespace`.
  case sourceNamespace
  /// `serviceAccounts`, `source.serviceAccount`.
  case sourceServiceAccount
  /// `trustDomains`, `source.trustDomain`.
  case sourceTrustDomain
  /// `ipBlocks`, `source.ip`: the connection's peer.
  case sourceIP
  /// `remoteIpBlocks`, `remote.ip`: the derived client.
  case remoteIP
  /// `requestPrincipals`, `request.auth.principal`.
  case requestPrincipal
  /// `request.auth.audiences`.
  case requestAudiences
  /// `request.auth.presenter`.
  case requestPresenter
  /// `request.auth.claims[a][b]`: the path of claim names.
  case requestClaim([ExactText])
  /// `request.headers[name]`, the name as written.
  case requestHeader(ExactText)
  /// `hosts`.
  case host
  /// `methods`.
  case method
  /// `paths`.
  case path
  /// `ports`, `destination.port`.
  case destinationPort
  /// `destination.ip`.
  case destinationIP
  /// `connection.sni`.
  case sni
  /// `experimental.envoy.filters.NAME[KEY]`.
  case envoyMetadata(filter: ExactText, key: ExactText)
  /// A `when` key that passes Istio's validation and fails its generation, such as `request.headersX[a]`: an ALLOW rule with it is
  /// dropped, in other rules the condition is.
  case malformedKey(ExactText)
  /// A `when` key that Istio does not know: a rule with it is dropped, whatever its action. Validation refuses it.
  case unknownKey(ExactText)

  /// Whether only HTTP requests have it (Istio: attribute layer on Envoy).
  public var isHTTP: Bool {
    switch self {
    case .requestPrincipal, .requestAudiences, .requestPresenter, .requestClaim, .requestHeader, .host, .method, .path: true
    default: false
    }
  }

  /// The attribute as a `when` key or, where there is none, as the field's name.
  public var description: String {
    switch self {
    case .sourcePrincipal: "source.principal"
    case .sourceNamespace: "source.namespace"
    case .sourceServiceAccount: "source.serviceAccount"
    case .sourceTrustDomain: "source.trustDomain"
    case .sourceIP: "source.ip"
    case .remoteIP: "remote.ip"
    case .requestPrincipal: "request.auth.principal"
    case .requestAudiences: "request.auth.audiences"
    case .requestPresenter: "request.auth.presenter"
    case .requestClaim(let path): "request.auth.claims" + path.map { "[\($0)]" }.joined()
    case .requestHeader(let name): "request.headers[\(name)]"
    case .host: "hosts"
    case .method: "methods"
    case .path: "paths"
    case .destinationPort: "destination.port"
    case .destinationIP: "destination.ip"
    case .sni: "connection.sni"
    // The filter's name begins with `envoy.filters.`, which the key has once.
    case .envoyMetadata(let filter, let key): "experimental.\(filter)[\(key)]"
    case .malformedKey(let key), .unknownKey(let key): key.string
    }
  }
}
