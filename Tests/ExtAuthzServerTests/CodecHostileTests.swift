// Messages that no proxy sends.

internal import CExtAuthz
internal import Testing

@Suite struct `Messages that no proxy sends` {
  @Test func `an empty message, and one that lacks attributes, source or destination, is malformed`() throws {
    let source = Wire.bytes(1, [])
    let destination = Wire.bytes(2, [])
    for message in [[], Wire.bytes(1, []), Wire.bytes(1, source), Wire.bytes(1, destination), Wire.bytes(7, source + destination)] {
      let refusal = #expect(throws: Refusal.self) { try decode(message).get() }
      #expect(refusal?.isMalformed == true, "\(message)")
    }
    #expect(throws: Never.self) { try decode(Wire.bytes(1, source + destination)).get() }
  }

  @Test func `garbage is malformed`() throws {
    let arena = try Arena()
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the garbage: \(seed)")
    var generator = SeededGenerator(state: seed)
    for _ in 0..<20_000 {
      let size = Int.random(in: 0...64, using: &generator)
      let message = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
      // Garbage that happens to name attributes with a source and a destination would be a message.
      if case .failure(let refusal) = arena.decode(message) { #expect(refusal.isMalformed || refusal.isTooLarge) }
    }
  }

  @Test func `an embedded NUL is a byte like any other`() throws {
    let principal: [UInt8] = Array("spiffe://a".utf8) + [0] + Array("/ns/b".utf8)
    let http = Wire.bytes(4, [47, 0, 120]) + Wire.entry(3, [97, 0], [0, 0])
    let request = try decode(Wire.check(source: Wire.bytes(4, principal), Wire.http(http))).get()
    #expect(request.source.principal == principal)
    #expect(request.path == [47, 0, 120])
    #expect(request.headers == [Pair([97, 0], [0, 0])])
  }

  @Test(
    arguments: [
      [0x80], [0xC0, 0xAF], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80],
      [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98], [0xFF],
    ] as [[UInt8]])
  func `text that is not UTF-8 is malformed wherever it stands`(_ wrong: [UInt8]) throws {
    let arena = try Arena()
    for padding in 0...17 {
      let text = Array(repeating: UInt8(ascii: "a"), count: padding) + wrong + Array("zz".utf8)
      let key = Wire.bytes(1, text)
      let messages: [[UInt8]] = [
        Wire.check(source: Wire.bytes(4, text)), Wire.check(source: Wire.bytes(5, text)), Wire.check(source: Wire.bytes(2, text)),
        Wire.check(destination: Wire.bytes(4, text)), Wire.check(destination: Wire.entry(3, text, [])),
        Wire.check(destination: Wire.entry(3, [], text)), Wire.check(source: Wire.bytes(1, Wire.bytes(1, Wire.bytes(2, text)))),
        Wire.check(source: Wire.bytes(1, Wire.bytes(1, Wire.bytes(4, text)))), Wire.check(source: Wire.bytes(1, Wire.bytes(2, key))),
        Wire.check(source: Wire.bytes(1, Wire.bytes(3, key))), Wire.check(Wire.http(Wire.bytes(2, text))),
        Wire.check(Wire.http(Wire.bytes(4, text))), Wire.check(Wire.http(Wire.bytes(5, text))), Wire.check(Wire.http(Wire.bytes(6, text))),
        Wire.check(Wire.http(Wire.bytes(10, text))), Wire.check(Wire.http(Wire.entry(3, text, []))),
        Wire.check(Wire.http(Wire.entry(3, [], text))), Wire.check(Wire.http(Wire.bytes(13, Wire.bytes(1, key)))),
        Wire.check(Wire.http(Wire.bytes(13, Wire.bytes(1, Wire.bytes(2, text))))), Wire.check(Wire.bytes(12, key)),
        Wire.check(Wire.entry(10, text, [])), Wire.check(Wire.entry(10, [], text)), Wire.check(Wire.bytes(11, Wire.entry(1, text, []))),
        Wire.check(Wire.metadata("f", Wire.entry(1, text, Wire.string("x")))),
        Wire.check(Wire.metadata("f", Wire.field("k", Wire.bytes(3, text)))),
      ]
      for (index, message) in messages.enumerated() {
        let refusal = #expect(throws: Refusal.self, "message \(index)") { try arena.decode(message).get() }
        #expect(refusal?.isMalformed == true, "message \(index)")
      }
    }
  }

  @Test func `valid text of every length of sequence is accepted`() throws {
    for padding in 0...9 {
      let text = Array((String(repeating: "a", count: padding) + "\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}é日😀").utf8)
      #expect(try decode(Wire.check(source: Wire.bytes(4, text))).get().source.principal == text)
    }
  }

  @Test func `raw header values are any bytes, and win over the older form unless they are empty`() throws {
    let headers =
      Wire.bytes(1, Wire.text(1, "a") + Wire.text(2, "old") + Wire.bytes(3, [0xFF, 0]))
      + Wire.bytes(1, Wire.text(1, "b") + Wire.text(2, "old"))
      + Wire.bytes(1, Wire.text(1, "a") + Wire.bytes(3, [1]))
    let joined = Wire.entry(3, [99], [100])
    let request = try decode(Wire.check(Wire.http(joined + Wire.bytes(13, headers)))).get()
    #expect(request.rawHeaders)
    #expect(request.headers == [Pair([97], [0xFF, 0]), Pair("b", "old"), Pair([97], [1])])
  }

