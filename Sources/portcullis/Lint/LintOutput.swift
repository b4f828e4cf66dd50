// What lint found, for people and for programs (docs/schemas/lint.json).
// Enters: findings. Leaves: text or JSON of a stable shape. Never here: SARIF and annotations, which have files of their own.

internal import ArgumentParser
internal import PolicyAnalysis
internal import PolicyModel

/// The form of the answer.
enum LintFormat: String, ExpressibleByArgument, CaseIterable {
  case text, json, sarif, github
}

/// The answer of `portcullis lint`.
struct LintOutput {
  let result: LintResult
  /// Whether the pitfalls were looked for.
  let isWhole: Bool
  /// How many objects were looked at.
  let objects: Int
  /// What was looked at, in words.
  let looked: String

  var errors: Int { result.findings.count { $0.severity == .error } }
  var warnings: Int { result.findings.count { $0.severity == .warning } }

  /// Whether the exit code is 1.
  func fails(on level: LintCommand.FailOn) -> Bool { errors > 0 || (level == .warning && warnings > 0) }

  /// The answer.
  func text(_ format: LintFormat) -> String {
    switch format {
    case .text: readable
    case .json: json.text
    case .sarif: sarif.text
    case .github: annotations
    }
  }

  private var readable: String {
    let findings = result.findings.map { $0.description + "\n\n" }.joined()
    return findings + summary
  }

  /// One line.
  var summary: String {
    func count(_ number: Int, _ what: String) -> String { "\(number) \(what)\(number == 1 ? "" : "s")" }
    let found =
      result.findings.isEmpty
      ? "no findings in \(looked)"
      : "\(count(errors, "error")), \(count(warnings, "warning")) in \(looked)"
    let ignored = result.ignored.isEmpty ? "" : "; \(result.ignored.count) ignored"
    return found + ignored + (isWhole ? "" : "; pitfalls are looked for when nothing is refused any more")
  }

  private var json: JSONValue {
    [
      "findings": .list(result.findings.map { Self.json($0) }),
      "ignored": .list(result.ignored.map { Self.json($0.diagnostic).with(["reason": .text($0.reason)]) }),
      "summary": [
        "errors": .count(errors), "warnings": .count(warnings), "ignored": .count(result.ignored.count), "objects": .count(objects),
        "complete": .bool(isWhole),
      ],
    ]
  }

  private static func json(_ finding: Diagnostic) -> JSONValue {
    let span = finding.location.span
    return [
      "code": .text(finding.code), "severity": .text(finding.severity.rawValue), "message": .text(finding.message),
      "help": .optional(finding.help.map { .text($0) }), "file": .text(finding.location.file.string),
      "line": .count(Int(span.line)), "column": .count(Int(span.column)), "end_line": .count(Int(span.endLine)),
      "end_column": .count(Int(span.endColumn)),
    ]
  }
}
