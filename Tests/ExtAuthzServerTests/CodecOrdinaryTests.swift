// The short way of the decoder against the general one, which is the measure: both must accept, refuse and read alike.

internal import CExtAuthz
internal import Testing

@Suite struct `The short way to read a check` {
  @Test(arguments: Sample.all)
  func `what proxies send goes the short way, and both ways read it alike`(_ sample: Sample) throws {
    let message = try sample.bytes()
    let arena = try Arena()
    #expect(arena.isOrdinary(message))
    #expect(try arena.decode(message).get() == arena.decodeGenerally(message).get())
  }

  @Test func `recorded messages with random changes are accepted, refused and read alike`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the changes: \(seed)")
    var generator = SeededGenerator(state: seed)
    let samples = try Sample.all.map { try $0.bytes() }
    let (one, other) = (try Arena(), try Arena())
    var accepted = 0
    var ordinary = 0
    for _ in 0..<20_000 {
      var message = samples[Int.random(in: 0..<samples.count, using: &generator)]
      for _ in 0..<Int.random(in: 0...4, using: &generator) { change(&message, &generator) }
      let (short, general) = (one.decode(message), other.decodeGenerally(message))
      // Texts, because a number of metadata may be none.
      if short != general { #expect("\(short)" == "\(general)", "\(message)") }
      if case .success = general { accepted += 1 }
      if one.isOrdinary(message) { ordinary += 1 }
    }
    // Else the changes would be too rough to say anything.
    #expect(accepted > 4_000 && ordinary > 4_000 && accepted < 18_000)
  }

  @Test func `whatever is not quite what proxies send goes the general way`() throws {
    let socket = Wire.bytes(1, Wire.text(2, "10.0.0.1") + Wire.number(3, 80))
    let peer = Wire.bytes(1, socket)
    let map = Wire.bytes(13, Wire.bytes(1, Wire.text(1, "a") + Wire.bytes(3, [1])))
    let line = { (fields: [UInt8]) in Wire.check(Wire.http(Wire.bytes(13, Wire.bytes(1, fields)))) }
    let messages: [[UInt8]] = [
      // A field twice: the last of a text counts, and messages are merged.
      Wire.check(source: Wire.text(4, "a") + Wire.text(4, "b")), Wire.check(source: peer + peer),
      Wire.check(Wire.http(Wire.text(4, "/a")) + Wire.http(Wire.text(5, "b"))),
      Wire.check(Wire.http(Wire.text(2, "A") + Wire.text(2, "B"))),
      Wire.check(Wire.bytes(4, Wire.bytes(2, Wire.text(4, "/a")) + Wire.bytes(2, Wire.text(5, "b")))),
      Wire.check(Wire.bytes(12, Wire.text(1, "a")) + Wire.bytes(12, [])), Wire.check(Wire.bytes(12, Wire.text(1, "a") + Wire.text(1, "b"))),
      Wire.check(Wire.bytes(1, Wire.text(4, "a"))), Wire.check(Wire.bytes(2, Wire.text(4, "a"))), Wire.check() + Wire.check(),
      Wire.check(Wire.metadata("a", []) + Wire.metadata("b", [])), Wire.check(Wire.bytes(10, Wire.text(1, "a") + Wire.text(1, "b"))),
      Wire.check(Wire.bytes(10, Wire.text(2, "a") + Wire.text(2, "b"))), Wire.check(Wire.http(map + map)),
      line(Wire.text(1, "a") + Wire.text(1, "b")), line(Wire.text(2, "a") + Wire.text(2, "b")), line(Wire.text(3, "a") + Wire.bytes(3, [])),
      // Two of one kind of choice.
      Wire.check(source: Wire.bytes(1, socket + Wire.bytes(2, Wire.text(1, "/pipe")))),
      Wire.check(source: Wire.bytes(1, Wire.bytes(1, Wire.number(3, 80) + Wire.text(4, "http")))),
      Wire.check(source: Wire.bytes(1, Wire.bytes(1, Wire.text(4, "http") + Wire.number(3, 80)))),
      // Both accounts of headers.
      Wire.check(Wire.http(map + Wire.entry(3, [97], [98]))),
      // Types that do not fit, numbers that are none or too long, groups, cuts.
      Wire.check(source: Wire.number(4, 1)), Wire.check(Wire.number(4, 1)), Wire.check(Wire.number(10, 1)), Wire.check(Wire.number(12, 1)),
      Wire.check(Wire.http(Wire.number(3, 1))), Wire.check(Wire.http(Wire.number(13, 1))), Wire.check(Wire.http(Wire.number(2, 1))),
      Wire.check(source: Wire.bytes(1, Wire.number(1, 1))), Wire.check(source: Wire.bytes(1, Wire.bytes(1, Wire.text(3, "80")))),
      Wire.check(source: Wire.bytes(1, Wire.bytes(1, Wire.number(2, 80)))), line(Wire.number(1, 1)), line(Wire.number(3, 1)),
      Wire.check(source: Wire.bytes(1, Wire.bytes(1, Wire.number(3, 1 << 32)))), Wire.check([0x00, 0x00]), Wire.check([0x07]),
      Wire.check([0x0B, 0x0C]), Wire.check([0x82, 0x01, 0x00]), Wire.check([0x22, 0x05, 0x00]), Wire.check([0x22, 0x80]),
      Wire.check([0x3A, 0x80, 0x80, 0x80, 0x80, 0x00]), Wire.check([0x39, 1, 2, 3]), Wire.check([0x3D, 1]),
      // Very many fields, and very long metadata.
      Wire.check((0..<1_100).flatMap { Wire.entry(10, Array("k\($0)".utf8), []) }),
      Wire.check(Wire.metadata("f", Wire.field("k", Wire.string(String(repeating: "x", count: 9_000))))),
    ]
    let (one, other) = (try Arena(), try Arena())
    for (index, message) in messages.enumerated() {
      #expect(!one.isOrdinary(message), "message \(index)")
      #expect(one.decode(message) == other.decodeGenerally(message), "message \(index)")
    }
  }