  @Test func `of repeated keys in a map the last counts`() throws {
    let few = Wire.entry(10, [97], [49]) + Wire.entry(10, [98], [50]) + Wire.entry(10, [97], [51])
    #expect(try decode(Wire.check(few)).get().contextExtensions == [Pair("b", "2"), Pair("a", "3")])
    let many = (0..<200).flatMap { Wire.entry(10, Array("k\($0 % 50)".utf8), Array("\($0)".utf8)) }
    #expect(try decode(Wire.check(many)).get().contextExtensions == (150..<200).map { Pair("k\($0 % 50)", "\($0)") })
    let fields = Wire.field("iss", Wire.string("first")) + Wire.field("iss", Wire.string("last"))
    let request = try decode(Wire.check(Wire.metadata("f", fields))).get()
    let nodes = try #require(request.metadata)
    #expect(nodes.map(\.string) == [[], Array("last".utf8)])
  }

  @Test func `a filter that is named twice in metadata is malformed`() throws {
    let twice = Wire.bytes(11, Wire.entry(1, [102], Wire.field("a", Wire.string("1"))) + Wire.entry(1, [102], []))
    let refusal = #expect(throws: Refusal.self) { try decode(Wire.check(twice)).get() }
    #expect(refusal?.isMalformed == true)
  }

  @Test func `all kinds of metadata come flattened, with their ends`() throws {
    let list = Wire.bytes(6, Wire.bytes(1, Wire.string("x")) + Wire.bytes(1, Wire.number(4, 1)) + Wire.bytes(1, []))
    let inner = Wire.bytes(5, Wire.field("z", list) + Wire.field("a", Wire.number(1, 0)))
    let number = Wire.varint(2 << 3 | 1) + [0, 0, 0, 0, 0, 0, 0xF8, 0x3F]
    let fields = Wire.field("n", number) + Wire.field("inner", inner) + Wire.field("empty", Wire.bytes(5, []))
    let request = try decode(Wire.check(Wire.metadata("f", fields))).get()
    let nodes = try #require(request.metadata)
    #expect(nodes.map { String(decoding: $0.key, as: UTF8.self) } == ["f", "empty", "inner", "a", "z", "", "", "", "n"])
    #expect(nodes.map(\.depth) == [0, 1, 1, 2, 2, 3, 3, 3, 1])
    #expect(nodes.map(\.kind) == [4, 4, 4, 0, 5, 2, 3, 0, 1])
    #expect(nodes.map(\.end) == [9, 2, 8, 4, 8, 6, 7, 8, 9])
    #expect(nodes[8].number == 1.5)
    #expect(nodes[6].boolean)
  }

  @Test func `nesting is accepted up to its limit and refused beyond`() throws {
    func nested(_ levels: Int, list: Bool) -> [UInt8] {
      var value = Wire.string("x")
      for _ in 0..<levels { value = list ? Wire.bytes(6, Wire.bytes(1, value)) : Wire.bytes(5, Wire.field("k", value)) }
      return Wire.check(Wire.metadata("f", Wire.field("k", value)))
    }
    for list in [false, true] {
      #expect(throws: Never.self) { try decode(nested(30, list: list)).get() }
      for levels in [31, 100, 5_000] {
        let refusal = #expect(throws: Refusal.self) { try decode(nested(levels, list: list)).get() }
        #expect(refusal?.isTooLarge == true, "\(levels)")
      }
    }
  }

  @Test func `two million empty entries are refused within the bound for memory, which is given back`() throws {
    let arena = try Arena()
    let small = arena.footprint
    for number in [UInt64(10), 11] {
      let entries = Array(repeating: Wire.bytes(number == 10 ? 10 : 1, []), count: 2_000_000).flatMap(\.self)
      let refusal = #expect(throws: Refusal.self) {
        try arena.decode(Wire.check(number == 10 ? entries : Wire.bytes(11, entries))).get()
      }
      #expect(refusal?.isTooLarge == true)
      #expect(arena.footprint <= 130 << 20)
    }
    arena.reset()
    #expect(arena.footprint == small)
  }

  @Test func `ten thousand headers are decoded`() throws {
    let headers = (0..<10_000).flatMap { Wire.entry(3, Array("header-\($0)".utf8), Array("value".utf8)) }
    #expect(try decode(Wire.check(Wire.http(headers))).get().headers.count == 10_000)
  }

  @Test func `a principal of a megabyte is decoded, and refused by an arena that is smaller`() throws {
    let principal = Array(repeating: UInt8(ascii: "p"), count: 1 << 20)
    let message = Wire.check(source: Wire.bytes(4, principal))
    #expect(try decode(message).get().source.principal == principal)
    let refusal = #expect(throws: Refusal.self) { try Arena(maxBytes: 1 << 19).decode(message).get() }
    #expect(refusal?.isTooLarge == true)
  }

  @Test func `at every bound for memory a message is decoded or refused for its size`() throws {
    let message = try Sample(name: "http2-mtls-all-options").bytes()
    var refused = 0
    for bound in 1...24_000 where bound % 7 == 0 {
      switch try Arena(maxBytes: bound).decode(message) {
      case .success: break
      case .failure(let refusal):
        refused += 1
        #expect(refusal.isTooLarge)
      }
    }
    #expect(refused > 100)
    #expect(refused < 3_400)
  }
}
