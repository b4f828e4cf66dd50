// A provider that CUSTOM policies name (Istio: MeshConfig `extensionProviders`).

/// One entry of `extensionProviders`, as far as decisions depend on it.
public struct ExtensionProvider: Sendable, Hashable {
  /// What it is.
  public var kind: Kind
  /// `service`: a host name, `namespace/host`, or an address; empty for `other`.
  public var service: ExactText = ""
  /// `port` of the service; `nil` for `other`, or when it is out of range.
  public var port: UInt16?
  /// `failOpen`: a provider that gives no answer allows.
  public var failsOpen = false
  /// `statusOnError`: the HTTP status when the provider gives no answer; 403 when `nil`.
  public var statusOnError: UInt16?
  /// `timeout` in milliseconds; 600 s when `nil` (Istio).
  public var timeoutMilliseconds: Int64?
  /// False for one that Istio cannot use: it turns the CUSTOM rules that name it into DENY rules.
  public var isUsable = true

  /// What a provider is.
  public enum Kind: Sendable, Hashable {
    /// `envoyExtAuthzHttp`: on TCP chains, policies with it are skipped (Istio).
    case extAuthzHTTP
    /// `envoyExtAuthzGrpc`.
    case extAuthzGRPC
    /// A provider for something else than authorization, or an entry that names no provider (empty): no CUSTOM policy can use it.
    case other(ExactText)

    /// Whether CUSTOM policies can use it.
    public var isAuthorization: Bool {
      switch self {
      case .extAuthzHTTP, .extAuthzGRPC: true
      case .other: false
      }
    }
  }

  /// Makes a provider with the defaults of Istio's API.
  public init(kind: Kind) {
    self.kind = kind
  }
}
