// Who may vouch for whom. What enters: `TRUST_DOMAIN=FILE` pairs, then certificates. What leaves: an immutable set of bundles with a
// generation of its own, and for each certificate the peer's identities or a rejection. The trust domain of the leaf's name selects the
// bundle, so that an authority can vouch for names of its own trust domain only. Never here: watching files, caching, or a set that
// became empty by accident and so verifies nothing.

internal import Synchronization

/// One `--trust-bundle TRUST_DOMAIN=FILE`.
public struct TrustBundleSource: Sendable, Equatable {
  /// The trust domain whose names the file's certificates may vouch for.
  public let trustDomain: String
  /// A PEM file of roots and intermediates.
  public let path: String

  /// A pair that was already taken apart.
  public init(trustDomain: String, path: String) {
    self.trustDomain = trustDomain
    self.path = path
  }

  /// Reads `TRUST_DOMAIN=FILE`; nil if there is no `=`, the file is empty, or the domain is not 1 to 255 bytes of `[A-Za-z0-9._-]`.
  ///
  /// SPIFFE allows lower case only, but names are compared byte for byte, so a mesh that has capital letters is served as well.
  public init?(argument: String) {
    let bytes = Array(argument.utf8)
    guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), (1...255).contains(equals), equals + 1 < bytes.count else { return nil }
    let allowed = bytes[..<equals].allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
      default: byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
      }
    }
    guard allowed else { return nil }
    self.init(
      trustDomain: String(decoding: bytes[..<equals], as: UTF8.self), path: String(decoding: bytes[(equals + 1)...], as: UTF8.self))
  }
}

/// The trust bundles of a moment, immutable.
public struct TrustBundles: Sendable {
  /// No bundle was configured: identities are taken as the proxy's word and validity is the proxy's business.
  ///
  /// This is the only set that does not verify; loading can never yield it.
  public static let unverified = TrustBundles(bundles: [])

  private static let generations = Atomic<UInt64>(0)

  /// Different for every set that was ever made in this process: what was found under one set does not count under another.
  public let generation: UInt64
  private let bundles: [TrustBundle]

  /// Whether certificates are verified.
  public var verifies: Bool { !bundles.isEmpty }

  private init(bundles: [TrustBundle]) {
    self.bundles = bundles
    generation = TrustBundles.generations.add(1, ordering: .relaxed).newValue
  }

  /// Reads all files; several files of one trust domain count together.
  ///
  /// - Throws: `TrustBundleError` for an empty list, a file that cannot be read, and whatever is not a PEM certificate of an authority.
  ///   Nothing is skipped: the caller keeps its last good set.
  public init(reading sources: [TrustBundleSource]) throws(TrustBundleError) {
    guard !sources.isEmpty else { throw TrustBundleError(.noSource, trustDomain: "") }
    var files: [(trustDomain: String, files: [(path: String, text: [UInt8])])] = []
    for source in sources {
      let file = (path: source.path, text: try TrustBundleFile.bytes(of: source))
      if let index = files.firstIndex(where: { $0.trustDomain.utf8.elementsEqual(source.trustDomain.utf8) }) {
        files[index].files.append(file)
      } else {
        files.append((source.trustDomain, [file]))
      }
    }
    var bundles: [TrustBundle] = []
    for entry in files {
      bundles.append(try TrustBundle(trustDomain: entry.trustDomain, files: entry.files))
    }
    self.init(bundles: bundles)
  }

  /// Finds who the holder of `source.certificate` is; the slow way that the cache spares.
  ///
  /// - Parameters:
  ///   - encoded: percent-encoded PEM as received.
  ///   - now: Unix seconds.
  public func resolve(_ encoded: Span<UInt8>, at now: Int64) -> PeerFinding {
    do {
      let certificate = try Certificate(urlEncodedPEM: encoded)
      return resolve(certificate, at: now)
    } catch {
      return .refused(PeerRejection(error), at: now)
    }
  }

  /// Finds who the holder of a certificate is.
  ///
  /// - Parameter now: Unix seconds.
  public func resolve(_ certificate: borrowing Certificate, at now: Int64) -> PeerFinding {
    do {
      let identities = try certificate.identities()
      let peer = ResolvedPeer(identities)
      guard verifies else { return .always(.success(peer)) }
      let validity = try certificate.validity()
      let bundle: TrustBundle
      switch authority(for: identities) {
      case .failure(let rejection): return .always(.failure(rejection))
      case .success(let found): bundle = found
      }
      if certificate.isAuthority { return .always(.failure(PeerRejection(.certificateAuthority))) }
      let rejection = bundle.rejection(of: certificate, at: now)
      if let rejection, rejection.reason == .unverifiable { return .refused(rejection, at: now) }
      let stretch = bundle.constantVerdict(around: now, leaf: validity)
      return PeerFinding(
        outcome: rejection.map { .failure($0) } ?? .success(peer), validFrom: stretch.from, validUntil: stretch.until)
    } catch {
      return .refused(PeerRejection(error), at: now)
    }
  }

  /// The one bundle that can vouch for every name in a certificate.
  ///
  /// SPIFFE X.509-SVID allows one URI name. Envoy accepts several and its RBAC tests them all, so all of them must be of one trust domain;
  /// so must nothing else in the certificate look like a SPIFFE name, because RBAC compares DNS names with the same patterns (the
  /// subject cannot begin with `spiffe://`: its text begins with an attribute type).
  private func authority(for identities: CertificateIdentities) -> Result<TrustBundle, PeerRejection> {
    guard let first = identities.uris.first else { return .failure(PeerRejection(.noIdentity)) }
    guard let trustDomain = TrustBundles.trustDomain(of: first) else { return .failure(PeerRejection(.notSPIFFE)) }
    for name in identities.uris.dropFirst() {
      guard let other = TrustBundles.trustDomain(of: name) else { return .failure(PeerRejection(.notSPIFFE)) }
      guard other.elementsEqual(trustDomain) else { return .failure(PeerRejection(.severalTrustDomains)) }
    }
    for name in identities.dnsNames where name.starts(with: TrustBundles.scheme) {
      return .failure(PeerRejection(.notSPIFFE))
    }
    guard let bundle = bundles.first(where: { $0.trustDomain.elementsEqual(trustDomain) }) else {
      return .failure(PeerRejection(.unknownTrustDomain))
    }
    return .success(bundle)
  }

  private static let scheme = Array("spiffe://".utf8)

  /// What stands between `spiffe://` and the next slash; nil without that prefix, without that slash, or if nothing stands there.
  ///
  /// SPIFFE X.509-SVID 5.2: a leaf's name has a path, hence the slash.
  private static func trustDomain(of name: [UInt8]) -> ArraySlice<UInt8>? {
    guard name.starts(with: scheme) else { return nil }
    let rest = name[scheme.count...]
    guard let slash = rest.firstIndex(of: UInt8(ascii: "/")), slash > rest.startIndex, slash + 1 < rest.endIndex else { return nil }
    return rest[..<slash]
  }
}

extension PeerFinding {
  /// An outcome that no passing of time changes.
  static func always(_ outcome: Result<ResolvedPeer, PeerRejection>) -> PeerFinding {
    PeerFinding(outcome: outcome, validFrom: .min, validUntil: .max)
  }

  /// A rejection without a verdict on a chain. One that came from our own trouble (no memory) holds for this second only.
  static func refused(_ rejection: PeerRejection, at now: Int64) -> PeerFinding {
    guard rejection.reason == .unverifiable else { return .always(.failure(rejection)) }
    return PeerFinding(outcome: .failure(rejection), validFrom: now, validUntil: now == .max ? now : now + 1)
  }
}
