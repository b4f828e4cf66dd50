// Comparing and hashing bytes.
// Enters: borrowed bytes. Leaves: yes or no, or a keyed hash.
// Never here: allocation. This is the one file of the engine that reads memory by the word; every offset is checked against the count.

/// Whether two runs of bytes are the same.
@inline(__always)
func equal(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
  left.count == right.count && startsEqual(left, right, count: left.count)
}

/// Whether `text` starts with `prefix`.
@inline(__always)
func hasPrefix(_ text: Span<UInt8>, _ prefix: Span<UInt8>) -> Bool {
  text.count >= prefix.count && startsEqual(text, prefix, count: prefix.count)
}

/// Whether `text` ends with `suffix`.
@inline(__always)
func hasSuffix(_ text: Span<UInt8>, _ suffix: Span<UInt8>) -> Bool {
  text.count >= suffix.count && startsEqual(text.extracting(last: suffix.count), suffix, count: suffix.count)
}

/// Whether the first `count` bytes agree; both have at least that many.
@inline(__always)
private func startsEqual(_ left: Span<UInt8>, _ right: Span<UInt8>, count: Int) -> Bool {
  guard left.count >= count, right.count >= count else { return false }
  let (a, b) = unsafe (left.bytes, right.bytes)
  var offset = 0
  while offset + 8 <= count {
    if unsafe a.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
      != b.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
    {
      return false
    }
    offset += 8
  }
  while offset < count {
    if left[offset] != right[offset] { return false }
    offset += 1
  }
  return true
}

/// A keyed hash: paths and hosts come from strangers, so nobody outside may choose which texts collide.
struct ByteHash: Sendable, BitwiseCopyable {
  private let seed: UInt64

  /// Hashes with this key.
  init(seed: UInt64) { self.seed = seed }

  /// O(n), eight bytes a step.
  func callAsFunction(_ text: Span<UInt8>) -> UInt64 {
    let bytes = unsafe text.bytes
    var state = seed ^ UInt64(truncatingIfNeeded: text.count)
    var offset = 0
    while offset + 8 <= text.count {
      state = Self.mix(state, unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
    }
    var tail: UInt64 = 0
    while offset < text.count {
      tail = tail << 8 | UInt64(text[offset])
      offset += 1
    }
    return Self.mix(Self.mix(state, tail), 0x9e37_79b9_7f4a_7c15)
  }

  /// Hashes numbers.
  func callAsFunction(_ first: UInt64, _ second: UInt64, _ third: UInt64) -> UInt64 {
    Self.mix(Self.mix(Self.mix(seed, first), second), third)
  }

  @inline(__always)
  private static func mix(_ state: UInt64, _ word: UInt64) -> UInt64 {
    let product = (state ^ word).multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
    return product.high ^ product.low ^ state.rotatedLeft
  }
}

extension UInt64 {
  fileprivate var rotatedLeft: UInt64 { self << 23 | self >> 41 }
}
