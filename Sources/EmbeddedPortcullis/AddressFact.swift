// An address of the host.
// Enters: a `portcullis_address`. Leaves: an IP address, that there is none, or that nothing is known; and a port.
// Never here: an address that cannot be read and is taken for another, or for none.

internal import CPortcullis
internal import PolicyModel

/// What is known of an address.
struct AddressFact {
  /// `nil`: not known; `.some(nil)`: not an IP address.
  var address: IPAddress??
  /// 0: none.
  var port: UInt32 = 0

  /// Reads an address. No allocation.
  init(_ given: portcullis_address, _ refusal: StaticString) throws(Refusal) {
    guard unsafe given.port <= 65_535 else { throw Refusal(refusal) }
    port = unsafe given.port
    let bytes = unsafe given.bytes
    switch unsafe Int(given.kind) {
    case PORTCULLIS_ADDRESS_UNKNOWN:
      // Half of an address that a host did not mean to give would make a port known.
      guard port == 0 else { throw Refusal(refusal) }
    case PORTCULLIS_ADDRESS_NOT_IP: address = .some(nil)
    case PORTCULLIS_ADDRESS_TEXT:
      guard unsafe Self.isShort(bytes), let found = unsafe IPAddress(bytes.span) else { throw Refusal(refusal) }
      address = found
    case PORTCULLIS_ADDRESS_TEXT_WITH_PORT:
      guard port == 0, unsafe Self.isShort(bytes), let (found, number) = unsafe Self.split(bytes.span) else { throw Refusal(refusal) }
      address = found
      port = number
    case PORTCULLIS_ADDRESS_BINARY:
      guard unsafe Self.isShort(bytes), let found = unsafe Self.binary(bytes.span) else { throw Refusal(refusal) }
      address = found
    default: throw Refusal(refusal)
    }
  }

  /// No text of an address is longer.
  private static func isShort(_ bytes: portcullis_bytes) -> Bool {
    unsafe bytes.data != nil && bytes.size > 0 && bytes.size <= 64
  }

  private static func split(_ text: Span<UInt8>) -> (IPAddress, UInt32)? {
    var colon = text.count - 1
    while colon > 0, text[colon] != UInt8(ascii: ":") { colon -= 1 }
    guard colon > 0, (1...5).contains(text.count - colon - 1) else { return nil }
    var port: UInt32 = 0
    for index in (colon + 1)..<text.count {
      guard text[index] >= 0x30, text[index] <= 0x39 else { return nil }
      port = port * 10 + UInt32(text[index] - 0x30)
    }
    guard port <= 65_535 else { return nil }
    let isBracketed = text[0] == UInt8(ascii: "[")
    guard !isBracketed || (colon > 2 && text[colon - 1] == UInt8(ascii: "]")) else { return nil }
    let host = isBracketed ? text.extracting(1..<colon - 1) : text.extracting(0..<colon)
    // Without brackets the last group of an IPv6 address would be its port.
    guard let address = IPAddress(host), address.isIPv4 != isBracketed else { return nil }
    return (address, port)
  }

  private static func binary(_ bytes: Span<UInt8>) -> IPAddress? {
    guard bytes.count == 4 || bytes.count == 16 else { return nil }
    var (high, low): (UInt64, UInt64) = (0, 0)
    for index in bytes.indices {
      if index < 8 { high = high << 8 | UInt64(bytes[index]) } else { low = low << 8 | UInt64(bytes[index]) }
    }
    return bytes.count == 4 ? IPAddress(isIPv4: true, high: high << 32, low: 0) : IPAddress(isIPv4: false, high: high, low: low)
  }
}
