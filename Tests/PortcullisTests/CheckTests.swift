// `portcullis check` with one request: every way to say who calls, every attribute, every exit code.
// Enters: the shop, and policies of one rule. Leaves: what the command prints. Never here: the engine's own edge cases.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `check decides one request` {
  @Test func `the frontend may call the backend, and the rule is named`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.check("--from", "shop/frontend-sa", "--to", "shop/backend")
      #expect(run.code == 0 && run.errors.isEmpty)
      #expect(run.lines.first == "allow  shop/frontend-sa -> shop/backend")
      #expect(run.output.contains("  reason    allowed-by-policy: an ALLOW rule matched\n"))
      #expect(run.output.contains("  policy    ns[shop]-policy[backend-from-frontend]-rule[0] (ALLOW)\n"))
      #expect(run.output.contains("  at        \(Sandbox.shop)/policies.yaml:29:5\n"))
    }
  }

  @Test func `the frontend may not call the database`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.check("--from", "shop/frontend-sa", "--to", "shop/db")
      #expect(run.code == 1 && run.errors.isEmpty)
      #expect(run.lines.first == "deny  shop/frontend-sa -> shop/db")
      #expect(run.output.contains("  reason    no-allow-matched: ") && run.output.contains("  policy    none\n"))
    }
  }

  @Test func `who does not say who calls learns which option is missing`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.check("--to", "shop/backend")
      #expect(run.code == 3 && run.lines.first == "undecided  ? -> shop/backend")
      #expect(run.output.contains("  reason    unknown-peer: ") && run.output.contains("  = help: give `--from`; nothing is assumed\n"))
    }
  }

  @Test func `JSON has the documented shape, and the same exit code`() throws {
    try withSandbox { sandbox in
      let allowed = try sandbox.check("--from", "shop/frontend-sa", "--to", "shop/backend", "--output", "json")
      let answer = try allowed.json()
      #expect(allowed.code == 0 && allowed.lines.count == 1)
      #expect(answer.keys.sorted() == ["audit", "decision", "dry_run", "policy", "reason", "snapshot"])
      #expect(answer["decision"] as? String == "allow" && answer["reason"] as? String == "allowed-by-policy")
      #expect(answer["policy"] as? String == "ns[shop]-policy[backend-from-frontend]-rule[0]")
      let denied = try sandbox.check("--from", "shop/frontend-sa", "--to", "shop/db", "--output", "json")
      #expect(denied.code == 1)
      let denial = try denied.json()
      #expect(denial["decision"] as? String == "deny" && denial["policy"] as? String == "none")
      #expect(denial["snapshot"] as? String == answer["snapshot"] as? String)
      let undecided = try sandbox.check("--to", "shop/db", "--output", "json")
      let question = try undecided.json()
      #expect(undecided.code == 3 && question["decision"] as? String == "undecided")
    }
  }

  @Test func `names without a namespace take the one of --namespace`() throws {
    try withSandbox { sandbox in
      #expect(try sandbox.check("--namespace", "shop", "--from", "frontend-sa", "--to", "backend").code == 0)
      #expect(try sandbox.check("-n", "shop", "--from", "backend-sa", "--to", "backend").code == 1)
      let other = try sandbox.check("--from", "shop/frontend-sa", "--to", "backend")
      #expect(other.code == 2 && other.errors.hasPrefix("error: no workload `default/backend` in the given files\n  = help: "))
    }
  }
}

@Suite struct `check takes the caller in four forms` {
  @Test(
    arguments: [
      ("shop/frontend-sa", 0), ("spiffe://cluster.local/ns/shop/sa/frontend-sa", 0), ("spiffe://other.example/ns/shop/sa/frontend-sa", 1),
      ("shop/backend-sa", 1), ("anonymous", 1),
    ] as [(String, Int32)])
  func `a service account, a SPIFFE URI, or nobody`(_ from: String, _ code: Int32) throws {
    try withSandbox { sandbox in
      let run = try sandbox.check("--from", from, "--to", "shop/backend")
      #expect(run.code == code, "\(run.output)\(run.errors)")
    }
  }

