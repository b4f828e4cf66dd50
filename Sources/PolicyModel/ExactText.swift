// Text that is compared as Envoy compares it: byte by byte.
// Enters: any string of a policy, a workload or a command line. Leaves: the same string, hashable and ordered by its UTF-8 bytes.
// Never here: canonical equivalence. Swift's `String ==` calls differently encoded names equal; Envoy and Kubernetes do not.

/// A text whose equality, hash and order are those of its UTF-8 bytes.
public struct ExactText: Sendable {
  /// The text itself. Do not compare it; compare the `ExactText`.
  public let string: String

  /// Wraps `string` unchanged.
  @inlinable
  public init(_ string: String) {
    self.string = string
  }

  /// The UTF-8 bytes. O(n).
  public var bytes: [UInt8] { Array(string.utf8) }

  /// Whether the text has no bytes.
  public var isEmpty: Bool { string.utf8.isEmpty }
}

extension ExactText: Hashable {
  /// Whether both have the same bytes.
  public static func == (left: ExactText, right: ExactText) -> Bool {
    let (one, two) = (left.string.utf8.span, right.string.utf8.span)
    return one.count == two.count && sharedPrefix(one, two) == one.count
  }

  /// Hashes the bytes, and an end mark that no UTF-8 text holds.
  public func hash(into hasher: inout Hasher) {
    let bytes = unsafe string.utf8.span.bytes
    unsafe bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    hasher.combine(0xff as UInt8)
  }
}

extension ExactText: Comparable {
  /// The order of the bytes.
  public static func < (left: ExactText, right: ExactText) -> Bool {
    let (one, two) = (left.string.utf8.span, right.string.utf8.span)
    let place = sharedPrefix(one, two)
    guard place < one.count, place < two.count else { return one.count < two.count }
    return one[place] < two[place]
  }
}

/// How many bytes are equal before the first that differs or is missing; eight are compared at once.
private func sharedPrefix(_ first: Span<UInt8>, _ second: Span<UInt8>) -> Int {
  let (one, two) = unsafe (first.bytes, second.bytes)
  let count = min(one.byteCount, two.byteCount)
  var offset = 0
  while count - offset >= 8 {
    let left = unsafe one.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
    let right = unsafe two.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
    // The lowest byte of the word is the first of the text.
    if left != right { return offset + UInt64(littleEndian: left ^ right).trailingZeroBitCount / 8 }
    offset += 8
  }
  while offset < count {
    if first[offset] != second[offset] { return offset }
    offset += 1
  }
  return count
}

extension ExactText: ExpressibleByStringLiteral, CustomStringConvertible {
  /// A text of the program itself.
  public init(stringLiteral value: String) { self.init(value) }
  /// The text.
  public var description: String { string }
}
