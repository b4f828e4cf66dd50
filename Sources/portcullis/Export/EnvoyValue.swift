// A piece of Envoy configuration as a value, and its text.
//
// Enters: what a filter shall hold. Leaves: JSON on one line, which is also YAML's flow style, so that it can stand inside a YAML document.
// Never happens here: knowledge of what the configuration means; text that is not escaped.

/// One value of Envoy configuration.
indirect enum EnvoyValue: Sendable {
  case text(String)
  case number(Int)
  case flag(Bool)
  case list([EnvoyValue])
  /// Keys in the order in which they are written.
  case object([(String, EnvoyValue)])

  /// An object with one key.
  static func object(_ key: String, _ value: EnvoyValue) -> EnvoyValue { .object([(key, value)]) }

  /// The value as JSON on one line. O(size).
  var json: String {
    switch self {
    case .text(let text): Self.quoted(text)
    case .number(let number): String(number)
    case .flag(let flag): flag ? "true" : "false"
    case .list(let items): "[" + items.map(\.json).joined(separator: ", ") + "]"
    case .object(let pairs): "{" + pairs.map { "\(Self.quoted($0)): \($1.json)" }.joined(separator: ", ") + "}"
    }
  }

  /// A double-quoted scalar that JSON and YAML read alike: quote, backslash and everything that is not printable are escaped; other
  /// characters stand for themselves, since YAML does not join surrogate pairs.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x22, 0x5C:
        result += "\\"
        result.unicodeScalars.append(scalar)
      case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
