// One line of a log, looked through once for the fields that matter.
// Enters: the bytes of a line. Leaves: where the values of known fields stand, or what is wrong with the line and at which column.
// Never here: an allocation for a line (a value with escapes is copied into memory that is reused), a value's meaning, a guess.
//
// Why not a library: of those on a Debian machine json-c reads 213,000 lines of 900 bytes a second, Foundation's JSONDecoder 149,000,
// JSONSerialization 90,000 and Jansson 88,000, each building values that nobody asks for. This reads what it must to know that the line is
// JSON (RFC 8259), and keeps nothing. UTF-8 is not checked: texts are compared as bytes.

/// Where a field's value stands.
struct LogValue: BitwiseCopyable {
  enum State: UInt8 {
    /// The record does not have the field.
    case missing
    /// The proxy had no value: `null`, or `-` as in formats of text.
    case none
    case text
  }

  var state = State.missing
  /// Whether it stands in the scanner's own memory, because it had escapes.
  var isCopied = false
  var start: UInt32 = 0
  var count: UInt32 = 0
}

/// Looks through lines, one after the other.
struct LogScanner {
  /// The deepest nesting of lists and objects.
  private static let deepest = 64

  private let names = LogFieldNames()
  private var values = [LogValue](repeating: LogValue(), count: LogField.allCases.count)
  /// The texts of the last line that had escapes.
  private(set) var copies: [UInt8] = []
  /// The column in bytes, from 1, at which the last line is wrong.
  private(set) var column = 0
  private var position = 0
  /// The names of the line before, in order: proxies write the same ones in the same order.
  private var order = NameOrder()

  /// What the last line says of a field.
  subscript(_ field: LogField) -> LogValue { values[field.rawValue] }

  /// Looks through a line. `nil` when it is an object.
  mutating func scan(_ line: Span<UInt8>) -> SkippedLine? {
    for index in values.indices { values[index] = LogValue() }
    copies.removeAll(keepingCapacity: true)
    position = 0
    let problem = record(line)
    column = position + 1
    return problem
  }

  private mutating func record(_ line: Span<UInt8>) -> SkippedLine? {
    skipSpace(line)
    guard peek(line) == UInt8(ascii: "{") else {
      let isValue = value(line, depth: 0)
      skipSpace(line)
      return isValue && position == line.count ? .notObject : .notJSON
    }
    position += 1
    skipSpace(line)
    if peek(line) != UInt8(ascii: "}") {
      var number = 0
      while true {
        if let problem = member(line, number) { return problem }
        number += 1
        skipSpace(line)
        guard peek(line) == UInt8(ascii: ",") else { break }
        position += 1
        skipSpace(line)
      }
    }
    guard peek(line) == UInt8(ascii: "}") else { return .notJSON }
    position += 1
    skipSpace(line)
    return position == line.count ? nil : .notJSON
  }

  /// A name, a colon and a value.
  private mutating func member(_ line: Span<UInt8>, _ number: Int) -> SkippedLine? {
    let start = position
    var field: Int?
    if let end = order.end(of: number, in: line, at: position) {
      position = end
      // The line before may have had none here.
      skipSpace(line)
      field = order.field(number)
    } else {
      guard let name = string(line) else { return .notJSON }
      let isPlain = !name.hasEscapes
      if !isPlain {
        // A name that is written with escapes means what it stands for.
        let first = copies.count
        LogEscape.unescape(line.extracting(name.range), to: &copies)
        field = names.find(copies.span.extracting(first..<copies.count))
        copies.removeLast(copies.count - first)
      } else {
        field = names.find(line.extracting(name.range))
      }
      skipSpace(line)
      guard peek(line) == UInt8(ascii: ":") else { return .notJSON }
      position += 1
      skipSpace(line)
      if isPlain { order.set(number, line.extracting(start..<position), field) }
    }
    guard let field else { return value(line, depth: 1) ? nil : .notJSON }
    guard values[field].state == .missing else {
      position = start
      return .fieldTwice
    }
    return known(line, field)
  }

  /// The value of a known field: text or null.
  private mutating func known(_ line: Span<UInt8>, _ field: Int) -> SkippedLine? {
    let start = position
    guard peek(line) == UInt8(ascii: "\"") else {
      guard value(line, depth: 1) else { return .notJSON }
      if line[start] == UInt8(ascii: "n") {
        values[field].state = .none
        return nil
      }
      position = start
      return .wrongType
    }
    guard let text = string(line) else { return .notJSON }
    var found = LogValue(
      state: .text, start: UInt32(truncatingIfNeeded: text.range.lowerBound), count: UInt32(truncatingIfNeeded: text.range.count))
    if text.hasEscapes {
      let first = copies.count
      LogEscape.unescape(line.extracting(text.range), to: &copies)
      found.isCopied = true
      found.start = UInt32(truncatingIfNeeded: first)
      found.count = UInt32(truncatingIfNeeded: copies.count - first)
    } else if text.range.count == 1, line[text.range.lowerBound] == UInt8(ascii: "-") {
      found.state = .none
    }
    values[field] = found
    return nil
  }

  // MARK: Values that are passed over