  @Test func `an anonymous caller fails STRICT, not the policy`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.check("--from", "anonymous", "--to", "shop/backend")
      #expect(run.output.contains("  reason    mtls-required: "))
    }
  }

  @Test func `a certificate speaks by all its names`() throws {
    try withSandbox { sandbox in
      let authority = try IssuedCertificate(.authority("ca"))
      let frontend = "spiffe://cluster.local/ns/shop/sa/frontend-sa"
      for (name, order, code) in [
        ("frontend", CertificateOrder.leaf(frontend), 0), ("second", .leaf("spiffe://cluster.local/ns/shop/sa/backend-sa", frontend), 0),
        ("backend", .leaf("spiffe://cluster.local/ns/shop/sa/backend-sa"), 1),
      ] as [(String, CertificateOrder, Int32)] {
        let path = try sandbox.write(IssuedCertificate(order, signedBy: authority).pem, to: "\(name).pem")
        #expect(try sandbox.check("--from", path, "--to", "shop/backend").code == code, "\(name)")
      }
    }
  }

  @Test func `a misspelt path is not taken for a service account`() throws {
    try withSandbox { sandbox in
      // Without the rule that `.pem` is a file, `certs/front.pem` would be the account `front.pem`, which no DENY rule names.
      for from in ["certs/front.pem", "./front", "/nowhere/front.crt"] {
        let run = try sandbox.check("--from", from, "--to", "shop/backend")
        #expect(run.code == 2 && run.errors == "error: `\(from)` cannot be read: No such file or directory\n", "\(run.errors)")
      }
    }
  }

  @Test func `a file that is no certificate, and names that nobody has, are refused`() throws {
    try withSandbox { sandbox in
      let garbage = try sandbox.write("hello\n", to: "garbage.pem")
      let run = try sandbox.check("--from", garbage, "--to", "shop/backend")
      #expect(run.code == 2 && run.errors.hasPrefix("error: `\(garbage)` is not one certificate in PEM: "))
      #expect(run.errors.contains("\n  = help: "))
      for from in ["shop/*", "shop/", "/", "a/b/c", "Shop/frontend-sa", "", "SPIFFE://cluster.local/ns/shop/sa/x", "shop/a\nb"] {
        let run = try sandbox.check("--from", from, "--to", "shop/backend")
        #expect(run.code == 2 && run.errors.hasPrefix("error: "), "\(from): \(run.output)\(run.errors)")
      }
    }
  }
}

/// An attribute, a rule about it, arguments that satisfy the rule, arguments that do not, and the reason and help without any.
struct AttributeCase: Sendable, CustomTestStringConvertible {
  let rule: String
  let matching: [String]
  let other: [String]
  let reason: String
  let option: String

  var testDescription: String { reason }

  init(_ rule: String, _ matching: [String], _ other: [String], _ reason: String, _ option: String) {
    (self.rule, self.matching, self.other, self.reason, self.option) = (rule, matching, other, reason, option)
  }

  static let all: [AttributeCase] = [
    .init("[{to: [{operation: {methods: [GET]}}]}]", ["--method", "GET"], ["--method", "get"], "unknown-method", "`--method`"),
    .init("[{to: [{operation: {paths: [/a]}}]}]", ["--path", "/x/../a?q"], ["--path", "/b"], "unknown-path", "`--path`"),
    .init("[{to: [{operation: {hosts: [shop.example]}}]}]", ["--host", "SHOP.example"], ["--host", "x"], "unknown-host", "`--host`"),
    .init("[{to: [{operation: {ports: ['8080']}}]}]", ["--port", "8080"], ["--port", "80"], "unknown-port", "`--port`"),
    .init(
      "[{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]", ["--source-ip", "10.1.2.3"], ["--source-ip", "11.0.0.1"], "unknown-source-ip",
      "`--source-ip`"),
    .init(
      "[{from: [{source: {remoteIpBlocks: ['fd00::/8']}}]}]", ["--remote-ip", "fd00::1"], ["--remote-ip", "::1"], "unknown-remote-ip",
      "`--remote-ip`"),
    .init(
      "[{when: [{key: destination.ip, values: [10.0.0.1]}]}]", ["--destination-ip", "10.0.0.1"], ["--destination-ip", "10.0.0.2"],
      "unknown-destination-ip", "`--destination-ip`"),
    .init("[{when: [{key: connection.sni, values: [a.example]}]}]", ["--sni", "A.example"], ["--sni", ""], "unknown-sni", "`--sni`"),
    .init(
      "[{when: [{key: 'request.headers[x-role]', values: [admin]}]}]", ["--header", "X-Role=admin"], ["--no-headers"], "unknown-headers",
      "`--header NAME=VALUE`, or `--no-headers`"),
    .init(
      "[{when: [{key: 'request.auth.claims[a][b]', values: [c]}]}]", ["--claim", "[a][b]=c"], ["--no-token"], "unknown-claims",
      "`--claim NAME=VALUE`, or `--no-token`"),
    .init(
      "[{when: [{key: 'request.auth.claims[groups]', values: [dev]}]}]", ["--claim", "groups=ops", "--claim", "groups=dev"],
      ["--claim", "groups=ops"], "unknown-claims", "`--claim NAME=VALUE`, or `--no-token`"),
  ]
}

