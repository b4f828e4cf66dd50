// Text from outside, made fit for a line of output.
// Enters: bytes of a certificate, a request, a command line. Leaves: text that stays on its line and cannot command a terminal.
// Never here: JSON, which has escapes of its own.

/// Shows foreign text on one line.
package enum Printable {
  /// The text with control characters, line and paragraph separators and marks that turn the direction of writing as `\u{…}`, and bytes
  /// that are not UTF-8 as `\x..`. O(bytes).
  package static func text(_ bytes: some Sequence<UInt8>) -> String {
    var shown = ""
    var decoder = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    while true {
      switch decoder.parseScalar(from: &iterator) {
      case .valid(let encoded): append(Unicode.UTF8.decode(encoded), to: &shown)
      case .error: shown += "\\x.."
      case .emptyInput: return shown
      }
    }
  }

  /// The same for text.
  package static func text(_ string: String) -> String { text(string.utf8) }

  private static func append(_ scalar: Unicode.Scalar, to shown: inout String) {
    switch scalar.value {
    case 0..<0x20, 0x7f...0x9f, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069:
      shown += "\\u{\(String(scalar.value, radix: 16))}"
    default: shown.unicodeScalars.append(scalar)
    }
  }
}
