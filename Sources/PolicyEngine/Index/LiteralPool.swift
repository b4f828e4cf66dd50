// All texts of one compiled namespace, end to end in one array.

/// A stretch of the pool.
struct Literal: Sendable, Hashable, BitwiseCopyable {
  var start: UInt32 = 0
  var count: UInt32 = 0
}

/// A stretch of an array of numbers.
struct Stretch: Sendable, BitwiseCopyable {
  var start: UInt32 = 0
  var count: UInt32 = 0

  var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
  var isEmpty: Bool { count == 0 }
}

/// The texts. Equal texts are stored once.
struct LiteralPool: Sendable {
  private(set) var bytes: [UInt8] = []
  private var known: [[UInt8]: Literal] = [:]

  /// The bytes of a stored text.
  func text(_ literal: Literal) -> [UInt8] { Array(bytes[Int(literal.start)..<Int(literal.start) + Int(literal.count)]) }

  /// Stores a text. O(n) hashing.
  mutating func intern(_ text: [UInt8]) -> Literal {
    if let literal = known[text] { return literal }
    let literal = Literal(start: UInt32(truncatingIfNeeded: bytes.count), count: UInt32(truncatingIfNeeded: text.count))
    bytes.append(contentsOf: text)
    known[text] = literal
    return literal
  }
}
