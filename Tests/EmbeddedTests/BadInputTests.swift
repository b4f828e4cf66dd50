// What no host should do, done: null pointers, wrong sizes, unknown values, contradictions.
// Here: requests and decisions; `BadFactsTests.swift` has the rest. Enters: structs of the shop, each with one thing wrong, and structs of random bytes. Leaves: nothing. Every answer is a refusal and a denial.

internal import CPortcullis
internal import EmbeddedPortcullis
internal import TestSupport
internal import Testing

@Suite struct `Bad input is denied` {
  private let lender = Lender()

  /// One wrong thing in a request, by name.
  private func wrongRequests() -> [(String, portcullis_status, portcullis_request)] {
    let bad = Int32(PORTCULLIS_BAD_ARGUMENT)
    var all: [(String, portcullis_status, portcullis_request)] = unsafe []
    func add(_ name: String, _ status: portcullis_status, _ change: (inout portcullis_request) -> Void) {
      var request = unsafe Shop.request(lender)
      unsafe change(&request)
      unsafe all.append((name, status, request))
    }
    func add(_ name: String, _ change: (inout portcullis_request) -> Void) { unsafe add(name, bad, change) }
    let nothing = unsafe portcullis_bytes(data: nil, size: 0)
    let broken = unsafe portcullis_bytes(data: nil, size: 5)
    let endless = unsafe portcullis_bytes(data: lender.bytes("x").data, size: .max)
    let negative = unsafe portcullis_bytes(data: lender.bytes("x").data, size: -1)
    let nul = unsafe lender.bytes("/a\0b")
    for size: UInt32 in [0, 1, 4, 103, 105, 159, 161, 4_096, .max] {
      unsafe add("size \(size)", Int32(PORTCULLIS_BAD_STRUCT_SIZE)) { unsafe $0.struct_size = size }
    }
    for number: Int32 in [0, 3, -1, .max, .min] { unsafe add("protocol \(number)") { unsafe $0.protocol = number } }
    for number: Int32 in [2, 3, -1, .max] {
      unsafe add("path_form \(number)") { unsafe $0.path_form = number }
      unsafe add("header_form \(number)", number == 2 ? 0 : bad) { unsafe $0.header_form = number }
      unsafe add("token \(number)", number == 2 ? 0 : bad) { unsafe $0.token = number }
      unsafe add("metadata_form \(number)", number == 2 ? 0 : bad) { unsafe $0.metadata_form = number }
    }
    let texts = unsafe [("null with a size", broken), ("endless", endless), ("negative", negative), ("with a NUL", nul)]
    for index in unsafe texts.indices {
      let (name, text) = unsafe texts[index]
      unsafe add("method \(name)") { unsafe $0.method = text }
      unsafe add("host \(name)") { unsafe $0.host = text }
      unsafe add("path \(name)") { unsafe $0.path = text }
    }
    unsafe add("empty method") { unsafe $0.method = lender.bytes("") }
    unsafe add("empty path") { unsafe $0.path = lender.bytes("") }
    unsafe add("headers null") { unsafe $0.headers = nil }
    unsafe add("headers endless") { unsafe $0.header_count = .max }
    unsafe add("headers negative") { unsafe $0.header_count = -1 }
    unsafe add("headers unknown and given") { unsafe $0.header_form = 0 }
    unsafe add("header without a name") { unsafe $0.headers = lender.list([lender.header("", "x"), lender.header("a", "b")]) }
    unsafe add("header with a null name") {
      unsafe $0.headers = lender.list([portcullis_header(name: nothing, value: nothing), lender.header("a", "b")])
    }
    unsafe add("claims without a token") {
      unsafe $0.claims = lender.list([lender.entry(["sub"], "x")])
      unsafe $0.claim_count = 1
    }
    unsafe add("claim without a path") {
      unsafe $0.token = 2
      unsafe $0.claims = lender.list([lender.entry([], "x")])
      unsafe $0.claim_count = 1
    }
    unsafe add("claim with a reserved bit") {
      unsafe $0.token = 2
      var entry = unsafe lender.entry(["sub"], "x")
      unsafe entry.reserved = 1
      unsafe $0.claims = lender.list([entry])
      unsafe $0.claim_count = 1
    }
    unsafe add("metadata unknown and given") {
      unsafe $0.metadata = lender.list([lender.entry(["f", "k"], "x")])
      unsafe $0.metadata_count = 1
    }
    unsafe add("filters beside complete metadata") {
      unsafe $0.metadata_form = 1
      unsafe $0.filters = lender.list([lender.bytes("f")])
      unsafe $0.filter_count = 1
    }
    for text in ["", "10.0.0", "10.0.0.1:80", "::1%lo", "10.0.0.256", "é"] {
      unsafe add("remote `\(text)`") { unsafe $0.remote = lender.address(text) }
    }
    for text in ["10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "::1:80", "[::1]80", "[]:1", "[10.0.0.1]:80", ":80"] {
      unsafe add("remote with a port `\(text)`") {
        unsafe $0.remote = lender.address(text)
        unsafe $0.remote.kind = Int32(PORTCULLIS_ADDRESS_TEXT_WITH_PORT)
      }
    }
    unsafe add("remote of five bytes") {
      unsafe $0.remote = portcullis_address(kind: Int32(PORTCULLIS_ADDRESS_BINARY), port: 0, bytes: lender.bytes([1, 2, 3, 4, 5]))
    }
    unsafe add("remote of an unknown kind") { unsafe $0.remote.kind = 9 }
    unsafe add("the port of a remote that is not known") { unsafe $0.remote.port = 80 }
    return unsafe all
  }

