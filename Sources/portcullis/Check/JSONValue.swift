// JSON as it was written: no name twice, no number taken for a truth value, every string byte for byte (RFC 8259).
// Enters: UTF-8 text. Leaves: a value, or what is wrong and at which column. Never here: a guess, recursion without a limit.
// Foundation's reader keeps one of two equal names without a word, compares names by canonical equivalence, and reads `true` as 1.

internal import DecisionText
internal import PolicyModel

/// A JSON value.
indirect enum JSONValue {
  case null
  case bool(Bool)
  /// The digits as written.
  case number(String)
  /// The bytes of the text, UTF-8.
  case string([UInt8])
  case list([JSONValue])
  /// Names and values in the order of the text; no name twice.
  case object([(name: ExactText, value: JSONValue)])
}

/// Why a text is not JSON.
struct JSONError: Error {
  /// What is wrong.
  let problem: String
  /// The column in bytes, from 1.
  let column: Int
}

/// Reads one JSON value.
struct JSONReader {
  /// The deepest nesting of lists and objects.
  static let deepest = 64

  private let bytes: [UInt8]
  private var position = 0

  /// The value of a text that holds nothing else.
  static func value(of bytes: [UInt8]) throws(JSONError) -> JSONValue {
    guard String(validating: bytes, as: UTF8.self) != nil else { throw JSONError(problem: "the text is not UTF-8", column: 1) }
    var reader = JSONReader(bytes: bytes)
    let value = try reader.value(depth: 0)
    reader.skipSpace()
    if reader.position < bytes.count { throw reader.error("something follows the value") }
    return value
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    guard depth < Self.deepest else { throw error("the value nests deeper than \(Self.deepest)") }
    skipSpace()
    guard let first = peek else { throw error("the text ends where a value must stand") }
    switch first {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try list(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
    case UInt8(ascii: "t"): return .bool(try word("true", true))
    case UInt8(ascii: "f"): return .bool(try word("false", false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: throw error("this is not a value")
    }
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
    var members: [(name: ExactText, value: JSONValue)] = []
    var names: Set<ExactText> = []
    position += 1
    if take(UInt8(ascii: "}")) { return .object(members) }
    while true {
      skipSpace()
      let start = position
      guard peek == UInt8(ascii: "\"") else { throw error("a name in quotes must stand here") }
      let name = ExactText(String(decoding: try string(), as: UTF8.self))
      guard names.insert(name).inserted else {
        throw JSONError(problem: "`\(Printable.text(name.string))` is written twice", column: start + 1)
      }
      guard take(UInt8(ascii: ":")) else { throw error("`:` must stand here") }
      members.append((name, try value(depth: depth + 1)))
      if take(UInt8(ascii: ",")) { continue }
      guard take(UInt8(ascii: "}")) else { throw error("`,` or `}` must stand here") }
      return .object(members)
    }
  }

  private mutating func list(depth: Int) throws(JSONError) -> JSONValue {
    var elements: [JSONValue] = []
    position += 1
    if take(UInt8(ascii: "]")) { return .list(elements) }
    while true {
      elements.append(try value(depth: depth + 1))
      if take(UInt8(ascii: ",")) { continue }
      guard take(UInt8(ascii: "]")) else { throw error("`,` or `]` must stand here") }
      return .list(elements)
    }
  }

  private mutating func string() throws(JSONError) -> [UInt8] {
    var text: [UInt8] = []
    position += 1
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return text
      case UInt8(ascii: "\\"): text += try escaped()
      case 0..<0x20: throw error("a control character must be written as `\\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))`")
      default:
        text.append(byte)
        position += 1
      }
    }
    throw error("the text ends inside a string")
  }

  /// What an escape stands for; the position is at its backslash.
  private mutating func escaped() throws(JSONError) -> [UInt8] {
    position += 1
    guard let byte = peek else { throw error("the text ends inside a string") }
    let plain: [UInt8: UInt8] = [
      UInt8(ascii: "\""): UInt8(ascii: "\""), UInt8(ascii: "\\"): UInt8(ascii: "\\"), UInt8(ascii: "/"): UInt8(ascii: "/"),
      UInt8(ascii: "b"): 8, UInt8(ascii: "f"): 12, UInt8(ascii: "n"): 10, UInt8(ascii: "r"): 13, UInt8(ascii: "t"): 9,
    ]
    if let value = plain[byte] {
      position += 1
      return [value]
    }
    guard byte == UInt8(ascii: "u") else { throw error("JSON has no such escape") }
    let start = position
    let first = try codeUnit()
    var value = UInt32(first)
    if UTF16.isLeadSurrogate(first), peek == UInt8(ascii: "\\"), position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u") {
      position += 1
      let second = try codeUnit()
      if UTF16.isTrailSurrogate(second) { value = 0x1_0000 + (UInt32(first & 0x3ff) << 10 | UInt32(second & 0x3ff)) }
    }
    guard let scalar = Unicode.Scalar(value) else {
      throw JSONError(problem: "half of a surrogate pair is not a character", column: start)
    }
    return Array(String(scalar).utf8)
  }

  /// Four hexadecimal digits; the position is at the `u` before them.
  private mutating func codeUnit() throws(JSONError) -> UInt16 {
    let digits = bytes[min(position + 1, bytes.count)..<min(position + 5, bytes.count)]
    let isHexadecimal = digits.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x46).contains($0 & ~0x20) }
    guard digits.count == 4, isHexadecimal, let value = UInt16(String(decoding: digits, as: UTF8.self), radix: 16) else {
      throw error("four hexadecimal digits must follow `\\u`")
    }
    position += 5
    return value
  }

  private mutating func number() throws(JSONError) -> String {
    let start = position
    if peek == UInt8(ascii: "-") { position += 1 }
    let firstDigit = position
    guard digits() > 0 else { throw error("a digit must stand here") }
    if bytes[firstDigit] == UInt8(ascii: "0"), position - firstDigit > 1 { throw error("a number does not begin with 0") }
    if peek == UInt8(ascii: ".") {
      position += 1
      guard digits() > 0 else { throw error("a digit must stand here") }
    }
    if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
      position += 1
      if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
      guard digits() > 0 else { throw error("a digit must stand here") }
    }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func digits() -> Int {
    let start = position
    while let byte = peek, (0x30...0x39).contains(byte) { position += 1 }
    return position - start
  }

  private mutating func word<Value>(_ text: StaticString, _ value: Value) throws(JSONError) -> Value {
    let word = Array("\(text)".utf8)
    guard bytes[position...].starts(with: word) else { throw error("this is not a value") }
    position += word.count
    return value
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard peek == byte else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { position += 1 }
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func error(_ problem: String) -> JSONError { JSONError(problem: problem, column: position + 1) }
}
