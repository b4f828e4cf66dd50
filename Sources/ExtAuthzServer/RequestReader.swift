// From a CheckRequest to the engine's request.
// Enters: the bridge's struct and what is believed of it. Leaves: attributes; what was not sent stays unknown.
// Never here: the peer (`PeerReader`) and the workload (`WorkloadResolver`), or an attribute that is taken for absent because it was withheld.

internal import CExtAuthz
internal import PolicyEngine
internal import PolicyModel

/// One worker's reader. Not shared.
struct RequestReader {
  private let belief: Belief
  private let remoteHeader: [UInt8]
  private static let forwardedForName = Array("x-forwarded-for".utf8)
  private var path: [UInt8] = []

  init(_ belief: Belief) {
    self.belief = belief
    if case .header(let name) = belief.remoteIP { remoteHeader = Array(name.utf8) } else { remoteHeader = [] }
  }

  /// Fills everything but the peer.
  mutating func read(
    _ wire: UnsafePointer<extauthz_request>, _ hints: borrowing Hints, _ snapshot: Snapshot, into request: inout Request
  ) {
    request.isTCP = unsafe !wire.pointee.has_http
    request.honorsRequestAuthentication = belief.tokens == .requestAuthentication
    let source = unsafe wire.pointee.source.address
    let destination = unsafe wire.pointee.destination.address
    if let address = hints.sourceIP {
      request.setSourceIP(address)
    } else if hints.profile != .waypoint, let address = unsafe Self.address(source) {
      // A waypoint decides behind a listener of its own, so its connection's peer is not the client that Envoy writes here.
      request.setSourceIP(address)
    }
    if let address = unsafe Self.address(destination) { request.setDestinationIP(address) }
    if let port = hints.port {
      request.setPort(port)
    } else if let port = unsafe Self.port(destination) {
      request.setPort(port)
    }
    if unsafe wire.pointee.has_tls_session { unsafe request.setSNI(wire.pointee.sni.span) }
    if unsafe wire.pointee.has_http { unsafe readHTTP(wire, snapshot, into: &request) }
    unsafe readRemoteIP(wire, hints, into: &request)
    unsafe readMetadata(wire, into: &request)
  }

  private func readHTTP(
    _ wire: UnsafePointer<extauthz_request>, _ snapshot: Snapshot, into request: inout Request
  ) {
    if unsafe !wire.pointee.method.isEmpty { unsafe request.setMethod(wire.pointee.method.span) }
    if unsafe !wire.pointee.host.isEmpty { unsafe request.setHost(wire.pointee.host.span) }
    let path = unsafe wire.pointee.path
    if unsafe path.isEmpty {
      // Only CONNECT has no path; anything else was withheld.
      if unsafe wire.pointee.method.equals("CONNECT") { request.setPathAbsent() }
    } else if unsafe belief.trustsNormalization || snapshot.mesh.isNormalized(path.span) {
      unsafe request.setPath(path.span)
    } else {
      request.setPathUnknown(.pathNotNormalized)
    }
    guard unsafe wire.pointee.has_headers, let headers = unsafe wire.pointee.headers else { return }
    request.setHeadersKnown()
    let isJoined = unsafe !wire.pointee.header_map_present && !belief.acceptsJoinedHeaders
    for index in unsafe 0..<wire.pointee.header_count {
      let pair = unsafe headers[index]
      // Most headers are nobody's business here.
      guard unsafe snapshot.testsHeader(pair.key.span) else { continue }
      let value = unsafe pair.value.span
      // A pseudo header comes once; its comma is its own.
      let isAmbiguous = unsafe isJoined && Self.contains(value, UInt8(ascii: ",")) && !pair.key.hasPrefix(":")
      unsafe request.addHeader(name: pair.key.span, value: value, isAmbiguous: isAmbiguous)
    }
  }

  // MARK: Addresses

