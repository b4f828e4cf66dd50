// From a text (or a number) to everything that is registered under a pattern which it satisfies.
// Enters: patterns with postings, once. Leaves: postings, in time that depends on the text, not on how many patterns there are.
// Never here: patterns that need more than exact, prefix, suffix, block or number; they are tested one by one by whoever owns them. No
// reference is counted either: a lookup is a few numbers, and all lookups of a namespace share one set of arrays.

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

/// Where the patterns of one lookup stand in the tables.
struct PatternLookup: Sendable, BitwiseCopyable {
  fileprivate var always = Stretch()
  /// In `slots`; a power of two, or none.
  fileprivate var exact = Stretch()
  fileprivate var prefixes = Trie()
  fileprivate var suffixes = Trie()
  /// In `slots`.
  fileprivate var numbers = Stretch()
  /// The block lengths in use, in `lengths`: one probe each.
  fileprivate var lengths = Stretch()
  fileprivate var lengths6 = Stretch()
}

/// A text and what is registered under it.
private struct TextEntry: BitwiseCopyable {
  var literal: Literal
  var postings: Stretch
}

/// A number or a block, and what is registered under it.
private struct NumberEntry: BitwiseCopyable {
  var high: UInt64
  var low: UInt64
  var tag: UInt64
  var postings: Stretch

  static let numberTag: UInt64 = 1 << 32

  static func tag(_ isIPv4: Bool, _ length: Int) -> UInt64 {
    UInt64(truncatingIfNeeded: length) | (isIPv4 ? 256 : 0)
  }
}

/// The arrays behind lookups, while these are collected.
struct LookupTables: Sendable {

  private let hash: ByteHash
  /// Hash tables, each a stretch of this; a slot holds the index of an entry plus one.
  private var slots: [UInt32] = []
  private var entries: [TextEntry] = []
  private var numbers: [NumberEntry] = []
  private var lengths: [UInt8] = []
  private var tries = TrieNodes()

  init(hash: ByteHash) { self.hash = hash }

  /// Registers patterns, each once. O(total length, n log n).
  mutating func add(_ patterns: [IndexPattern: Stretch], to pool: inout LiteralPool) -> PatternLookup {
    var lookup = PatternLookup()
    var prefixes: [TrieNodes.Text] = []
    var suffixes: [TrieNodes.Text] = []
    var (lengths4, lengths6): ([UInt8], [UInt8]) = ([], [])
    let (firstEntry, firstNumber) = (entries.count, numbers.count)
    var hashes: [UInt64] = []
    for (pattern, postings) in patterns {
      switch pattern {
      case .exact(let text):
        entries.append(TextEntry(literal: pool.intern(text), postings: postings))
        hashes.append(hash(text.span))
      case .prefix(let text): prefixes.append(TrieNodes.Text(bytes: text, literal: pool.intern(text), postings: postings))
      case .suffix(let text): suffixes.append(TrieNodes.Text(bytes: text.reversed(), literal: pool.intern(text), postings: postings))
      case .always: lookup.always = postings
      case .block(let block):
        numbers.append(
          NumberEntry(high: block.base.high, low: block.base.low, tag: NumberEntry.tag(block.base.isIPv4, block.length), postings: postings)
        )
        let length = UInt8(truncatingIfNeeded: block.length)
        if block.base.isIPv4 {
          if !lengths4.contains(length) { lengths4.append(length) }
        } else if !lengths6.contains(length) {
          lengths6.append(length)
        }
      case .number(let number): numbers.append(NumberEntry(high: number, low: 0, tag: NumberEntry.numberTag, postings: postings))
      }
    }
    lookup.prefixes = tries.add(prefixes.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }, isReversed: false)
    lookup.suffixes = tries.add(suffixes.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }, isReversed: true)
    lookup.exact = addTable(hashes, first: firstEntry)
    lookup.numbers = addTable(numbers[firstNumber...].map { hash($0.high, $0.low, $0.tag) }, first: firstNumber)
    lookup.lengths = add(lengths: lengths4)
    lookup.lengths6 = add(lengths: lengths6)
    return lookup
  }

  /// Open addressing, at most half full, a power of two.
  private mutating func addTable(_ hashes: [UInt64], first: Int) -> Stretch {
    guard !hashes.isEmpty else { return Stretch() }
    var size = 4
    while size < hashes.count * 2 { size *= 2 }
    let start = slots.count
    slots.append(contentsOf: repeatElement(0, count: size))
    for (offset, hash) in hashes.enumerated() {
      var slot = Int(truncatingIfNeeded: hash) & (size - 1)
      while slots[start + slot] != 0 { slot = (slot + 1) & (size - 1) }
      slots[start + slot] = UInt32(truncatingIfNeeded: first + offset + 1)
    }
    return Stretch(start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: size))
  }

  private mutating func add(lengths more: [UInt8]) -> Stretch {
    let stretch = Stretch(start: UInt32(truncatingIfNeeded: lengths.count), count: UInt32(truncatingIfNeeded: more.count))
    lengths.append(contentsOf: more)
    return stretch
  }

  /// The finished arrays.
  func sealed(in storage: FlatStorage) -> Lookups {
    Lookups(
      hash: hash, slots: storage.store(slots), entries: storage.store(entries), numbers: storage.store(numbers),
      lengths: storage.store(lengths), tries: tries.sealed(in: storage))
  }
}

