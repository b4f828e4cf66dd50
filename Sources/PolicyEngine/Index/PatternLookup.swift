// From a text (or a number) to everything that is registered under a pattern which it satisfies.
// Enters: patterns with postings, once. Leaves: postings, in time that depends on the text, not on how many patterns there are.
// Never here: patterns that need more than exact, prefix, suffix, block or number; they are tested one by one by whoever owns them.

internal import PolicyModel

/// A pattern that can be looked up.
enum IndexPattern: Hashable, Sendable {
  case exact([UInt8])
  case prefix([UInt8])
  case suffix([UInt8])
  /// Satisfied by every text that is there.
  case always
  case block(AddressBlock)
  case number(UInt64)
}

/// A class, although a value would do: asking an element of an array of structs copied it, with a reference count for each of its tables, and
/// all threads count in the same places. Now there is one.
final class PatternLookup: Sendable {
  private struct Entry: Sendable {
    var literal: Literal
    var postings: Stretch
  }
  private struct NumberEntry: Sendable {
    var high: UInt64
    var low: UInt64
    var tag: UInt64
    var postings: Stretch
  }

  private let hash: ByteHash
  private let slots: [UInt32]
  private let entries: [Entry]
  private let texts: [UInt8]
  private let prefixes: Trie
  private let suffixes: Trie
  private let always: Stretch
  private let numberSlots: [UInt32]
  private let numbers: [NumberEntry]
  /// The block lengths in use, IPv4 and IPv6: one probe each.
  private let lengths: [UInt8]
  private let lengths6: [UInt8]

  /// Registers patterns, each once. O(total length, n log n).
  init(_ patterns: [IndexPattern: Stretch], hash: ByteHash) {
    var entries: [Entry] = []
    var texts: [UInt8] = []
    var always = Stretch()
    var numbers: [NumberEntry] = []
    var lengths: [UInt8] = []
    var lengths6: [UInt8] = []
    var prefixTexts: [(text: [UInt8], postings: Stretch)] = []
    var suffixTexts: [(text: [UInt8], postings: Stretch)] = []
    for (pattern, postings) in patterns {
      switch pattern {
      case .exact(let text):
        entries.append(
          Entry(
            literal: Literal(start: UInt32(truncatingIfNeeded: texts.count), count: UInt32(truncatingIfNeeded: text.count)),
            postings: postings))
        texts.append(contentsOf: text)
      case .prefix(let text): prefixTexts.append((text, postings))
      case .suffix(let text): suffixTexts.append((text.reversed(), postings))
      case .always: always = postings
      case .block(let block):
        numbers.append(
          NumberEntry(high: block.base.high, low: block.base.low, tag: Self.tag(block.base.isIPv4, block.length), postings: postings))
        let length = UInt8(truncatingIfNeeded: block.length)
        if block.base.isIPv4 {
          if !lengths.contains(length) { lengths.append(length) }
        } else if !lengths6.contains(length) {
          lengths6.append(length)
        }
      case .number(let number): numbers.append(NumberEntry(high: number, low: 0, tag: Self.numberTag, postings: postings))
      }
    }
    self.hash = hash
    prefixes = Trie(sorted: prefixTexts.sorted { $0.text.lexicographicallyPrecedes($1.text) }, isReversed: false)
    suffixes = Trie(sorted: suffixTexts.sorted { $0.text.lexicographicallyPrecedes($1.text) }, isReversed: true)
    slots = Self.table(count: entries.count) { index in hash(texts.span.extracting(Self.range(entries[index].literal))) }
    numberSlots = Self.table(count: numbers.count) { index in hash(numbers[index].high, numbers[index].low, numbers[index].tag) }
    self.entries = entries
    self.texts = texts
    self.always = always
    self.numbers = numbers
    self.lengths = lengths
    self.lengths6 = lengths6
  }

  /// Calls `visit` with the postings of every pattern that the text satisfies; stops and returns false when `visit` does.
  @inline(__always)
  func forEachMatch(text: Span<UInt8>, _ visit: (Stretch) -> Bool) -> Bool {
    if !always.isEmpty, !visit(always) { return false }
    if let exact = exactPostings(text), !visit(exact) { return false }
    return prefixes.forEachMatch(in: text, visit) && suffixes.forEachMatch(in: text, visit)
  }

  /// The same for an address.
  @inline(__always)
  func forEachMatch(address: IPAddress, _ visit: (Stretch) -> Bool) -> Bool {
    if !always.isEmpty, !visit(always) { return false }
    let count = address.isIPv4 ? lengths.count : lengths6.count
    for index in 0..<count {
      let length = Int(address.isIPv4 ? lengths[index] : lengths6[index])
      let masked = address.masked(to: length)
      if let postings = postings(masked.high, masked.low, Self.tag(address.isIPv4, length)), !visit(postings) { return false }
    }
    return true
  }

  /// The same for a number.
  @inline(__always)
  func forEachMatch(number: UInt64, _ visit: (Stretch) -> Bool) -> Bool {
    if !always.isEmpty, !visit(always) { return false }
    if let postings = postings(number, 0, Self.numberTag) { return visit(postings) }
    return true
  }

  private func exactPostings(_ text: Span<UInt8>) -> Stretch? {
    guard !slots.isEmpty else { return nil }
    let texts = self.texts
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash(text)) & mask
    while true {
      let index = slots[slot]
      if index == 0 { return nil }
      let entry = entries[Int(index) - 1]
      if equal(texts.span.extracting(Self.range(entry.literal)), text) { return entry.postings }
      slot = (slot + 1) & mask
    }
  }

  private func postings(_ high: UInt64, _ low: UInt64, _ tag: UInt64) -> Stretch? {
    guard !numberSlots.isEmpty else { return nil }
    let mask = numberSlots.count - 1
    var slot = Int(truncatingIfNeeded: hash(high, low, tag)) & mask
    while true {
      let index = numberSlots[slot]
      if index == 0 { return nil }
      let entry = numbers[Int(index) - 1]
      if entry.high == high, entry.low == low, entry.tag == tag { return entry.postings }
      slot = (slot + 1) & mask
    }
  }

  private static let numberTag: UInt64 = 1 << 32

  private static func tag(_ isIPv4: Bool, _ length: Int) -> UInt64 {
    UInt64(truncatingIfNeeded: length) | (isIPv4 ? 256 : 0)
  }

  private static func range(_ literal: Literal) -> Range<Int> {
    Int(literal.start)..<Int(literal.start) + Int(literal.count)
  }

  /// Open addressing, at most half full, a power of two; a slot holds an index plus one.
  private static func table(count: Int, hash: (Int) -> UInt64) -> [UInt32] {
    guard count > 0 else { return [] }
    var size = 4
    while size < count * 2 { size *= 2 }
    var slots = [UInt32](repeating: 0, count: size)
    for index in 0..<count {
      var slot = Int(truncatingIfNeeded: hash(index)) & (size - 1)
      while slots[slot] != 0 { slot = (slot + 1) & (size - 1) }
      slots[slot] = UInt32(truncatingIfNeeded: index + 1)
    }
    return slots
  }
}