  /// `nil` when nothing was sent or it cannot be read; `.some(nil)` for a pipe or an internal listener, which no block contains.
  private static func address(_ address: extauthz_address) -> IPAddress?? {
    switch unsafe address.kind {
    case EXTAUTHZ_ADDRESS_SOCKET: unsafe IPAddress(address.text.span).map { .some($0) }
    case EXTAUTHZ_ADDRESS_PIPE, EXTAUTHZ_ADDRESS_INTERNAL: .some(nil)
    default: nil
    }
  }

  /// The port that policies mean: not the proxy's own inbound ports, behind which every port of the workload may stand.
  private static func port(_ address: extauthz_address) -> UInt16? {
    guard unsafe address.kind == EXTAUTHZ_ADDRESS_SOCKET && address.has_port, let port = unsafe UInt16(exactly: address.port), port != 0,
      port != 15001, port != 15006, port != 15008
    else { return nil }
    return port
  }

  private func readRemoteIP(_ wire: UnsafePointer<extauthz_request>, _ hints: borrowing Hints, into request: inout Request) {
    if let address = hints.remoteIP { return request.setRemoteIP(address) }
    let peer = unsafe Self.address(wire.pointee.source.address)
    guard unsafe wire.pointee.has_http else {
      // X-Forwarded-For is HTTP's; a TCP connection has its peer (or the address of the PROXY protocol, which Envoy put there).
      if let peer { request.setRemoteIP(peer) }
      return
    }
    switch belief.remoteIP {
    case .direct:
      if let peer { request.setRemoteIP(peer) }
    case .sidecar:
      guard unsafe wire.pointee.has_headers else { return }
      if let address = unsafe Self.forwardedFor(wire, place: 1) {
        request.setRemoteIP(address)
      } else if let peer {
        request.setRemoteIP(peer)
      }
    case .forwardedFor(let place):
      if let address = unsafe Self.forwardedFor(wire, place: place) { request.setRemoteIP(address) }
    case .header:
      if let address = unsafe headerAddress(wire) { request.setRemoteIP(address) }
    }
  }

  /// The entry of X-Forwarded-For at this place from the right, over all its lines.
  private static func forwardedFor(_ wire: UnsafePointer<extauthz_request>, place: Int) -> IPAddress? {
    guard let headers = unsafe wire.pointee.headers else { return nil }
    var remaining = place
    var index = unsafe wire.pointee.header_count
    while index > 0 {
      index -= 1
      guard unsafe headers[index].key.equalsIgnoringCase(Self.forwardedForName.span) else { continue }
      let value = unsafe headers[index].value.span
      var end = value.count
      while true {
        var start = end
        while start > 0, value[start - 1] != UInt8(ascii: ",") { start -= 1 }
        remaining -= 1
        if remaining == 0 { return IPAddress(trimmed(value.extracting(start..<end))) }
        if start == 0 { break }
        end = start - 1
      }
    }
    return nil
  }

  /// The one line of the header that the proxy sets; several lines are nobody's word.
  private func headerAddress(_ wire: UnsafePointer<extauthz_request>) -> IPAddress? {
    guard let headers = unsafe wire.pointee.headers else { return nil }
    var found: IPAddress?
    for index in unsafe 0..<wire.pointee.header_count where unsafe headers[index].key.equalsIgnoringCase(remoteHeader.span) {
      guard found == nil, let address = unsafe IPAddress(Self.trimmed(headers[index].value.span)) else { return nil }
      found = address
    }
    return found
  }

  // MARK: Metadata

