// The page of reasons and the engine's table, held together.
// Enters: docs/reasons.md. Leaves: nothing. Never here: what a reason means.

internal import Foundation
internal import PolicyEngine
internal import TestSupport
internal import Testing

@Suite struct `the page of reasons` {
  @Test func `it lists every code with its sentence, in the order of the table`() throws {
    let text = try String(contentsOfFile: Programs.project() + "/docs/reasons.md", encoding: .utf8)
    let rows = text.split(separator: "\n").filter { $0.hasPrefix("| `") }
      .map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
    #expect(rows.allSatisfy { $0.count == 4 && ["allow", "deny", "undecided"].contains($0[1]) && !$0[3].isEmpty })
    #expect(rows.map { "\($0[0]) \($0[2])" } == Reason.allCases.map { "`\($0.code)` \($0.explanation)" })
    #expect(Set(Reason.allCases.map { "\($0.code)" }).count == Reason.allCases.count)
  }
}
