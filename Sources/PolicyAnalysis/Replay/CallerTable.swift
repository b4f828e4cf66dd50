// Callers by number, so that a group's key is a few words.
// Enters: names as a log shows them. Leaves: numbers, the same for the same bytes. Never here: memory without a bound, and no allocation for
// a name that was seen before.

struct CallerTable {
  static let anonymous: UInt32 = 0
  static let unknown: UInt32 = 1
  static let other: UInt32 = 2

  /// More names than this are counted together.
  private static let limit = 100_000

  private var bytes: [UInt8] = []
  /// Where the name of each number, from 3, begins and ends.
  private var ranges: [Range<Int>] = []
  /// Numbers by hash; 0 is nothing.
  private var slots = [UInt32](repeating: 0, count: 1 << 18)
  private let seed = UInt64.random(in: .min ... .max)

  /// The number of a name. O(length).
  mutating func number(_ name: Span<UInt8>) -> UInt32 {
    var slot = Int(truncatingIfNeeded: hash(name)) & (slots.count - 1)
    while slots[slot] != 0 {
      if isEqual(ranges[Int(slots[slot]) - 3], name) { return slots[slot] }
      slot = (slot + 1) & (slots.count - 1)
    }
    guard ranges.count < Self.limit else { return Self.other }
    let start = bytes.count
    for index in name.indices { bytes.append(name[index]) }
    ranges.append(start..<bytes.count)
    slots[slot] = UInt32(truncatingIfNeeded: ranges.count + 2)
    return slots[slot]
  }

  /// Who has this number.
  func caller(_ number: UInt32) -> ReplayCaller {
    switch number {
    case Self.anonymous: .anonymous
    case Self.unknown: .unknown
    case Self.other: .other
    default: .named(Array(bytes[ranges[Int(number) - 3]]))
    }
  }

  /// Keyed, because names come from strangers.
  private func hash(_ name: Span<UInt8>) -> UInt64 {
    let bytes = unsafe name.bytes
    var state = seed ^ UInt64(truncatingIfNeeded: name.count)
    var offset = 0
    while name.count - offset >= 8 {
      state = Self.mixed(state ^ (unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)))
      offset += 8
    }
    while offset < name.count {
      state = Self.mixed(state ^ UInt64(name[offset]))
      offset += 1
    }
    return state ^ state >> 32
  }

  private static func mixed(_ word: UInt64) -> UInt64 {
    let product = word &* 0x9e37_79b9_7f4a_7c15
    return product ^ product >> 29
  }

  private func isEqual(_ range: Range<Int>, _ name: Span<UInt8>) -> Bool {
    guard range.count == name.count else { return false }
    for index in name.indices where bytes[range.lowerBound + index] != name[index] { return false }
    return true
  }
}
