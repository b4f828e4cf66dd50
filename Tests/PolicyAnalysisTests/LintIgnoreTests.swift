// Comments that accept findings: which finding, on which lines, and what is said of comments that accept nothing.
// Enters: texts and findings at lines. Leaves: what stays. Never here: how a finding is made.

internal import PolicyAnalysis
internal import PolicyLoading
internal import PolicyModel
internal import Testing

@Suite struct `ignore comments` {
  private static func run(_ text: String, _ findings: [(String, UInt32)], loading: [(String, UInt32, Severity)] = []) -> LintResult {
    func diagnostic(_ code: String, _ line: UInt32, _ severity: Severity) -> Diagnostic {
      let span = SourceSpan(line: line, column: 1, endLine: line, endColumn: 2)
      return Diagnostic(severity, code: code, "x", at: SourceLocation(file: "a.yaml", span: span))
    }
    return applyIgnores(
      findings.map { diagnostic($0.0, $0.1, .error) }, loading: loading.map { diagnostic($0.0, $0.1, $0.2) },
      texts: ["a.yaml": LintText(Array(text.utf8), trees: readTextTrees(text: Array(text.utf8), file: "a.yaml").trees)])
  }

  private static func left(_ result: LintResult) -> [String] { result.findings.map { "\($0.location.span.line) \($0.code)" } }

  @Test func `on a line, and on the lines before one`() {
    let text = """
      kind: A
      a: 1 # portcullis:ignore rule-shadowed because of x
      # portcullis:ignore rule-redundant  - kept for the audit

      # portcullis:ignore rule-shadowed and this
      b: 2
      c: 3
      """
    let result = Self.run(
      text, [("rule-shadowed", 2), ("rule-redundant", 6), ("rule-shadowed", 6), ("rule-shadowed", 7), ("rule-redundant", 2)])
    #expect(Self.left(result) == ["2 rule-redundant", "7 rule-shadowed"])
    #expect(result.ignored.map(\.reason) == ["because of x", "kept for the audit", "and this"])
  }

  @Test func `for an object before its first key, and not for the next one`() {
    let text = "# about this file\n# portcullis:ignore rule-shadowed old\nkind: A\na: 1\n---\nkind: B\na: 1\n"
    let result = Self.run(text, [("rule-shadowed", 3), ("rule-shadowed", 4), ("rule-shadowed", 7)])
    #expect(Self.left(result) == ["7 rule-shadowed"] && result.ignored.count == 2)
    let second = Self.run(
      "kind: A\n---\n\n#portcullis:ignore rule-shadowed why\nkind: B\na: 1", [("rule-shadowed", 1), ("rule-shadowed", 6)])
    #expect(Self.left(second) == ["1 rule-shadowed"] && second.ignored.count == 1)
  }