  @Test func `in requests`() throws {
    let engine = try unsafe TestEngine([Shop.directory], lender)
    let connection = try unsafe engine.connect(Shop.facts(lender))
    defer { _ = unsafe portcullis_connection_close(connection) }
    let wrong = unsafe wrongRequests()
    for index in unsafe wrong.indices {
      let (name, status, request) = unsafe wrong[index]
      guard status != PORTCULLIS_OK else { continue }
      let answer = unsafe check(connection, request)
      #expect(answer.status == status && answer.outcome == PORTCULLIS_DENY && !answer.error.isEmpty, "\(name): \(answer)")
      #expect(answer.reason == "internal-error" && answer.snapshot.isEmpty, "\(name): \(answer)")
    }
    // The same connection still decides what is right.
    #expect(unsafe check(connection, Shop.request(lender)).outcome == PORTCULLIS_ALLOW)
    var decision = unsafe portcullis_decision_init()
    unsafe decision.outcome = Int32(PORTCULLIS_ALLOW)
    #expect(unsafe portcullis_check(connection, nil, &decision) == PORTCULLIS_BAD_ARGUMENT)
    #expect(unsafe decision.outcome == PORTCULLIS_DENY)
    var request = unsafe Shop.request(lender)
    #expect(unsafe portcullis_check(connection, &request, nil) == PORTCULLIS_BAD_ARGUMENT)
    for size: UInt32 in [0, 7, 8, 12, 55, 57, 103, 105, .max] {
      unsafe decision.struct_size = size
      unsafe decision.outcome = Int32(PORTCULLIS_ALLOW)
      #expect(unsafe portcullis_check(connection, &request, &decision) == PORTCULLIS_BAD_STRUCT_SIZE, "decision of \(size)")
      #expect(unsafe decision.outcome == (size >= 8 ? PORTCULLIS_DENY : PORTCULLIS_ALLOW), "decision of \(size)")
    }
    var text: UnsafeMutablePointer<CChar>?
    #expect(unsafe portcullis_explain(connection, nil, &text) == PORTCULLIS_BAD_ARGUMENT)
    #expect(unsafe take(text).contains("request: null"))
    #expect(unsafe portcullis_explain(connection, &request, nil) == PORTCULLIS_BAD_ARGUMENT)
  }

  @Test func `smaller structs of older hosts work`() throws {
    let engine = try unsafe TestEngine([Shop.directory], lender)
    let connection = try unsafe engine.connect(Shop.facts(lender))
    defer { _ = unsafe portcullis_connection_close(connection) }
    var request = unsafe Shop.request(lender)
    unsafe request.struct_size = 104
    // What lies behind the smaller struct is not looked at.
    unsafe request.token = 99
    var decision = unsafe portcullis_decision_init()
    unsafe decision.struct_size = 56
    unsafe decision.policy.size = 77
    #expect(unsafe portcullis_check(connection, &request, &decision) == PORTCULLIS_OK)
    #expect(unsafe decision.outcome == PORTCULLIS_ALLOW)
    #expect(unsafe decision.policy.size == 77, "written beyond the host's struct")
  }
}