  /// Claims from the payload of the JWT filter; other filters' strings as they are.
  private mutating func readMetadata(_ wire: UnsafePointer<extauthz_request>, into request: inout Request) {
    guard unsafe wire.pointee.has_metadata_context else { return }
    // Without a payload there was no token. A payload that is no object is something that we do not understand.
    var areClaimsKnown = belief.tokens != .unavailable
    defer { if areClaimsKnown { request.setClaimsKnown() } }
    guard let nodes = unsafe wire.pointee.metadata else { return }
    let count = unsafe wire.pointee.metadata_count
    var filter = 0
    while filter < count {
      let node = unsafe nodes[filter]
      let end = unsafe min(Int(node.end), count)
      unsafe request.setMetadataKnown(filter: node.key.span)
      let isTokens = unsafe node.key.equals("envoy.filters.http.jwt_authn") && belief.tokens != .unavailable
      var child = filter + 1
      while child < end {
        let entry = unsafe nodes[child]
        path.removeAll(keepingCapacity: true)
        unsafe Request.appendPathComponent(node.key.span, to: &path)
        unsafe Request.appendPathComponent(entry.key.span, to: &path)
        unsafe Self.strings(nodes, child, count) { value, isElement in
          request.addMetadata(path: path.span, value: value, isListElement: isElement)
        }
        if isTokens, unsafe entry.key.equals("payload") {
          if unsafe entry.kind == EXTAUTHZ_METADATA_STRUCT {
            request.setToken()
            unsafe readClaims(nodes, child, count, into: &request)
          } else {
            areClaimsKnown = false
          }
        }
        child = unsafe max(child + 1, Int(entry.end))
      }
      filter = max(filter + 1, end)
    }
  }

  /// Every string and every string of a list below the payload, each with its path of names.
  private mutating func readClaims(
    _ nodes: UnsafePointer<extauthz_metadata_node>, _ payload: Int, _ count: Int, into request: inout Request
  ) {
    let end = unsafe min(Int(nodes[payload].end), count)
    let base = unsafe Int(nodes[payload].depth) + 1
    path.removeAll(keepingCapacity: true)
    // Where the path of each level ends; depth is bounded by the bridge.
    var ends: [Int] = []
    var index = payload + 1
    while index < end {
      let node = unsafe nodes[index]
      let level = unsafe max(Int(node.depth) - base, 0)
      if level < ends.count { ends.removeLast(ends.count - level) }
      let keep = ends.last ?? 0
      path.removeLast(max(path.count - keep, 0))
      unsafe Request.appendPathComponent(node.key.span, to: &path)
      unsafe Self.strings(nodes, index, count) { value, isElement in
        request.addClaim(path: path.span, value: value, isListElement: isElement)
      }
      if unsafe node.kind == EXTAUTHZ_METADATA_STRUCT {
        ends.append(path.count)
        index += 1
      } else {
        index = unsafe max(index + 1, Int(node.end))
      }
    }
  }

  /// The node if it is a string, or its direct elements that are, if it is a list.
  private static func strings(
    _ nodes: UnsafePointer<extauthz_metadata_node>, _ index: Int, _ count: Int, _ body: (Span<UInt8>, Bool) -> Void
  ) {
    let node = unsafe nodes[index]
    if unsafe node.kind == EXTAUTHZ_METADATA_STRING { return unsafe body(node.string.span, false) }
    guard unsafe node.kind == EXTAUTHZ_METADATA_LIST else { return }
    let end = unsafe min(Int(node.end), count)
    var child = index + 1
    while child < end {
      let element = unsafe nodes[child]
      if unsafe element.kind == EXTAUTHZ_METADATA_STRING { unsafe body(element.string.span, true) }
      child = unsafe max(child + 1, Int(element.end))
    }
  }

  // MARK: Bytes

  @_lifetime(copy text)
  private static func trimmed(_ text: Span<UInt8>) -> Span<UInt8> {
    var (start, end) = (0, text.count)
    while start < end, text[start] == 0x20 || text[start] == 0x09 { start += 1 }
    while end > start, text[end - 1] == 0x20 || text[end - 1] == 0x09 { end -= 1 }
    return text.extracting(start..<end)
  }

  private static func contains(_ text: Span<UInt8>, _ byte: UInt8) -> Bool {
    for index in text.indices where text[index] == byte { return true }
    return false
  }
}
