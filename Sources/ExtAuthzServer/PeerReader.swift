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
  mutating func read(
    _ wire: UnsafePointer<extauthz_request>, _ hints: borrowing Hints, _ bundles: TrustBundles, into request: inout Request
  ) -> Reason? {
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
          for index in resolved.ranges.indices {
            let range = resolved.ranges[index]
            if range.count > Self.longestIdentity { isTooLong = true }
            let kind: Request.NameKind =
              index < resolved.uriCount ? .uri : index < resolved.uriCount + resolved.dnsCount ? .dns : .subject
            request.addIdentity(resolved.bytes.span.extracting(range), kind: kind)
          }
        }
        return isLent ? (isTooLong ? .peerIdentityTooLong : nil) : .internalError
      }
    }
    // At a waypoint the hint stands for the connection that ended at another listener; a dash says that it had no URI name.
    let isHinted = unsafe !hints.peer.isEmpty
    let principal = unsafe isHinted ? (hints.peer.equals("-") ? extauthz_bytes() : hints.peer) : wire.pointee.source.principal
    if unsafe principal.isEmpty {
      if mode == .certificate { return .peerCertificateMissing }
      request.setPeerKnown()
      return nil
    }
    if mode == .certificate || bundles.verifies { return .peerCertificateMissing }
    if unsafe principal.size > Self.longestIdentity { return .peerIdentityTooLong }
    // Envoy fills in the first name that there is, so a text that is no URI name is a DNS name or a subject.
    unsafe request.addIdentity(principal.span, kind: principal.hasPrefix("spiffe://") ? .uri : .dns)
    return nil
  }
}
