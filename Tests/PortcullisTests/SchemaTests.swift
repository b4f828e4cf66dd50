// `--output json` of every verb is what docs/schemas says, and the schemas refuse what it is not.
// Enters: real output. Leaves: the complaints of a validator. Never here: what the answers mean.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `JSON output has a schema` {
  /// Requests that see all that an explanation can hold, as far as one set of policies can show it.
  private static let requests = """
    {"source":{"principal":"spiffe://cluster.local/ns/shop/sa/frontend-sa","address":"10.0.0.1"},"destination":{"workload":"shop/backend","port":8080},"http":{"method":"GET","host":"b","path":"/a?b","headers":[["x-a","b"]],"claims":null}}
    {"source":{"principal":null},"destination":{"workload":"shop/backend"},"http":{}}
    {"destination":{"workload":"shop/backend"},"http":{"claims":{"iss":"me","sub":"you","group":["a"]}}}
    {"source":{"identities":{"uri":[{"base64":"/w=="}],"dns":["d"],"subject":"CN=x"}},"destination":{"workload":"shop/backend","port":5432}}
    {"source":{"principal":"spiffe://cluster.local/ns/shop/sa/Frontend-sa"},"destination":{"workload":"shop/db","profile":"ztunnel","port":5432}}
    {"source":{"principal":"spiffe://cluster.local/ns/shop/sa/x"},"destination":{"workload":"shop/backend","profile":"gateway"},"http":{"method":"POST","path":"/admin","headers":[]}}

    """

  private static let policies = """
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: allow, namespace: shop}
    spec:
      rules:
      - from: [{source: {principals: ["cluster.local/ns/shop/sa/frontend-sa"], notNamespaces: [other]}}]
        to: [{operation: {methods: [GET, PUT], paths: ["/a", "/b/*"], notPorts: ["9090"]}}]
        when: [{key: "request.headers[x-a]", values: [b]}, {key: "request.auth.claims[group]", notValues: [z]}]
      - from: [{source: {requestPrincipals: ["*"], ipBlocks: [10.0.0.0/8]}}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: deny, namespace: shop, annotations: {"istio.io/dry-run": "true"}}
    spec: {action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: audit, namespace: shop}
    spec: {action: AUDIT, rules: [{}]}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: custom, namespace: shop}
    spec: {action: CUSTOM, provider: {name: opa}, rules: [{to: [{operation: {paths: [/a]}}]}]}
    ---
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: jwt, namespace: shop}
    spec: {jwtRules: [{issuer: me, jwksUri: "https://example.com/keys"}]}

    """

  @Test(arguments: ["check", "explain"])
  func `of a decision and of its explanation`(_ verb: String) throws {
    try withSandbox { sandbox in
      let requests = try sandbox.write(Self.requests, to: "requests.jsonl")
      let policies = try sandbox.write(Self.policies, to: "more/policies.yaml")
      for sources in [["--policies", Sandbox.shop], ["--policies", Sandbox.shop, "--policies", policies]] {
        for jwt in ["trust-proxy", "request-authentication"] {
          let run = try sandbox.portcullis([verb] + sources + ["--requests", requests, "--output", "json", "--jwt", jwt])
          #expect(run.lines.count == 6, "\(run.errors)")
          let complaints = try sandbox.schemaComplaints(verb, run.output)
          #expect(complaints.isEmpty, "\(complaints)")
        }
      }
    }
  }

  @Test func `of a certificate`() throws {
    try withSandbox { sandbox in
      var order = CertificateOrder.leaf("spiffe://cluster.local/ns/shop/sa/frontend-sa", dns: ["frontend.shop"])
      order.subject = [("O", "acme")]
      let authority = try IssuedCertificate(.authority("ca"))
      let (leaf, ca) = (
        try sandbox.write(IssuedCertificate(order, signedBy: authority).pem, to: "leaf.pem"), try sandbox.write(authority.pem, to: "ca.pem")
      )
      for words in [[leaf], [ca], [leaf, "--trust-bundle", "cluster.local=\(ca)"], [leaf, "--trust-bundle", "other.example=\(ca)"]] {
        let run = try sandbox.portcullis(["certificate"] + words + ["--output", "json"])
        let complaints = try sandbox.schemaComplaints("certificate", run.output)
        #expect(complaints.isEmpty, "\(complaints)")
      }
    }
  }

  @Test func `of policy tests`() throws {
    try withSandbox { sandbox in
      let cases = "  - {name: a, from: shop/frontend-sa, to: shop/backend, expect: deny, by: none}\n  - {to: shop/db, expect: undecided}"
      for arguments in [[], ["--coverage"]] {
        let run = try sandbox.test(cases, ["--output", "json"] + arguments)
        #expect(run.code == 1 && run.lines.count == 1, "\(run.errors)")
        let complaints = try sandbox.schemaComplaints("test", run.output)
        #expect(complaints.isEmpty, "\(complaints)")
      }
    }
  }

  @Test func `of a replay`() throws {
    try withSandbox { sandbox in
      let log = try sandbox.write(ReplayVerbTests.log, to: "access.log")
      let other = try sandbox.write("", to: "none.yaml")
      for arguments in [[], ["--against", Sandbox.shop + "/workloads.yaml", "--against", other, "--allow-empty"]] {
        let run = try sandbox.portcullis(["replay", "--policies", Sandbox.shop, log, "--output", "json"] + arguments)
        #expect(run.code == 1 && run.lines.count == 1, "\(run.errors)")
        let complaints = try sandbox.schemaComplaints("replay", run.output)
        #expect(complaints.isEmpty, "\(complaints)")
      }
    }
  }

  @Test func `and the schemas refuse what it is not`() throws {
    try withSandbox { sandbox in
      for name in ["check", "explain", "certificate", "test", "replay"] {
        for wrong in ["{}", "[]", #"{"decision":"allow"}"#] {
          #expect(try !sandbox.schemaComplaints(name, wrong).isEmpty, "\(name): \(wrong)")
        }
      }
      let good = try sandbox.check("--from", "shop/frontend-sa", "--to", "shop/backend", "--output", "json").output
      #expect(try sandbox.schemaComplaints("check", good).isEmpty)
      for (old, new) in [(#""allow""#, #""allowed""#), (#""reason":"#, #""reasons":"#), (#""audit":[]"#, #""audit":null"#)] {
        #expect(try !sandbox.schemaComplaints("check", good.replacing(old, with: new)).isEmpty, "\(new)")
      }
    }
  }
}
