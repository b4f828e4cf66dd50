// What is wrong with an input, for a tired operator at night.
// Enters: findings of the loader and the validator. Leaves: `file:line:col: error: what [code]`, the line, a caret, `= help:`.
// Never here: the decision what to do about it.

/// How bad a finding is. An error makes the object unusable; a warning does not.
public enum Severity: String, Sendable, Comparable {
  /// The object works as written, but probably not as meant.
  case warning
  /// The object is refused.
  case error

  /// A warning is less than an error.
  public static func < (left: Severity, right: Severity) -> Bool { left == .warning && right == .error }
}

/// One finding in an input file.
public struct Diagnostic: Sendable {
  /// How bad it is.
  public var severity: Severity
  /// A stable code in kebab case; `docs/diagnostics.md` lists all.
  public var code: String
  /// What is wrong: lower-case start, no final period, user text in backticks.
  public var message: String
  /// Where it is.
  public var location: SourceLocation
  /// What to write instead, if that is known.
  public var help: String?
  /// The text of the first line of the location, without its line break, if it was at hand.
  public var sourceLine: String?

  /// Makes a finding.
  public init(
    _ severity: Severity, code: String, _ message: String, at location: SourceLocation, help: String? = nil,
    sourceLine: String? = nil
  ) {
    self.severity = severity
    self.code = code
    self.message = message
    self.location = location
    self.help = help
    self.sourceLine = sourceLine
  }
}

extension Diagnostic: CustomStringConvertible {
  /// The finding as text of one to four lines, without a final line break. Control characters, line separators and marks that turn the
  /// direction of text are shown as `\n` or `\u{1b}` in words, and as `·` in the source line: no file can write a line of its own into a log.
  public var description: String {
    var text = "\(Self.escaped(location.description)): \(severity.rawValue): \(Self.escaped(message)) [\(Self.escaped(code))]"
    if let sourceLine, location.span.line > 0 {
      text += "\n  \(Self.printable(sourceLine))\n  \(caretLine(under: sourceLine))"
    }
    if let help { text += "\n  = help: \(Self.escaped(help))" }
    return text
  }

  /// `text` with everything escaped that would not stay in its place on a line. O(n).
  package static func escaped(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isUnprintable) else { return text }
    var shown = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": shown += "\\n"
      case "\r": shown += "\\r"
      case "\t": shown += "\\t"
      case _ where isUnprintable(scalar): shown += "\\u{\(String(scalar.value, radix: 16))}"
      default: shown.unicodeScalars.append(scalar)
      }
    }
    return shown
  }

  private static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7f...0x9f: true
    // Line and paragraph separators, and what changes the direction of text.
    case 0x61c, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069: true
    default: false
    }
  }

  private static func printable(_ line: String) -> String {
    var shown = ""
    for scalar in line.unicodeScalars {
      if scalar == "\t" {
        shown += " "
      } else if isUnprintable(scalar) {
        shown += "·"
      } else {
        shown.unicodeScalars.append(scalar)
      }
    }
    return shown
  }

  private func caretLine(under line: String) -> String {
    let width = line.unicodeScalars.count
    let start = min(Int(location.span.column) - 1, width)
    let isOneLine = location.span.endLine == location.span.line
    let end = isOneLine ? min(Int(location.span.endColumn) - 1, width) : width
    return String(repeating: " ", count: max(start, 0)) + String(repeating: "^", count: max(end - start, 1))
  }
}
