// `portcullis verify` as a person uses it: invariants by name and from files, what breaks them, and what is refused.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `portcullis verify` {
  static let workload = """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: NAME, namespace: shop}
    spec: {selector: {matchLabels: {app: NAME}}, template: {metadata: {labels: {app: NAME}}, spec: {serviceAccountName: NAME, containers: [{name: a, image: b}]}}}
    ---

    """

  static func invariant(_ spec: String, name: String = "one") -> String {
    "apiVersion: portcullis.dev/v1\nkind: Invariant\nmetadata: {name: \(name)}\nspec: \(spec)\n"
  }

  @Test func `by name`() throws {
    try withSandbox { sandbox in
      let changed = "examples/shop-change"
      let holds = try sandbox.portcullis("verify", "--policies", changed, "--invariant", "no-anonymous-access")
      #expect(holds.code == 0 && holds.lines == ["holds  no-anonymous-access  3 workloads"], "\(holds.output)")
      let crossing = try sandbox.portcullis("verify", "--policies", changed, "--invariant", "no-cross-namespace-access")
      #expect(crossing.code == 1)
      #expect(crossing.lines.first == "broken  no-cross-namespace-access  3 workloads")
      #expect(crossing.output.contains(#""principal":"spiffe://cluster.local/ns/web/sa/x""#), "\(crossing.output)")
      let covered = try sandbox.portcullis("verify", "--policies", changed, "--invariant", "every-workload-covered")
      #expect(covered.code == 1 && covered.output.contains("shop/deployment/frontend"))
      #expect(try sandbox.portcullis("verify", "--policies", changed).code == 2)
    }
  }

  @Test func `at least as strict as before`() throws {
    try withSandbox { sandbox in
      func verify(_ policies: String, since before: String) throws -> (code: Int32, output: String) {
        let run = try sandbox.portcullis("verify", "--policies", policies, "--invariant", "at-least-as-strict", "--before", before)
        return (run.code, run.output)
      }
      let wider = try verify("examples/shop-change", since: "examples/shop")
      #expect(wider.code == 1 && wider.output.hasPrefix("broken  at-least-as-strict  3 workloads\n  shop/deployment/backend  HTTP\n"))
      #expect(wider.output.contains("path  /api/*"))
      #expect(try verify("examples/shop", since: "examples/shop-change").code == 0)
      #expect(try sandbox.portcullis("verify", "--policies", Sandbox.shop, "--invariant", "at-least-as-strict").code == 2)
    }
  }

  @Test func `from a file: held by the shop, broken by the change, with a request and its explanation`() throws {
    try withSandbox { sandbox in
      let file = "examples/shop/invariants.yaml"
      let holds = try sandbox.portcullis("verify", "--policies", "examples/shop", "--invariants", file)
      #expect(holds.code == 0 && holds.lines.count == 2 && holds.lines.allSatisfy { $0.hasPrefix("holds") }, "\(holds.output)")
      let broken = try sandbox.portcullis("verify", "--policies", "examples/shop-change", "--invariants", file, "--output", "json")
      #expect(broken.code == 1)
      let all = try #require(try broken.json()["invariants"] as? [[String: Any]])
      #expect(all.map { $0["answer"] as? String } == ["broken", "holds"])
      let example = try #require((all[0]["counterexamples"] as? [[String: Any]])?.first)
      #expect((example["explanation"] as? String)?.contains("backend-from-frontend") == true)
      // `check` says the same of it.
      let line = String(decoding: try JSONSerialization.data(withJSONObject: try #require(example["witness"])), as: UTF8.self)
      let requests = try sandbox.write(line + "\n", to: "witness.jsonl")
      #expect(try sandbox.portcullis("check", "--policies", "examples/shop-change", "--requests", requests).code == 0)
    }
  }

  /// What each form of an invariant answers about `api`, which the account `web` may GET under `/a/`, and `ops` may call on port 9000.
  @Test(arguments: [
    ("{from: [{source: {notPrincipals: [\"*/sa/web\", \"*/sa/ops\"]}}], expect: deny}", 0),
    ("{from: [{source: {notPrincipals: [\"*/sa/web\"]}}], expect: deny}", 1),
    ("{from: [{source: {serviceAccounts: [shop/web]}}], to: [{operation: {methods: [GET], paths: [\"/a/*\"]}}], expect: allow}", 0),
    ("{from: [{source: {serviceAccounts: [shop/web]}}], to: [{operation: {methods: [GET], paths: [\"/a*\"]}}], expect: allow}", 1),
    ("{from: [{source: {serviceAccounts: [shop/web]}}], to: [{operation: {notMethods: [GET]}}], expect: deny}", 0),
    // Without a field of requests it is about connections too, where the rule for `web` is nothing.
    ("{from: [{source: {principals: [\"cluster.local/ns/shop/sa/ops\"]}}], to: [{operation: {ports: [\"9000\"]}}], expect: allow}", 0),
    ("{from: [{source: {principals: [\"cluster.local/ns/shop/sa/web\"]}}], chain: tcp, expect: deny}", 0),
    ("{from: [{source: {principals: [\"cluster.local/ns/shop/sa/web\"]}}], chain: http, expect: deny}", 1),
    ("{when: [{key: \"request.headers[x-test]\", values: [\"1\"]}], expect: deny}", 1),
    ("{destination: {selector: {matchLabels: {app: web}}}, expect: allow}", 0),
    ("{destination: {namespaces: [shop], workloads: [shop/deployment/api]}, expect: allow}", 1),
    // About nobody, and about no request: neither is a proof.
    ("{destination: {selector: {matchLabels: {app: nobody}}}, expect: deny}", 3),
    ("{destination: {namespaces: [shopp]}, expect: deny}", 3),
    ("{to: [{operation: {methods: [GET], notMethods: [GET]}}], expect: deny}", 3),
    ("{from: [{source: {trustDomains: [elsewhere]}}], expect: allow}", 3),
  ])
  func `what an invariant says`(_ spec: String, _ code: Int32) throws {
    try withSandbox { sandbox in
      let policies = """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: api, namespace: shop}
        spec:
          selector: {matchLabels: {app: api}}
          rules:
          - from: [{source: {principals: ["cluster.local/ns/shop/sa/web"]}}]
            to: [{operation: {methods: [GET], paths: ["/a/*"]}}]
          - from: [{source: {principals: ["cluster.local/ns/shop/sa/ops"]}}]
            to: [{operation: {ports: ["9000"]}}]
        ---

        """
      let own = spec.contains("destination") ? spec : "{destination: {workloads: [shop/api]}, " + spec.dropFirst()
      let all = ["api", "web"].map { Self.workload.replacingOccurrences(of: "NAME", with: $0) }.joined()
      let path = try sandbox.write(policies + all, to: "policies.yaml")
      let file = try sandbox.write(Self.invariant(own), to: "invariants.yaml")
      let run = try sandbox.portcullis("verify", "--policies", path, "--invariants", file)
      #expect(run.code == code, "\(spec): \(run.code) \(run.output)\(run.errors)")
    }
  }

  @Test(arguments: [
    ("spec: {expect: maybe}", "value-unknown"), ("spec: {from: [], expect: deny}", "empty-list"),
    ("spec: {from: [{source: {namespace: [a]}}], expect: deny}", "field-unknown"), ("spec: {}", "field-required"),
    ("spec: {from: [{source: {serviceAccounts: [web]}}], expect: deny}", "invariant-invalid"),
    ("spec: {destination: {namespaces: [\"*\"]}, expect: deny}", "invariant-invalid"),
    ("spec: {destination: {workloads: [api]}, expect: deny}", "invariant-invalid"),
    ("spec: {from: [{source: {ipBlocks: [10.0.0.0/33]}}], expect: deny}", "ip-invalid"),
    ("spec: {chain: tcp, to: [{operation: {methods: [GET]}}], expect: deny}", "field-conflict"),
    ("spec: {to: null, expect: deny}", "field-null"), ("rules: []", "field-unknown"),
  ])
  func `what is wrong in an invariant is refused with its place`(_ text: String, _ code: String) throws {
    try withSandbox { sandbox in
      let file = try sandbox.write(
        "apiVersion: portcullis.dev/v1\nkind: Invariant\nmetadata: {name: one}\n\(text)\n", to: "invariants.yaml")
      let run = try sandbox.portcullis("verify", "--policies", "examples/shop", "--invariants", file)
      #expect(run.code == 2 && run.errors.contains("[\(code)]"), "\(text): \(run.code) \(run.errors)")
      #expect(run.errors.contains("invariants.yaml:") && run.errors.contains("nothing is verified"), "\(run.errors)")
    }
  }

  @Test func `what a provider is asked about is neither allowed nor denied`() throws {
    try withSandbox { sandbox in
      let policies =
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ask, namespace: shop}\nspec: {action: CUSTOM, "
        + "provider: {name: other}, rules: [{to: [{operation: {methods: [GET]}}]}]}\n---\n"
      let path = try sandbox.write(policies + Self.workload.replacingOccurrences(of: "NAME", with: "api"), to: "policies.yaml")
      for expectation in ["allow", "deny"] {
        let file = try sandbox.write(Self.invariant("{to: [{operation: {methods: [GET]}}], expect: \(expectation)}"), to: "one.yaml")
        let run = try sandbox.portcullis("verify", "--policies", path, "--invariants", file)
        #expect(run.code == 1 && run.output.contains("      undecided  "), "\(run.output)\(run.errors)")
      }
    }
  }

  @Test func `a file without an invariant proves nothing`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis("verify", "--policies", "examples/shop", "--invariants", "examples/shop/tests.yaml")
      #expect(run.code == 2 && run.errors.contains("holds no invariant"), "\(run.errors)")
    }
  }

  @Test func `too little time is said, and proves nothing`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis(
        "verify", "--policies", "examples/shop", "--invariant", "no-anonymous-access", "--timeout", "0.000001")
      #expect(run.code == 3 && run.output.contains("not complete: the time was over"), "\(run.output)")
      let diff = try sandbox.portcullis("diff", "examples/shop", "examples/shop-change", "--timeout", "0.000001")
      #expect(diff.code == 3 && diff.output.contains("not complete: the time was over"), "\(diff.output)")
      let reach = try sandbox.portcullis("who-can", "--policies", "examples/shop", "--all", "--timeout", "0.000001")
      #expect(reach.code == 3 && reach.output.contains("not complete: the time was over"), "\(reach.output)")
    }
  }
}