  @Test func `fields that nobody defined are skipped on both ways`() throws {
    let strange =
      Wire.number(7, 1 << 63) + Wire.text(8, "text") + [0x49, 1, 2, 3, 4, 5, 6, 7, 8] + [0x4D, 1, 2, 3, 4]
      + Wire.bytes(14, [UInt8](repeating: 0xFF, count: 200))
    let message = Wire.check(
      source: strange + Wire.text(4, "a") + strange, destination: strange,
      strange + Wire.http(strange + Wire.text(4, "/") + Wire.bytes(13, strange + Wire.bytes(1, strange + Wire.text(1, "h")))))
    let arena = try Arena()
    #expect(arena.isOrdinary(message))
    let request = try arena.decode(message).get()
    #expect(try request == arena.decodeGenerally(message).get())
    #expect(request.path == [47] && request.source.principal == [97] && request.headers == [Pair("h", "")])
  }

  /// One small damage: a byte changed, taken out or put in, a stretch twice, an end.
  private func change(_ message: inout [UInt8], _ generator: inout SeededGenerator) {
    guard !message.isEmpty else { return }
    let place = Int.random(in: 0..<message.count, using: &generator)
    switch Int.random(in: 0..<7, using: &generator) {
    case 0: message[place] = UInt8.random(in: 0...255, using: &generator)
    case 1: message[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
    case 2: message[place] = [0x08, 0x0A, 0x12, 0x1A, 0x22, 0x2A, 0x52, 0x5A, 0x62, 0x6A, 0x80, 0xFF].randomElement(using: &generator) ?? 0
    case 3: message.remove(at: place)
    case 4: message.insert(UInt8.random(in: 0...255, using: &generator), at: place)
    case 5: message.insert(contentsOf: Array(message[place..<min(message.count, place + 20)]), at: place)
    default: if Int.random(in: 0..<4, using: &generator) == 0 { message.removeLast(message.count - place) }
    }
  }
}
