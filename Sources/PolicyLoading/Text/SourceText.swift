// One file as text. Raw bytes enter; bytes that the parser can read without stumbling leave, with the places that had to be replaced
// and the means to quote a line. Encodings other than UTF-8 are refused here, and nothing here interprets YAML.

/// The bytes of one file, ready for the parser, and where its lines are.
struct SourceText {
  /// A byte sequence that is not allowed, replaced by question marks in `bytes`.
  struct BadBytes {
    /// Offset into `bytes`.
    let offset: Int
    /// What was found, for the message: a control character's scalar value, or nil for bytes that are not UTF-8.
    let control: UInt32?
    /// The bytes as hexadecimal numbers.
    let hex: String
  }

  /// The text without its byte order mark; every byte of it is part of valid UTF-8 without control characters.
  let bytes: [UInt8]
  /// The replaced places, in order, at most `badBytesLimit`.
  let bad: [BadBytes]
  /// The file has a UTF-16 or UTF-32 byte order mark; `bytes` is empty.
  let isWideEncoding: Bool

  private static let badBytesLimit = 50

  /// Checks `raw`. O(bytes).
  init(_ raw: [UInt8]) {
    if raw.starts(with: [0xFE, 0xFF]) || raw.starts(with: [0xFF, 0xFE]) {
      bytes = []
      bad = []
      isWideEncoding = true
      return
    }
    isWideEncoding = false
    let hasMark = raw.starts(with: [0xEF, 0xBB, 0xBF])
    var text = hasMark ? Array(raw.dropFirst(3)) : raw
    bad = Self.replaceBadBytes(in: &text)
    bytes = text
  }

  /// The offsets at which lines begin. A line ends where libyaml ends one: LF, CR LF, CR, NEL, LS, PS. O(bytes).
  func lineStarts() -> [Int] {
    var starts = [0]
    unsafe bytes.withUnsafeBufferPointer { buffer in
      let view = unsafe buffer
      var index = 0
      while index < view.count {
        let length = unsafe Self.breakLength(view, index)
        if length > 0 {
          index += length
          starts.append(index)
        } else {
          index += 1
        }
      }
    }
    return starts
  }

  /// The text of the line that begins at `start`, without its end, to be shown with a mark at `column`. A long line is cut behind
  /// the mark; nil when the mark stands too far out to be shown. O(1): a file of one line must not cost its size for each diagnostic.
  func line(from start: Int, markedAt column: UInt32) -> String? {
    let limit = 500
    let length = unsafe bytes.withUnsafeBufferPointer { buffer in
      let view = unsafe buffer
      var end = start
      while end < view.count, end - start <= limit, unsafe Self.breakLength(view, end) == 0 { end += 1 }
      return end - start
    }
    guard length > limit else { return String(decoding: bytes[start..<(start + length)], as: UTF8.self) }
    // A code point that the cut would split is left out.
    var end = start + limit
    while end > start, bytes[end] & 0xC0 == 0x80 { end -= 1 }
    guard codePoints(from: start, to: end) >= column else { return nil }
    return String(decoding: bytes[start..<end], as: UTF8.self) + "…"
  }

  /// Whether the line at `start` is a document marker: `---` and then white space or the end.
  func isDocumentStart(at start: Int) -> Bool {
    guard start + 3 <= bytes.count, bytes[start..<(start + 3)].elementsEqual([0x2D, 0x2D, 0x2D]) else { return false }
    guard start + 3 < bytes.count else { return true }
    return [0x20, 0x09, 0x0A, 0x0D].contains(bytes[start + 3])
  }

  /// The number of code points in `bytes[start..<end]`.
  func codePoints(from start: Int, to end: Int) -> Int {
    bytes[start..<end].reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
  }

  private static func breakLength(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int {
    let first = unsafe text[index]
    if first > 0x0D, first < 0xC2 { return 0 }
    func at(_ offset: Int) -> UInt8 { index + offset < text.count ? unsafe text[index + offset] : 0 }
    switch first {
    case 0x0A: return 1
    case 0x0D: return at(1) == 0x0A ? 2 : 1
    case 0xC2: return at(1) == 0x85 ? 2 : 0
    case 0xE2: return at(1) == 0x80 && (at(2) == 0xA8 || at(2) == 0xA9) ? 3 : 0
    default: return 0
    }
  }

  private static func replaceBadBytes(in text: inout [UInt8]) -> [BadBytes] {
    var found: [BadBytes] = []
    var index = 0
    while index < text.count {
      let byte = text[index]
      if byte >= 0x20, byte < 0x7F {
        index += 1
        continue
      }
      let (length, value) = scalar(in: text, at: index)
      if let value, isAllowed(value) {
        index += length
        continue
      }
      if found.count < badBytesLimit {
        let hex = text[index..<(index + length)].map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }
        found.append(BadBytes(offset: index, control: value, hex: hex.joined(separator: " ")))
      }
      for position in index..<(index + length) { text[position] = 0x3F }
      index += length
    }
    return found
  }

  /// The scalar at `index` and its length; nil and the length of the broken sequence (at least 1) when it is not UTF-8.
  private static func scalar(in text: [UInt8], at index: Int) -> (Int, UInt32?) {
    let first = text[index]
    if first < 0x80 { return (1, UInt32(first)) }
    let (length, mask, least): (Int, UInt8, UInt32) =
      switch first {
      case 0xC2...0xDF: (2, 0x1F, 0x80)
      case 0xE0...0xEF: (3, 0x0F, 0x800)
      case 0xF0...0xF4: (4, 0x07, 0x1_0000)
      default: (1, 0, 0)
      }
    guard length > 1 else { return (1, nil) }
    var value = UInt32(first & mask)
    for offset in 1..<length {
      guard index + offset < text.count, text[index + offset] & 0xC0 == 0x80 else { return (offset, nil) }
      value = value << 6 | UInt32(text[index + offset] & 0x3F)
    }
    guard value >= least, value <= 0x10_FFFF, !(0xD800...0xDFFF).contains(value) else { return (length, nil) }
    return (length, value)
  }

  /// What libyaml reads; anything else would make it stop for the whole file.
  private static func isAllowed(_ value: UInt32) -> Bool {
    switch value {
    case 0x09, 0x0A, 0x0D, 0x85: true
    case 0xFEFF, 0xFFFE, 0xFFFF: false
    default: (0x20...0x7E).contains(value) || value >= 0xA0
    }
  }
}
