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
