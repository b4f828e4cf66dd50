// What the server believes of a request: the flags that stand between the wire and the policies.
// Enters: the command line. Leaves: values. Never here: a default that trusts more than a sidecar in front of its own workload needs.

/// How a request is read.
public struct Belief: Sendable {
  /// Who the peer is.
  public enum PeerIdentity: String, Sendable, CaseIterable {
    /// The certificate when the request carries one, else the principal as the proxy's word.
    case auto
    /// The certificate; whoever comes without one is denied, also who comes without anything.
    case certificate
  }

  /// What `remote.ip` means.
  public enum RemoteIP: Sendable, Hashable {
    /// The rightmost entry of X-Forwarded-For if it is an address, else the peer: what Istio's sidecars do.
    case sidecar
    /// The connection's peer.
    case direct
    /// The value of a header that the proxy sets.
    case header(String)
    /// The entry at this place from the right, counted from 1, of X-Forwarded-For as the server sees it.
    case forwardedFor(Int)

    /// Reads `sidecar`, `direct`, `header:NAME` or `xff:N`; `nil` for anything else.
    public init?(argument: String) {
      if argument == "sidecar" {
        self = .sidecar
      } else if argument == "direct" {
        self = .direct
      } else if argument.hasPrefix("header:"), argument.utf8.count > 7 {
        self = .header(argument.dropFirst(7).lowercased())
      } else if argument.hasPrefix("xff:"), let place = Int(argument.dropFirst(4)), (1...64).contains(place) {
        self = .forwardedFor(place)
      } else {
        return nil
      }
    }
  }

  /// Where claims come from.
  public enum Tokens: String, Sendable, CaseIterable {
    /// The metadata of the proxy's JWT filter; when it is absent there was no token.
    case trustProxy = "trust-proxy"
    /// The same, and only tokens count that an attached RequestAuthentication accepts: without one there are no claims; a token of another
    /// issuer or audience is denied, as Istio's proxy answers 401.
    case requestAuthentication = "request-authentication"
    /// Claims are never known.
    case unavailable
  }

  /// Who the peer is.
  public var peerIdentity = PeerIdentity.auto
  /// What `remote.ip` means.
  public var remoteIP = RemoteIP.sidecar
  /// Where claims come from.
  public var tokens = Tokens.trustProxy
  /// Whether paths are believed to be normalized without a look.
  public var trustsNormalization = false
  /// Whether a joined header with a comma counts as one line.
  public var acceptsJoinedHeaders = false
  /// Whether the workload may be inferred from the destination's principal or address.
  public var infersWorkload = false
  /// `namespace/[kind/]name`: the only workload that requests may be about.
  public var workload: String?
  /// The status of denials over HTTP, 400 to 599.
  public var denialStatus: UInt32 = 403

  /// The defaults of a sidecar in front of its own workload.
  public init() {}
}
