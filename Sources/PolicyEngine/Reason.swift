// Verdicts and the one closed table of reasons.
// Enters: nothing. Leaves: codes that appear in replies, logs and JSON, and never change their meaning.
// Never here: text for people beyond one line a code; `docs/reasons.md` lists the same table.

/// The outcome of a decision. The zero value is *deny*, so that forgotten memory never allows.
public enum Verdict: UInt8, Sendable, Hashable {
  /// The request must not pass.
  case deny = 0
  /// The request may pass.
  case allow = 1
  /// The answer depends on something that is not known; on the wire this is a denial.
  case undecided = 2

  /// The word in JSON and text.
  public var name: StaticString {
    switch self {
    case .deny: "deny"
    case .allow: "allow"
    case .undecided: "undecided"
    }
  }
}

/// Why a decision is what it is.
public enum Reason: UInt8, BitwiseCopyable, Sendable, Hashable, CaseIterable {
  // Denials that no policy made.
  case internalError = 0
  case badHint
  case wrongWorkload
  case unknownWorkload
  case ambiguousWorkload
  case unsupportedProfile
  case peerCertificateRejected
  case peerCertificateMissing
  case peerIdentityTooLong
  case policyUnusable
  case unknownService
  // The server mode.
  case mtlsRequired
  case untrustedDomain
  // The token.
  case tokenRequired
  case tokenRejected
  // The policies.
  case customProviderUnusable
  case deniedByPolicy
  case noAllowMatched
  case allowedByPolicy
  case allowedByDefault
  // What is not known.
  case customProvider
  case unknownPeer
  case unknownPort
  case unknownSourceIP
  case unknownRemoteIP
  case unknownDestinationIP
  case unknownSNI
  case unknownMethod
  case unknownHost
  case unknownPath
  case pathNotNormalized
  case unknownHeaders
  case ambiguousHeader
  case unknownClaims
  case unknownMetadata

  /// The stable code in replies, logs and JSON.
  public var code: StaticString {
    switch self {
    case .internalError: "internal-error"
    case .badHint: "bad-hint"
    case .wrongWorkload: "wrong-workload"
    case .unknownWorkload: "unknown-workload"
    case .ambiguousWorkload: "ambiguous-workload"
    case .unsupportedProfile: "unsupported-profile"
    case .peerCertificateRejected: "peer-certificate-rejected"
    case .peerCertificateMissing: "peer-certificate-missing"
    case .peerIdentityTooLong: "peer-identity-too-long"
    case .policyUnusable: "policy-unusable"
    case .unknownService: "unknown-service"
    case .mtlsRequired: "mtls-required"
    case .untrustedDomain: "untrusted-domain"
    case .tokenRequired: "token-required"
    case .tokenRejected: "token-rejected"
    case .customProviderUnusable: "custom-provider-unusable"
    case .deniedByPolicy: "denied-by-policy"
    case .noAllowMatched: "no-allow-matched"
    case .allowedByPolicy: "allowed-by-policy"
    case .allowedByDefault: "allowed-by-default"
    case .customProvider: "custom-provider"
    case .unknownPeer: "unknown-peer"
    case .unknownPort: "unknown-port"
    case .unknownSourceIP: "unknown-source-ip"
    case .unknownRemoteIP: "unknown-remote-ip"
    case .unknownDestinationIP: "unknown-destination-ip"
    case .unknownSNI: "unknown-sni"
    case .unknownMethod: "unknown-method"
    case .unknownHost: "unknown-host"
    case .unknownPath: "unknown-path"
    case .pathNotNormalized: "path-not-normalized"
    case .unknownHeaders: "unknown-headers"
    case .ambiguousHeader: "ambiguous-header"
    case .unknownClaims: "unknown-claims"
    case .unknownMetadata: "unknown-metadata"
    }
  }

  /// One line for people.
  public var explanation: StaticString {
    switch self {
    case .internalError: "the decision could not be made; this is a defect"
    case .badHint: "a hint of the proxy's configuration is malformed, unknown or contradicts another"
    case .wrongWorkload: "the request names a workload other than the one this server is pinned to"
    case .unknownWorkload: "nothing in the request names a workload that is known here"
    case .ambiguousWorkload: "several workloads with different policies fit the request"
    case .unsupportedProfile: "the proxy is of another kind than the profile says"
    case .peerCertificateRejected: "the peer's certificate is malformed, untrusted or outside its validity"
    case .peerCertificateMissing: "the peer has no certificate, and one is demanded"
    case .peerIdentityTooLong: "an identity of the peer is longer than the limit, or there are too many"
    case .unknownService: "a waypoint asks and does not say which service is addressed"
    case .policyUnusable: "a policy that could apply here is broken and has no last good version"
    case .mtlsRequired: "PeerAuthentication is STRICT and the peer has no verified identity"
    case .untrustedDomain: "none of the peer's SPIFFE identities is of a trust domain that the mesh accepts"
    case .tokenRequired: "a RequestAuthentication demands a token, and there is none"
    case .tokenRejected: "no RequestAuthentication that applies accepts the token's issuer and audience"
    case .customProviderUnusable:
      "a CUSTOM rule matched, and its provider is missing or broken, or several providers apply: Istio denies then"
    case .deniedByPolicy: "a DENY rule matched"
    case .noAllowMatched: "ALLOW policies apply and no rule of theirs matched"
    case .allowedByPolicy: "an ALLOW rule matched"
    case .allowedByDefault: "no ALLOW policy applies and no DENY rule matched"
    case .customProvider: "a CUSTOM rule matched; its provider's answer is not known here"
    case .unknownPeer: "who calls is not known"
    case .unknownPort: "the destination port that policies mean is not known"
    case .unknownSourceIP: "the address of the connection's peer is not known"
    case .unknownRemoteIP: "the client's address is not known"
    case .unknownDestinationIP: "the destination address is not known"
    case .unknownSNI: "the server name of the TLS handshake is not known"
    case .unknownMethod: "the request's method is not known"
    case .unknownHost: "the request's host is not known"
    case .unknownPath: "the request's path is not known"
    case .pathNotNormalized: "the path is not normalized as the mesh demands, so the proxy would not match it as it stands"
    case .unknownHeaders: "the request's headers are not known"
    case .ambiguousHeader: "a header that a rule tests holds a comma, and the proxy joined repeated lines"
    case .unknownClaims: "the claims of the request's token are not known"
    case .unknownMetadata: "the proxy's metadata that a rule tests was not sent"
    }
  }
}
