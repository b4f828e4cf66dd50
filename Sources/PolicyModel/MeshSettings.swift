// The mesh-wide settings that decide what a policy means.

/// Istio's MeshConfig, as far as decisions depend on it.
public struct MeshSettings: Sendable, Hashable {
  /// `trustDomain`: what `cluster.local` in a policy stands for.
  public var trustDomain: ExactText
  /// `trustDomainAliases`.
  public var trustDomainAliases: [ExactText]
  /// Further trust domains whose peers the proxies' mutual TLS takes (Istio: those of the mesh's `caCertificates`). Policies do not know
  /// them: no principal and no trust domain of a rule stands for one of these.
  public var acceptedTrustDomains: [ExactText]
  /// `rootNamespace`: its policies apply to all namespaces.
  public var rootNamespace: ExactText
  /// `pathNormalization.normalization`.
  public var pathNormalization: PathNormalization
  /// Providers of CUSTOM rules that the proxy asks itself, or that are this server: their rules add no denial here.
  public var delegatedProviders: Set<ExactText>
  /// `extensionProviders` by name; `nil` when nobody said which there are.
  public var extensionProviders: [ExactText: ExtensionProvider]?

  /// Whether the CUSTOM policies of one workload may name several providers (Istio: the feature flag
  /// `PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS`); otherwise all their rules deny.
  public var allowsSeveralCustomProviders: Bool
  /// What the mesh's proxies do as older releases of Istio and Envoy did.
  public var olderBehaviors: Set<OlderBehavior>
  /// `enableAutoMtls`: clients without a `tls` of their own use mutual TLS where the server takes it. No decision depends on it.
  public var enablesAutoMTLS = true
  /// `defaultDestinationRuleExportTo`: who sees a DestinationRule without `exportTo`; empty means everybody. No decision depends on it.
  public var destinationRuleExport: [ExactText] = []

  /// Something that older releases did otherwise.
  public enum OlderBehavior: String, Sendable, CaseIterable {
    /// Repeated header lines were joined by commas before they were matched (before Envoy 1.34.13, 1.35.8, 1.36.5, 1.37.1; Istio
    /// 1.27.8, 1.28.5, 1.29.1).
    case joinedHeaderLines = "joined-header-lines"
    /// Dots in namespaces, service accounts and principals that begin with a star matched any character (before Istio 1.28.10,
    /// 1.29.5, 1.30.0).
    case unquotedDots = "unquoted-dots"
    /// `..;` and `.;` in paths were ordinary segments (seen resolved in Envoy 1.40; Istio's own tests expect them unchanged).
    case literalDotParameters = "literal-dot-parameters"
  }

  /// How the proxy normalizes request paths before policies see them (Istio: path normalization).
  public enum PathNormalization: String, Sendable, CaseIterable {
    /// As received.
    case none = "NONE"
    /// RFC 3986 dot segments, unreserved escapes and backslashes; also Istio's `DEFAULT`.
    case base = "BASE"
    /// `base`, then runs of slashes become one.
    case mergeSlashes = "MERGE_SLASHES"
    /// Escaped slashes are decoded first, then as `mergeSlashes`.
    case decodeAndMergeSlashes = "DECODE_AND_MERGE_SLASHES"
  }

  /// The mesh's trust domain and its aliases: what a policy can mean by one of them.
  public var allTrustDomains: [ExactText] { [trustDomain] + trustDomainAliases }

  /// Istio's defaults.
  public init(
    trustDomain: ExactText = "cluster.local", trustDomainAliases: [ExactText] = [], acceptedTrustDomains: [ExactText] = [],
    rootNamespace: ExactText = "istio-system", pathNormalization: PathNormalization = .base, delegatedProviders: Set<ExactText> = [],
    extensionProviders: [ExactText: ExtensionProvider]? = nil, allowsSeveralCustomProviders: Bool = false,
    olderBehaviors: Set<OlderBehavior> = []
  ) {
    self.trustDomain = trustDomain
    self.trustDomainAliases = trustDomainAliases
    self.acceptedTrustDomains = acceptedTrustDomains
    self.rootNamespace = rootNamespace
    self.pathNormalization = pathNormalization
    self.delegatedProviders = delegatedProviders
    self.extensionProviders = extensionProviders
    self.allowsSeveralCustomProviders = allowsSeveralCustomProviders
    self.olderBehaviors = olderBehaviors
  }
}