  /// Passes over any value; false when it is none.
  private mutating func value(_ line: Span<UInt8>, depth: Int) -> Bool {
    guard depth < Self.deepest, let first = peek(line) else { return false }
    switch first {
    case UInt8(ascii: "\""): return string(line) != nil
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return number(line)
    case UInt8(ascii: "n"): return word(line, "null")
    case UInt8(ascii: "t"): return word(line, "true")
    case UInt8(ascii: "f"): return word(line, "false")
    case UInt8(ascii: "{"): return elements(line, end: UInt8(ascii: "}"), hasNames: true, depth: depth)
    case UInt8(ascii: "["): return elements(line, end: UInt8(ascii: "]"), hasNames: false, depth: depth)
    default: return false
    }
  }

  private mutating func elements(_ line: Span<UInt8>, end: UInt8, hasNames: Bool, depth: Int) -> Bool {
    position += 1
    skipSpace(line)
    if peek(line) != end {
      while true {
        if hasNames {
          guard string(line) != nil else { return false }
          skipSpace(line)
          guard peek(line) == UInt8(ascii: ":") else { return false }
          position += 1
          skipSpace(line)
        }
        guard value(line, depth: depth + 1) else { return false }
        skipSpace(line)
        guard peek(line) == UInt8(ascii: ",") else { break }
        position += 1
        skipSpace(line)
      }
    }
    guard peek(line) == end else { return false }
    position += 1
    return true
  }

  private mutating func number(_ line: Span<UInt8>) -> Bool {
    if peek(line) == UInt8(ascii: "-") { position += 1 }
    let first = peek(line)
    let count = digits(line)
    guard count > 0, count == 1 || first != UInt8(ascii: "0") else { return false }
    if peek(line) == UInt8(ascii: ".") {
      position += 1
      guard digits(line) > 0 else { return false }
    }
    if peek(line) == UInt8(ascii: "e") || peek(line) == UInt8(ascii: "E") {
      position += 1
      if peek(line) == UInt8(ascii: "+") || peek(line) == UInt8(ascii: "-") { position += 1 }
      guard digits(line) > 0 else { return false }
    }
    return true
  }

  private mutating func digits(_ line: Span<UInt8>) -> Int {
    let start = position
    while position < line.count, line[position] &- 0x30 < 10 { position += 1 }
    return position - start
  }

  private mutating func word(_ line: Span<UInt8>, _ word: StaticString) -> Bool {
    let count = word.utf8CodeUnitCount
    guard line.count - position >= count else { return false }
    for offset in 0..<count where unsafe line[position + offset] != word.utf8Start[offset] { return false }
    position += count
    return true
  }

  // MARK: Strings

  /// Passes over a string; the range between its quotes.
  private mutating func string(_ line: Span<UInt8>) -> (range: Range<Int>, hasEscapes: Bool)? {
    guard peek(line) == UInt8(ascii: "\"") else { return nil }
    position += 1
    let start = position
    var hasEscapes = false
    while true {
      skipPlain(line)
      guard position < line.count else { return nil }
      switch line[position] {
      case UInt8(ascii: "\""):
        position += 1
        return (start..<position - 1, hasEscapes)
      case UInt8(ascii: "\\"):
        hasEscapes = true
        guard escape(line) else { return nil }
      default: return nil
      }
    }
  }

  /// Passes over bytes that are neither quote nor backslash nor control characters, eight at once.
  @inline(__always)
  private mutating func skipPlain(_ line: Span<UInt8>) {
    var at = position
    let (low, high): (UInt64, UInt64) = (0x0101_0101_0101_0101, 0x8080_8080_8080_8080)
    let bytes = unsafe line.bytes
    while line.count - at >= 8 {
      let word = unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self))
      // With this bit turned, the quote and the control characters are what is below 0x21, and nothing else is.
      let (turned, backslash) = (word ^ (low &* 0x02), word ^ (low &* 0x5c))
      // In each, the lowest byte that is marked is one that was looked for; what is above may be marked by a borrow.
      let found = ((turned &- low &* 0x21) & ~turned | (backslash &- low) & ~backslash) & high
      if found != 0 {
        position = at + found.trailingZeroBitCount >> 3
        return
      }
      at += 8
    }
    while at < line.count, line[at] >= 0x20, line[at] != 0x22, line[at] != 0x5c { at += 1 }
    position = at
  }

  /// Passes over an escape.
  private mutating func escape(_ line: Span<UInt8>) -> Bool {
    guard position + 1 < line.count else { return false }
    switch line[position + 1] {
    case 0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74:
      position += 2
      return true
    case UInt8(ascii: "u"):
      guard let unit = LogEscape.codeUnit(line, at: position + 2) else { return false }
      position += 6
      guard unit & 0xf800 == 0xd800 else { return true }
      // Half of a pair is no character.
      guard unit & 0xfc00 == 0xd800, position + 1 < line.count, line[position] == 0x5c, line[position + 1] == UInt8(ascii: "u"),
        let second = LogEscape.codeUnit(line, at: position + 2), second & 0xfc00 == 0xdc00
      else { return false }
      position += 6
      return true
    default: return false
    }
  }

  // MARK: Bytes

  @inline(__always)
  private func peek(_ line: Span<UInt8>) -> UInt8? { position < line.count ? line[position] : nil }

  @inline(__always)
  private mutating func skipSpace(_ line: Span<UInt8>) {
    while position < line.count, line[position] <= 0x20, line[position] == 0x20 || line[position] == 0x09 || line[position] == 0x0d {
      position += 1
    }
  }
}
