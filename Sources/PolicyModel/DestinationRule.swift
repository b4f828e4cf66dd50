// Istio's DestinationRule, as far as it decides whether a client speaks TLS to a service.
// Enters: decoded objects of networking.istio.io v1, v1beta1 and v1alpha3. Leaves: host, visibility and TLS settings, as written.
// Never here: load balancing and connection pools, which are checked and dropped; the merge of several rules for one host.

/// One DestinationRule.
public struct DestinationRule: Sendable {
  /// Name, namespace, place and age: of rules for one host, older ones are merged first (Istio).
  public var metadata: ObjectMetadata
  /// `spec.host` as written: a text without a dot is a service of the rule's own namespace.
  public var host: Located<ExactText>
  /// `spec.trafficPolicy`.
  public var trafficPolicy: TrafficPolicy?
  /// `spec.subsets`.
  public var subsets: [Subset]
  /// `spec.exportTo` as written: `.`, `*` and namespaces; empty means the mesh's default.
  public var exportTo: [ExactText]
  /// `spec.workloadSelector`: only these clients of the rule's own namespace use it; `nil` when it is not written.
  public var workloadSelector: LabelSelector?

  /// What `trafficPolicy` says about TLS, of the whole rule or of a subset.
  public struct TrafficPolicy: Sendable {
    /// `tls`; `nil` when it is not written, which leaves the choice to automatic mTLS.
    public var tls: ClientTLS?
    /// `portLevelSettings`; an entry replaces the whole policy on its port, also where it names no `tls`.
    public var portLevelSettings: [PortLevelSettings]
    /// Where it is written.
    public var span: SourceSpan

    /// Makes a policy.
    public init(tls: ClientTLS? = nil, portLevelSettings: [PortLevelSettings] = [], span: SourceSpan = .nowhere) {
      self.tls = tls
      self.portLevelSettings = portLevelSettings
      self.span = span
    }
  }

  /// One entry of `portLevelSettings`.
  public struct PortLevelSettings: Sendable {
    /// The service's port.
    public var port: UInt32
    /// `tls`; `nil` when it is not written.
    public var tls: ClientTLS?
    /// Where the entry is written.
    public var span: SourceSpan

    /// Makes an entry.
    public init(port: UInt32, tls: ClientTLS? = nil, span: SourceSpan = .nowhere) {
      self.port = port
      self.tls = tls
      self.span = span
    }
  }

  /// One entry of `subsets`.
  public struct Subset: Sendable {
    /// The name that routes use.
    public var name: ExactText
    /// The labels of its endpoints.
    public var labels: [ExactText: ExactText]
    /// Its own policy.
    public var trafficPolicy: TrafficPolicy?
    /// Where the entry is written.
    public var span: SourceSpan

    /// Makes a subset.
    public init(
      name: ExactText, labels: [ExactText: ExactText] = [:], trafficPolicy: TrafficPolicy? = nil, span: SourceSpan = .nowhere
    ) {
      self.name = name
      self.labels = labels
      self.trafficPolicy = trafficPolicy
      self.span = span
    }
  }

  /// `tls`: how a client secures its connections.
  public struct ClientTLS: Sendable, Hashable {
    /// `mode`; a `tls` without a mode is `DISABLE`, not "unset" (Istio).
    public var mode: Mode
    /// `credentialName`, a secret, or a ConfigMap by `configmap://`.
    public var credentialName: ExactText?
    /// `clientCertificate`, a file.
    public var clientCertificate: ExactText?
    /// `privateKey`, a file.
    public var privateKey: ExactText?
    /// `caCertificates`, a file.
    public var caCertificates: ExactText?
    /// `caCrl`, a file.
    public var caCRL: ExactText?
    /// `sni`.
    public var sni: ExactText?
    /// `subjectAltNames` that the server's certificate must have one of.
    public var subjectAltNames: [ExactText] = []
    /// `insecureSkipVerify`.
    public var skipsVerification = false
    /// Where it is written.
    public var span: SourceSpan

    /// How a client connects.
    public enum Mode: String, Sendable, CaseIterable {
      /// Plaintext.
      case disable = "DISABLE"
      /// TLS without a client certificate.
      case simple = "SIMPLE"
      /// TLS with a client certificate of the user.
      case mutual = "MUTUAL"
      /// TLS with the mesh's own certificates.
      case istioMutual = "ISTIO_MUTUAL"
    }

    /// Makes settings without files and names.
    public init(mode: Mode = .disable, span: SourceSpan = .nowhere) {
      self.mode = mode
      self.span = span
    }
  }

  /// Makes a rule.
  public init(
    metadata: ObjectMetadata, host: Located<ExactText>, trafficPolicy: TrafficPolicy? = nil, subsets: [Subset] = [],
    exportTo: [ExactText] = [], workloadSelector: LabelSelector? = nil
  ) {
    self.metadata = metadata
    self.host = host
    self.trafficPolicy = trafficPolicy
    self.subsets = subsets
    self.exportTo = exportTo
    self.workloadSelector = workloadSelector
  }
}