/// The arrays behind lookups. Texts stand in a literal pool, which is lent to each search.
struct Lookups: Sendable, BitwiseCopyable {
  fileprivate let hash: ByteHash
  fileprivate let slots: FlatArray<UInt32>
  fileprivate let entries: FlatArray<TextEntry>
  fileprivate let numbers: FlatArray<NumberEntry>
  fileprivate let lengths: FlatArray<UInt8>
  fileprivate let tries: Tries

  /// The postings of a pattern that every text satisfies; empty when there is none.
  @inline(__always)
  func always(_ lookup: PatternLookup) -> Stretch { lookup.always }

  /// The postings of the pattern that is the text.
  @inline(__always)
  func exact(_ lookup: PatternLookup, _ text: Span<UInt8>, in literals: Span<UInt8>) -> Stretch? {
    lookup.exact.isEmpty ? nil : exactPostings(lookup.exact, text, literals)
  }

  /// The postings of the next pattern that is a beginning of the text; `nil` when there is none any more.
  @inline(__always)
  func prefix(_ walk: inout TrieWalk, _ lookup: PatternLookup, _ text: Span<UInt8>, in literals: Span<UInt8>) -> Stretch? {
    tries.next(&walk, of: lookup.prefixes, in: text, literals, isReversed: false)
  }

  /// The same for an end of the text.
  @inline(__always)
  func suffix(_ walk: inout TrieWalk, _ lookup: PatternLookup, _ text: Span<UInt8>, in literals: Span<UInt8>) -> Stretch? {
    tries.next(&walk, of: lookup.suffixes, in: text, literals, isReversed: true)
  }

  /// The lengths of blocks that an address can be in: each is asked for itself.
  @inline(__always)
  func lengths(_ lookup: PatternLookup, _ address: IPAddress) -> Range<Int> {
    (address.isIPv4 ? lookup.lengths : lookup.lengths6).range
  }

  /// The postings of the block of one of these lengths that the address is in.
  @inline(__always)
  func block(_ lookup: PatternLookup, _ address: IPAddress, ofLengthAt place: Int) -> Stretch? {
    let length = Int(lengths[place])
    let masked = address.masked(to: length)
    return postings(lookup.numbers, masked.high, masked.low, NumberEntry.tag(address.isIPv4, length))
  }

  /// The postings of the number.
  @inline(__always)
  func number(_ lookup: PatternLookup, _ number: UInt64) -> Stretch? { postings(lookup.numbers, number, 0, NumberEntry.numberTag) }

  /// Whether the text satisfies any pattern.
  @inline(__always)
  func hasMatch(_ lookup: PatternLookup, _ text: Span<UInt8>, in literals: Span<UInt8>) -> Bool {
    if !lookup.always.isEmpty || exact(lookup, text, in: literals) != nil { return true }
    var (prefixes, suffixes) = (TrieWalk(), TrieWalk())
    return prefix(&prefixes, lookup, text, in: literals) != nil || suffix(&suffixes, lookup, text, in: literals) != nil
  }

  /// Whether the address does.
  @inline(__always)
  func hasMatch(_ lookup: PatternLookup, _ address: IPAddress) -> Bool {
    if !lookup.always.isEmpty { return true }
    for place in lengths(lookup, address) where block(lookup, address, ofLengthAt: place) != nil { return true }
    return false
  }

  /// Whether the number does.
  @inline(__always)
  func hasMatch(_ lookup: PatternLookup, _ value: UInt64) -> Bool { !lookup.always.isEmpty || number(lookup, value) != nil }

  private func exactPostings(_ table: Stretch, _ text: Span<UInt8>, _ literals: Span<UInt8>) -> Stretch? {
    let mask = Int(table.count) - 1
    var slot = Int(truncatingIfNeeded: hash(text)) & mask
    while true {
      let index = slots[Int(table.start) + slot]
      if index == 0 { return nil }
      let entry = entries[Int(index) - 1]
      let start = Int(entry.literal.start)
      if equal(literals.extracting(start..<start + Int(entry.literal.count)), text) { return entry.postings }
      slot = (slot + 1) & mask
    }
  }

  private func postings(_ table: Stretch, _ high: UInt64, _ low: UInt64, _ tag: UInt64) -> Stretch? {
    guard !table.isEmpty else { return nil }
    let mask = Int(table.count) - 1
    var slot = Int(truncatingIfNeeded: hash(high, low, tag)) & mask
    while true {
      let index = slots[Int(table.start) + slot]
      if index == 0 { return nil }
      let entry = numbers[Int(index) - 1]
      if entry.high == high, entry.low == low, entry.tag == tag { return entry.postings }
      slot = (slot + 1) & mask
    }
  }
}
