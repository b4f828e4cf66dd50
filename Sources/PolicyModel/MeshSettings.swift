// The mesh-wide settings that decide what a policy means.

/// Istio's MeshConfig, as far as decisions depend on it.
public struct MeshSettings: Sendable, Hashable {
  /// `trustDomain`: what `cluster.local` in a policy stands for.
  public var trustDomain: ExactText
  /// `trustDomainAliases`.
  public var trustDomainAliases: [ExactText]
  /// `rootNamespace`: its policies apply to all namespaces.
  public var rootNamespace: ExactText
  /// `pathNormalization.normalization`.
  public var pathNormalization: PathNormalization
  /// Providers of CUSTOM rules that the proxy asks itself, or that are this server: their rules add no denial here.
  public var delegatedProviders: Set<ExactText>
  /// `extensionProviders` by name; `nil` when nobody said which there are.
  public var extensionProviders: [ExactText: ExtensionProvider]?

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

  /// The mesh's trust domain and its aliases.
  public var allTrustDomains: [ExactText] { [trustDomain] + trustDomainAliases }

  /// Istio's defaults.
  public init(
    trustDomain: ExactText = "cluster.local", trustDomainAliases: [ExactText] = [], rootNamespace: ExactText = "istio-system",
    pathNormalization: PathNormalization = .base, delegatedProviders: Set<ExactText> = [],
    extensionProviders: [ExactText: ExtensionProvider]? = nil
  ) {
    self.trustDomain = trustDomain
    self.trustDomainAliases = trustDomainAliases
    self.rootNamespace = rootNamespace
    self.pathNormalization = pathNormalization
    self.delegatedProviders = delegatedProviders
    self.extensionProviders = extensionProviders
  }
}
