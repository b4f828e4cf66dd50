// A host in a test: it owns the memory that the interface borrows, and asks through the C functions alone.
// Enters: Swift values. Leaves: C structs, statuses, answers. Never here: the library's own types.

internal import CPortcullis
internal import TestSupport

/// Memory that lives as long as a test's question.
@safe final class Lender {
  private var blocks: [UnsafeMutableRawPointer] = unsafe []

  deinit { for index in unsafe blocks.indices { unsafe blocks[index].deallocate() } }

  private func memory(_ bytes: Int) -> UnsafeMutableRawPointer {
    let block = UnsafeMutableRawPointer.allocate(byteCount: max(bytes, 8), alignment: 16)
    unsafe blocks.append(block)
    return unsafe block
  }

  /// Bytes; an empty text is known and empty.
  func bytes(_ text: [UInt8]) -> portcullis_bytes {
    let block = unsafe memory(text.count)
    unsafe block.copyMemory(from: text, byteCount: text.count)
    return unsafe portcullis_bytes(data: block.assumingMemoryBound(to: CChar.self), size: text.count)
  }

  func bytes(_ text: String) -> portcullis_bytes { unsafe bytes(Array(text.utf8)) }

  /// A text with a NUL behind it.
  func text(_ text: String) -> UnsafePointer<CChar>? { unsafe bytes(Array(text.utf8) + [0]).data }

  func list<Element>(_ elements: [Element]) -> UnsafePointer<Element>? {
    let block = unsafe memory(elements.count * MemoryLayout<Element>.stride)
    let start = unsafe block.bindMemory(to: Element.self, capacity: max(elements.count, 1))
    for (index, element) in elements.enumerated() { unsafe (start + index).initialize(to: element) }
    return unsafe UnsafePointer(start)
  }

  func texts(_ texts: [String]) -> UnsafePointer<UnsafePointer<CChar>?>? { unsafe list(texts.map { unsafe text($0) }) }

  func address(_ text: String, port: UInt32 = 0) -> portcullis_address {
    unsafe portcullis_address(kind: Int32(PORTCULLIS_ADDRESS_TEXT), port: port, bytes: bytes(text))
  }

  func header(_ name: String, _ value: String) -> portcullis_header {
    unsafe portcullis_header(name: bytes(name), value: bytes(value))
  }

  func entry(_ path: [String], _ value: String, isListElement: Bool = false) -> portcullis_entry {
    let names = unsafe list(path.map { unsafe bytes($0) })
    return unsafe portcullis_entry(
      path: names, path_count: path.count, value: bytes(value), is_list_element: isListElement ? 1 : 0, reserved: 0)
  }
}

/// The text of the library, which is freed.
func take(_ text: UnsafeMutablePointer<CChar>?) -> String {
  guard let text = unsafe text else { return "" }
  defer { unsafe portcullis_text_free(text) }
  return unsafe String(cString: text)
}

/// What a check said.
struct Answer: Equatable, CustomStringConvertible {
  var status: portcullis_status
  var outcome: Int32
  var decision: String
  var reason: String
  var policy: String
  var dryRun: String?
  var audit: String
  var snapshot: String
  var error: String

  init(_ status: portcullis_status, _ decision: portcullis_decision) {
    func name(_ outcome: Int32) -> String { unsafe portcullis_outcome_name(outcome).map { unsafe String(cString: $0) } ?? "?" }
    func rule(_ bytes: portcullis_bytes) -> String {
      guard let data = unsafe bytes.data, unsafe bytes.size != 0 else { return "none" }
      if unsafe bytes.size < 0 { return "not set" }
      return unsafe String(decoding: UnsafeRawBufferPointer(start: data, count: bytes.size), as: UTF8.self)
    }
    self.status = status
    outcome = unsafe decision.outcome
    self.decision = unsafe name(decision.outcome)
    reason = unsafe decision.reason_code.map { unsafe String(cString: $0) } ?? ""
    policy = unsafe rule(decision.policy)
    dryRun = unsafe decision.dry_run == 0 ? nil : name(decision.dry_run - 1)
    audit = unsafe rule(decision.audit_policy)
    snapshot = unsafe withUnsafeBytes(of: decision.snapshot) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    error = unsafe decision.error.map { unsafe String(cString: $0) } ?? ""
  }