@Suite struct `Random structs` {
  private let lender = Lender()

  private static let policies = """
    apiVersion: v1
    kind: Pod
    metadata: {namespace: shop, name: backend, labels: {app: backend}}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {namespace: shop, name: one}
    spec:
      rules:
      - to: [{operation: {methods: [GET], paths: ["/orders*"]}}]
        when: [{key: "request.headers[x-team]", values: [a]}]

    """

  /// What that policy says to a request that was not refused, whose texts are what they were or shorter.
  private static func expected(_ request: portcullis_request) -> Int {
    guard unsafe request.protocol == PORTCULLIS_HTTP, unsafe request.method.size == 3, unsafe request.path.size == 12 else {
      return PORTCULLIS_DENY
    }
    if unsafe request.header_form == PORTCULLIS_HEADERS_UNKNOWN { return PORTCULLIS_UNDECIDED }
    return unsafe request.header_count == 2 ? PORTCULLIS_ALLOW : PORTCULLIS_DENY
  }

  @Test func `are refused, or decided by what they say`() throws {
    let seed = UInt64.random(in: .min ... .max)
    print("random structs: seed \(seed)")
    var random = Randomness(state: seed)
    try withSandbox { sandbox throws in
      let engine = try unsafe TestEngine([sandbox.write(Self.policies, to: "p/policies.yaml")], lender)
      let connection = try unsafe engine.connect(Shop.facts(lender))
      defer { _ = unsafe portcullis_connection_close(connection) }
      var refused = 0
      var decided = [0, 0, 0]
      for _ in 0..<8_000 {
        let request = unsafe changed(Shop.request(lender), &random)
        let answer = unsafe check(connection, request)
        guard answer.status == PORTCULLIS_OK else {
          refused += 1
          #expect(answer.outcome == PORTCULLIS_DENY, "\(answer)")
          continue
        }
        let expected = unsafe Self.expected(request)
        decided[expected] += 1
        #expect(answer.outcome == expected, "\(answer)")
      }
      print("random structs: \(refused) refused, \(decided) denied, allowed, undecided")
      #expect(refused > 1_000 && decided.allSatisfy { $0 > 10 })
    }
  }

  /// Changes everything but pointers, which must lead somewhere.
  private func changed(_ request: portcullis_request, _ random: inout Randomness) -> portcullis_request {
    var request = unsafe request
    let fields: [Range<Int>] = [
      0..<4, 4..<8, 16..<24, 32..<40, 48..<56, 56..<60, 60..<64, 72..<80, 80..<84, 84..<88, 96..<104, 104..<108, 108..<112, 120..<128,
      136..<144,
    ]
    unsafe withUnsafeMutableBytes(of: &request) { bytes in
      for field in fields where Int.random(in: 0..<8, using: &random) == 0 {
        // Mostly a small number, sometimes anything.
        let isSmall = Int.random(in: 0..<3, using: &random) > 0
        for index in field {
          unsafe bytes[index] =
            isSmall ? 0 : [0, 1, 2, 0xff, UInt8.random(in: .min ... .max, using: &random)].randomElement(using: &random) ?? 0
        }
        if isSmall { unsafe bytes[field.lowerBound] = UInt8.random(in: 0...2, using: &random) }
      }
      // No headers because nobody knows them: two fields must agree.
      if Int.random(in: 0..<16, using: &random) == 0 {
        for field in [60..<64, 72..<80] { for index in field { unsafe bytes[index] = 0 } }
      }
      // A size that is believed must not lead beyond what is there.
      for (field, most) in [(16, 3), (32, 12), (48, 12), (72, 2)] {
        let size = unsafe bytes.load(fromByteOffset: field, as: Int.self)
        if size > most, size <= 1 << 20 { unsafe bytes.storeBytes(of: 1, toByteOffset: field, as: Int.self) }
      }
    }
    return unsafe request
  }
}

/// SplitMix64: the same numbers for the same seed.
struct Randomness: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}
