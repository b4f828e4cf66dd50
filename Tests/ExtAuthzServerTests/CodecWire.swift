// Protobuf by hand, both ways, so that the tests do not trust the generated code: a writer for messages that no generator
// would make, a reader for what the encoder made, and a reader for the text format of the recorded messages.

internal import Testing

/// Writes fields.
enum Wire {
  static func varint(_ value: UInt64) -> [UInt8] {
    var rest = value
    var bytes: [UInt8] = []
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  static func bytes(_ number: UInt64, _ content: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(UInt64(content.count)) + content
  }

  static func text(_ number: UInt64, _ content: String) -> [UInt8] { bytes(number, Array(content.utf8)) }

  static func number(_ number: UInt64, _ value: UInt64) -> [UInt8] { varint(number << 3) + varint(value) }

  static func entry(_ number: UInt64, _ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
    bytes(number, bytes(1, key) + bytes(2, value))
  }

  /// A CheckRequest with these attributes beside a source and a destination.
  static func check(source: [UInt8] = [], destination: [UInt8] = [], _ attributes: [UInt8] = []) -> [UInt8] {
    bytes(1, bytes(1, source) + bytes(2, destination) + attributes)
  }

  static func http(_ fields: [UInt8]) -> [UInt8] { bytes(4, bytes(2, fields)) }

  /// Metadata of one filter, from the fields of its struct.
  static func metadata(_ filter: String, _ fields: [UInt8]) -> [UInt8] {
    bytes(11, entry(1, Array(filter.utf8), fields))
  }

  /// A field of a struct.
  static func field(_ key: String, _ value: [UInt8]) -> [UInt8] { entry(1, Array(key.utf8), value) }

  static func string(_ content: String) -> [UInt8] { text(3, content) }
}

/// One field as it stands in a message.
struct WireField: Equatable {
  var number: UInt64
  var varint: UInt64?
  var content: [UInt8]?
}

/// The fields of a message; nil if it is not one.
func wireFields(_ message: [UInt8]) -> [WireField]? {
  var fields: [WireField] = []
  var position = 0
  func readVarint() -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < message.count, shift < 64 {
      let byte = message[position]
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
      shift += 7
    }
    return nil
  }
  while position < message.count {
    guard let tag = readVarint() else { return nil }
    switch tag & 7 {
    case 0:
      guard let value = readVarint() else { return nil }
      fields.append(WireField(number: tag >> 3, varint: value, content: nil))
    case 2:
      guard let size = readVarint(), size <= UInt64(message.count - position) else { return nil }
      fields.append(WireField(number: tag >> 3, varint: nil, content: Array(message[position..<position + Int(size)])))
      position += Int(size)
    default:
      return nil
    }
  }
  return fields
}

/// What a proxy reads from a reply.
struct DecodedReply: Equatable {
  var code: UInt64
  var message: [UInt8]
  var deniedStatus: UInt64?
  var deniedBody: [UInt8]?
  var metadata: [Pair]

  private static func nested(_ field: WireField?) throws -> [WireField] {
    let content = try #require(field?.content)
    return try #require(wireFields(content))
  }

  /// Demands that field 1, the status, comes first.
  static func read(_ bytes: [UInt8]) throws -> DecodedReply {
    let fields = try #require(wireFields(bytes))
    let first = try #require(fields.first)
    #expect(first.number == 1)
    let status = try nested(first)
    var reply = DecodedReply(code: 0, message: [], metadata: [])
    reply.code = status.last { $0.number == 1 }?.varint ?? 0
    reply.message = status.last { $0.number == 2 }?.content ?? []
    for field in fields.dropFirst() {
      let inner = try nested(field)
      if field.number == 2 {
        reply.deniedStatus = try nested(inner.last { $0.number == 1 }).last { $0.number == 1 }?.varint
        reply.deniedBody = inner.last { $0.number == 3 }?.content ?? []
      } else if field.number == 4 {
        for entry in inner {
          let pair = try nested(entry)
          let value = try nested(pair.last { $0.number == 2 })
          let string = value.last { $0.number == 3 }
          reply.metadata.append(Pair(pair.last { $0.number == 1 }?.content ?? [], try #require(string?.content)))
        }
      } else {
        Issue.record("field \(field.number) in a reply")
      }
    }
    return reply
  }
}

/// A message in protobuf's text format.
struct TextMessage {
  var scalars: [String: [[UInt8]]] = [:]
  var messages: [String: [TextMessage]] = [:]

  func message(_ path: String...) -> TextMessage? {
    var current = self
    for name in path {
      guard let next = current.messages[name]?.first else { return nil }
      current = next
    }
    return current
  }

  func all(_ name: String) -> [TextMessage] { messages[name] ?? [] }

  func bytes(_ name: String) -> [UInt8] { scalars[name]?.last ?? [] }

  /// The entries of a map.
  func pairs(_ name: String) -> [Pair] { all(name).map { Pair($0.bytes("key"), $0.bytes("value")) } }

  static func parse(_ bytes: [UInt8]) throws -> TextMessage {
    var lines = bytes.split(separator: UInt8(ascii: "\n")).map { Array($0.drop { $0 == UInt8(ascii: " ") }) }[...]
    let message = try parse(&lines)
    #expect(lines.isEmpty)
    return message
  }

  private static func parse(_ lines: inout ArraySlice<[UInt8]>) throws -> TextMessage {
    var message = TextMessage()
    while let line = lines.popFirst() {
      if line == [UInt8(ascii: "}")] { return message }
      if line.last == UInt8(ascii: "{") {
        let name = String(decoding: line.dropLast(2), as: UTF8.self)
        message.messages[name, default: []].append(try parse(&lines))
      } else {
        let colon = try #require(line.firstIndex(of: UInt8(ascii: ":")))
        let name = String(decoding: line[..<colon], as: UTF8.self)
        message.scalars[name, default: []].append(unquote(Array(line[(colon + 2)...])))
      }
    }
    return message
  }

  private static func unquote(_ text: [UInt8]) -> [UInt8] {
    guard text.first == UInt8(ascii: "\"") else { return text }
    var result: [UInt8] = []
    var rest = text.dropFirst().dropLast()
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\"), let escaped = rest.popFirst() else {
        result.append(byte)
        continue
      }
      switch escaped {
      case UInt8(ascii: "n"): result.append(10)
      case UInt8(ascii: "t"): result.append(9)
      case UInt8(ascii: "r"): result.append(13)
      case UInt8(ascii: "0")...UInt8(ascii: "7"):
        let digits = [escaped, rest.popFirst() ?? 48, rest.popFirst() ?? 48].map { UInt8($0 - 48) }
        result.append(digits[0] << 6 | digits[1] << 3 | digits[2])
      default: result.append(escaped)
      }
    }
    return result
  }
}
