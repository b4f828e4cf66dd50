// What the tests of this room share: one moment, authorities, and short ways to resolve. What enters: orders for certificates. What leaves:
// names as strings, or the reason of a rejection. Never here: an expectation.

internal import PeerIdentity
internal import TestSupport

/// A resolved peer in a form that tests can write down.
enum Seen: Equatable {
  case names([String])
  case rejected(PeerRejection.Reason)

  init(_ outcome: Result<ResolvedPeer, PeerRejection>) {
    switch outcome {
    case .success(let peer): self = .names(peer.ranges.indices.map { String(decoding: peer.name($0), as: UTF8.self) })
    case .failure(let rejection): self = .rejected(rejection.reason)
    }
  }
}

/// Well inside the validity of every certificate that is not ordered otherwise.
let noon: Int64 = 1_800_000_000

func makeAuthority(_ name: String, _ change: (inout CertificateOrder) -> Void = { _ in }, by issuer: IssuedCertificate? = nil) throws
  -> IssuedCertificate
{
  var order = CertificateOrder.authority(name)
  change(&order)
  return try IssuedCertificate(order, signedBy: issuer)
}

func makeLeaf(
  _ uris: String..., dns: [String] = [], by issuer: IssuedCertificate?, _ change: (inout CertificateOrder) -> Void = { _ in }
) throws -> IssuedCertificate {
  var order = CertificateOrder.leaf(dns: dns)
  order.uris = uris.map { Array($0.utf8) }
  change(&order)
  return try IssuedCertificate(order, signedBy: issuer)
}

/// Bundles from certificates, through files as a user gives them.
func makeBundles(_ entries: (String, [IssuedCertificate])...) throws -> TrustBundles {
  let directory = try CertificateDirectory()
  var sources: [TrustBundleSource] = []
  for (trustDomain, certificates) in entries {
    let path = try directory.write(certificates.map(\.pem).joined(), to: "\(sources.count).pem")
    sources.append(TrustBundleSource(trustDomain: trustDomain, path: path))
  }
  return try TrustBundles(reading: sources)
}

extension TrustBundles {
  func seen(_ encoded: String, at now: Int64 = noon) -> Seen {
    let bytes = Array(encoded.utf8)
    return Seen(resolve(bytes.span, at: now).outcome)
  }

  func seen(_ certificate: IssuedCertificate, at now: Int64 = noon) -> Seen {
    seen(certificate.urlEncodedPEM, at: now)
  }
}

/// A cache in a reference, so that test helpers can change it.
final class CacheBox {
  var cache: PeerCertificateCache

  init(maximumEntries: Int = 4_096, maximumBytes: Int = 16 << 20, maximumKeyLength: Int = 16_384) {
    cache = PeerCertificateCache(maximumEntries: maximumEntries, maximumBytes: maximumBytes, maximumKeyLength: maximumKeyLength)
  }

  func resolve(_ encoded: String, _ bundles: TrustBundles, at now: Int64 = noon) -> PeerResolution {
    let bytes = Array(encoded.utf8)
    return cache.resolve(bytes.span, bundles: bundles, now: now)
  }

  /// Resolves and borrows the names at once; a peer that the cache cannot lend is nil.
  func seen(_ encoded: String, _ bundles: TrustBundles, at now: Int64 = noon) -> Seen? {
    switch resolve(encoded, bundles, at: now) {
    case .rejected(let rejection): return .rejected(rejection.reason)
    case .identified(let peer):
      var seen: Seen?
      let lent = cache.withPeer(peer) { seen = Seen(.success($0)) }
      return lent ? seen : nil
    }
  }
}