  @Test func `that accept nothing are findings`() {
    let text = """
      kind: A
      a: 1 # portcullis:ignore rule-shadowed
      b: 2 # portcullis:ignore rule-redundant for nothing
      c: 3 # portcullis:ignore rule-shadwed typo
      d: 4 # portcullis:ignore
      e: 5 # portcullis:ignored is another word
      f: "a#portcullis:ignore rule-shadowed no comment"
      """
    let result = Self.run(text, [("rule-shadowed", 2)])
    #expect(
      Self.left(result)
        == ["2 ignore-without-reason", "2 rule-shadowed", "3 ignore-unused", "4 ignore-invalid", "5 ignore-invalid"].sorted()
        || Self.left(result) == ["2 rule-shadowed", "2 ignore-without-reason", "3 ignore-unused", "4 ignore-invalid", "5 ignore-invalid"])
    #expect(result.findings.contains { $0.help == "did you mean `rule-shadowed`?" } && result.ignored.isEmpty)
    let unused = result.findings.first { $0.code == "ignore-unused" }
    #expect(unused?.location.span.column == 6 && unused?.sourceLine == "b: 2 # portcullis:ignore rule-redundant for nothing")
  }

  @Test(
    arguments: [
      // In a string, whatever its form; it is no comment, so it is not even one that accepts nothing.
      #"a: ["x # portcullis:ignore rule-shadowed y", z]"#, "a: 'x # portcullis:ignore rule-shadowed y'",
      #"a: !!str "x # portcullis:ignore rule-shadowed y""#, #"a: &x "x # portcullis:ignore rule-shadowed y""#,
      ##"a: ["é🚀", "x # portcullis:ignore rule-shadowed y"]"##, #""k # portcullis:ignore rule-shadowed y": 1"#,
      "k: {\"a\": \"x # portcullis:ignore rule-shadowed y\"}",
    ]) func `inside a string are none`(_ line: String)
  {
    let result = Self.run("kind: A\n\(line)\n", [("rule-shadowed", 2)])
    #expect(Self.left(result) == ["2 rule-shadowed"] && result.ignored.isEmpty, "\(result)")
    // The same behind it is one.
    let behind = Self.run("kind: A\n\(line) # portcullis:ignore rule-shadowed y\n", [("rule-shadowed", 2)])
    #expect(behind.findings.isEmpty && behind.ignored.count == 1, "\(behind)")
  }

  @Test func `inside strings of several lines are none, around them they are`() {
    for block in ["a: |-", "a: >", "a: |2", "a: !!str |", "- &x |-"] {
      let text = "\(block)\n  # portcullis:ignore rule-shadowed y\n  b\n"
      let inside = Self.run(text, [("rule-shadowed", 2), ("rule-shadowed", 3)])
      #expect(Self.left(inside) == ["2 rule-shadowed", "3 rule-shadowed"], "\(text) \(inside)")
      let sign = Self.run(
        "kind: A\n---\n" + text.replacingFirst("\n", with: " # portcullis:ignore rule-shadowed y\n"), [("rule-shadowed", 3)])
      #expect(sign.ignored.count == 1, "\(text) \(sign)")
    }
    let quoted = Self.run("a: \"x\n  # portcullis:ignore rule-shadowed y\n  z\"\nb: 1\n", [("rule-shadowed", 3)])
    #expect(Self.left(quoted) == ["3 rule-shadowed"], "\(quoted)")
    // Behind the block, less indented.
    let after = Self.run("a: |\n  b\n\n# portcullis:ignore rule-shadowed y\nc: 1\n", [("rule-shadowed", 5)])
    #expect(after.ignored.count == 1 && after.findings.isEmpty, "\(after)")
  }

  @Test func `accept warnings of loading, never errors`() {
    let text = "a: 1 # portcullis:ignore deny-whole-tcp meant\nb: 2 # portcullis:ignore ip-invalid meant\n"
    let result = Self.run(text, [], loading: [("deny-whole-tcp", 1, .warning), ("ip-invalid", 2, .error)])
    #expect(Self.left(result) == ["2 ip-invalid", "2 ignore-unused"] || Self.left(result) == ["2 ignore-unused", "2 ip-invalid"])
    #expect(result.findings.contains { $0.message == "`ip-invalid` is an error of loading, which cannot be ignored" })
  }

  @Test func `are found whatever ends the lines`() {
    let result = Self.run("a: 1\r\nb: 2 # portcullis:ignore rule-shadowed x\r\n", [("rule-shadowed", 2)])
    #expect(result.findings.isEmpty && result.ignored.map(\.reason) == ["x"], "\(result)")
    #expect(Self.run("a: 1\rb: 2 # portcullis:ignore rule-shadowed x\r", [("rule-shadowed", 2)]).ignored.count == 1)
  }
}

extension String {
  fileprivate func replacingFirst(_ text: Character, with other: String) -> String {
    firstIndex(of: text).map { self[..<$0] + other + self[index(after: $0)...] }.map(String.init) ?? self
  }
}
