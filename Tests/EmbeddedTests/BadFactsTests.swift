// What no host should do with options, connections and handles, done.
// Enters: structs of the shop, each with one thing wrong; handles that are closed or of another kind. Leaves: nothing. Every answer is a refusal and
// a denial.

internal import CPortcullis
internal import TestSupport
internal import Testing

@testable internal import EmbeddedPortcullis

@Suite struct `Bad facts are denied` {
  private let lender = Lender()

  @Test func `in the facts of a connection`() throws {
    let engine = try unsafe TestEngine([Shop.directory], lender)
    let bad = Int32(PORTCULLIS_BAD_ARGUMENT)
    func expect(_ name: String, _ status: Int32 = bad, _ change: (inout portcullis_connection_facts) -> Void) {
      var facts = unsafe Shop.facts(lender)
      unsafe change(&facts)
      var connection: OpaquePointer? = unsafe engine.reader
      var problem: UnsafePointer<CChar>?
      let found = unsafe portcullis_connection_open(engine.reader, &facts, &connection, &problem)
      #expect(found == status, "\(name): \(unsafe problem.map { unsafe String(cString: $0) } ?? "")")
      #expect(unsafe connection == nil && problem != nil, "\(name)")
      #expect(unsafe check(connection, Shop.request(lender)).outcome == PORTCULLIS_DENY, "\(name)")
    }
    for size: UInt32 in [0, 231, 233, .max] {
      unsafe expect("size \(size)", Int32(PORTCULLIS_BAD_STRUCT_SIZE)) { unsafe $0.struct_size = size }
    }
    for number: Int32 in [-1, 7, .max] { unsafe expect("peer_kind \(number)") { unsafe $0.peer_kind = number } }
    for number: Int32 in [-1, 5, .max] { unsafe expect("profile \(number)") { unsafe $0.profile = number } }
    unsafe expect("anonymous with a name") { unsafe $0.peer_kind = Int32(PORTCULLIS_PEER_ANONYMOUS) }
    unsafe expect("unknown with a name") { unsafe $0.peer_kind = Int32(PORTCULLIS_PEER_UNKNOWN) }
    unsafe expect("names that are none") {
      unsafe $0.peer_kind = Int32(PORTCULLIS_PEER_NAMES)
      unsafe $0.peer = portcullis_bytes(data: nil, size: 0)
    }
    unsafe expect("a list with a null name") {
      unsafe $0.peer_kind = Int32(PORTCULLIS_PEER_NAMES)
      unsafe $0.peer = portcullis_bytes(data: nil, size: 0)
      unsafe $0.uris = lender.list([portcullis_bytes(data: nil, size: 0)])
      unsafe $0.uri_count = 1
    }
    unsafe expect("a URI that is null") { unsafe $0.peer = portcullis_bytes(data: nil, size: 0) }
    unsafe expect("an empty URI") { unsafe $0.peer = lender.bytes("") }
    unsafe expect("a URI with a NUL") { unsafe $0.peer = lender.bytes("spiffe://cluster.local/ns/shop/sa/frontend-sa\0") }
    unsafe expect("a certificate that is null") {
      unsafe $0.peer_kind = Int32(PORTCULLIS_PEER_CERTIFICATE_DER)
      unsafe $0.peer = portcullis_bytes(data: nil, size: 0)
    }
    unsafe expect("an empty workload") { unsafe $0.workload = lender.bytes("") }
    unsafe expect("labels beside a name") {
      unsafe $0.workload_namespace = lender.bytes("shop")
      unsafe $0.workload_labels = lender.bytes("app=backend")
    }
    unsafe expect("labels without a namespace") {
      unsafe $0.workload = portcullis_bytes(data: nil, size: 0)
      unsafe $0.workload_labels = lender.bytes("app=backend")
    }
    for labels in ["app", "app=a,", "=a", "app=a,app=b", "app= a", "app=é"] {
      unsafe expect("labels `\(labels)`") {
        unsafe $0.workload = portcullis_bytes(data: nil, size: 0)
        unsafe $0.workload_namespace = lender.bytes("shop")
        unsafe $0.workload_labels = lender.bytes(labels)
      }
    }
    unsafe expect("a namespace in capital letters") {
      unsafe $0.workload = portcullis_bytes(data: nil, size: 0)
      unsafe $0.workload_namespace = lender.bytes("Shop")
      unsafe $0.workload_labels = lender.bytes("app=backend")
    }
    unsafe expect("a service at a sidecar") { unsafe $0.service = lender.bytes("shop/backend") }
    unsafe expect("a service that is none") {
      unsafe $0.profile = Int32(PORTCULLIS_PROFILE_WAYPOINT)
      unsafe $0.service = lender.bytes([0xff, 0x2f, 0xfe])
    }
    unsafe expect("a port beyond all") { unsafe $0.port = 65_536 }
    unsafe expect("the port of a source that is not known") { unsafe $0.source.port = 8080 }
    unsafe expect("the port of a destination that is not known") { unsafe $0.destination.port = 8080 }
    unsafe expect("the port of a client that is not known") { unsafe $0.remote.port = 8080 }
    unsafe expect("a source that is none") { unsafe $0.source = lender.address("localhost") }
    unsafe expect("a server name with a NUL") { unsafe $0.sni = lender.bytes("a\0") }
  }

