// From the fields of a record to a request, as far as they say something.
// Enters: a line that the scanner has looked through. Leaves: a request in which all is unknown that the log does not show.
// Never here: trust in what a client can write, and an empty value for a field that the log does not have. Headers, claims and metadata stay
// unknown: an access log shows the first of repeated headers, and nobody knows how many there were.

internal import PolicyEngine
internal import PolicyModel

/// What an address field says.
private struct LogAddress {
  var address: IPAddress?
  var port: UInt16?
  /// Whether it is known that there is no IP address, as for a pipe.
  var isNone = false
}

extension LogScanner {
  /// Lends the text of a field; `nil` when the record has none.
  @inline(__always)
  func with<Result>(_ field: LogField, of line: Span<UInt8>, _ body: (Span<UInt8>) -> Result) -> Result? {
    let value = self[field]
    guard value.state == .text else { return nil }
    let range = Int(value.start)..<Int(value.start) + Int(value.count)
    return value.isCopied ? body(copies.span.extracting(range)) : body(line.extracting(range))
  }

  /// Whether a field's text begins with these bytes.
  func begins(_ field: LogField, of line: Span<UInt8>, with prefix: StaticString) -> Bool {
    with(field, of: line) { Self.begins($0, with: prefix) } ?? false
  }

  private static func begins(_ text: Span<UInt8>, with prefix: StaticString) -> Bool {
    guard text.count >= prefix.utf8CodeUnitCount else { return false }
    for index in 0..<prefix.utf8CodeUnitCount where unsafe text[index] != prefix.utf8Start[index] { return false }
    return true
  }

  /// Whether the record is about a TCP connection; `nil` when it does not say.
  var isTCP: Bool? {
    if self[.method].state == .text || self[.protocol].state == .text { return false }
    return self[.protocol].state == .none ? true : nil
  }

  /// Whether the proxy that wrote the record sent the request out: a sidecar does so for its own workload, the caller (Istio's names of
  /// clusters).
  func isOutbound(_ line: Span<UInt8>) -> Bool {
    guard self[.upstreamCluster].state == .text else { return false }
    return begins(.upstreamCluster, of: line, with: "outbound|") || begins(.upstreamCluster, of: line, with: "outbound_.")
      || begins(.upstreamCluster, of: line, with: "PassthroughCluster") || begins(.upstreamCluster, of: line, with: "BlackHoleCluster")
  }

  /// Whether a policy refused it when it was recorded.
  func wasRefused(_ line: Span<UInt8>) -> Bool {
    begins(.codeDetails, of: line, with: "rbac_access_denied") || begins(.codeDetails, of: line, with: "ext_authz_denied")
      || begins(.terminationDetails, of: line, with: "rbac_access_denied")
  }

  /// The address of the workload, if the record has one.
  func localAddress(of line: Span<UInt8>) -> IPAddress? { address(.localAddress, of: line)?.address }

  // MARK: The request

  /// Fills a fresh request with what the record says.
  func fill(_ request: inout Request, from line: Span<UInt8>, isTCP: Bool, mesh: MeshSettings) {
    request.isTCP = isTCP
    fillPeer(&request, line)
    fillSNI(&request, line)
    if let local = address(.localAddress, of: line) {
      if let port = local.port { request.setPort(port) }
      if local.address != nil || local.isNone { request.setDestinationIP(local.address) }
    }
    let remote = address(.remoteAddress, of: line)
    if let remote, remote.address != nil || remote.isNone { request.setRemoteIP(remote.address) }
    // A connection has one remote address.
    let direct = address(.directRemoteAddress, of: line) ?? (isTCP ? remote : nil)
    if let direct, direct.address != nil || direct.isNone { request.setSourceIP(direct.address) }
    guard !isTCP else { return }
    let isConnect =
      with(.method, of: line) { method in
        request.setMethod(method)
        return method.count == 7 && Self.begins(method, with: "CONNECT")
      } ?? false
    _ = with(.authority, of: line) { request.setHost($0) }
    let hasPath =
      with(.path, of: line) { path in
        // The log shows what the proxy made of it; anything else was not written by a proxy of this mesh.
        if mesh.isNormalized(path) { request.setPath(path) } else { request.setPathUnknown(.pathNotNormalized) }
      } != nil
    if !hasPath, isConnect, self[.path].state == .none { request.setPathAbsent() }
  }