@Suite struct `check takes every attribute, and assumes none` {
  @Test(arguments: AttributeCase.all) func `it matches, it does not, and without it nothing is decided`(_ attribute: AttributeCase) throws {
    try withSandbox { sandbox in
      let rule = attribute.rule
      for (action, matching, other) in [("ALLOW", 0, 1), ("DENY", 1, 0)] as [(String, Int32, Int32)] {
        let run = { (arguments: [String]) in
          let policy = try sandbox.write(
            """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: only, namespace: shop}
            spec:
              selector: {matchLabels: {app: backend}}
              action: \(action)
              rules: \(rule)
            """, to: "one/policy.yaml")
          let paths = ["--policies", policy, "--policies", Sandbox.shop + "/workloads.yaml"]
          return try sandbox.portcullis(["check"] + paths + ["--from", "shop/frontend-sa", "--to", "shop/backend"] + arguments)
        }
        let (yes, no, unknown) = (try run(attribute.matching), try run(attribute.other), try run([]))
        #expect(yes.code == matching, "\(action) \(yes.output)\(yes.errors)")
        #expect(no.code == other, "\(action) \(no.output)\(no.errors)")
        #expect(unknown.code == 3 && unknown.output.contains("  reason    \(attribute.reason): "), "\(action) \(unknown.output)")
        #expect(unknown.output.contains("  = help: give \(attribute.option); nothing is assumed\n"))
      }
    }
  }

  @Test func `a TCP connection has no HTTP attributes, and a client that is its peer`() throws {
    try withSandbox { sandbox in
      let paths = "[{to: [{operation: {paths: [/a]}}]}]"
      #expect(try sandbox.check(rules: paths, "--tcp").code == 1)
      let remote = "[{from: [{source: {remoteIpBlocks: [10.0.0.0/8]}}]}]"
      #expect(try sandbox.check(rules: remote, "--tcp", "--source-ip", "10.0.0.1").code == 0)
      #expect(try sandbox.check(rules: remote, "--source-ip", "10.0.0.1").code == 3)
      let mixed = try sandbox.check("--to", "shop/db", "--tcp", "--path", "/")
      #expect(mixed.code == 2 && mixed.errors.hasPrefix("error: `--tcp` goes without `--method`, "))
    }
  }

  @Test(arguments: [
    (["--method", ""], "`--method` `` is no HTTP method"), (["--method", "GET /"], "`--method` `GET /` is no HTTP method"),
    (["--host", "a b"], "`--host` `a b` has a blank or a control character"),
    (["--path", "/a%00"], "the proxies answer 400 to the path `/a%00`, so that no policy decides about it"),
    (["--path", "a"], "the proxies answer 400 to the path `a`, so that no policy decides about it"),
    (["--header", "x-role =admin"], "`x-role ` is not the name of a header"),
    (["--header", "x-role:=a"], "`x-role:` is not the name of a header"),
    (["--header", "x= admin"], "the value ` admin` of the header `x` has blanks around it"),
    (["--header", "x=a\u{1}"], "the value of the header `x` has a control character"),
    (["--from", "spiffe://"], "`--from` `spiffe://` is no SPIFFE URI"),
    (
      ["--from", "spiffe://cluster.local/ns/shop/sa/frontend-sa "],
      "`--from` `spiffe://cluster.local/ns/shop/sa/frontend-sa ` is no SPIFFE URI"
    ),
  ]) func `what no proxy lets through is no request that a policy allows`(_ arguments: [String], _ problem: String) throws {
    try withSandbox { sandbox in
      let denied = "[{from: [{source: {namespaces: [nowhere]}}], to: [{operation: {methods: [PUT], ports: ['80']}}]}]"
      for verb in ["check", "explain"] {
        let policy = try sandbox.write(
          """
          apiVersion: security.istio.io/v1
          kind: AuthorizationPolicy
          metadata: {name: only, namespace: shop}
          spec: {action: DENY, rules: \(denied)}

          """, to: "one/policy.yaml")
        let words = [verb, "--policies", policy, "--policies", Sandbox.shop + "/workloads.yaml", "--to", "shop/backend"]
        let from = arguments.contains("--from") ? [] : ["--from", "anonymous"]
        let run = try sandbox.portcullis(words + from + arguments)
        #expect(run.code == 2 && run.output.isEmpty && run.errors.hasPrefix("error: \(problem)\n  = help: "), "\(run.output)\(run.errors)")
      }
    }
  }

  @Test func `names of HTTP/2 and inner blanks are headers`() throws {
    try withSandbox { sandbox in
      let rule = "[{when: [{key: 'request.headers[x]', values: ['a b']}, {key: 'request.headers[:scheme]', values: [https]}]}]"
      let run = try sandbox.check(rules: rule, "--header", "x=a b", "--header", ":scheme=https", "--header", "empty=")
      #expect(run.code == 0, "\(run.output)\(run.errors)")
    }
  }

  @Test func `an attribute written as a header is refused, because rules look for it elsewhere`() throws {
    try withSandbox { sandbox in
      for (header, option) in [(":method=GET", "--method"), (":path=/", "--path"), ("Host=x", "--host"), (":authority=x", "--host")] {
        let run = try sandbox.check("--to", "shop/db", "--header", header)
        #expect(run.code == 2 && run.errors.hasSuffix("  = help: write `\(option)`\n"), "\(run.errors)")
      }
    }
  }
}
