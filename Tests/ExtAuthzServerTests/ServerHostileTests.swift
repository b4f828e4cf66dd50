// Bad input to the whole server: a gRPC error without a message, or an explicit denial with its reason; and much input decided right.

internal import ExtAuthzServer
internal import Foundation
internal import Testing

private let yaml =
  deployment("shop", "backend")
  + authorization("no-two", "action: DENY, rules: [{when: [{key: \"request.headers[x-a]\", values: [\"2\"]}]}]")
  + deployment("shop", "put") + authorization("put", app: "put", "action: DENY, rules: [{to: [{operation: {methods: [PUT]}}]}]")
  + deployment("shop", "put-header")
  + authorization(
    "put-header", app: "put-header", "action: DENY, rules: [{when: [{key: \"request.headers[:method]\", values: [PUT]}]}]")

@Suite struct `Bad input to the server` {
  private let good = CheckMessage(to: "shop/backend")

  private func expectRefusal(_ result: RawClient.Result, _ what: String) {
    #expect(result.status == 3 || result.status == 8, "\(what): \(result.status) \(result.message)")
    #expect(result.reply == nil && !result.message.isEmpty, "\(what)")
  }

  @Test func `that is no question is an error and no answer, and the next question is decided`() throws {
    let server = try TestServer(yaml)
    let source = Wire.bytes(1, []), destination = Wire.bytes(2, [])
    let questions: [(String, [UInt8])] = [
      ("empty", []), ("attributes empty", Wire.bytes(1, [])), ("without source", Wire.bytes(1, destination)),
      ("without destination", Wire.bytes(1, source)), ("garbage", Array(repeating: 0xFF, count: 1000)),
      ("text", Array("GET / HTTP/1.1".utf8)),
      ("cut", good.encoded.dropLast()), ("unknown field alone", Wire.text(9, "x")),
    ]
    for (what, bytes) in questions {
      expectRefusal(server.call(Array(bytes)), what)
      #expect(try server.reason(good) == "allowed-by-default", "after: \(what)")
    }
    #expect(server.server.wireCounters.malformed == UInt64(questions.count))
  }

  @Test func `that is too large is an error and no answer`() throws {
    let server = try TestServer(yaml)
    let huge = good.with { $0.http = .init(headers: .lines([("x", String(repeating: "x", count: 5 << 20))])) }
    expectRefusal(server.call(huge.encoded), "5 MiB")
    let deep = good.with {
      $0.metadata = [("f", [("a", (0..<500).reduce(TestValue.string("x")) { value, _ in .list([value]) })])]
    }
    expectRefusal(server.call(deep.encoded), "500 lists in each other")
    #expect(try server.reason(good) == "allowed-by-default")
  }

  @Test func `that is not UTF-8 is an error, except in header lines`() throws {
    let server = try TestServer(yaml)
    let bad: [UInt8] = [0x61, 0xFF, 0x62]
    let hint = Wire.entry(10, Array("portcullis.workload".utf8), Array("shop/backend".utf8))
    func http(_ fields: [UInt8]) -> [UInt8] { Wire.check(Wire.http(Wire.text(2, "GET") + fields) + hint) }
    let questions: [(String, [UInt8])] = [
      ("principal", Wire.check(source: Wire.bytes(4, bad), hint)), ("certificate", Wire.check(source: Wire.bytes(5, bad), hint)),
      ("own principal", Wire.check(destination: Wire.bytes(4, bad), hint)),
      ("label", Wire.check(destination: Wire.entry(3, bad, bad), hint)),
      ("path", http(Wire.bytes(4, bad))), ("host", http(Wire.bytes(5, bad))), ("method", http(Wire.bytes(2, bad))),
      ("header", http(Wire.entry(3, Array("x-a".utf8), bad))), ("line's name", http(Wire.bytes(13, Wire.bytes(1, Wire.bytes(1, bad))))),
      ("hint", Wire.check(Wire.entry(10, Array("portcullis.workload".utf8), bad))),
      ("sni", Wire.check(hint + Wire.bytes(12, Wire.bytes(1, bad)))),
    ]
    for (what, bytes) in questions { expectRefusal(server.call(bytes), what) }
    let line = Wire.bytes(
      13, Wire.bytes(1, Wire.text(1, "x-a") + Wire.bytes(3, bad)) + Wire.bytes(1, Wire.text(1, "x-a") + Wire.text(3, "2")))
    #expect(try Answer(server.call(http(line)), isTCP: false).reason == "denied-by-policy")
  }

  @Test func `with every field there and empty is nobody asking for nothing`() throws {
    let server = try TestServer(yaml)
    let empty: [UInt8] = []
    let address = Wire.bytes(1, Wire.bytes(1, Wire.bytes(2, empty) + Wire.bytes(4, empty)))
    let peer = address + Wire.bytes(2, empty) + Wire.entry(3, empty, empty) + Wire.bytes(4, empty) + Wire.bytes(5, empty)
    let fields = [1, 2, 4, 5, 6, 7, 8, 10, 11, 12].flatMap { Wire.bytes($0, empty) }
    let lines = Wire.bytes(13, Wire.bytes(1, Wire.bytes(1, empty) + Wire.bytes(2, empty) + Wire.bytes(3, empty)))
    for headers in [[], Wire.entry(3, empty, empty), lines] {
      let rest = Wire.http(fields + headers) + Wire.entry(10, empty, empty) + Wire.metadata("", []) + Wire.bytes(12, Wire.bytes(1, empty))
      let bytes = Wire.check(source: peer, destination: peer, rest)
      #expect(try Answer(server.call(bytes), isTCP: false).reason == "unknown-workload")
      let hinted = { (workload: String) in
        try Answer(server.call(bytes, metadata: [("x-portcullis-workload", workload)]), isTCP: false).reason
      }
      #expect(try hinted("shop/put") == "unknown-method")
      #expect(try hinted("shop/backend") == (headers.isEmpty ? "unknown-headers" : "allowed-by-default"))
    }
  }

