// JSON text to values, strictly, for configurations and for the payload of a verified token.
// Enters: bytes. Leaves: a value, or one line that says what is wrong and where. Never here: a key that is given twice, text behind the value,
// nesting without end, Foundation.

/// A JSON value. Numbers keep their text, because nothing here computes with them.
enum JSONValue: Equatable {
  case null
  case bool(Bool)
  case number(String)
  case string(String)
  case array([JSONValue])
  /// Members in the order of the text; no name occurs twice.
  case object([(name: String, value: JSONValue)])

  static func == (one: JSONValue, other: JSONValue) -> Bool {
    switch (one, other) {
    case (.null, .null): true
    case (.bool(let a), .bool(let b)): a == b
    case (.number(let a), .number(let b)), (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)):
      a.count == b.count && zip(a, b).allSatisfy { $0.name.utf8.elementsEqual($1.name.utf8) && $0.value == $1.value }
    default: false
    }
  }
}

/// Why a text is no JSON.
struct JSONProblem: Error, Equatable {
  /// One line, with the offset of the byte where reading ended.
  let text: String
}

/// Reads one JSON text.
struct JSONReader {
  /// How deep arrays and objects may lie in each other.
  private static let mostNesting = 32
  private let bytes: [UInt8]
  private var place = 0

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The value that the bytes are the text of.
  static func read(_ bytes: [UInt8]) throws(JSONProblem) -> JSONValue {
    var reader = JSONReader(bytes)
    let value = try reader.value(0)
    reader.skipSpace()
    guard reader.place == bytes.count else { throw reader.problem("text behind the value") }
    return value
  }

  private func problem(_ text: String) -> JSONProblem { JSONProblem(text: "\(text), at byte \(place)") }

  private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { place += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: character) else { return false }
    place += 1
    return true
  }

  private mutating func value(_ depth: Int) throws(JSONProblem) -> JSONValue {
    guard depth < Self.mostNesting else { throw problem("values lie too deep in each other") }
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try object(depth)
    case UInt8(ascii: "["): return try array(depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func word(_ word: String, _ value: JSONValue) throws(JSONProblem) -> JSONValue {
    guard bytes[place...].starts(with: word.utf8) else { throw problem("no JSON value") }
    place += word.utf8.count
    return value
  }

  private mutating func object(_ depth: Int) throws(JSONProblem) -> JSONValue {
    place += 1
    var members: [(name: String, value: JSONValue)] = []
    var names: Set<[UInt8]> = []
    if take("}") { return .object(members) }
    repeat {
      skipSpace()
      let name = try string()
      guard names.insert(Array(name.utf8)).inserted else { throw problem("`\(name)` is given twice") }
      guard take(":") else { throw problem("no `:` behind a name") }
      members.append((name, try value(depth + 1)))
    } while take(",")
    guard take("}") else { throw problem("an object has no end") }
    return .object(members)
  }

  private mutating func array(_ depth: Int) throws(JSONProblem) -> JSONValue {
    place += 1
    var elements: [JSONValue] = []
    if take("]") { return .array(elements) }
    repeat { elements.append(try value(depth + 1)) } while take(",")
    guard take("]") else { throw problem("an array has no end") }
    return .array(elements)
  }

  private mutating func number() throws(JSONProblem) -> JSONValue {
    let start = place
    var digits = 0
    while let byte = next {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digits += 1
      case UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): break
      default:
        guard digits > 0 else { throw problem("no JSON value") }
        return .number(String(decoding: bytes[start..<place], as: UTF8.self))
      }
      place += 1
    }
    guard digits > 0 else { throw problem("no JSON value") }
    return .number(String(decoding: bytes[start..<place], as: UTF8.self))
  }

  private mutating func string() throws(JSONProblem) -> String {
    guard next == UInt8(ascii: "\"") else { throw problem("no string where one must be") }
    place += 1
    var text: [UInt8] = []
    while let byte = next {
      place += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let valid = String(validating: text, as: UTF8.self) else { throw problem("a string is not UTF-8") }
        return valid
      case UInt8(ascii: "\\"): try escape(&text)
      case 0..<0x20: throw problem("a control character in a string")
      default: text.append(byte)
      }
    }
    throw problem("a string has no end")
  }

  private mutating func escape(_ text: inout [UInt8]) throws(JSONProblem) {
    guard let byte = next else { throw problem("a string has no end") }
    place += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      var code = try unit()
      if code & 0xFC00 == 0xD800 {
        guard next == UInt8(ascii: "\\") else { throw problem("half a surrogate pair") }
        place += 1
        guard next == UInt8(ascii: "u") else { throw problem("half a surrogate pair") }
        place += 1
        let low = try unit()
        guard low & 0xFC00 == 0xDC00 else { throw problem("half a surrogate pair") }
        code = 0x10000 + (code & 0x3FF) << 10 + low & 0x3FF
      }
      guard let scalar = Unicode.Scalar(code) else { throw problem("half a surrogate pair") }
      text += Array(String(Character(scalar)).utf8)
    default: throw problem("an unknown escape in a string")
    }
  }

  private mutating func unit() throws(JSONProblem) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        throw problem("no four digits behind `\\u`")
      }
      place += 1
      code = code << 4 | UInt32(digit)
    }
    return code
  }
}
