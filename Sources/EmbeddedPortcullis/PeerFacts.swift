// Who is at the other end of a connection.
// Enters: the host's word: a certificate that it verified, names of one, or that there is nobody. Leaves: identities in the request, or the
// reason of a denial before any policy. Never here: verification (the host has done that), or an anonymous peer of whom anything was said.
// Anonymity satisfies every `notPrincipals`.

internal import CPortcullis
internal import PeerIdentity
internal import PolicyEngine

enum PeerFacts {
  /// Longer identities deny: SPIFFE allows 2048 bytes, and work on an identity grows with its length.
  private static let longestIdentity = 2_048
  /// More names of one peer deny, for the same reason.
  private static let mostIdentities = 128

  /// Fills the peer; a reason is a denial before any policy.
  static func fill(
    _ facts: portcullis_connection_facts, _ budget: inout Budget, into request: inout Request
  ) throws(Refusal) -> Reason? {
    try unsafe budget.take(facts.peer, "peer: null with a size, or too long")
    try unsafe budget.take(facts.subject, "subject: null with a size, or too long")
    let uris = try unsafe BorrowedList(facts.uris, facts.uri_count, "uris: null with a count, or too many")
    let dnsNames = try unsafe BorrowedList(facts.dns_names, facts.dns_name_count, "dns_names: null with a count, or too many")
    let hasPeer = unsafe facts.peer.isKnown
    let hasNames = unsafe uris.count > 0 || dnsNames.count > 0 || facts.subject.size > 0
    let kind = unsafe Int(facts.peer_kind)
    switch kind {
    case PORTCULLIS_PEER_UNKNOWN, PORTCULLIS_PEER_ANONYMOUS:
      guard !hasPeer, !hasNames else { throw Refusal("peer_kind: says that there is no peer, and something of one is given") }
      if kind == PORTCULLIS_PEER_ANONYMOUS { request.setPeerKnown() }
      return nil
    case PORTCULLIS_PEER_CERTIFICATE_DER, PORTCULLIS_PEER_CERTIFICATE_PEM, PORTCULLIS_PEER_CERTIFICATE_URL_ENCODED_PEM:
      guard hasPeer, !hasNames else { throw Refusal("peer: no certificate, or names beside it") }
      return unsafe certificate(facts.peer, kind, into: &request)
    case PORTCULLIS_PEER_URI:
      guard hasPeer, unsafe facts.peer.size > 0, !hasNames else { throw Refusal("peer: no URI, or names beside it") }
      return try unsafe name(facts.peer, .uri, into: &request)
    case PORTCULLIS_PEER_NAMES:
      guard !hasPeer, hasNames else { throw Refusal("uris, dns_names and subject: all empty, or a peer beside them") }
      return try unsafe names(uris, dnsNames, facts.subject, &budget, into: &request)
    default: throw Refusal("peer_kind: unknown value")
    }
  }

  private static func certificate(_ bytes: portcullis_bytes, _ kind: Int, into request: inout Request) -> Reason? {
    do throws(CertificateError) {
      let identities = try unsafe self.identities(bytes, kind)
      let peer = ResolvedPeer(identities)
      guard peer.ranges.count <= mostIdentities, peer.ranges.allSatisfy({ $0.count <= longestIdentity }) else {
        request.setPeerKnown()
        return .peerIdentityTooLong
      }
      for index in peer.ranges.indices {
        let kind: Request.NameKind = index < peer.uriCount ? .uri : index < peer.uriCount + peer.dnsCount ? .dns : .subject
        request.addIdentity(peer.bytes.span.extracting(peer.ranges[index]), kind: kind)
      }
      return nil
    } catch {
      return .peerCertificateRejected
    }
  }

  private static func identities(_ bytes: portcullis_bytes, _ kind: Int) throws(CertificateError) -> CertificateIdentities {
    switch kind {
    case PORTCULLIS_PEER_CERTIFICATE_DER:
      let certificate = try unsafe Certificate(der: bytes.copy)
      return try certificate.identities()
    case PORTCULLIS_PEER_CERTIFICATE_PEM:
      let certificate = try unsafe Certificate(pem: bytes.copy)
      return try certificate.identities()
    default:
      let certificate = try unsafe Certificate(urlEncodedPEM: bytes.span)
      return try certificate.identities()
    }
  }

  private static func names(
    _ uris: BorrowedList<portcullis_bytes>, _ dnsNames: BorrowedList<portcullis_bytes>, _ subject: portcullis_bytes,
    _ budget: inout Budget, into request: inout Request
  ) throws(Refusal) -> Reason? {
    guard unsafe uris.count + dnsNames.count < mostIdentities else { return .peerIdentityTooLong }
    var refusal = try unsafe names(uris, .uri, &budget, into: &request)
    refusal = try unsafe names(dnsNames, .dns, &budget, into: &request) ?? refusal
    return try unsafe name(subject, .subject, into: &request) ?? refusal
  }

  private static func names(
    _ list: BorrowedList<portcullis_bytes>, _ kind: Request.NameKind, _ budget: inout Budget, into request: inout Request
  ) throws(Refusal) -> Reason? {
    var refusal: Reason?
    for index in unsafe 0..<list.count {
      guard let text = unsafe list[index], unsafe text.isKnown else { throw Refusal("uris or dns_names: a name that is null") }
      try unsafe budget.take(text, "uris or dns_names: null with a size, or too long")
      refusal = try unsafe name(text, kind, into: &request) ?? refusal
    }
    return refusal
  }

  private static func name(_ text: portcullis_bytes, _ kind: Request.NameKind, into request: inout Request) throws(Refusal) -> Reason? {
    guard unsafe !text.hasNUL else { throw Refusal("a name of the peer holds a NUL") }
    guard unsafe text.size <= longestIdentity else { return .peerIdentityTooLong }
    unsafe request.addIdentity(text.span, kind: kind)
    return nil
  }
}
