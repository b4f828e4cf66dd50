// `--older`: what older releases of Istio and Envoy did, and the policies that nobody here can decide as they did.
// Enters: policies and requests near what the releases did otherwise. Leaves: decisions, errors, the status of a server.
// Never here: what older behaviours mean to each value; the engine's tests hold that.

internal import Foundation
internal import Glibc
internal import TestSupport
internal import Testing

/// To older releases an expression, for its bar; on line 9 of its file.
private let expression = """
  apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: either, namespace: shop}
  spec:
    action: DENY
    rules:
    - from:
      - source:
          namespaces: [web, "we(b|c)"]

  """

@Suite struct `what older releases did` {
  @Test func `dots in namespaces matched any character`() throws {
    try withSandbox { sandbox throws in
      let rules = "[{from: [{source: {namespaces: [a.c]}}]}]"
      #expect(try sandbox.check(rules: rules, "--from", "abc/x").code == 1)
      #expect(try sandbox.check(rules: rules, "--from", "abc/x", "--older", "unquoted-dots").code == 0)
      #expect(try sandbox.check(rules: rules, "--from", "abbc/x", "--older", "unquoted-dots").code == 1)
    }
  }

  @Test func `header lines were joined before they were compared`() throws {
    try withSandbox { sandbox throws in
      let rules = #"[{when: [{key: "request.headers[x-role]", values: [admin]}]}]"#
      let two = ["--from", "shop/x", "--header", "x-role=user", "--header", "x-role=admin"]
      #expect(try sandbox.check(rules: rules, two).code == 0)
      #expect(try sandbox.check(rules: rules, two + ["--older", "joined-header-lines"]).code == 1)
      #expect(try sandbox.check(rules: rules, two + ["--older", "unquoted-dots", "--older", "literal-dot-parameters"]).code == 0)
    }
  }

  @Test func `dots with parameters were ordinary segments`() throws {
    try withSandbox { sandbox throws in
      let rules = "[{to: [{operation: {paths: [/secret]}}]}]"
      let request = ["--from", "shop/x", "--path", "/a/..;p=1/secret"]
      #expect(try sandbox.check(rules: rules, action: "DENY", request).code == 1)
      #expect(try sandbox.check(rules: rules, action: "DENY", request + ["--older", "literal-dot-parameters"]).code == 0)
    }
  }

  @Test func `no filters are exported for them`() throws {
    try withSandbox { sandbox throws in
      let export = ["export", "envoy-rbac", "--policies", "examples/shop", "--workload", "shop/backend"]
      #expect(try sandbox.portcullis(export).code == 0)
      let run = try sandbox.portcullis(export + ["--older", "unquoted-dots"])
      #expect(run.code == 2 && run.output.isEmpty)
      #expect(run.errors.hasPrefix("error: the filters are for a current Envoy"), "\(run.errors)")
    }
  }

  @Test func `another word is refused, and the known ones are named`() throws {
    try withSandbox { sandbox throws in
      let run = try sandbox.check("--from", "shop/frontend-sa", "--to", "shop/backend", "--older", "dots")
      #expect(run.code == 2 && run.output.isEmpty)
      #expect(
        run.errors.contains("`dots` is no older behaviour; there are `joined-header-lines`, `unquoted-dots`, `literal-dot-parameters`"),
        "\(run.errors)")
    }
  }
}

@Suite struct `policies that were expressions in older releases` {
  @Test(arguments: [
    ["check", "--from", "shop/frontend-sa", "--to", "shop/backend"], ["explain", "--from", "shop/frontend-sa", "--to", "shop/backend"],
    ["export", "envoy-rbac", "--workload", "shop/backend"], ["serve", "--listen", "127.0.0.1:0"],
  ])
  func `are an error at their value, and nothing is decided`(_ verb: [String]) throws {
    try withSandbox { sandbox throws in
      let path = try sandbox.write(expression, to: "either.yaml")
      let arguments = verb + ["--policies", Sandbox.shop, "--policies", path, "--older", "unquoted-dots"]
      let run = try sandbox.portcullis(arguments)
      #expect(run.code == 2 && run.output.isEmpty)
      let finding = """
        \(path):9:27: error: `we(b|c)` in `source.namespace` is a regular expression to the releases that `unquoted-dots` stands for \
        [pattern-undecidable]
                  namespaces: [web, "we(b|c)"]
                                    ^^^^^^^^^
          = help: write it with letters, digits, `-`, `_`, dots and slashes, and a star only where the release translates it; \
        or leave `--older unquoted-dots` out, if the mesh's release is newer
        1 error in the input; nothing is decided by it

        """
      #expect(run.errors == finding, "\(run.errors)")
    }
  }

  @Test func `are policies like any other to newer releases`() throws {
    try withSandbox { sandbox throws in
      let path = try sandbox.write(expression, to: "either.yaml")
      let question = ["check", "--policies", Sandbox.shop, "--policies", path, "--from", "shop/frontend-sa", "--to", "shop/backend"]
      #expect(try sandbox.portcullis(question).code == 0)
      #expect(try sandbox.portcullis(question + ["--older", "joined-header-lines"]).code == 0)
    }
  }

  @Test func `are unusable while a server runs: the log and the status file say so, until they are gone`() throws {
    try withSandbox { sandbox throws in
      let shop = try sandbox.shopCopy()
      let path = sandbox.path("status.json")
      let (server, _) = try sandbox.serve("serve", "--policies", shop, "--older", "unquoted-dots", "--status-file", path)
      let first = try sandbox.status(path) { $0["current"] as? Bool == true }
      #expect(first["unusable"] as? [[String: Any]] != nil)

      let file = try sandbox.write(expression, to: "shop/either.yaml")
      func unusable(_ status: [String: Any]) -> [[String: Any]] { status["unusable"] as? [[String: Any]] ?? [] }
      let bad = try sandbox.status(path) { !unusable($0).isEmpty }
      #expect(bad["current"] as? Bool == false && bad["policies"] as? Int == 2, "\(bad)")
      #expect(unusable(bad).map { $0["what"] as? String } == ["AuthorizationPolicy shop/either"], "\(bad)")
      #expect(
        unusable(bad).map { $0["reason"] as? String }
          == ["`we(b|c)` in `source.namespace` is a regular expression to the releases that `unquoted-dots` stands for"])
      try waitUntil("the log", detail: { server.errors }) {
        server.errors.contains(
          "unusable: AuthorizationPolicy shop/either has no good version; every workload it could apply to is denied: ")
          && server.errors.contains("either.yaml:9:27: error: ") && server.errors.contains("[pattern-undecidable]")
      }

      // Still listed after the next change, which is about another file.
      let text = try String(contentsOfFile: Sandbox.shop + "/policies.yaml", encoding: .utf8)
      try sandbox.write(text.replacingOccurrences(of: "frontend-sa", with: "other-sa"), to: "shop/policies.yaml")
      let later = try sandbox.status(path) { $0["generation"] as? Int == 3 }
      #expect(unusable(later).count == 1 && later["current"] as? Bool == false, "\(later)")

      guard unsafe unlink(file) == 0 else { throw TestFailure("unlink: \(Errno())") }
      _ = try sandbox.status(path) { $0["current"] as? Bool == true && unusable($0).isEmpty }
      server.send(signal: SIGTERM)
      #expect(try server.waitForEnd() == .exited(0))
    }
  }
}