  /// What opens, and is denied with a reason.
  @Test func `in what only the policies know`() throws {
    let engine = try unsafe TestEngine([Shop.directory], lender)
    func expect(_ reason: String, _ change: (inout portcullis_connection_facts) -> Void) throws {
      var facts = unsafe Shop.facts(lender)
      unsafe change(&facts)
      let answer = try unsafe engine.ask(facts, Shop.request(lender))
      #expect(answer.status == PORTCULLIS_OK && answer.outcome == PORTCULLIS_DENY && answer.reason == reason, "\(answer)")
    }
    try unsafe expect("unknown-workload") { unsafe $0.workload = lender.bytes("shop/nobody") }
    try unsafe expect("unknown-workload") { unsafe $0.workload = lender.bytes([0xff, 0x00, 0x2f]) }
    try unsafe expect("unknown-workload") { unsafe $0.workload = portcullis_bytes(data: nil, size: 0) }
    try unsafe expect("unknown-workload") {
      unsafe $0.workload = portcullis_bytes(data: nil, size: 0)
      unsafe $0.workload_namespace = lender.bytes("nowhere")
      unsafe $0.workload_labels = lender.bytes("")
    }
    try unsafe expect("unsupported-profile") { unsafe $0.profile = Int32(PORTCULLIS_PROFILE_ZTUNNEL) }
    try unsafe expect("unknown-service") { unsafe $0.profile = Int32(PORTCULLIS_PROFILE_WAYPOINT) }
    for kind in [
      PORTCULLIS_PEER_CERTIFICATE_DER, PORTCULLIS_PEER_CERTIFICATE_PEM, PORTCULLIS_PEER_CERTIFICATE_URL_ENCODED_PEM,
    ] {
      for bytes: [UInt8] in [[], [0], Array("no certificate".utf8), [0x30, 0x82, 0xff, 0xff]] {
        try unsafe expect("peer-certificate-rejected") {
          unsafe $0.peer_kind = Int32(kind)
          unsafe $0.peer = lender.bytes(bytes)
        }
      }
    }
    try unsafe expect("peer-identity-too-long") { unsafe $0.peer = lender.bytes([UInt8](repeating: 0x61, count: 2_049)) }
    try unsafe expect("mtls-required") {
      unsafe $0.peer_kind = Int32(PORTCULLIS_PEER_ANONYMOUS)
      unsafe $0.peer = portcullis_bytes(data: nil, size: 0)
    }
  }

  @Test func `in options`() throws {
    func expect(_ name: String, _ status: Int, _ change: (inout portcullis_options) -> Void) {
      var options = unsafe portcullis_options_init()
      unsafe options.paths = lender.texts([Shop.directory])
      unsafe options.path_count = 1
      unsafe change(&options)
      var engine: OpaquePointer?
      var message: UnsafeMutablePointer<CChar>?
      #expect(unsafe portcullis_engine_open(&options, &engine, &message) == status, "\(name)")
      #expect(unsafe engine == nil && message != nil, "\(name)")
      #expect(unsafe !take(message).isEmpty, "\(name)")
    }
    unsafe expect("size", PORTCULLIS_BAD_STRUCT_SIZE) { unsafe $0.struct_size = 111 }
    unsafe expect("flags", PORTCULLIS_BAD_ARGUMENT) { unsafe $0.flags = 64 }
    unsafe expect("polling alone", PORTCULLIS_BAD_ARGUMENT) { unsafe $0.flags = UInt32(PORTCULLIS_POLL) }
    unsafe expect("no path", PORTCULLIS_BAD_ARGUMENT) { unsafe $0.path_count = 0 }
    unsafe expect("null paths", PORTCULLIS_BAD_ARGUMENT) { unsafe $0.paths = nil }
    unsafe expect("a null path", PORTCULLIS_BAD_ARGUMENT) { unsafe $0.paths = lender.list([nil]) }
    unsafe expect("a path that is not UTF-8", PORTCULLIS_BAD_ARGUMENT) {
      unsafe $0.paths = lender.list([lender.bytes([0xff, 0xfe, 0]).data])
    }
    unsafe expect("a trust domain with a slash", PORTCULLIS_BAD_ARGUMENT) { unsafe $0.trust_domain = lender.text("spiffe://a") }
    unsafe expect("an empty root namespace", PORTCULLIS_BAD_ARGUMENT) { unsafe $0.root_namespace = lender.text("") }
    unsafe expect("a normalization", PORTCULLIS_BAD_ARGUMENT) { unsafe $0.path_normalization = 5 }
    unsafe expect("a profile", PORTCULLIS_BAD_ARGUMENT) { unsafe $0.profile = 5 }
    unsafe expect("a missing file", PORTCULLIS_BAD_SOURCES) { unsafe $0.paths = lender.texts(["/nonexistent/policies"]) }
    unsafe expect("missing settings", PORTCULLIS_BAD_SOURCES) { unsafe $0.mesh_config = lender.text("/nonexistent/mesh") }
    #expect(portcullis_engine_open(nil, nil, nil) == PORTCULLIS_BAD_ARGUMENT)
  }

