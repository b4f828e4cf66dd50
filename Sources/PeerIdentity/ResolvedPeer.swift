// The names of one peer as the engine wants them. What enters: a certificate's identities. What leaves: one flat run of bytes and the
// ranges in it, in the order in which Envoy tests them. Never here: a peer without identity. An anonymous peer is one that sent no
// certificate; it has no `ResolvedPeer`, and none can be made for it, as the initializer takes what a certificate says.

/// The identities of a peer whose certificate was accepted, flat.
public struct ResolvedPeer: Sendable, Equatable {
  /// All names, one after the other.
  public let bytes: [UInt8]
  /// Where each name lies in `bytes`, in the order in which Envoy's `authenticated` tests them: URI names, DNS names, and last the
  /// subject, which is always there and may be empty. Never empty.
  public let ranges: [Range<Int>]
  /// How many of `ranges`, from the first, are URI names.
  public let uriCount: Int
  /// How many of `ranges`, after the URI names, are DNS names.
  public let dnsCount: Int

  /// Lays out what a certificate says.
  public init(_ identities: CertificateIdentities) {
    var bytes: [UInt8] = []
    var ranges: [Range<Int>] = []
    for name in identities.uris + identities.dnsNames + [identities.subject] {
      ranges.append(bytes.count..<bytes.count + name.count)
      bytes.append(contentsOf: name)
    }
    self.bytes = bytes
    self.ranges = ranges
    uriCount = identities.uris.count
    dnsCount = identities.dnsNames.count
  }

  /// A copy of one name, for logs and tests; the hot path reads `bytes` through `ranges`.
  ///
  /// - Parameter index: of `ranges`.
  public func name(_ index: Int) -> [UInt8] {
    ranges.indices.contains(index) ? Array(bytes[ranges[index]]) : []
  }
}

/// What is true of one certificate under one set of bundles, and for how long.
public struct PeerFinding: Sendable {
  /// The peer's identities, or why there are none. There is no third case: a certificate that was sent never yields an anonymous peer.
  public let outcome: Result<ResolvedPeer, PeerRejection>
  /// First second (Unix time) at which the same set of bundles gives this outcome.
  public let validFrom: Int64
  /// First second after it at which the outcome must be found anew.
  public let validUntil: Int64
}
