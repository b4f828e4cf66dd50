// Policy tests as they are written: what is read, and where each mistake is found.
// Enters: text. Leaves: tests and diagnostics. Never here: a decision; the command's tests hold that.

import PolicyLoading
import PolicyModel
import Testing

private func tests(_ text: String) -> (tests: [PolicyTest], codes: [String], messages: [String]) {
  let (tests, diagnostics) = loadPolicyTests(text: Array(text.utf8), file: "t.yaml")
  return (tests, diagnostics.map(\.code), diagnostics.map { String($0.description.prefix { $0 != "\n" }) })
}

private func one(_ cases: String) -> String {
  "apiVersion: portcullis.dev/v1\nkind: PolicyTest\nmetadata: {name: a}\nspec:\n  cases:\n\(cases)"
}

@Suite struct `Policy tests are read strictly` {
  @Test func `a case with all that it can hold`() throws {
    let found = tests(
      one(
        """
          - name: first
            from: shop/web
            to: shop/api
            request: {destination: {port: 80}, http: {method: GET, headers: [[x-a, "1"]], claims: null}}
            expect: allow
            by: shop/only
          - {to: shop/api, expect: undecided}

        """))
    #expect(found.codes.isEmpty && found.tests.count == 1, "\(found.messages)")
    let test = try #require(found.tests.first)
    #expect(test.name == "a" && test.cases.count == 2 && test.location.span.line == 3)
    let first = test.cases[0]
    #expect(
      first.name?.value == "first" && first.from?.value == "shop/web" && first.to?.value == "shop/api" && first.by?.value == "shop/only")
    #expect(first.expectation.value == .allow && first.expectation.span.line == 10 && first.span.line == 6)
    guard case .mapping(let request)? = first.request?.value, case .mapping(let http) = request[1].value.value else {
      Issue.record("no request")
      return
    }
    #expect(request.map(\.name.value) == ["destination", "http"] && http.map(\.name.value) == ["method", "headers", "claims"])
    if case .null = http[2].value.value {} else { Issue.record("null is a value of its own") }
    #expect(http[0].value.span == SourceSpan(line: 9, column: 55, endLine: 9, endColumn: 58))
    #expect(test.cases[1].expectation.value == .undecided && test.cases[1].name == nil && test.cases[1].request == nil)
  }

  @Test(arguments: [
    ("  - {to: a/b, expect: allow, form: x}", "t.yaml:6:30: error: unknown field `form` in `cases` [field-unknown]"),
    ("  - {to: a/b, expect: maybe}", "t.yaml:6:23: error: `expect` is `maybe`, not one of allow, deny, undecided [value-unknown]"),
    ("  - {to: a/b}", "t.yaml:6:5: error: the case has no `expect` [field-required]"),
    ("  - {expect: deny}", "t.yaml:6:5: error: the case has no `to` [field-required]"),
    ("  - {request: {http: {}}, expect: deny}", "t.yaml:6:5: error: the case has no `to` [field-required]"),
    ("  - {to: 5, expect: deny}", "t.yaml:6:10: error: `to` must be a string, not the number `5` [wrong-type]"),
    ("  - {to: \"\", expect: deny}", "t.yaml:6:10: error: empty text in `to` [empty-string]"),
    ("  - {to: a/b, expect: deny, by: }", "t.yaml:6:29: error: `by` is null [field-null]"),
    ("  - {to: a/b, expect: }", "t.yaml:6:15: error: `expect` is null [field-null]"),
    ("  - {to: a/b, expect: deny, request: {htp: {}}}", "t.yaml:6:39: error: unknown field `htp` in `request` [field-unknown]"),
    (
      "  - {to: a/b, expect: deny, request: {http: {verb: GET}}}",
      "t.yaml:6:46: error: unknown field `verb` in `request.http` [field-unknown]"
    ),
    (
      "  - {to: a/b, expect: deny, request: {destination: {port: 0}}}",
      "t.yaml:6:59: error: `request.destination.port` is 0, not a number up to 65535"
    ),
    (
      "  - {to: a/b, from: a/c, expect: deny, request: {source: {principal: null}}}",
      "t.yaml:6:21: error: `from` cannot be used together with `request.source` in `cases` [field-conflict]"
    ),
    (
      "  - {to: a/b, expect: deny, request: {destination: {workload: a/c}}}",
      "t.yaml:6:10: error: `to` cannot be used together with `request.destination` in `cases` [field-conflict]"
    ),
    (
      "  - {name: x, to: a/b, expect: deny}\n  - {name: x, to: a/b, expect: deny}",
      "t.yaml:7:12: error: a second case is named `x`, the first on line 6 [name-duplicate]"
    ),
    ("  - {to: a/b, to: a/c, expect: deny}", "t.yaml:6:15: error: duplicate key `to`, first on line 6 [duplicate-key]"),
    ("  - deny", "t.yaml:6:5: error: `cases` must be a list of mappings, not text [wrong-type]"),
    ("  -", "t.yaml:6:4: error: null entry in `cases` [null-entry]"),
    ("    []", "t.yaml:6:5: error: `cases` is an empty list [empty-list]"),
  ])
  func `each mistake in a case is found at its place`(_ cases: String, _ message: String) {
    let found = tests(one(cases + "\n"))
    #expect(found.tests.isEmpty && found.messages.count == 1 && found.messages[0].hasPrefix(message), "\(found.messages)")
  }

  @Test(arguments: [
    ("", "document-invalid"), ("# nothing\n---\n", "document-invalid"), ("kind: Pod\napiVersion: v1\n", "document-invalid"),
    ("[1]", "document-invalid"), ("kind: [", "yaml-syntax"),
    ("apiVersion: portcullis.dev/v1\nkind: PolicyTest\nmetadata: {name: a}\n", "field-required"),
    ("apiVersion: portcullis.dev/v1\nkind: PolicyTest\nmetadata: {name: a}\nspec: {}\n", "field-required"),
    ("apiVersion: portcullis.dev/v1\nkind: PolicyTest\nspec: {cases: [{to: a/b, expect: deny}]}\n", "field-required"),
    ("apiVersion: portcullis.dev/v2\nkind: PolicyTest\n", "version-unknown"), ("apiVersion: v1\nkind: PolicyTest\n", "kind-unknown"),
    ("apiVersion: portcullis.dev/v1\nkind: PolicyTests\n", "kind-unknown"), ("kind: PolicyTest\n", "field-required"),
    ("apiVersion: portcullis.dev/v1\nkind: Invariant\n", "document-invalid"),
    ("apiVersion: portcullis.dev/v1\nkind: Suite\n", "kind-unknown"),
  ])
  func `a file without a test is an error`(_ text: String, _ code: String) {
    let found = tests(text)
    #expect(found.tests.isEmpty && found.codes == [code], "\(found.messages)")
  }

  @Test func `other objects in the file are left alone`() {
    let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec: {foo: 1}\n---\n"
    let found = tests(policy + one("  - {to: a/b, expect: deny}\n"))
    #expect(found.codes.isEmpty && found.tests.count == 1, "\(found.messages)")
  }
}
