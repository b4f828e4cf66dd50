// Istio's PeerAuthentication: whether a workload accepts plaintext.

/// One PeerAuthentication.
public struct PeerAuthentication: Sendable {
  /// Name, namespace, age and place.
  public var metadata: ObjectMetadata
  /// `spec.selector`; without labels the object is for its namespace, or for the mesh in the root namespace.
  public var selector: LabelSelector
  /// `spec.mtls.mode`; `nil` is UNSET (inherited).
  public var mode: Mode?
  /// `spec.portLevelMtls`: container port to mode; a `nil` mode is UNSET.
  public var portModes: [UInt16: Mode?]

  /// What the server side of a workload accepts.
  public enum Mode: String, Sendable {
    /// Plaintext only.
    case disable = "DISABLE"
    /// mTLS and plaintext.
    case permissive = "PERMISSIVE"
    /// mTLS only.
    case strict = "STRICT"
  }

  /// Makes an object.
  public init(
    metadata: ObjectMetadata, selector: LabelSelector = LabelSelector(), mode: Mode? = nil, portModes: [UInt16: Mode?] = [:]
  ) {
    self.metadata = metadata
    self.selector = selector
    self.mode = mode
    self.portModes = portModes
  }
}
