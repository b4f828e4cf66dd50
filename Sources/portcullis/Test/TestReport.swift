// The outcome of a test run, for people, for programs and for build servers.
// Enters: results. Leaves: text, JSON (docs/schemas/test.json), XML as JUnit writes it. Foreign text stays on its line and in its element.

internal import DecisionText
internal import PolicyEngine
internal import PolicyLoading
internal import PolicyModel

struct TestReport {
  let results: [TestResult]
  /// `nil` when nobody asked.
  let coverage: RuleCoverage?

  var failed: Int { results.count { $0.problem != nil } }
  private var passed: Int { results.count - failed }

  /// The results of each test, in order.
  private var suites: [[TestResult]] {
    var suites: [[TestResult]] = []
    for result in results {
      if let last = suites.last?.last, ExactText(last.suite.file) == ExactText(result.suite.file),
        ExactText(last.suite.name) == ExactText(result.suite.name)
      {
        suites[suites.count - 1].append(result)
      } else {
        suites.append([result])
      }
    }
    return suites
  }

  // MARK: Text

  /// A line for each test, the cases that failed with their explanation, and the summary.
  var text: String {
    var lines: [String] = []
    for suite in suites {
      let failures = suite.filter { $0.problem != nil }
      let name = "\(Printable.text(suite[0].suite.file))  \(Printable.text(suite[0].suite.name))"
      if failures.isEmpty {
        lines.append("ok    \(name)  \(Self.count(suite.count, "case"))")
        continue
      }
      lines.append("FAIL  \(name)  \(failures.count) of \(Self.count(suite.count, "case"))")
      for failure in failures {
        lines += ["", "  FAIL  \(Printable.text(failure.name))", "    at        \(Printable.text(failure.place))"]
        lines.append("    problem   \(Printable.text(failure.problem ?? ""))")
        lines += failure.explanation.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : "    \($0)" }
      }
      lines.append("")
    }
    if lines.last?.isEmpty == false { lines.append("") }
    lines.append("\(Self.count(results.count, "case")): \(passed) passed, \(failed) failed")
    if let coverage { lines += text(of: coverage) }
    return lines.joined(separator: "\n")
  }

  private func text(of coverage: RuleCoverage) -> [String] {
    let missing = coverage.missing
    let decided = coverage.rules.count - missing.count
    return ["\(Self.count(coverage.rules.count, "rule")): \(decided) decided a case, \(missing.count) never"]
      + missing.map { "  never  \(Printable.text($0.location.description))  \(Printable.text("\($0.name)")) (\($0.action.rawValue))" }
  }

  private static func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }

  // MARK: JSON

  /// `{"cases": […], "coverage": …, "failed": …, "passed": …}`.
  var json: JSONValue {
    [
      "passed": .count(passed), "failed": .count(failed), "cases": .list(results.map(Self.json)),
      "coverage": .optional(
        coverage.map { coverage in
          [
            "rules": .count(coverage.rules.count),
            "never_decided": .list(
              coverage.missing.map {
                ["rule": .text($0.name.string), "action": .text($0.action.rawValue), "at": JSONValue.place($0.location)]
              }),
          ]
        }),
    ]
  }

  private static func json(_ result: TestResult) -> JSONValue {
    let decision = result.report.decision
    return [
      "test": .text(result.suite.name), "name": .text(result.name), "request": .text(result.title),
      "at": JSONValue.place(SourceLocation(file: ExactText(result.suite.file), span: result.span)),
      "expect": .text(result.expected.rawValue), "by": .optional(result.expectedBy.map { .text($0) }),
      "decision": .text("\(decision.verdict.name)"), "reason": .text("\(decision.reason.code)"),
      "policy": .text(result.report.snapshot.name(of: decision.rule).string), "passed": .bool(result.problem == nil),
      "problem": .optional(result.problem.map { .text($0) }),
    ]
  }

  // MARK: JUnit

  /// The report that build servers read: a `testsuite` for each test.
  var junit: String {
    var lines = [#"<?xml version="1.0" encoding="UTF-8"?>"#]
    lines.append(#"<testsuites name="portcullis" tests="\#(results.count)" failures="\#(failed)" errors="0">"#)
    for suite in suites {
      let failures = suite.count { $0.problem != nil }
      lines.append(
        #"  <testsuite name="\#(XMLText.escaped(suite[0].suite.name))" tests="\#(suite.count)" failures="\#(failures)" errors="0" skipped="0">"#
      )
      for result in suite { lines += Self.junit(result) }
      lines.append("  </testsuite>")
    }
    return (lines + ["</testsuites>", ""]).joined(separator: "\n")
  }

  private static func junit(_ result: TestResult) -> [String] {
    let name = #"name="\#(XMLText.escaped(result.name))" classname="\#(XMLText.escaped(result.suite.name))""#
    let place = #"file="\#(XMLText.escaped(result.suite.file))" line="\#(result.span.line)""#
    guard let problem = result.problem else { return ["    <testcase \(name) \(place)/>"] }
    return [
      "    <testcase \(name) \(place)>",
      #"      <failure type="decision" message="\#(XMLText.escaped(problem))">\#(XMLText.escaped("\(result.place)\n\(result.explanation)"))</failure>"#,
      "    </testcase>",
    ]
  }
}

/// Text in XML 1.0.
enum XMLText {
  /// The text as an attribute in double quotes, or, keeping its lines, as content; what XML cannot hold at all becomes U+FFFD. O(n).
  static func escaped(_ text: String, keepsLines: Bool = false) -> String {
    var written = ""
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x26: written += "&amp;"
      case 0x3c: written += "&lt;"
      case 0x3e: written += "&gt;"
      case 0x22: written += "&quot;"
      case 0x0a where keepsLines: written += "\n"
      // As such they would be read as blanks in an attribute, and a carriage return as a line break anywhere.
      case 0x09, 0x0a, 0x0d: written += "&#\(scalar.value);"
      case 0..<0x20, 0xfffe, 0xffff: written += "\u{fffd}"
      default: written.unicodeScalars.append(scalar)
      }
    }
    return written
  }
}
