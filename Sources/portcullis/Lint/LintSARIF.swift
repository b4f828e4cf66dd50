// What lint found, as SARIF 2.1.0 (OASIS): one run, a rule for each code that occurs, a result for each finding, and what comments accept
// as suppressed results. Enters: findings. Leaves: JSON. Never here: a path that is no URI; columns count code points, as ours do.

internal import PolicyAnalysis
internal import PolicyModel

extension LintOutput {
  /// The log.
  var sarif: JSONValue {
    let all =
      result.findings.map { (finding: $0, reason: String?.none) } + result.ignored.map { (finding: $0.diagnostic, reason: $0.reason) }
    let codes = Set(all.map { ExactText($0.finding.code) }).sorted()
    let places = Dictionary(codes.enumerated().map { ($0.element, $0.offset) }) { first, _ in first }
    let results = all.map { one in
      Self.result(one.finding, index: places[ExactText(one.finding.code)] ?? 0, reason: one.reason)
    }
    let run: JSONValue = [
      "tool": [
        "driver": [
          "name": "portcullis", "version": .text(Portcullis.version), "rules": .list(codes.map { Self.rule($0, all.map(\.finding)) }),
        ]
      ],
      "columnKind": "unicodeCodePoints", "results": .list(results),
    ]
    return ["$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": .list([run])]
  }

  /// What a code means. Codes of loading are described by what was found; docs/diagnostics.md has their table.
  private static func rule(_ code: ExactText, _ findings: [Diagnostic]) -> JSONValue {
    let severity = findings.first { ExactText($0.code) == code }?.severity ?? .warning
    let rule: JSONValue = ["id": .text(code.string), "defaultConfiguration": ["level": .text(level(severity))]]
    guard let entry = LintCode(rawValue: code.string)?.entry else {
      return rule.with([
        "shortDescription": ["text": .text("The object is not as Istio wants it (\(code)).")], "help": ["text": "See docs/diagnostics.md."],
      ])
    }
    return rule.with([
      "shortDescription": ["text": .text(entry.summary)],
      "help": ["text": .text("\(entry.fix) Source: \(entry.source). See docs/lint.md.")],
    ])
  }

  private static func result(_ finding: Diagnostic, index: Int, reason: String?) -> JSONValue {
    let text = finding.help.map { "\(finding.message)\nHelp: \($0)" } ?? finding.message
    let result: JSONValue = [
      "ruleId": .text(finding.code), "ruleIndex": .count(index), "level": .text(level(finding.severity)),
      "message": ["text": .text(text)], "locations": .list([location(finding)]),
    ]
    guard let reason else { return result }
    return result.with(["suppressions": .list([["kind": "inSource", "justification": .text(reason)]])])
  }

  private static func level(_ severity: Severity) -> String {
    switch severity {
    case .error: "error"
    case .warning: "warning"
    }
  }

  private static func location(_ finding: Diagnostic) -> JSONValue {
    let place: JSONValue = ["artifactLocation": ["uri": .text(uri(finding.location.file.string))]]
    let span = finding.location.span
    guard span.line > 0 else { return ["physicalLocation": place] }
    let region: JSONValue = [
      "startLine": .count(Int(span.line)), "startColumn": .count(Int(span.column)), "endLine": .count(Int(span.endLine)),
      "endColumn": .count(Int(span.endColumn)),
    ]
    return ["physicalLocation": place.with(["region": region])]
  }

  /// A path as a URI reference (RFC 3986): what is not allowed in a path is escaped; `./` in front of a first segment with a colon, which
  /// would be read as a scheme.
  private static func uri(_ path: String) -> String {
    var shown = ""
    for byte in path.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: shown.unicodeScalars.append(Unicode.Scalar(byte))
      case _ where "-._~/!$&'()*+,;=:@".utf8.contains(byte): shown.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        shown += "%" + (digits.utf8.count == 1 ? "0" : "") + digits
      }
    }
    if shown.hasPrefix("/") { return "file://" + shown }
    return shown.prefix { $0 != "/" }.contains(":") ? "./" + shown : shown
  }
}

extension JSONValue: ExpressibleByStringLiteral {
  /// A text of the program itself.
  init(stringLiteral value: String) { self = .text(value) }
}
