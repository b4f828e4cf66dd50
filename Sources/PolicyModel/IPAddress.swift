// IP addresses and blocks as bits.
// Enters: text of a policy (`10.0.0.0/8`), of a manifest, or of a request. Leaves: 128 bits that compare in two operations.
// Never here: allocation for an address (requests come through the same parser), host names, zones of requests, and leading zeros (Go's
// netip refuses them).

/// An IPv4 or IPv6 address. IPv4 and IPv6 never match each other, nor does IPv4 match the `::ffff:` form (Envoy 1.40).
public struct IPAddress: Sendable, Hashable, BitwiseCopyable {
  /// Whether it is an IPv4 address; then its 32 bits are the top ones of `high`.
  public let isIPv4: Bool
  /// The first 64 bits.
  public let high: UInt64
  /// The last 64 bits.
  public let low: UInt64

  /// Makes an address from bits; IPv4 in the top 32 bits of `high`.
  @inlinable
  public init(isIPv4: Bool, high: UInt64, low: UInt64) {
    self.isIPv4 = isIPv4
    self.high = high
    self.low = low
  }

  /// Parses the text form; `nil` when it is not an address. No allocation.
  public init?(_ text: Span<UInt8>) {
    if let address = Self.parseIPv4(text, from: 0) {
      self.init(isIPv4: true, high: UInt64(address) << 32, low: 0)
    } else if let (high, low) = Self.parseIPv6(text) {
      self.init(isIPv4: false, high: high, low: low)
    } else {
      return nil
    }
  }

  /// Parses the text form; `nil` when it is not an address.
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    self.init(bytes.span)
  }

  /// The number of bits of the family: 32 or 128.
  public var bitCount: Int { isIPv4 ? 32 : 128 }

  /// The address with all but its first `length` bits set to zero.
  @inlinable
  public func masked(to length: Int) -> IPAddress {
    let highMask: UInt64 = length <= 0 ? 0 : length >= 64 ? .max : ~(.max >> UInt64(length))
    let lowMask: UInt64 = length <= 64 ? 0 : length >= 128 ? .max : ~(.max >> UInt64(length - 64))
    return IPAddress(isIPv4: isIPv4, high: high & highMask, low: low & lowMask)
  }

  private static func parseIPv4(_ text: Span<UInt8>, from start: Int) -> UInt32? {
    guard text.count - start <= 15 else { return nil }
    var value: UInt32 = 0
    var part: UInt32 = 0
    var digits = 0
    var parts = 0
    for index in start..<text.count {
      let byte = text[index]
      if byte == UInt8(ascii: ".") {
        guard digits > 0, parts < 3 else { return nil }
        value = value << 8 | part
        parts += 1
        part = 0
        digits = 0
      } else {
        guard byte >= 0x30, byte <= 0x39, !(digits == 1 && part == 0), digits < 3 else { return nil }
        part = part * 10 + UInt32(byte - 0x30)
        guard part <= 255 else { return nil }
        digits += 1
      }
    }
    guard parts == 3, digits > 0 else { return nil }
    return value << 8 | part
  }

  private static func parseIPv6(_ text: Span<UInt8>) -> (UInt64, UInt64)? {
    let count = text.count
    guard count >= 2, count <= 45 else { return nil }
    var high: UInt64 = 0
    var low: UInt64 = 0
    var tailHigh: UInt64 = 0
    var tailLow: UInt64 = 0
    var groups = 0
    var gapAt: Int?
    var index = 0
    /// Appends one group of 16 bits to the part before the gap or behind it.
    func append(_ group: UInt64) {
      if gapAt == nil {
        high = high << 16 | low >> 48
        low = low << 16 | group
      } else {
        tailHigh = tailHigh << 16 | tailLow >> 48
        tailLow = tailLow << 16 | group
      }
      groups += 1
    }
    if text[0] == UInt8(ascii: ":") {
      guard text[1] == UInt8(ascii: ":") else { return nil }
      gapAt = 0
      index = 2
    }
    while index < count {
      guard groups < 8 else { return nil }
      let start = index
      var group: UInt64 = 0
      while index < count, let digit = hexadecimal(text[index]) {
        guard index - start < 4 else { return nil }
        group = group << 4 | UInt64(digit)
        index += 1
      }
      guard index > start else { return nil }
      if index < count, text[index] == UInt8(ascii: ".") {
        guard groups <= 6, let address = parseIPv4(text, from: start) else { return nil }
        append(UInt64(address >> 16))
        append(UInt64(address & 0xffff))
        index = count
        break
      }
      append(group)
      if index == count { break }
      guard text[index] == UInt8(ascii: ":") else { return nil }
      index += 1
      guard index < count else { return nil }
      if text[index] == UInt8(ascii: ":") {
        guard gapAt == nil else { return nil }
        gapAt = groups
        index += 1
      }
    }
    guard let gap = gapAt else { return groups == 8 ? (high, low) : nil }
    guard groups < 8 else { return nil }
    let shift = (8 - gap) * 16
    let (headHigh, headLow) = shifted(high, low, left: shift)
    return (headHigh | tailHigh, headLow | tailLow)
  }

  private static func shifted(_ high: UInt64, _ low: UInt64, left bits: Int) -> (UInt64, UInt64) {
    if bits >= 128 { return (0, 0) }
    if bits >= 64 { return (low << UInt64(bits - 64), 0) }
    if bits == 0 { return (high, low) }
    return (high << UInt64(bits) | low >> UInt64(64 - bits), low << UInt64(bits))
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }
}