  /// Who calls. Names count as the proxy reports them; that there is none is known only when there was no TLS, or when all kinds of names are
  /// in the log and none has a value.
  private func fillPeer(_ request: inout Request, _ line: Span<UInt8>) {
    if self[.tlsVersion].state == .none, self[.peerURI].state != .text { return request.setPeerKnown() }
    let hasURI = self[.peerURI].state == .text
    let isComplete = self[.peerURI].state == .none && self[.peerDNS].state != .missing && self[.peerSubject].state != .missing
    guard hasURI || (isComplete && self[.tlsVersion].state == .text) else { return }
    let isSplit = with(.peerURI, of: line) { LogScanner.splitNames($0, mustBeSPIFFE: true) { request.addIdentity($0) } } ?? true
    // A comma in a name: nobody knows where one ends and the next begins.
    guard isSplit else { return }
    _ = with(.peerDNS, of: line) { LogScanner.splitNames($0, mustBeSPIFFE: false) { request.addIdentity($0, kind: .dns) } }
    _ = with(.peerSubject, of: line) { request.addIdentity($0, kind: .subject) }
    request.setPeerKnown()
  }

  /// Hands over the names that stand between commas. With `mustBeSPIFFE` only if each begins with the scheme, when there are several.
  private static func splitNames(_ text: Span<UInt8>, mustBeSPIFFE: Bool, _ body: (Span<UInt8>) -> Void) -> Bool {
    let comma = UInt8(ascii: ",")
    if mustBeSPIFFE {
      for index in text.indices where text[index] == comma {
        guard begins(text.extracting(index + 1..<text.count), with: "spiffe://") else { return false }
      }
    }
    var start = 0
    for index in text.indices where text[index] == comma {
      body(text.extracting(start..<index))
      start = index + 1
    }
    body(text.extracting(start..<text.count))
    return true
  }

  private func fillSNI(_ request: inout Request, _ line: Span<UInt8>) {
    // The field is in the log and has no value: there was no name. The proxy writes `invalid:` before one that it has changed.
    if self[.sni].state == .none { return request.setSNI(Span()) }
    if begins(.sni, of: line, with: "invalid:") { return }
    _ = with(.sni, of: line) { request.setSNI($0) }
  }

  // MARK: Addresses

  /// `10.0.0.1:80`, `10.0.0.1`, `[::1]:80` or `::1`; `nil` when the record does not say.
  private func address(_ field: LogField, of line: Span<UInt8>) -> LogAddress? {
    with(field, of: line) { text in
      guard text.count > 0 else { return nil }
      // Pipes, abstract ones, and listeners inside the proxy.
      if text[0] == UInt8(ascii: "/") || text[0] == UInt8(ascii: "@") || Self.begins(text, with: "envoy://") {
        return LogAddress(isNone: true)
      }
      var (start, end, port) = (0, text.count, text.count)
      if text[0] == UInt8(ascii: "[") {
        start = 1
        end = 1
        while end < text.count, text[end] != UInt8(ascii: "]") { end += 1 }
        port = end + 1
      } else {
        var colons = 0
        for index in text.indices where text[index] == UInt8(ascii: ":") {
          colons += 1
          port = index
        }
        if colons == 1 { end = port } else { port = text.count }
      }
      guard end > start, end <= text.count, let address = IPAddress(text.extracting(start..<end)) else { return nil }
      return LogAddress(address: address, port: Self.port(text, behind: port))
    } ?? nil
  }

  private static func port(_ text: Span<UInt8>, behind colon: Int) -> UInt16? {
    guard colon < text.count - 1, text[colon] == UInt8(ascii: ":") else { return nil }
    var value: UInt32 = 0
    for index in colon + 1..<text.count {
      guard text[index] &- 0x30 < 10 else { return nil }
      value = value * 10 + UInt32(text[index] - 0x30)
      guard value <= 65_535 else { return nil }
    }
    return value > 0 ? UInt16(value) : nil
  }
}