  var description: String { "\(decision) (\(reason)) by \(policy), status \(status) \(error)" }
}

/// An engine and one reader, closed with their owner.
@safe final class TestEngine {
  let engine: OpaquePointer
  let reader: OpaquePointer

  /// Opens an engine on files; `change` sets further options.
  init(_ paths: [String], _ lender: Lender, _ change: (inout portcullis_options) -> Void = { _ in }) throws {
    var options = unsafe portcullis_options_init()
    unsafe options.paths = lender.texts(paths)
    unsafe options.path_count = paths.count
    unsafe change(&options)
    var engine: OpaquePointer?
    var reader: OpaquePointer?
    var message: UnsafeMutablePointer<CChar>?
    let status = unsafe portcullis_engine_open(&options, &engine, &message)
    let text = unsafe take(message)
    guard status == PORTCULLIS_OK, let engine = unsafe engine, unsafe portcullis_reader_open(engine, &reader) == PORTCULLIS_OK,
      let reader = unsafe reader
    else { throw TestFailure("the engine does not open: \(status) \(text)") }
    unsafe self.engine = engine
    unsafe self.reader = reader
  }

  deinit {
    _ = unsafe portcullis_reader_close(reader)
    _ = unsafe portcullis_engine_close(engine)
  }

  /// Opens a connection.
  func connect(_ facts: portcullis_connection_facts) throws -> OpaquePointer {
    var facts = unsafe facts
    var connection: OpaquePointer?
    var problem: UnsafePointer<CChar>?
    let status = unsafe portcullis_connection_open(reader, &facts, &connection, &problem)
    guard status == PORTCULLIS_OK, let connection = unsafe connection else {
      throw TestFailure("the connection does not open: \(status) \(unsafe problem.map { unsafe String(cString: $0) } ?? "")")
    }
    return unsafe connection
  }

  /// Opens a connection, asks once, and closes it.
  func ask(_ facts: portcullis_connection_facts, _ request: portcullis_request) throws -> Answer {
    let connection = try unsafe connect(facts)
    defer { _ = unsafe portcullis_connection_close(connection) }
    return unsafe check(connection, request)
  }
}

/// Asks once. The decision is full of ones before, so that whatever the library does not set shows.
func check(_ connection: OpaquePointer?, _ request: portcullis_request) -> Answer {
  var request = unsafe request
  var decision = unsafe portcullis_decision()
  unsafe withUnsafeMutableBytes(of: &decision) { bytes in for index in bytes.indices { unsafe bytes[index] = 0xff } }
  unsafe decision.struct_size = portcullis_decision_init().struct_size
  let status = unsafe portcullis_check(connection, &request, &decision)
  return unsafe Answer(status, decision)
}

/// The shop of the examples, as a host asks about it.
enum Shop {
  static let frontend = "spiffe://cluster.local/ns/shop/sa/frontend-sa"

  static func facts(_ lender: Lender, workload: String = "shop/backend", peer: String = frontend) -> portcullis_connection_facts {
    var facts = unsafe portcullis_connection_facts_init()
    unsafe facts.workload = lender.bytes(workload)
    unsafe facts.peer_kind = Int32(PORTCULLIS_PEER_URI)
    unsafe facts.peer = lender.bytes(peer)
    unsafe facts.port = 8080
    return unsafe facts
  }

  static func request(_ lender: Lender) -> portcullis_request {
    var request = unsafe portcullis_request_init()
    unsafe request.protocol = Int32(PORTCULLIS_HTTP)
    unsafe request.method = lender.bytes("GET")
    unsafe request.host = lender.bytes("backend.shop")
    unsafe request.path = lender.bytes("/orders?id=1")
    unsafe request.header_form = Int32(PORTCULLIS_HEADERS_LINES)
    unsafe request.headers = lender.list([lender.header("user-agent", "test"), lender.header("x-team", "a")])
    unsafe request.header_count = 2
    unsafe request.token = Int32(PORTCULLIS_TOKEN_NONE)
    return unsafe request
  }

  static var directory: String { Programs.project() + "/examples/shop" }
}
