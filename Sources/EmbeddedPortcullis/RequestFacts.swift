// What one request adds to its connection.
// Enters: the host's struct and the snapshot that will decide. Leaves: attributes; what was not said stays unknown.
// Never here: an attribute that is taken for absent because nobody spoke of it, a value outside its enumeration, a struct that contradicts itself.

internal import CPortcullis
internal import PolicyEngine
internal import PolicyModel

/// A reader of requests, with memory that it uses again, for one connection of its reader after the other.
struct RequestFacts {
  /// More names do not lead to one claim.
  private static let mostNames = 16
  /// How much memory is kept for the next request, as that of a connection is.
  private static let mostKept = 256 * 1024
  /// The names that lead to a claim.
  private var path: [UInt8] = []
  private var scratch = PathScratch()

  /// Fills a request whose connection is set. No allocation for what the memory has held before.
  mutating func fill(
    _ wire: UnsafePointer<portcullis_request>, tcpRemote: IPAddress??, _ snapshot: Snapshot, into request: inout Request
  ) throws(Refusal) {
    if path.capacity > Self.mostKept { path = [] }
    scratch.trim(to: Self.mostKept)
    var budget = Budget()
    let remote = try unsafe AddressFact(wire.pointee.remote, "remote: not an address")
    switch unsafe Int(wire.pointee.protocol) {
    case PORTCULLIS_HTTP:
      if let address = remote.address { request.setRemoteIP(address) }
      try unsafe fillHTTP(wire, snapshot, &budget, into: &request)
      try unsafe Self.fillHeaders(wire, snapshot, &budget, into: &request)
      try unsafe fillToken(wire, &budget, into: &request)
    case PORTCULLIS_TCP:
      request.isTCP = true
      if let address = remote.address ?? tcpRemote { request.setRemoteIP(address) }
    default: throw Refusal("protocol: neither PORTCULLIS_HTTP nor PORTCULLIS_TCP")
    }
    try unsafe fillMetadata(wire, &budget, into: &request)
  }

  private mutating func fillHTTP(
    _ wire: UnsafePointer<portcullis_request>, _ snapshot: Snapshot, _ budget: inout Budget, into request: inout Request
  ) throws(Refusal) {
    try unsafe budget.take(wire.pointee.method, "method: null with a size, or too long")
    try unsafe budget.take(wire.pointee.host, "host: null with a size, or too long")
    try unsafe budget.take(wire.pointee.path, "path: null with a size, or too long")
    guard unsafe !wire.pointee.method.hasNUL, unsafe !wire.pointee.host.hasNUL, unsafe !wire.pointee.path.hasNUL else {
      throw Refusal("method, host or path: holds a NUL")
    }
    if unsafe wire.pointee.method.isKnown {
      guard unsafe wire.pointee.method.size > 0 else { throw Refusal("method: empty; null means unknown") }
      unsafe request.setMethod(wire.pointee.method.span)
    }
    if unsafe wire.pointee.host.isKnown { unsafe request.setHost(wire.pointee.host.span) }
    let isTrusted: Bool
    switch unsafe Int(wire.pointee.path_form) {
    case PORTCULLIS_PATH_CHECKED: isTrusted = false
    case PORTCULLIS_PATH_TRUSTED: isTrusted = true
    default: throw Refusal("path_form: unknown value")
    }
    guard unsafe wire.pointee.path.isKnown else { return }
    if unsafe wire.pointee.path.size == 0 {
      guard unsafe wire.pointee.method.equals("CONNECT") else {
        throw Refusal("path: empty, and only CONNECT has none; null means unknown")
      }
      request.setPathAbsent()
    } else if unsafe isTrusted || snapshot.mesh.isNormalized(wire.pointee.path.span, using: &scratch) {
      unsafe request.setPath(wire.pointee.path.span)
    } else {
      request.setPathUnknown(.pathNotNormalized)
    }
  }

  private static func fillHeaders(
    _ wire: UnsafePointer<portcullis_request>, _ snapshot: Snapshot, _ budget: inout Budget, into request: inout Request
  ) throws(Refusal) {
    let lines = try unsafe BorrowedList(wire.pointee.headers, wire.pointee.header_count, "headers: null with a count, or too many")
    let isJoined: Bool
    switch unsafe Int(wire.pointee.header_form) {
    case PORTCULLIS_HEADERS_UNKNOWN:
      guard unsafe lines.count == 0 else { throw Refusal("headers: given, while header_form says that they are unknown") }
      return
    case PORTCULLIS_HEADERS_LINES: isJoined = false
    case PORTCULLIS_HEADERS_JOINED: isJoined = true
    default: throw Refusal("header_form: unknown value")
    }
    request.setHeadersKnown()
    for index in unsafe 0..<lines.count {
      guard let line = unsafe lines[index], unsafe line.name.isKnown, unsafe line.name.size > 0 else {
        throw Refusal("headers: a line without a name")
      }
      try unsafe budget.take(line.name, "headers: a name that is too long")
      // Most headers are nobody's business here.
      guard unsafe snapshot.testsHeader(line.name.span) else { continue }
      try unsafe budget.take(line.value, "headers: a value that is null with a size, or too long")
      guard unsafe line.value.isKnown, unsafe !line.value.hasNUL else { throw Refusal("headers: a value that is null or holds a NUL") }
      // A pseudo header comes once; its comma is its own.
      let isAmbiguous = unsafe isJoined && line.name.span[0] != UInt8(ascii: ":") && contains(line.value.span, UInt8(ascii: ","))
      unsafe request.addHeader(name: line.name.span, value: line.value.span, isAmbiguous: isAmbiguous)
    }
  }

