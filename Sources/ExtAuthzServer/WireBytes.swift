// The one place where bytes of the bridge become spans.
// Enters: pointers that the bridge lends for the length of one call. Leaves: spans that cannot outlive the struct they come from.

internal import CExtAuthz

extension extauthz_bytes {
  /// The bytes; none when nothing was sent.
  var span: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      guard let start = unsafe data else { return Span() }
      return unsafe _overrideLifetime(Span(_unsafeStart: start, count: size), borrowing: self)
    }
  }

  /// Whether nothing was sent.
  var isEmpty: Bool { unsafe size == 0 || data == nil }

  /// Whether the bytes are these.
  func equals(_ text: StaticString) -> Bool {
    guard unsafe size == text.utf8CodeUnitCount && !isEmpty else { return false }
    let bytes = unsafe span
    return text.withUTF8Buffer { other in
      for index in 0..<other.count where unsafe other[index] != bytes[index] { return false }
      return true
    }
  }

  /// Whether the bytes start with these.
  func hasPrefix(_ text: StaticString) -> Bool {
    guard unsafe size >= text.utf8CodeUnitCount && !isEmpty else { return false }
    let bytes = unsafe span
    return text.withUTF8Buffer { other in
      for index in 0..<other.count where unsafe other[index] != bytes[index] { return false }
      return true
    }
  }

  /// Whether the bytes start with these, capital ASCII letters taken for small ones.
  func hasPrefixIgnoringCase(_ text: StaticString) -> Bool {
    guard unsafe size >= text.utf8CodeUnitCount && !isEmpty else { return false }
    let bytes = unsafe span
    return text.withUTF8Buffer { other in
      for index in 0..<other.count where unsafe other[index] != Self.lowercased(bytes[index]) { return false }
      return true
    }
  }

  /// Whether the bytes are these, capital ASCII letters taken for small ones.
  func equalsIgnoringCase(_ text: Span<UInt8>) -> Bool {
    let bytes = unsafe span
    guard bytes.count == text.count else { return false }
    for index in bytes.indices where unsafe Self.lowercased(bytes[index]) != Self.lowercased(text[index]) { return false }
    return true
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
  }

  /// A copy, for the slow paths.
  var copy: [UInt8] {
    let bytes = unsafe span
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for index in bytes.indices { result.append(bytes[index]) }
    return result
  }

  /// Whether the bytes are these.
  func equals(_ other: [UInt8]) -> Bool {
    let (left, right) = unsafe (span, other.span)
    guard left.count == right.count else { return false }
    for index in left.indices where left[index] != right[index] { return false }
    return true
  }

  /// Whether two runs are the same bytes.
  func equals(_ other: extauthz_bytes) -> Bool {
    let (left, right) = unsafe (span, other.span)
    guard left.count == right.count else { return false }
    for index in left.indices where left[index] != right[index] { return false }
    return true
  }
}
