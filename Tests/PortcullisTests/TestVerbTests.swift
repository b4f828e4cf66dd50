// `portcullis test`: what a person sees of cases that pass and fail, what a build server reads, and what is refused.
// Enters: the shop and tests for it. Leaves: text, JSON, XML, exit codes. Never here: how the file is read; PolicyLoading's tests hold that.

internal import Foundation
internal import TestSupport
internal import Testing

extension Sandbox {
  /// Runs `portcullis test` on cases for the shop.
  func test(_ cases: String, _ arguments: String...) throws -> Run { try test(cases, arguments) }

  /// The same with a list.
  func test(_ cases: String, _ arguments: [String]) throws -> Run {
    let text = "apiVersion: portcullis.dev/v1\nkind: PolicyTest\nmetadata: {name: mine}\nspec:\n  cases:\n\(cases)\n"
    let file = try write(text, to: "tests.yaml")
    return try portcullis(["test", "--policies", Self.shop, file] + arguments)
  }
}

@Suite struct `test runs policy tests` {
  @Test func `the shop's own pass, and every rule decides one`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis("test", "--policies", Sandbox.shop, Sandbox.shop + "/tests.yaml", "--coverage")
      #expect(run.code == 0 && run.errors.isEmpty, "\(run.output)\(run.errors)")
      #expect(
        run.output == """
          ok    \(Sandbox.shop)/tests.yaml  shop  5 cases

          5 cases: 5 passed, 0 failed
          2 rules: 2 decided a case, 0 never

          """, "\(run.output)")
    }
  }

  @Test func `a case that fails says why, in the words of explain`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.test(
        """
          - {name: good, from: shop/frontend-sa, to: shop/backend, expect: allow}
          - {name: bad, from: shop/backend-sa, to: shop/backend, expect: allow}
        """, "--coverage")
      #expect(run.code == 1 && run.errors.isEmpty, "\(run.errors)")
      let file = sandbox.path("tests.yaml")
      #expect(
        run.output.hasPrefix(
          """
          FAIL  \(file)  mine  1 of 2 cases

            FAIL  bad
              at        \(file):7:5
              problem   expected allow, got deny
              deny  spiffe://cluster.local/ns/shop/sa/backend-sa -> shop/backend
                reason    no-allow-matched: ALLOW policies apply and no rule of theirs matched

          """), "\(run.output)")
      let explained = try sandbox.portcullis(
        "explain", "--policies", Sandbox.shop, "--from", "spiffe://cluster.local/ns/shop/sa/backend-sa", "--to", "shop/backend")
      for line in explained.lines { #expect(run.output.contains("    \(line)\n"), "\(line)") }
      #expect(
        run.output.hasSuffix(
          """

          2 cases: 1 passed, 1 failed
          2 rules: 1 decided a case, 1 never
            never  \(Sandbox.shop)/policies.yaml:45:5  ns[shop]-policy[db-from-backend]-rule[0] (ALLOW)

          """), "\(run.output)")
    }
  }

  @Test(
    arguments: [
      ("from: shop/frontend-sa, to: shop/backend, expect: allow, by: shop/backend-from-frontend", 0),
      ("from: shop/frontend-sa, to: shop/backend, expect: allow, by: \"ns[shop]-policy[backend-from-frontend]-rule[0]\"", 0),
      ("from: shop/frontend-sa, to: shop/backend, expect: allow, by: \"ns[shop]-policy[backend-from-frontend]-rule[1]\"", 1),
      ("from: shop/frontend-sa, to: shop/backend, expect: allow, by: shop/backend-from-fronten", 1),
      ("from: shop/frontend-sa, to: shop/backend, expect: allow, by: none", 1),
      ("from: shop/frontend-sa, to: shop/db, expect: deny, by: none", 0), ("from: anonymous, to: shop/db, expect: deny", 0),
      ("to: shop/db, expect: undecided", 0), ("to: shop/db, expect: deny", 1), ("from: shop/backend-sa, to: shop/db, expect: deny", 1),
      ("from: shop/backend-sa, expect: allow, request: {destination: {namespace: shop, labels: {app: db}}}", 0),
      ("to: shop/db, expect: allow, request: {source: {identities: {uri: [\"spiffe://cluster.local/ns/shop/sa/backend-sa\"]}}}", 0),
    ] as [(String, Int32)])
  func `the answer and what decided are held to what is expected`(_ one: String, _ code: Int32) throws {
    try withSandbox { sandbox in
      let run = try sandbox.test("  - {\(one)}")
      #expect(run.code == code, "\(run.output)\(run.errors)")
    }
  }

  @Test func `what cannot be asked is found before anything is tested`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.test(
        """
          - {from: shop/frontend-sa, to: shop/backnd, expect: allow}
          - {from: frontend-sa, to: shop/backend, expect: allow}
          - {to: shop/backend, expect: allow, by: backend}
          - {to: shop/backend, expect: allow, request: {http: {path: 5}}}
          - {to: shop/backend, expect: allow, request: {http: {method: "G T"}}}
          - {to: shop/backend, expect: allow, request: {source: {address: nowhere}}}
        """)
      #expect(run.code == 2 && run.output.isEmpty)
      let file = sandbox.path("tests.yaml")
      let firsts = run.errors.split(separator: "\n").filter { $0.hasPrefix(file) }.map { String($0.dropFirst(file.utf8.count)) }
      #expect(
        firsts == [
          ":6:34: error: no workload `shop/backnd` in the given files [test-case-invalid]",
          ":7:12: error: `from` `frontend-sa` names no peer [test-case-invalid]",
          ":8:43: error: `by` `backend` names neither a policy nor a rule [test-case-invalid]",
          ":9:62: error: `http.path` is neither a string nor `{\"base64\": \"…\"}` [test-case-invalid]",
          ":10:64: error: `http.method` `G T` is no HTTP method [test-case-invalid]",
          ":11:67: error: `source.address` is not an address such as `10.0.0.1` or `fd00::1` [test-case-invalid]",
        ], "\(run.errors)")
      #expect(run.errors.hasSuffix("\n6 errors in the tests; nothing is tested\n"))
      #expect(
        run.errors.contains(
          "\n    - {from: shop/frontend-sa, to: shop/backnd, expect: allow}\n                                   ^^^^^^^^^^^\n"),
        "\(run.errors)")
    }
  }

  @Test func `files that are not there, and files without cases, end with exit code 2`() throws {
    try withSandbox { sandbox in
      let missing = try sandbox.portcullis("test", "--policies", Sandbox.shop, sandbox.path("nowhere.yaml"))
      #expect(missing.code == 2 && missing.errors.contains("cannot be read"), "\(missing.errors)")
      let none = try sandbox.portcullis("test", "--policies", Sandbox.shop, Sandbox.shop + "/policies.yaml")
      #expect(none.code == 2 && none.errors.contains("error: the file holds no test [document-invalid]"), "\(none.errors)")
      let nothing = try sandbox.portcullis("test", "--policies", Sandbox.shop)
      #expect(nothing.code == 2 && nothing.errors.hasPrefix("error: missing expected argument"), "\(nothing.errors)")
    }
  }

  @Test func `the report for build servers is well-formed whatever a name holds`() throws {
    try withSandbox { sandbox in
      let report = sandbox.path("report.xml")
      let run = try sandbox.test(
        """
          - {name: "<a> & \\"b\\" ]]> \\t\\u0001 \\u20ac", from: shop/backend-sa, to: shop/backend, expect: allow}
          - {name: good, from: shop/frontend-sa, to: shop/backend, expect: allow}
        """, "--junit", report)
      #expect(run.code == 1)
      let script = """
        import sys, xml.etree.ElementTree as tree
        root = tree.parse(sys.argv[1]).getroot()
        assert root.tag == 'testsuites' and root.get('tests') == '2' and root.get('failures') == '1', root.attrib
        suite = root.find('testsuite')
        assert suite.get('name') == 'mine' and suite.get('tests') == '2' and suite.get('failures') == '1', suite.attrib
        first, second = suite.findall('testcase')
        assert first.get('name') == '<a> & "b" ]]> \\t\\ufffd \\u20ac', ascii(first.get('name'))
        assert first.get('classname') == 'mine' and first.get('line') == '6' and first.get('file').endswith('tests.yaml')
        failure = first.find('failure')
        assert failure.get('message') == 'expected allow, got deny', failure.attrib
        assert 'no-allow-matched' in failure.text and 'tests.yaml:6:5' in failure.text, failure.text
        assert second.get('name') == 'good' and len(second) == 0
        """
      let read = try sandbox.run("/usr/bin/python3", ["-c", script, report])
      #expect(read.end == .exited(0), "\(read.errors)")
    }
  }

  /// A set in which nothing but the proxy of the workload differs.
  static func set(_ labels: String) -> String {
    typealias World = `A comparison that does not see everything says so`
    return World.workload("api", labels) + World.policy("nobody", "{selector: {matchLabels: {app: api}}}")
  }

  @Test(arguments: [
    ("app: api, sidecar.istio.io/inject: \"false\"", "", 2, "nothing enforces policies at shop/deployment/api"),
    ("app: api, istio.io/dataplane-mode: ambient", "", 2, "is in ambient mode"),
    ("app: api, istio: ingressgateway", "", 2, "is a gateway"),
    ("app: api, istio: ingressgateway", ", request: {destination: {profile: gateway}}", 0, ""),
    ("app: api, sidecar.istio.io/inject: \"false\"", ", request: {destination: {profile: sidecar}}", 0, ""), ("app: api", "", 0, ""),
  ])
  func `no test passes for a proxy that is not there`(_ labels: String, _ request: String, _ code: Int32, _ message: String) throws {
    try withSandbox { sandbox in
      let policies = try sandbox.write(Self.set(labels), to: "all.yaml")
      let tests = try sandbox.write(
        "apiVersion: portcullis.dev/v1\nkind: PolicyTest\nmetadata: {name: a}\nspec:\n  cases:\n"
          + "  - {from: anonymous, to: shop/api, expect: deny\(request)}\n", to: "tests.yaml")
      let run = try sandbox.portcullis("test", "--policies", policies, tests)
      #expect(run.code == code && (message.isEmpty || run.errors.contains(message)), "\(labels): \(run.code) \(run.output)\(run.errors)")
      let asked = try sandbox.portcullis("check", "--policies", policies, "--from", "anonymous", "--to", "shop/api")
      #expect(asked.errors.contains("warning: ") == (labels != "app: api"), "\(labels): \(asked.errors)")
      let named = try sandbox.portcullis("check", "--policies", policies, "--from", "anonymous", "--to", "shop/api", "--profile", "sidecar")
      #expect(named.errors.isEmpty, "\(named.errors)")
    }
  }
}
