// How the doors fill a request.
// Enters: borrowed bytes. Leaves: known attributes; whatever is not set stays unknown.
// Never here: trust; which bytes may be believed is the caller's matter (design: "what crosses the wire, and what is believed").

public import PolicyModel

extension Request {
  /// The peer is known and has no identity, unless `addIdentity` follows. Plaintext, or TLS without a client certificate.
  public mutating func setPeerKnown() {
    isPeerKnown = true
  }

  /// Adds one identity of the peer: every URI SAN, then every DNS SAN, then the subject, as Envoy's `authenticated` tests them.
  public mutating func addIdentity(_ bytes: Span<UInt8>) {
    isPeerKnown = true
    let slice = append(bytes)
    var identity = Identity(slice: slice, form: .plain, workloadPath: Slice())
    if let start = Self.workloadPath(of: bytes) {
      identity.form = .istio
      identity.workloadPath = Slice(
        start: slice.start + UInt32(truncatingIfNeeded: start), count: slice.count - UInt32(truncatingIfNeeded: start))
    } else if Self.hasNamespaceMarker(bytes) {
      identity.form = .irregular
    }
    identities.append(identity)
  }

  /// The request's method.
  public mutating func setMethod(_ bytes: Span<UInt8>) {
    method.slice = append(bytes)
    method.knowledge = .present
  }

  /// The `:authority`, with its port if it has one.
  public mutating func setHost(_ bytes: Span<UInt8>) {
    host.slice = append(bytes)
    host.knowledge = .present
    foldedHost = appendLowercased(bytes)
  }

  /// The path as the proxy forwards it, with its query. Policies see it without query and fragment.
  public mutating func setPath(_ bytes: Span<UInt8>) {
    target.slice = append(bytes)
    target.knowledge = .present
    path = target
    var end = 0
    while end < bytes.count, bytes[end] != UInt8(ascii: "?"), bytes[end] != UInt8(ascii: "#") { end += 1 }
    path.slice.count = UInt32(truncatingIfNeeded: end)
  }

  /// A request without a path (CONNECT).
  public mutating func setPathAbsent() {
    target.knowledge = .absent
    path.knowledge = .absent
  }

  /// The path is there but cannot be believed, for this reason.
  public mutating func setPathUnknown(_ reason: Reason) {
    target = TextField(reason: reason)
    path = TextField(reason: reason)
  }

  /// The server name of the TLS handshake; empty when there was none (Envoy: an empty string, never missing). Its ASCII letters become
  /// lower case, as Envoy's TLS inspector makes them.
  public mutating func setSNI(_ bytes: Span<UInt8>) {
    sni.slice = appendLowercased(bytes)
    sni.knowledge = .present
  }

  /// The connection's peer; `nil` is an address that is not an IP.
  public mutating func setSourceIP(_ address: IPAddress?) {
    sourceIP.set(address)
  }

  /// The derived client; `nil` is an address that is not an IP.
  public mutating func setRemoteIP(_ address: IPAddress?) {
    remoteIP.set(address)
  }

  /// The connection's local address; `nil` is an address that is not an IP.
  public mutating func setDestinationIP(_ address: IPAddress?) {
    destinationIP.set(address)
  }

  /// The port that policies mean.
  public mutating func setPort(_ value: UInt16) {
    port = value
    isPortKnown = true
  }

  /// All header lines are known; `addHeader` adds them.
  public mutating func setHeadersKnown() {
    areHeadersKnown = true
  }

  /// Adds a header line; names are compared without case. `isAmbiguous` when the proxy joined repeated lines and a comma is in the value.
  public mutating func addHeader(name: Span<UInt8>, value: Span<UInt8>, isAmbiguous: Bool = false) {
    areHeadersKnown = true
    let nameSlice = appendLowercased(name)
    headers.append(HeaderLine(name: nameSlice, value: append(value), isAmbiguous: isAmbiguous))
  }

  /// The token's claims are known; without `addClaim` there was no token.
  public mutating func setClaimsKnown() {
    areClaimsKnown = true
  }

  /// Adds a claim that is a string, or one string of a list; other values are never matched and need not be added (Envoy, [E] in
  /// the semantics). `path` is the path of claim names as `appendPathComponent` encodes it. The top-level claims `scope` and
  /// `permission` are split at spaces, as Istio configures the proxy's JWT filter; without a word in them they stay the string that they
  /// are, as that filter leaves them (Envoy 1.40: a scope of one space matches `*`).
  public mutating func addClaim(path: Span<UInt8>, value: Span<UInt8>, isListElement: Bool) {
    areClaimsKnown = true
    let pathSlice = append(path)
    guard !isListElement, Self.isSpaceDelimited(path) else {
      claims.append(TreeEntry(path: pathSlice, value: append(value), isListElement: isListElement))
      return
    }
    var start = 0
    var hasWords = false
    while start <= value.count {
      var end = start
      while end < value.count, value[end] != UInt8(ascii: " ") { end += 1 }
      if end > start {
        hasWords = true
        claims.append(TreeEntry(path: pathSlice, value: append(value.extracting(start..<end)), isListElement: true))
      }
      start = end + 1
    }
    if !hasWords { claims.append(TreeEntry(path: pathSlice, value: append(value), isListElement: false)) }
  }

  /// All metadata of the proxy's filters is known: what is not added is absent.
  public mutating func setMetadataComplete() {
    isMetadataComplete = true
  }

  /// The metadata of one filter is known: what is not added for it is absent.
  public mutating func setMetadataKnown(filter: Span<UInt8>) {
    metadataFilters.append(append(filter))
  }

  /// Adds a string of a filter's metadata, or one string of a list. `path` is filter and key as `appendPathComponent` encodes them.
  public mutating func addMetadata(path: Span<UInt8>, value: Span<UInt8>, isListElement: Bool) {
    metadata.append(TreeEntry(path: append(path), value: append(value), isListElement: isListElement))
  }

  /// Appends one name to an encoded path: its length in four bytes, then its bytes, so that no name can imitate a longer path.
  public static func appendPathComponent(_ name: Span<UInt8>, to path: inout [UInt8]) {
    let count = UInt32(truncatingIfNeeded: name.count)
    path.append(UInt8(truncatingIfNeeded: count))
    path.append(UInt8(truncatingIfNeeded: count >> 8))
    path.append(UInt8(truncatingIfNeeded: count >> 16))
    path.append(UInt8(truncatingIfNeeded: count >> 24))
    for index in name.indices { path.append(name[index]) }
  }

  /// Copies bytes into the buffer, ASCII letters in lower case.
  private mutating func appendLowercased(_ bytes: Span<UInt8>) -> Slice {
    let slice = append(bytes)
    let start = Int(slice.start)
    for index in start..<start + bytes.count { storage[index] = Self.lowercased(storage[index]) }
    return slice
  }

  static func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
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

  private static func isSpaceDelimited(_ path: Span<UInt8>) -> Bool {
    equal(path, spaceDelimitedPaths.scope.span) || equal(path, spaceDelimitedPaths.permission.span)
  }

  private static let spaceDelimitedPaths = (scope: encoded("scope"), permission: encoded("permission"))

  private static func encoded(_ name: ExactText) -> [UInt8] {
    var path: [UInt8] = []
    appendPathComponent(name.bytes.span, to: &path)
    return path
  }
}

extension Request.AddressField {
  fileprivate mutating func set(_ value: IPAddress?) {
    if let value {
      address = value
      knowledge = .present
    } else {
      knowledge = .absent
    }
  }
}
