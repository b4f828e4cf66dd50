// The table of lint's codes: complete, in our tone, and the same as docs/lint.md.
// Enters: the table and the page. Leaves: nothing that differs. Never here: findings.

internal import Foundation
internal import PolicyAnalysis
internal import PolicyModel
internal import Testing

@Suite struct `the table of lint's codes` {
  @Test(arguments: LintCode.allCases) func `has a row for each code`(_ code: LintCode) {
    let entry = code.entry
    for text in [entry.summary, entry.fix] {
      #expect(text.hasSuffix(".") && text.first?.isUppercase == true, "\(code): \(text)")
    }
    #expect(!entry.source.isEmpty && !entry.source.hasSuffix("."), "\(code)")
    // A row of another code, which the last `default` would give.
    let others = LintCode.allCases.filter { $0 != code }.map(\.entry.summary)
    #expect(!others.contains(entry.summary), "\(code) has the row of another code")
  }

  @Test func `is sorted, and shares no code with the diagnostics of loading`() {
    let codes = LintCode.allCases.map(\.rawValue)
    #expect(codes == codes.sorted() && Set(codes).count == codes.count)
    #expect(Set(codes).isDisjoint(with: DiagnosticCode.allCases.map(\.rawValue)))
  }
}

@Suite struct `docs/lint.md` {
  private static func project(_ path: String) throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    return try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }

  @Test func `has a section for each code, with its severity, what it is and what to do`() throws {
    let page = try Self.project("docs/lint.md")
    let sections = page.components(separatedBy: "\n### ").dropFirst()
    #expect(sections.map { String($0.prefix { $0 != "\n" }) }.sorted() == LintCode.allCases.map(\.rawValue))
    for section in sections {
      let code = try #require(LintCode(rawValue: String(section.prefix { $0 != "\n" })))
      let entry = code.entry
      #expect(section.contains("\n**\(entry.severity.rawValue)**: \(entry.summary)\n"), "\(code)")
      #expect(section.contains("\nFix: \(entry.fix) (\(entry.source))\n") && section.contains("```yaml\n"), "\(code)")
    }
  }

  @Test func `is shown by examples that have each of them`() throws {
    let shown = try Self.project("examples/broken/lint.txt") + Self.project("examples/broken-envoy/lint.txt")
    let missing = LintCode.allCases.filter { !shown.contains(" [\($0.rawValue)]\n") }
    // Too many rules are not in them.
    #expect(missing == [.comparisonLimit], "\(missing)")
  }
}