  @Test func `of 10,000 headers is decided right, also by the last`() throws {
    let server = try TestServer(yaml)
    let many = (0..<10_000).map { ("x-header-\($0)", "value 2") }
    for (extra, reason) in [([], "allowed-by-default"), ([("x-a", "2")], "denied-by-policy"), ([("x-a", "1")], "allowed-by-default")] {
      for headers in [CheckMessage.Headers.lines(many + extra), .joined(many + extra), .lines(extra + many)] {
        #expect(try server.reason(good.with { $0.http = .init(headers: headers) }) == reason)
      }
    }
    let same = Array(repeating: ("x-a", "a value of some length"), count: 10_000)
    #expect(try server.reason(good.with { $0.http = .init(headers: .lines(same)) }) == "allowed-by-default")
    #expect(try server.reason(good.with { $0.http = .init(headers: .lines(same + [("x-a", "2")])) }) == "denied-by-policy")
  }

  @Test func `of 10,000 hints or labels is decided right`() throws {
    let server = try TestServer(yaml)
    let others = (0..<10_000).map { ("other.extension.\($0)", "a value") }
    #expect(try server.reason(CheckMessage().with { $0.extensions = others + good.extensions }) == "allowed-by-default")
    #expect(try server.reason(CheckMessage().with { $0.extensions = others }) == "unknown-workload")
    let hints = (0..<10_000).map { ("portcullis.\($0)", "a value") }
    #expect(try server.reason(CheckMessage().with { $0.extensions = good.extensions + hints }) == "bad-hint")
    #expect(try server.reason(CheckMessage().with { $0.extensions = others + good.extensions + [hints[0]] }) == "bad-hint")
    // Of a key that comes twice protobuf keeps the last.
    #expect(
      try server.reason(CheckMessage().with { $0.extensions = [("portcullis.workload", "x")] + good.extensions }) == "allowed-by-default")
    let long = (0..<1_000).map { "l\($0)=v" }.joined(separator: ",")
    let labels = good.with { $0.extensions = [("portcullis.namespace", "shop"), ("portcullis.labels", long)] }
    #expect(try server.reason(labels) == "bad-hint")
    let destination = CheckMessage().with {
      $0.labels = (0..<10_000).map { ("example.com/label-\($0)", "value") } + [("app", "put")]
      $0.destinationPrincipal = spiffe("shop", "put")
      $0.http = .init(method: "PUT")
    }
    for _ in 0..<3 { #expect(try server.ask(destination).policy == rule("put")) }
    #expect(try server.reason(destination.with { $0.labels[10_000].1 = "backend" }) == "allowed-by-default")
  }

  @Test func `with pseudo headers that contradict the request changes nothing`() throws {
    let server = try TestServer(yaml)
    for workload in ["shop/put", "shop/put-header"] {
      let ask = { (method: String, headers: CheckMessage.Headers) in
        try server.reason(CheckMessage(to: workload).with { $0.http = .init(method: method, headers: headers) })
      }
      for headers in [
        CheckMessage.Headers.lines([(":method", "GET"), (":method", "GET")]), .lines([(":method", "GET"), (":method", "PUT")]),
        .lines([(":METHOD", "GET")]), .joined([(":method", "GET,GET")]), .lines([(":path", "/"), ("host", "x"), (":authority", "y")]),
      ] {
        #expect(try ask("PUT", headers) == "denied-by-policy", "\(headers)")
        #expect(try ask("GET", headers) == "allowed-by-default", "\(headers)")
      }
    }
  }

  @Test func `in every byte of a good question is an error or an answer`() throws {
    let server = try TestServer(yaml) { $0.infersWorkload = true }
    let original = good.with {
      $0.principal = spiffe("shop", "a")
      $0.labels = [("app", "backend")]
      $0.metadata = [("envoy.filters.http.jwt_authn", [("payload", .object([("a", .list([.string("b"), .number(1)]))]))])]
      $0.sni = "x"
    }.encoded
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the changed questions: \(seed)")
    var generator = SeededGenerator(state: seed)
    for position in original.indices {
      for _ in 0..<4 {
        var bytes = original
        bytes[position] ^= UInt8.random(in: 1...255, using: &generator)
        let result = server.call(bytes)
        if result.status == 0 {
          let code = try DecodedReply.read(#require(result.reply)).deniedStatus
          _ = try Answer(result, isTCP: code == nil)
        } else {
          expectRefusal(result, "byte \(position)")
        }
      }
    }
    #expect(try server.reason(good) == "allowed-by-default")
  }
}
