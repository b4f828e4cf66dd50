// What the encoder makes of a reply. An empty reply would be an allow, so the main question is whether there can be one.

internal import Testing

@Suite struct `Encoded replies` {
  @Test func `a reply that nobody touched is Istio's own denial`() throws {
    let expected = DecodedReply(code: 7, message: [], deniedStatus: 403, deniedBody: Array("RBAC: access denied".utf8), metadata: [])
    #expect(try DecodedReply.read(ReplySpec().encoded()) == expected)
  }

  @Test func `an allow is a status with code 0, explicitly present, and nothing else`() {
    #expect(ReplySpec(outcome: 1).encoded() == [0x0A, 0x00])
  }

  @Test func `only exactly the value of allow allows, and no outcome gives an empty reply`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the outcomes: \(seed)")
    var generator = SeededGenerator(state: seed)
    let edges: [Int32] = [.min, -1, 0, 1, 2, 3, 7, 16, 255, 256, 257, 65_537, 0x0100_0000, 0x0100_0001, .max]
    let outcomes = edges + (-300...300) + (0..<1_000).map { _ in Int32.random(in: .min ... .max, using: &generator) }
    for outcome in outcomes {
      for isTCP in [false, true] {
        let bytes = ReplySpec(outcome: outcome, isTCP: isTCP).encoded(capacity: 256)
        #expect(!bytes.isEmpty)
        let reply = try DecodedReply.read(bytes)
        #expect((reply.code == 0) == (outcome == 1), "\(outcome)")
        #expect((reply.deniedStatus != nil) == (outcome != 1 && !isTCP), "\(outcome)")
      }
    }
  }

  @Test func `whatever bytes a reply is made of, it is an allow only if it says so`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the replies: \(seed)")
    var generator = SeededGenerator(state: seed)
    for _ in 0..<2_000 {
      let text = (0..<Int.random(in: 0...40, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
      var reply = ReplySpec(message: text, body: text, metadata: Array(repeating: Pair(text, text), count: 16))
      reply.outcome = Bool.random(using: &generator) ? 1 : Int32.random(in: .min ... .max, using: &generator)
      reply.status = UInt32.random(in: 0...1_000, using: &generator)
      let count = UInt32.random(in: 0...UInt32.max, using: &generator) >> UInt32.random(in: 0...31, using: &generator)
      reply.metadataCount = count
      let decoded = try DecodedReply.read(reply.encoded())
      #expect((decoded.code == 0) == (reply.outcome == 1))
      #expect(decoded.metadata.count == Int(min(count, 16)))
      #expect(String(validating: decoded.message, as: UTF8.self) != nil)
    }
  }

  @Test func `a denial carries the status that is usable, and else 403`() throws {
    for status in Array(UInt32(0)...1_100) + [.max] {
      let reply = try DecodedReply.read(ReplySpec(status: status).encoded(capacity: 128))
      #expect(reply.deniedStatus == ((400...599).contains(status) ? UInt64(status) : 403))
    }
  }

  @Test func `body, message and metadata are sent, and an empty body is not the default body`() throws {
    let metadata = [Pair("text", ""), Pair("", "text")]
    let bytes = ReplySpec(message: Array("text".utf8), body: [], metadata: metadata).encoded()
    let expected = DecodedReply(code: 7, message: Array("text".utf8), deniedStatus: 403, deniedBody: [], metadata: metadata)
    #expect(try DecodedReply.read(bytes) == expected)
  }

  @Test func `text that is not UTF-8 is sent with replacement characters`() throws {
    let wrong: [UInt8] = [97, 0xFF, 0xC3, 98, 0xE2, 0x82, 0xAC, 0xE2, 0x82]
    let repaired = Array("a\u{FFFD}\u{FFFD}b€\u{FFFD}\u{FFFD}".utf8)
    let bytes = ReplySpec(outcome: 1, message: wrong, metadata: [Pair(wrong, wrong)]).encoded()
    let expected = DecodedReply(code: 0, message: repaired, deniedStatus: nil, deniedBody: nil, metadata: [Pair(repaired, repaired)])
    #expect(try DecodedReply.read(bytes) == expected)
  }

  @Test func `every reply is the one canonical encoding of what it says`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the replies: \(seed)")
    var generator = SeededGenerator(state: seed)
    func text(_ longest: Int) -> [UInt8] {
      (0..<Int.random(in: 0...longest, using: &generator)).map { _ in UInt8.random(in: 0...127, using: &generator) }
    }
    for _ in 0..<3_000 {
      // Lengths on both sides of 128 and 16384, where a length gets one byte more.
      let longest = [3, 40, 140, 17_000].randomElement(using: &generator) ?? 3
      var reply = ReplySpec(outcome: Int32.random(in: 0...2, using: &generator), isTCP: Bool.random(using: &generator))
      reply.status = UInt32.random(in: 390...610, using: &generator)
      if Bool.random(using: &generator) { reply.message = text(longest) }
      if Bool.random(using: &generator) { reply.body = text(longest) }
      reply.metadata = (0..<Int.random(in: 0...(longest > 200 ? 2 : 16), using: &generator)).map { _ in Pair(text(longest), text(longest)) }
      #expect(reply.encoded(capacity: 200_000) == canonical(reply))
    }
  }

  /// By hand: fields in the order of their numbers, default values left out.
  private func canonical(_ reply: ReplySpec) -> [UInt8] {
    func filled(_ number: UInt64, _ text: [UInt8]?) -> [UInt8] { text.map { $0.isEmpty ? [] : Wire.bytes(number, $0) } ?? [] }
    let isAllow = reply.outcome == 1
    var message = Wire.bytes(1, (isAllow ? [] : Wire.number(1, 7)) + filled(2, reply.message))
    if !isAllow, !reply.isTCP {
      let code = (400...599).contains(reply.status) ? reply.status : 403
      message += Wire.bytes(2, Wire.bytes(1, Wire.number(1, UInt64(code))) + filled(3, reply.body ?? Array("RBAC: access denied".utf8)))
    }
    let entries = reply.metadata.map { Wire.bytes(1, filled(1, $0.key) + Wire.bytes(2, Wire.bytes(3, $0.value))) }
    return entries.isEmpty ? message : message + Wire.bytes(4, entries.flatMap(\.self))
  }

  @Test func `a buffer that is too small takes nothing`() {
    let whole = ReplySpec().encoded()
    for capacity in 0..<whole.count { #expect(ReplySpec().encoded(capacity: capacity).isEmpty) }
    #expect(ReplySpec().encoded(capacity: whole.count) == whole)
    #expect(ReplySpec().encoded(capacity: nil).isEmpty)
  }

  @Test func `without memory there is no message at all`() {
    // Repairing this would need three times a size that no address space has. The first byte says that it needs repair, so
    // what lies beyond the text is never looked at.
    let body = [0xFF] + Array(repeating: UInt8(0), count: 63)
    #expect(ReplySpec(outcome: 1, body: body, bodySize: .max / 2).encoded().isEmpty)
  }
}
