// As much of HTTP/2 (RFC 9113) and HPACK (RFC 7541) as a client needs that sends one request after the other, byte for byte as the test means it.
//
// Enters: header lists. Leaves: header lists and bodies. Never happens here: a dynamic table (none is allowed to the server), flow control
// (answers are short), two streams at once.

internal import TestSupport

/// Requests over one connection.
final class HTTP2Client {
  private let connection: ClientConnection
  private var pending: [UInt8] = []
  private var stream: UInt32 = 1

  /// What came back; no headers when the server reset the stream.
  struct Response {
    var headers: [[String]] = []
    var body: [UInt8] = []
  }

  private enum Kind {
    static let (data, headers, reset, settings, ping, goAway): (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8) = (0, 1, 3, 4, 6, 7)
  }

  init(_ connection: ClientConnection) throws {
    self.connection = connection
    // SETTINGS_HEADER_TABLE_SIZE 0, SETTINGS_ENABLE_PUSH 0.
    try connection.send(
      Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + Self.frame(Kind.settings, 0, 0, [0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]))
  }

  /// Sends a request without a body.
  ///
  /// - Throws: `TestFailure` when the connection is gone; it cannot be used again.
  func request(_ headers: [[String]]) throws -> Response {
    let number = stream
    stream += 2
    let block: [UInt8] = headers.flatMap { (header: [String]) -> [UInt8] in [0] + Self.text(header[0]) + Self.text(header[1]) }
    // END_STREAM and END_HEADERS.
    try connection.send(Self.frame(Kind.headers, 5, number, block))
    var response = Response()
    while true {
      let (kind, flags, id, payload) = try nextFrame()
      switch kind {
      case Kind.settings where flags & 1 == 0: try connection.send(Self.frame(Kind.settings, 1, 0, []))
      case Kind.ping where flags & 1 == 0: try connection.send(Self.frame(Kind.ping, 1, 0, payload))
      case Kind.goAway: throw TestFailure("the connection was closed")
      case Kind.reset where id == number: return response.headers.isEmpty ? Response() : response
      case Kind.headers where id == number:
        guard flags & 4 != 0 else { throw TestFailure("headers in several frames") }
        response.headers = try HPACK.decode(payload)
        if flags & 1 != 0 { return response }
      case Kind.data where id == number:
        response.body += payload
        if flags & 1 != 0 { return response }
      default: break
      }
    }
  }

  private func nextFrame() throws -> (kind: UInt8, flags: UInt8, stream: UInt32, payload: [UInt8]) {
    let head = try take(9)
    let count = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
    let id = head[5...].reduce(0) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
    return (head[3], head[4], id, try take(count))
  }

  private func take(_ count: Int) throws -> [UInt8] {
    while pending.count < count {
      let bytes = try connection.receive()
      guard !bytes.isEmpty else { throw TestFailure("the connection was closed") }
      pending += bytes
    }
    defer { pending.removeFirst(count) }
    return Array(pending.prefix(count))
  }

  private static func frame(_ kind: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
    let count = payload.count
    return [UInt8(count >> 16 & 0xFF), UInt8(count >> 8 & 0xFF), UInt8(count & 0xFF), kind, flags]
      + [24, 16, 8, 0].map { UInt8(stream >> $0 & 0xFF) } + payload
  }

  /// A string literal that is not compressed.
  private static func text(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
    var (rest, length): (Int, [UInt8]) = (bytes.count - 127, [127])
    while rest >= 128 {
      length.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    return length + [UInt8(rest)] + bytes
  }
}

/// Header blocks of a server that has no dynamic table.
private enum HPACK {
  static func decode(_ block: [UInt8]) throws -> [[String]] {
    var headers: [[String]] = []
    var rest = block[...]
    while let first = rest.first {
      if first & 0x80 != 0 {
        headers.append(staticEntry(try integer(&rest, 7)))
      } else if first & 0xE0 == 0x20 {
        _ = try integer(&rest, 5)
      } else {
        let index = try integer(&rest, first & 0x40 != 0 ? 6 : 4)
        let name = try index == 0 ? text(&rest) : staticEntry(index)[0]
        headers.append([name, try text(&rest)])
      }
    }
    return headers
  }

  private static func integer(_ rest: inout ArraySlice<UInt8>, _ bits: UInt8) throws -> Int {
    guard let first = rest.popFirst() else { throw TestFailure("half a header") }
    let limit = 1 << Int(bits) - 1
    var value = Int(first) & limit
    if value < limit { return value }
    var shift = 0
    while let byte = rest.popFirst(), shift < 28 {
      value += Int(byte & 127) << shift
      shift += 7
      if byte & 128 == 0 { return value }
    }
    throw TestFailure("half a number")
  }

  private static func text(_ rest: inout ArraySlice<UInt8>) throws -> String {
    let isCompressed = (rest.first ?? 0) & 0x80 != 0
    let count = try integer(&rest, 7)
    guard rest.count >= count else { throw TestFailure("half a text") }
    let bytes = rest.prefix(count)
    rest = rest.dropFirst(count)
    return String(decoding: isCompressed ? decompressed(bytes) : Array(bytes), as: UTF8.self)
  }

  /// The entries that an answer to this test may have; others come without name.
  private static func staticEntry(_ index: Int) -> [String] {
    switch index {
    case 8...14: [":status", ["200", "204", "206", "304", "400", "404", "500"][index - 8]]
    case 28: ["content-length", ""]
    default: ["entry-\(index)", ""]
    }
  }

  /// Huffman's code: canonical, so the lengths say everything.
  private static func decompressed(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var (code, length) = (0, 0)
    for byte in bytes {
      for bit in (0..<8).reversed() {
        code = code << 1 | Int(byte >> bit & 1)
        length += 1
        if let symbol = symbols[length << 32 | code] {
          result.append(UInt8(truncatingIfNeeded: symbol))
          (code, length) = (0, 0)
        }
      }
    }
    return result
  }

  /// Symbols by length and code.
  private static let symbols: [Int: Int] = {
    var table: [Int: Int] = [:]
    var (code, previous) = (-1, 5)
    for symbol in lengths.indices.sorted(by: { (lengths[$0], $0) < (lengths[$1], $1) }) {
      code = (code + 1) << (lengths[symbol] - previous)
      previous = lengths[symbol]
      table[previous << 32 | code] = symbol
    }
    return table
  }()

  /// RFC 7541, appendix B.
  private static let lengths = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, 6,
    10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5,
    5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23,
    23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23,
    20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21,
    21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26, 30,
  ]
}
