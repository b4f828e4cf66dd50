// Whole messages as a user sees them, and the table that explains their codes.

import Foundation
import PolicyLoading
import PolicyModel
import Testing

@Suite struct `Messages` {
  @Test func `all problems of a file come in one run, each with its line and a caret under the whole value`() {
    let file = load(
      """
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata:
        {name: p, namespace: shop}
      spec:
        action: ALOW
        rules:
        - from:
          - source:
              principal: ["a"]
          to:
          - operation:
              ports: [8080]
              hosts:
              - "\u{1F600}" # \u{e4}
              - ""
      """)
    #expect(
      file.messages == """
        test.yaml:6:11: error: `action` is `ALOW`, not one of ALLOW, DENY, AUDIT, CUSTOM [value-unknown]
            action: ALOW
                    ^^^^
          = help: did you mean `ALLOW`?
        test.yaml:10:9: error: unknown field `principal` in `source` [field-unknown]
                  principal: ["a"]
                  ^^^^^^^^^
          = help: did you mean `principals`?
        test.yaml:13:17: error: `ports` must be a string, not the number `8080` [wrong-type]
                  ports: [8080]
                          ^^^^
          = help: put the value in quotes: "8080"
        test.yaml:16:11: error: empty text in `hosts` [empty-string]
                  - ""
                    ^^
          = help: remove the entry, or write a value
        """, "\(file.messages)")
  }

  @Test func `columns count code points, and tabs are one column`() {
    let file = load("apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {b: \"\u{1F600}\u{e4}\",\t\ta: 1}}\n")
    #expect(
      file.messages == """
        test.yaml:3:43: error: `metadata.labels.a` must be a string, not the number `1` [wrong-type]
          metadata: {name: p, labels: {b: "\u{1F600}\u{e4}",  a: 1}}
                                                    ^
          = help: put the value in quotes: "1"
        """, "\(file.messages)")
  }

  @Test func `a line that is too long to show is cut, or left out when the mark stands behind the cut`() {
    let long = String(repeating: "\u{e4}", count: 1000)
    let near = load("{apiVersion: v1, kind: Pod, metadata: {name: 1, labels: {a: \(long)}}}")
    #expect(near.codes == ["wrong-type"])
    #expect(near.diagnostics.first?.sourceLine?.hasSuffix("\u{e4}…") == true)
    #expect(near.messages.utf8.count < 2000)
    let far = load("{apiVersion: v1, kind: Pod, metadata: {labels: {a: \(long)}, name: 1}}")
    #expect(far.codes == ["wrong-type"])
    #expect(far.diagnostics.first?.sourceLine == nil)
  }

  @Test func `no text of a file writes a line of its own into a log`() {
    let forged = #"a\nb.yaml:1:1: error: x\r\u2028\u202e\e[2J\t"#
    let file = loadPolicies(
      text: Array(
        """
        apiVersion: security.istio.io/v1
        kind: "Authorization\(forged)"
        metadata: {name: "p\(forged)"}
        ---
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: "p\(forged)", namespace: "n\(forged)", "\(forged)": 1}
        spec: {"\(forged)": 1, action: "\(forged)", rules: [{when: [{key: "\(forged)", values: [1, {}]}]}]}
        """.utf8), file: "evil\n\u{1b}name.yaml")
    #expect(file.diagnostics.count >= 5)
    for diagnostic in file.diagnostics {
      let text = diagnostic.description
      #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count <= 4, "\(text)")
      let isClean = text.unicodeScalars.allSatisfy { $0 == "\n" || ($0.value >= 0x20 && ![0x7f, 0x2028, 0x202e].contains($0.value)) }
      #expect(isClean, "\(text.debugDescription)")
      #expect(text.hasPrefix(#"evil\n\u{1b}name.yaml:"#), "\(text)")
    }
    #expect(file.broken.count == 2)
    #expect(file.broken.allSatisfy { broken in !broken.reason.unicodeScalars.contains { $0.value < 0x20 } })
    #expect(file.messages.contains(#"unknown field `a\nb.yaml:1:1: error: x\r\u{2028}\u{202e}\u{1b}[2J\t`"#), "\(file.messages)")
  }

  @Test func `a tab as indentation is explained`() {
    let file = load("apiVersion: v1\nkind: Pod\nmetadata:\n\tname: a\n")
    #expect(
      file.messages == """
        test.yaml:4:1: error: found character that cannot start any token (while scanning for the next token, line 4) [yaml-syntax]
           name: a
          ^
          = help: indent with spaces, and put text that begins with @, `, % or a tab in quotes
        """, "\(file.messages)")
  }

  @Test func `docs/diagnostics.md lists every code with its severity, in order`() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let text = try String(contentsOf: root.appending(path: "docs/diagnostics.md"), encoding: .utf8)
    let rows = text.split(separator: "\n").filter { $0.hasPrefix("| `") }.map {
      $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    #expect(rows.allSatisfy { $0.count == 4 && !$0[2].isEmpty && !$0[3].isEmpty })
    #expect(rows.map { $0[0] + " " + $0[1] } == DiagnosticCode.allCases.map { "`\($0.rawValue)` \($0.severity.rawValue)" })
    #expect(DiagnosticCode.allCases.map(\.rawValue) == DiagnosticCode.allCases.map(\.rawValue).sorted())
  }
}