  @Test func `through handles that are closed or of another kind`() throws {
    let request = unsafe Shop.request(lender)
    var engine: TestEngine? = try unsafe TestEngine([Shop.directory], lender)
    guard let opened = engine else { return }
    let (handle, reader) = unsafe (opened.engine, opened.reader)
    let connection = try unsafe opened.connect(Shop.facts(lender))
    let other = try unsafe opened.connect(Shop.facts(lender))
    #expect(unsafe check(connection, request).outcome == PORTCULLIS_ALLOW)
    let others = unsafe [nil, handle, reader, OpaquePointer(bitPattern: 1), OpaquePointer(bitPattern: 7)]
    for index in unsafe others.indices {
      let wrong = unsafe others[index]
      #expect(unsafe check(wrong, request).status == PORTCULLIS_BAD_HANDLE)
      #expect(unsafe check(wrong, request).outcome == PORTCULLIS_DENY)
      #expect(unsafe portcullis_connection_close(wrong) == PORTCULLIS_BAD_HANDLE)
    }
    #expect(unsafe portcullis_reader_close(handle) == PORTCULLIS_BAD_HANDLE)
    #expect(unsafe portcullis_engine_close(connection) == PORTCULLIS_BAD_HANDLE)
    #expect(unsafe portcullis_engine_generation(reader, nil) == PORTCULLIS_BAD_ARGUMENT)
    #expect(unsafe portcullis_connection_close(connection) == PORTCULLIS_OK)
    #expect(unsafe check(connection, request).status == PORTCULLIS_BAD_HANDLE)
    #expect(unsafe check(connection, request).outcome == PORTCULLIS_DENY)
    #expect(unsafe portcullis_connection_close(connection) == PORTCULLIS_BAD_HANDLE)
    #expect(unsafe portcullis_engine_close(handle) == PORTCULLIS_OK)
    #expect(unsafe check(other, request).status == PORTCULLIS_CLOSED)
    #expect(unsafe check(other, request).outcome == PORTCULLIS_DENY)
    #expect(unsafe portcullis_engine_close(handle) == PORTCULLIS_BAD_HANDLE)
    #expect(unsafe portcullis_reader_close(reader) == PORTCULLIS_OK)
    #expect(unsafe check(other, request).status == PORTCULLIS_CLOSED)
    #expect(unsafe portcullis_connection_close(other) == PORTCULLIS_OK)
    engine = nil
  }

  @Test func `from a second thread while the reader is used`() throws {
    let engine = try unsafe TestEngine([Shop.directory], lender)
    let connection = try unsafe engine.connect(Shop.facts(lender))
    defer { _ = unsafe portcullis_connection_close(connection) }
    guard let core = unsafe Handle.object(engine.reader, .reader, ReaderCore.self) else {
      Issue.record("no reader")
      return
    }
    try core.exclusively { _ in
      let answer = unsafe check(connection, Shop.request(lender))
      #expect(answer.status == PORTCULLIS_BUSY && answer.outcome == PORTCULLIS_DENY)
      #expect(unsafe portcullis_reader_close(engine.reader) == PORTCULLIS_BUSY)
    }
    #expect(unsafe check(connection, Shop.request(lender)).outcome == PORTCULLIS_ALLOW)
  }

  /// The peer before must not decide what the peer after may do.
  @Test func `after a reset that came while the reader was used`() throws {
    let engine = try unsafe TestEngine([Shop.directory], lender)
    let connection = try unsafe engine.connect(Shop.facts(lender))
    defer { _ = unsafe portcullis_connection_close(connection) }
    guard let core = unsafe Handle.object(engine.reader, .reader, ReaderCore.self) else {
      Issue.record("no reader")
      return
    }
    var request = unsafe Shop.request(lender)
    #expect(unsafe check(connection, request).outcome == PORTCULLIS_ALLOW)
    var facts = unsafe Shop.facts(lender, peer: "spiffe://cluster.local/ns/shop/sa/backend-sa")
    try core.exclusively { _ in #expect(unsafe portcullis_connection_reset(connection, &facts, nil) == PORTCULLIS_BUSY) }
    let answer = unsafe check(connection, request)
    #expect(answer.status == PORTCULLIS_CLOSED && answer.outcome == PORTCULLIS_DENY, "\(answer)")
    var text: UnsafeMutablePointer<CChar>?
    #expect(unsafe portcullis_explain(connection, &request, &text) == PORTCULLIS_CLOSED)
    #expect(unsafe !take(text).contains("allow"))
    #expect(unsafe portcullis_connection_reset(connection, &facts, nil) == PORTCULLIS_OK)
    #expect(unsafe check(connection, request).reason == "no-allow-matched")
  }
}