  private mutating func fillToken(_ wire: UnsafePointer<portcullis_request>, _ budget: inout Budget, into request: inout Request)
    throws(Refusal)
  {
    let claims = try unsafe BorrowedList(wire.pointee.claims, wire.pointee.claim_count, "claims: null with a count, or too many")
    switch unsafe Int(wire.pointee.token) {
    case PORTCULLIS_TOKEN_UNKNOWN, PORTCULLIS_TOKEN_NONE:
      guard unsafe claims.count == 0 else { throw Refusal("claims: given, while token says that there is none or that it is unknown") }
      if unsafe wire.pointee.token == PORTCULLIS_TOKEN_NONE { request.setClaimsKnown() }
    case PORTCULLIS_TOKEN_VERIFIED:
      request.setToken()
      try unsafe fill(claims, least: 1, &budget, into: &request) { $0.addClaim(path: $1, value: $2, isListElement: $3) }
    default: throw Refusal("token: unknown value")
    }
  }

  private mutating func fillMetadata(_ wire: UnsafePointer<portcullis_request>, _ budget: inout Budget, into request: inout Request)
    throws(Refusal)
  {
    let entries = try unsafe BorrowedList(wire.pointee.metadata, wire.pointee.metadata_count, "metadata: null with a count, or too many")
    let filters = try unsafe BorrowedList(wire.pointee.filters, wire.pointee.filter_count, "filters: null with a count, or too many")
    switch unsafe Int(wire.pointee.metadata_form) {
    case PORTCULLIS_METADATA_UNKNOWN:
      guard unsafe entries.count == 0, unsafe filters.count == 0 else {
        throw Refusal("metadata: given, while metadata_form says that it is unknown")
      }
      return
    case PORTCULLIS_METADATA_COMPLETE:
      guard unsafe filters.count == 0 else { throw Refusal("filters: given, while metadata_form says that the metadata is complete") }
      request.setMetadataComplete()
    case PORTCULLIS_METADATA_OF_FILTERS:
      for index in unsafe 0..<filters.count {
        guard let name = unsafe filters[index], unsafe name.size > 0 else { throw Refusal("filters: an empty name") }
        try unsafe budget.take(name, "filters: a name that is null with a size, or too long")
        unsafe request.setMetadataKnown(filter: name.span)
      }
    default: throw Refusal("metadata_form: unknown value")
    }
    try unsafe fill(entries, least: 2, &budget, into: &request) { $0.addMetadata(path: $1, value: $2, isListElement: $3) }
  }

  /// Adds entries, each with at least so many names.
  private mutating func fill(
    _ entries: BorrowedList<portcullis_entry>, least: Int, _ budget: inout Budget, into request: inout Request,
    _ add: (inout Request, Span<UInt8>, Span<UInt8>, Bool) -> Void
  ) throws(Refusal) {
    for index in unsafe 0..<entries.count {
      guard let entry = unsafe entries[index], unsafe entry.reserved == 0, unsafe entry.is_list_element == 0 || entry.is_list_element == 1
      else { throw Refusal("claims or metadata: an entry with an unknown value") }
      let names = try unsafe BorrowedList(
        entry.path, entry.path_count, limit: Self.mostNames, "claims or metadata: a path that is null or too long")
      guard unsafe names.count >= least else { throw Refusal("claims or metadata: a path with too few names") }
      try unsafe budget.take(entry.value, "claims or metadata: a value that is null with a size, or too long")
      guard unsafe entry.value.isKnown else { throw Refusal("claims or metadata: a value that is null") }
      path.removeAll(keepingCapacity: true)
      for level in unsafe 0..<names.count {
        guard let name = unsafe names[level], unsafe name.isKnown else { throw Refusal("claims or metadata: a name that is null") }
        try unsafe budget.take(name, "claims or metadata: a name that is null with a size, or too long")
        unsafe Request.appendPathComponent(name.span, to: &path)
      }
      unsafe add(&request, path.span, entry.value.span, entry.is_list_element == 1)
    }
  }

  private static func contains(_ text: Span<UInt8>, _ byte: UInt8) -> Bool {
    for index in text.indices where text[index] == byte { return true }
    return false
  }
}
