// What type a scalar has. The bytes of a plain scalar enter; null, bool, int, float or string leaves, as kubectl's YAML reader
// (YAML 1.1 with Go's number syntax) would decide. Timestamps and base-60 numbers are strings. Quoted scalars never come here.

/// The type of a value as the text gives it.
enum ValueType: Equatable {
  case null
  case bool(Bool)
  /// A whole number; nil when it does not fit 64 bits.
  case int(Int64?)
  case float
  case string
  case sequence
  case mapping

  /// The type of a plain scalar, or of one with a core tag.
  init(plain bytes: ArraySlice<UInt8>, tag: NodeTag) {
    switch tag {
    case .string, .collection: self = .string
    case .none: self = Self.resolve(bytes)
    case .null: self = .null
    case .bool, .int, .float:
      let resolved = Self.resolve(bytes)
      if case .int = resolved, tag == .float { self = .float } else { self = resolved }
    }
  }

  private static let words: [(StaticString, ValueType)] = [
    ("~", .null), ("null", .null), ("Null", .null), ("NULL", .null),
    ("y", .bool(true)), ("Y", .bool(true)), ("yes", .bool(true)), ("Yes", .bool(true)), ("YES", .bool(true)),
    ("true", .bool(true)), ("True", .bool(true)), ("TRUE", .bool(true)),
    ("on", .bool(true)), ("On", .bool(true)), ("ON", .bool(true)),
    ("n", .bool(false)), ("N", .bool(false)), ("no", .bool(false)), ("No", .bool(false)), ("NO", .bool(false)),
    ("false", .bool(false)), ("False", .bool(false)), ("FALSE", .bool(false)),
    ("off", .bool(false)), ("Off", .bool(false)), ("OFF", .bool(false)),
    (".inf", .float), (".Inf", .float), (".INF", .float), ("+.inf", .float), ("+.Inf", .float), ("+.INF", .float),
    ("-.inf", .float), ("-.Inf", .float), ("-.INF", .float), (".nan", .float), (".NaN", .float), (".NAN", .float),
  ]

  private static func resolve(_ bytes: ArraySlice<UInt8>) -> ValueType {
    guard let first = bytes.first else { return .null }
    switch first {
    case 0x30...0x39, UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
      if let number = number(bytes) { return number }
    case UInt8(ascii: "~"), UInt8(ascii: "n"), UInt8(ascii: "N"), UInt8(ascii: "y"), UInt8(ascii: "Y"), UInt8(ascii: "t"),
      UInt8(ascii: "T"), UInt8(ascii: "f"), UInt8(ascii: "F"), UInt8(ascii: "o"), UInt8(ascii: "O"):
      break
    default: return .string
    }
    guard bytes.count <= 5 else { return .string }
    for (word, type) in words where word.utf8CodeUnitCount == bytes.count {
      let isEqual = word.withUTF8Buffer { expected in
        var offset = 0
        for byte in bytes {
          if unsafe expected[offset] != byte { return false }
          offset += 1
        }
        return true
      }
      if isEqual { return type }
    }
    return .string
  }

  /// The number that the bytes spell, nil when they spell none.
  private static func number(_ bytes: ArraySlice<UInt8>) -> ValueType? {
    var digits = bytes.filter { $0 != UInt8(ascii: "_") }[...]
    let isNegative = digits.first == UInt8(ascii: "-")
    if isNegative || digits.first == UInt8(ascii: "+") { digits = digits.dropFirst() }
    guard let first = digits.first else { return nil }
    if first == UInt8(ascii: "0"), digits.count > 1 {
      let (radix, body): (UInt64, ArraySlice<UInt8>) =
        switch digits[digits.startIndex + 1] | 0x20 {
        case UInt8(ascii: "x"): (16, digits.dropFirst(2))
        case UInt8(ascii: "o"): (8, digits.dropFirst(2))
        case UInt8(ascii: "b"): (2, digits.dropFirst(2))
        default: (8, digits.dropFirst(1))
        }
      if let whole = whole(body, radix: radix, isNegative: isNegative) { return whole }
    } else if let whole = whole(digits, radix: 10, isNegative: isNegative) {
      return whole
    }
    return isFloat(digits) ? .float : nil
  }

  private static func whole(_ digits: ArraySlice<UInt8>, radix: UInt64, isNegative: Bool) -> ValueType? {
    guard !digits.isEmpty else { return nil }
    var value: UInt64 = 0
    var isTooLarge = false
    for byte in digits {
      let digit: UInt64
      switch byte {
      case 0x30...0x39: digit = UInt64(byte - 0x30)
      case 0x61...0x66: digit = UInt64(byte - 0x61) + 10
      case 0x41...0x46: digit = UInt64(byte - 0x41) + 10
      default: return nil
      }
      guard digit < radix else { return nil }
      let (product, overflow) = value.multipliedReportingOverflow(by: radix)
      let (sum, overflowSum) = product.addingReportingOverflow(digit)
      if overflow || overflowSum { isTooLarge = true }
      value = sum
    }
    guard !isTooLarge, let positive = Int64(exactly: value) else { return .int(nil) }
    return .int(isNegative ? -positive : positive)
  }

  /// Digits with at most one point, at least one digit, and an optional exponent.
  private static func isFloat(_ digits: ArraySlice<UInt8>) -> Bool {
    var sawDigit = false
    var sawPoint = false
    var rest = digits
    while let byte = rest.first {
      if (0x30...0x39).contains(byte) {
        sawDigit = true
      } else if byte == UInt8(ascii: "."), !sawPoint {
        sawPoint = true
      } else {
        break
      }
      rest = rest.dropFirst()
    }
    guard sawDigit else { return false }
    guard let exponent = rest.first else { return true }
    guard exponent | 0x20 == UInt8(ascii: "e") else { return false }
    rest = rest.dropFirst()
    if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
    return !rest.isEmpty && rest.allSatisfy { (0x30...0x39).contains($0) }
  }
}
