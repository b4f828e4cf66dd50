// JSON as it is printed: one line, names sorted, every string byte for byte (RFC 8259).
// Enters: a value. Leaves: its text. Never here: an escape that is not needed, a name twice.

internal import Foundation
internal import PolicyModel

extension JSONValue: ExpressibleByDictionaryLiteral {
  /// An object of ours.
  init(dictionaryLiteral members: (ExactText, JSONValue)...) { self = .object(members.map { (name: $0, value: $1) }) }
}

extension JSONValue {
  /// A text of ours, or of a policy, which is always UTF-8.
  static func text(_ string: String) -> JSONValue { .string(Array(string.utf8)) }

  /// An object with further members.
  func with(_ more: KeyValuePairs<ExactText, JSONValue>) -> JSONValue {
    guard case .object(let members) = self else { return self }
    return .object(members + more.map { (name: $0.key, value: $0.value) })
  }

  /// A whole number.
  static func count(_ number: Int) -> JSONValue { .number(String(number)) }

  /// The value, or `null`.
  static func optional(_ value: JSONValue?) -> JSONValue { value ?? .null }

  /// Bytes of a request: a text, or `{"base64": "…"}` when they are not UTF-8.
  static func bytes(_ bytes: [UInt8]) -> JSONValue {
    String(validating: bytes, as: UTF8.self) != nil
      ? .string(bytes) : ["base64": .text(Data(bytes).base64EncodedString())]
  }

  /// The text on one line, the names of objects in byte order. O(n log n).
  var text: String {
    var written: [UInt8] = []
    write(to: &written)
    return String(decoding: written, as: UTF8.self)
  }

  private func write(to written: inout [UInt8]) {
    switch self {
    case .null: written += Array("null".utf8)
    case .bool(let value): written += Array((value ? "true" : "false").utf8)
    case .number(let digits): written += Array(digits.utf8)
    case .string(let bytes): Self.write(bytes, to: &written)
    case .list(let elements):
      written.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { written.append(UInt8(ascii: ",")) }
        element.write(to: &written)
      }
      written.append(UInt8(ascii: "]"))
    case .object(let members):
      written.append(UInt8(ascii: "{"))
      for (index, member) in members.sorted(by: { $0.name < $1.name }).enumerated() {
        if index > 0 { written.append(UInt8(ascii: ",")) }
        Self.write(member.name.bytes, to: &written)
        written.append(UInt8(ascii: ":"))
        member.value.write(to: &written)
      }
      written.append(UInt8(ascii: "}"))
    }
  }

  private static func write(_ text: [UInt8], to written: inout [UInt8]) {
    written.append(UInt8(ascii: "\""))
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): written += [UInt8(ascii: "\\"), byte]
      case UInt8(ascii: "\n"): written += Array("\\n".utf8)
      case 0..<0x20, 0x7f:
        let digits = String(byte, radix: 16)
        written += Array(("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits).utf8)
      default: written.append(byte)
      }
    }
    written.append(UInt8(ascii: "\""))
  }
}
