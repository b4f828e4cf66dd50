// How the doors fill a request.
// Enters: borrowed bytes. Leaves: known attributes; whatever is not set stays unknown.
// Never here: trust; which bytes may be believed is the caller's matter (design: "what crosses the wire, and what is believed").

public import PolicyModel

extension Request {
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

  /// The token's claims are known; without `setToken` or `addClaim` there was no token.
  public mutating func setClaimsKnown() {
    areClaimsKnown = true
  }

  /// There is a token, even if none of its claims is a string.
  public mutating func setToken() {
    areClaimsKnown = true
    hasToken = true
  }

  /// Adds a claim that is a string, or one string of a list; other values are never matched and need not be added (Envoy, [E] in
  /// the semantics). `path` is the path of claim names as `appendPathComponent` encodes it. The top-level claims `scope` and
  /// `permission` are split at spaces, as Istio configures the proxy's JWT filter; without a word in them they stay the string that they
  /// are, as that filter leaves them (Envoy 1.40: a scope of one space matches `*`).
  public mutating func addClaim(path: Span<UInt8>, value: Span<UInt8>, isListElement: Bool) {
    areClaimsKnown = true
    hasToken = true
    let pathSlice = append(path)
    let valueSlice = append(value)
    guard !isListElement, Self.isSpaceDelimited(path) else {
      claims.append(TreeEntry(path: pathSlice, value: valueSlice, isListElement: isListElement))
      return
    }
    appendWords(of: valueSlice, path: pathSlice)
  }

  /// Adds the words of a claim, or, where there is none, the claim as it is.
  mutating func appendWords(of value: Slice, path: Slice) {
    let end = Int(value.start) + Int(value.count)
    var start = Int(value.start)
    var hasWords = false
    while start < end {
      var stop = start
      while stop < end, storage[stop] != UInt8(ascii: " ") { stop += 1 }
      if stop > start {
        hasWords = true
        let word = Slice(start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: stop - start))
        claims.append(TreeEntry(path: path, value: word, isListElement: true))
      }
      start = stop + 1
    }
    if !hasWords { claims.append(TreeEntry(path: path, value: value, isListElement: false)) }
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
  mutating func appendLowercased(_ bytes: Span<UInt8>) -> Slice {
    let slice = append(bytes)
    let start = Int(slice.start)
    for index in start..<start + bytes.count { storage[index] = Self.lowercased(storage[index]) }
    return slice
  }

  static func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
  }

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
