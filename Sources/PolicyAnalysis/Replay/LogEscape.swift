// Escapes in the strings of JSON (RFC 8259, section 7).
// Enters: bytes between quotes. Leaves: what they stand for. Never here: an allocation beyond the memory that is handed in.

/// What escapes stand for.
enum LogEscape {
  /// The four digits of `\\uXXXX`; nil when they are none.
  static func codeUnit(_ line: Span<UInt8>, at start: Int) -> UInt32? {
    guard start + 4 <= line.count else { return nil }
    var value: UInt32 = 0
    for index in start..<start + 4 {
      switch line[index] {
      case 0x30...0x39: value = value << 4 | UInt32(line[index] - 0x30)
      case 0x41...0x46: value = value << 4 | UInt32(line[index] - 0x37)
      case 0x61...0x66: value = value << 4 | UInt32(line[index] - 0x57)
      default: return nil
      }
    }
    return value
  }

  /// What a text with escapes stands for; the escapes have been looked through.
  static func unescape(_ text: Span<UInt8>, to copies: inout [UInt8]) {
    var index = 0
    while index < text.count {
      guard text[index] == 0x5c, index + 1 < text.count else {
        copies.append(text[index])
        index += 1
        continue
      }
      switch text[index + 1] {
      case UInt8(ascii: "b"): copies.append(8)
      case UInt8(ascii: "f"): copies.append(12)
      case UInt8(ascii: "n"): copies.append(10)
      case UInt8(ascii: "r"): copies.append(13)
      case UInt8(ascii: "t"): copies.append(9)
      case UInt8(ascii: "u"):
        var scalar = codeUnit(text, at: index + 2) ?? 0xfffd
        index += 6
        if scalar & 0xfc00 == 0xd800, let second = codeUnit(text, at: index + 2) {
          scalar = 0x1_0000 + ((scalar & 0x3ff) << 10 | second & 0x3ff)
          index += 6
        }
        for byte in UTF8.encode(Unicode.Scalar(scalar) ?? "\u{fffd}") ?? UTF8.encodedReplacementCharacter { copies.append(byte) }
        continue
      default: copies.append(text[index + 1])
      }
      index += 2
    }
  }
}
