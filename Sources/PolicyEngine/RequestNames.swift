// The names of the peer: how they are added, what form they have, and how a waypoint sees them.
// Enters: names from a verified certificate, or the proxy's word. Leaves: identities, each with the place of its namespace and account.
// Never here: trust; which names may be believed is the caller's matter.

extension Request {
  /// What a name is in the peer's certificate.
  public enum NameKind: UInt8, Sendable, CaseIterable {
    /// A URI name: the only kind that can be a SPIFFE identity.
    case uri
    /// A DNS name.
    case dns
    /// The subject, as Envoy writes it.
    case subject
  }

  /// The peer is known and has no identity, unless `addIdentity` follows. Plaintext, or TLS without a client certificate.
  public mutating func setPeerKnown() {
    isPeerKnown = true
  }

  /// Adds one identity of the peer: every URI SAN, then every DNS SAN, then the subject, as Envoy's `authenticated` tests them.
  public mutating func addIdentity(_ bytes: Span<UInt8>, kind: NameKind = .uri) {
    isPeerKnown = true
    let own: Identity.Kind =
      switch kind {
      case .uri: .uri
      case .dns: .dns
      case .subject: .subject
      }
    addIdentity(append(bytes), kind: own)
  }

  private mutating func addIdentity(_ slice: Slice, kind: Identity.Kind) {
    var identity = Identity(slice: slice, kind: kind, form: .plain, workloadPath: Slice())
    if let start = Self.workloadPath(of: bytes(slice)) {
      identity.form = .istio
      identity.workloadPath = Slice(
        start: slice.start + UInt32(truncatingIfNeeded: start), count: slice.count - UInt32(truncatingIfNeeded: start))
    } else if Self.hasNamespaceMarker(bytes(slice)) {
      identity.form = .irregular
    }
    identities.append(identity)
  }

  /// Whether rules are tested on this name.
  @inline(__always)
  func isTested(_ identity: Identity) -> Bool {
    (identity.kind == .joined) == (nameView == .joined)
  }

  /// Lets rules see the URI names as one text: joined by commas, `-` when a certificate has none (measured in Envoy 1.40 with the filter
  /// state that Istio sets on proxies that terminate HBONE). Peers without any name stay without one.
  mutating func joinNames() {
    nameView = .joined
    guard !identities.isEmpty, !identities.contains(where: { $0.kind == .joined }) else { return }
    let start = storage.count
    var isFirst = true
    for identity in identities where identity.kind == .uri {
      if !isFirst { storage.append(UInt8(ascii: ",")) }
      isFirst = false
      for index in Int(identity.slice.start)..<Int(identity.slice.start) + Int(identity.slice.count) { storage.append(storage[index]) }
    }
    if storage.count == start { storage.append(UInt8(ascii: "-")) }
    addIdentity(
      Slice(start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: storage.count - start)), kind: .joined)
  }

  /// Where `N/sa/S` starts in `spiffe://TD/ns/N/sa/S`; `nil` for any other form, and when N or TD is `ns`, because then `/ns/` stands
  /// twice (the scheme's last slash counts).
  private static func workloadPath(of identity: Span<UInt8>) -> Int? {
    guard hasPrefix(identity, marks.scheme.span) else { return nil }
    let slash = UInt8(ascii: "/")
    var starts = (0, 0, 0, 0)
    var slashes = 0
    for index in 9..<identity.count where identity[index] == slash {
      switch slashes {
      case 0: starts.0 = index
      case 1: starts.1 = index
      case 2: starts.2 = index
      case 3: starts.3 = index
      default: return nil
      }
      slashes += 1
    }
    guard slashes == 4, starts.0 > 9, starts.2 > starts.1 + 1, starts.3 < identity.count - 1,
      equal(identity.extracting(starts.0..<starts.1 + 1), marks.namespace.span),
      equal(identity.extracting(starts.2..<starts.3 + 1), marks.account.span),
      !equal(identity.extracting(starts.1..<starts.2 + 1), marks.namespace.span),
      !equal(identity.extracting(8..<starts.0 + 1), marks.namespace.span)
    else { return nil }
    return starts.1 + 1
  }

  private static func hasNamespaceMarker(_ identity: Span<UInt8>) -> Bool {
    guard identity.count >= 4 else { return false }
    for index in 0...(identity.count - 4) where identity[index] == UInt8(ascii: "/") {
      if equal(identity.extracting(index..<index + 4), marks.namespace.span) { return true }
    }
    return false
  }

  private static let marks = (scheme: Array("spiffe://".utf8), namespace: Array("/ns/".utf8), account: Array("/sa/".utf8))
}