/// A block of addresses, `ADDRESS/LENGTH` or one address. Host bits are ignored (Istio, Envoy).
public struct AddressBlock: Sendable, Hashable, BitwiseCopyable {
  /// The first address; host bits are zero.
  public let base: IPAddress
  /// The number of leading bits that count.
  public let length: Int

  /// Makes a block; the host bits of `address` are dropped, the length is clamped to the family's.
  public init(_ address: IPAddress, length: Int) {
    self.length = min(max(length, 0), address.bitCount)
    self.base = address.masked(to: self.length)
  }

  /// Parses what Istio accepts: an address, or address, slash and a decimal length without leading zeros. An IPv6 address without length
  /// may have a zone, `fe80::1%eth0`, which does not count (Go's netip, as Istio calls it).
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else {
      let percent = bytes.firstIndex(of: UInt8(ascii: "%"))
      guard let address = IPAddress(Array(bytes[..<(percent ?? bytes.endIndex)]).span) else { return nil }
      if let percent, address.isIPv4 || percent == bytes.endIndex - 1 { return nil }
      self.init(address, length: address.bitCount)
      return
    }
    let digits = bytes[(slash + 1)...]
    guard let address = IPAddress(Array(bytes[..<slash]).span), (1...3).contains(digits.count),
      digits.allSatisfy({ (0x30...0x39).contains($0) }), digits.count == 1 || digits.first != UInt8(ascii: "0"),
      let length = Int(String(decoding: digits, as: UTF8.self)), length <= address.bitCount
    else { return nil }
    self.init(address, length: length)
  }

  /// Whether the address lies in the block.
  @inlinable
  public func contains(_ address: IPAddress) -> Bool {
    address.isIPv4 == base.isIPv4 && address.masked(to: length) == base
  }
}

extension IPAddress: CustomStringConvertible {
  /// The text form: dotted for IPv4; for IPv6 the longest run of zeros left out, the first of several (RFC 5952, 4).
  public var description: String {
    if isIPv4 { return stride(from: 56, through: 32, by: -8).map { String(high >> UInt64($0) & 255) }.joined(separator: ".") }
    let groups = (0..<8).map { group in
      let half = group < 4 ? high : low
      return UInt16(truncatingIfNeeded: half >> UInt64(48 - 16 * (group % 4)))
    }
    var zeros = 0..<0
    var start = 0
    while start < 8 {
      let end = groups[start...].firstIndex { $0 != 0 } ?? 8
      if end - start > max(zeros.count, 1) { zeros = start..<end }
      start = end + 1
    }
    func text(_ groups: ArraySlice<UInt16>) -> String { groups.map { String($0, radix: 16) }.joined(separator: ":") }
    return zeros.isEmpty ? text(groups[...]) : "\(text(groups[..<zeros.lowerBound]))::\(text(groups[zeros.upperBound...]))"
  }
}

extension AddressBlock: CustomStringConvertible {
  /// The first address, and the length unless it is the address alone.
  public var description: String { length == base.bitCount ? "\(base)" : "\(base)/\(length)" }
}
