// What lint found, as commands that GitHub Actions reads from a step's output and shows beside the lines of a pull request.
// Enters: findings. Leaves: a line each. Never here: a raw line break, percent sign, colon or comma of a file; they would be commands.

internal import PolicyAnalysis
internal import PolicyModel

extension LintOutput {
  /// `::error file=…,line=…,col=…,endLine=…,endColumn=…,title=CODE::message`, one line each, and a line that sums up.
  var annotations: String { (result.findings.map(Self.annotation) + [summary]).joined(separator: "\n") }

  private static func annotation(_ finding: Diagnostic) -> String {
    let span = finding.location.span
    var properties = ["file=\(property(finding.location.file.string))"]
    if span.line > 0 {
      properties += ["line=\(span.line)", "endLine=\(span.endLine)"]
      // GitHub shows columns only within one line, and counts the end in.
      if span.line == span.endLine { properties += ["col=\(span.column)", "endColumn=\(max(span.column, span.endColumn - 1))"] }
    }
    properties.append("title=\(property(finding.code))")
    let text = finding.help.map { "\(finding.message)\nhelp: \($0)" } ?? finding.message
    return "::\(finding.severity.rawValue) \(properties.joined(separator: ","))::\(data(text))"
  }

  /// The text of a command (actions/toolkit: escapeData).
  private static func data(_ text: String) -> String {
    var shown = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "%": shown += "%25"
      case "\r": shown += "%0D"
      case "\n": shown += "%0A"
      default: shown.unicodeScalars.append(scalar)
      }
    }
    return shown
  }

  /// The value of a property (actions/toolkit: escapeProperty).
  private static func property(_ text: String) -> String {
    var shown = ""
    for scalar in data(text).unicodeScalars {
      switch scalar {
      case ":": shown += "%3A"
      case ",": shown += "%2C"
      default: shown.unicodeScalars.append(scalar)
      }
    }
    return shown
  }
}
