// Istio's RequestAuthentication: which tokens a workload accepts, and which of their claims policies see as lists.
// Enters: decoded objects of security.istio.io v1 and v1beta1. Leaves: attachment and rules, as written.
// Never here: a token; the proxy verifies tokens, this only says which ones it was told to.

/// One RequestAuthentication. All objects attached to a workload contribute all of their rules (Istio: no "oldest wins").
public struct RequestAuthentication: Sendable {
  /// Name, namespace and place.
  public var metadata: ObjectMetadata
  /// Which workloads it attaches to, by the rules of AuthorizationPolicy.
  public var attachment: AuthorizationPolicy.Attachment
  /// `spec.jwtRules`; without rules the object has no effect.
  public var jwtRules: [JWTRule]

  /// Makes an object.
  public init(
    metadata: ObjectMetadata, attachment: AuthorizationPolicy.Attachment = .selector(LabelSelector()), jwtRules: [JWTRule] = []
  ) {
    self.metadata = metadata
    self.attachment = attachment
    self.jwtRules = jwtRules
  }
}

/// One token issuer that a workload accepts.
public struct JWTRule: Sendable, Hashable {
  /// `issuer`: the token's `iss`; `nil` accepts any issuer whose key verifies the token.
  public var issuer: ExactText?
  /// `audiences`: one of them must be in the token's `aud`; empty accepts any.
  public var audiences: [ExactText] = []
  /// Where the keys are.
  public var keys: Keys = .discovered
  /// `fromHeaders`.
  public var fromHeaders: [HeaderLocation] = []
  /// `fromParams`: query parameters.
  public var fromParams: [ExactText] = []
  /// `fromCookies`.
  public var fromCookies: [ExactText] = []
  /// `outputPayloadToHeader`: the header that carries the verified payload to the workload.
  public var outputPayloadToHeader: ExactText?
  /// `forwardOriginalToken`: whether the workload sees the token.
  public var forwardsOriginalToken = false
  /// `outputClaimToHeaders`.
  public var outputClaimToHeaders: [ClaimHeader] = []
  /// `timeout` of fetching keys, in milliseconds.
  public var timeoutMilliseconds: Int64?
  /// `spaceDelimitedClaims`: claims that policies see split at spaces, besides `scope` and `permission`.
  public var spaceDelimitedClaims: [ExactText] = []
  /// `presence: REQUIRED`: a request without this token is refused with 401, whatever other tokens it has.
  public var isRequired = false
  /// Where the rule is written.
  public var span: SourceSpan = .nowhere

  /// Where the keys of an issuer are.
  public enum Keys: Sendable, Hashable {
    /// Found by OpenID Connect discovery from the issuer.
    case discovered
    /// `jwksUri`.
    case uri(ExactText)
    /// `jwks`: the key set itself, as JSON text.
    case inline(ExactText)
  }

  /// A header with a token.
  public struct HeaderLocation: Sendable, Hashable {
    /// The header's name.
    public var name: ExactText
    /// The text in front of the token, such as `Bearer `; empty for none.
    public var prefix: ExactText

    /// Names a header.
    public init(name: ExactText, prefix: ExactText = "") {
      self.name = name
      self.prefix = prefix
    }
  }

  /// A claim that is copied to a header of the verified request.
  public struct ClaimHeader: Sendable, Hashable {
    /// The header that is set.
    public var header: ExactText
    /// The claim's name; dots separate nested names.
    public var claim: ExactText

    /// Pairs a claim with its header.
    public init(header: ExactText, claim: ExactText) {
      self.header = header
      self.claim = claim
    }
  }

  /// Makes a rule; the other fields have the defaults of Istio's API.
  public init(issuer: ExactText? = nil) {
    self.issuer = issuer
  }
}
