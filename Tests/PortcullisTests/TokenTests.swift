// `--jwt request-authentication`: which tokens count, as a person asks about them.
// Enters: a RequestAuthentication, a rule about claims, and tokens. Leaves: decisions and explanations.
// Never here: signatures; only the proxy verifies them.

internal import Foundation
internal import TestSupport
internal import Testing

extension Sandbox {
  /// Asks about the shop's backend, which accepts tokens of one issuer; readers may call it.
  fileprivate func ask(_ verb: String = "check", rule: String = "", token: [String], _ more: [String] = []) throws -> Run {
    let path = try write(
      """
      apiVersion: security.istio.io/v1
      kind: RequestAuthentication
      metadata: {name: tokens, namespace: shop}
      spec:
        selector: {matchLabels: {app: backend}}
        jwtRules: [{issuer: "https://iss.example", audiences: [shop]\(rule)}]
      ---
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {name: readers, namespace: shop}
      spec:
        selector: {matchLabels: {app: backend}}
        rules: [{when: [{key: "request.auth.claims[scopes]", values: [read]}]}]

      """, to: "tokens.yaml")
    let question = ["--from", "shop/frontend-sa", "--to", "shop/backend", "--method", "GET", "--no-headers"]
    return try portcullis([verb, "--policies", path, "--policies", Self.shop + "/workloads.yaml"] + question + token + more)
  }
}

private let honored = ["--jwt", "request-authentication"]

private func token(_ scopes: String, issuer: String = "https://iss.example", audience: String = "shop") -> [String] {
  ["--claim", "iss=\(issuer)", "--claim", "aud=\(audience)", "--claim", "sub=u", "--claim", "scopes=\(scopes)"]
}

@Suite struct `tokens and RequestAuthentication` {
  @Test func `a token counts only if its issuer and audience are accepted, where that is asked`() throws {
    try withSandbox { sandbox throws in
      #expect(try sandbox.ask(token: token("read"), honored).code == 0)
      for other in [token("read", issuer: "https://other.example"), token("read", audience: "bank")] {
        let run = try sandbox.ask(token: other, honored)
        #expect(run.code == 1 && run.output.contains("  reason    token-rejected: "), "\(run.output)")
        // By default every token counts that the proxy has verified.
        #expect(try sandbox.ask(token: other).code == 0)
        #expect(try sandbox.ask(token: other, ["--jwt", "trust-proxy"]).code == 0)
      }
    }
  }

  @Test func `a missing token is denied only where it is required`() throws {
    try withSandbox { sandbox throws in
      let optional = try sandbox.ask(token: ["--no-token"], honored)
      #expect(optional.code == 1 && optional.output.contains("  reason    no-allow-matched: "), "\(optional.output)")
      let rule = ", presence: REQUIRED"
      let required = try sandbox.ask(rule: rule, token: ["--no-token"], honored)
      #expect(required.code == 1 && required.output.contains("  reason    token-required: "), "\(required.output)")
      #expect(try sandbox.ask(rule: rule, token: token("read"), honored).code == 0)
      let unknown = try sandbox.ask(token: [], honored)
      #expect(unknown.code == 3 && unknown.output.contains("  reason    unknown-claims: "), "\(unknown.output)")
    }
  }

  @Test func `a workload without RequestAuthentication has no tokens`() throws {
    try withSandbox { sandbox throws in
      let policy = try sandbox.write(
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: readers, namespace: shop}
        spec: {rules: [{when: [{key: "request.auth.claims[scopes]", values: [read]}]}]}

        """, to: "readers.yaml")
      let question =
        ["check", "--policies", policy, "--policies", Sandbox.shop + "/workloads.yaml", "--from", "shop/frontend-sa", "--to", "shop/db"]
        + token("read")
      #expect(try sandbox.portcullis(question).code == 0)
      #expect(try sandbox.portcullis(question + honored).code == 1)
    }
  }

  @Test func `claims that a rule splits at spaces are lists`() throws {
    try withSandbox { sandbox throws in
      let rule = ", spaceDelimitedClaims: [scopes]"
      for more in [[], honored] {
        #expect(try sandbox.ask(token: token("write read"), more).code == 1)
        #expect(try sandbox.ask(rule: rule, token: token("write read"), more).code == 0)
        #expect(try sandbox.ask(rule: rule, token: token("write reader"), more).code == 1)
      }
    }
  }

  @Test func `explain says what became of the token`() throws {
    try withSandbox { sandbox throws in
      let other = token("read", issuer: "https://other.example")
      let denied = try sandbox.ask("explain", token: other, honored)
      #expect(
        denied.output.contains("\ntoken     the request is denied before DENY and ALLOW policies (token-rejected)\n")
          && denied.output.contains("(the proxy never comes to these: the token is refused)"), "\(denied.output)")
      #expect(
        try sandbox.ask("explain", token: token("read"), honored).output.contains(
          "\ntoken     RequestAuthentication lets the request pass\n"))
      #expect(
        try sandbox.ask("explain", token: [], honored).output.contains(
          "\ntoken     whether the request passes is not known (unknown-claims)\n"))
      let trusting = try sandbox.ask("explain", token: other)
      #expect(!trusting.output.contains("\ntoken "), "\(trusting.output)")

      for (token, outcome, reason) in [
        (other, "deny", "token-rejected"), (token("read"), "pass", nil), ([], "undecided", "unknown-claims"),
      ] as [([String], String, String?)] {
        let found = try sandbox.ask("explain", token: token, honored + ["--output", "json"]).json()["token"] as? [String: Any]
        #expect(found?["outcome"] as? String == outcome && found?["reason"] as? String == reason, "\(String(describing: found))")
      }
      let silent = try sandbox.ask("explain", token: other, ["--output", "json"]).json()
      #expect(silent["token"] is NSNull)
    }
  }

  @Test func `lines of a file are read in the same way`() throws {
    try withSandbox { sandbox throws in
      let line =
        #"{"source": {"principal": null}, "destination": {"workload": "shop/backend"}, "http": {"method": "GET", "headers": [], "#
        + #""claims": {"iss": "https://other.example", "aud": "shop", "scopes": "read"}}}"#
      let requests = try sandbox.write(line, to: "requests.jsonl")
      _ = try sandbox.ask(token: [])
      let arguments = [
        "check", "--policies", sandbox.path("tokens.yaml"), "--policies", Sandbox.shop + "/workloads.yaml", "--requests", requests,
      ]
      #expect(try sandbox.portcullis(arguments).code == 0)
      let run = try sandbox.portcullis(arguments + honored)
      #expect(run.code == 1 && run.output.contains("  token-rejected  "), "\(run.output)\(run.errors)")
    }
  }
}
