// Who calls.
// Enters: `source.certificate` and `source.principal`, the trust bundles, the time. Leaves: identities in the request, or the reason of a denial.
// Never here: an anonymous peer that sent something. Anonymity satisfies every `notPrincipals`, so it is only for peers of whom the proxy
// says nothing at all.

internal import CExtAuthz
internal import Glibc
internal import PeerIdentity
internal import PolicyEngine

/// One worker's reader, with its own cache. Not shared.
struct PeerReader: ~Copyable {
  private let mode: Belief.PeerIdentity
  private var cache = PeerCertificateCache()
  /// Longer identities deny: SPIFFE allows 2048 bytes, and work on an identity grows with its length.
  private static let longestIdentity = 2048
  /// More names of one peer deny, for the same reason.
  private static let mostIdentities = 128

  init(_ belief: Belief) {
    mode = belief.peerIdentity
  }

  /// How many certificates had to be read anew.
  var missCount: UInt64 { cache.missCount }

  /// Fills the peer; a reason is a denial before any policy.
  mutating func read(_ wire: UnsafePointer<extauthz_request>, _ bundles: TrustBundles, into request: inout Request) -> Reason? {
    let certificate = unsafe wire.pointee.source.certificate
    if unsafe !certificate.isEmpty {
      switch unsafe cache.resolve(certificate.span, bundles: bundles, now: Int64(time(nil))) {
      case .rejected: return .peerCertificateRejected
      case .identified(let peer):
        var isTooLong = false
        let isLent = cache.withPeer(peer) { resolved in
          if resolved.ranges.count > Self.mostIdentities {
            isTooLong = true
            return
          }
          for range in resolved.ranges {
            if range.count > Self.longestIdentity { isTooLong = true }
            request.addIdentity(resolved.bytes.span.extracting(range))
          }
        }
        return isLent ? (isTooLong ? .peerIdentityTooLong : nil) : .internalError
      }
    }
    let principal = unsafe wire.pointee.source.principal
    if unsafe principal.isEmpty {
      if mode == .certificate { return .peerCertificateMissing }
      request.setPeerKnown()
      return nil
    }
    if mode == .certificate || bundles.verifies { return .peerCertificateMissing }
    if unsafe principal.size > Self.longestIdentity { return .peerIdentityTooLong }
    unsafe request.addIdentity(principal.span)
    return nil
  }
}
