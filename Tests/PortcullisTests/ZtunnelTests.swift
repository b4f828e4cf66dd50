// `check` and `explain` with `--profile ztunnel`. Enters: policies and a workload. Leaves: what the command prints.
// Never here: every rule of ztunnel's; the corpus has those.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `Asking what ztunnel would decide` {
  private static let policies = """
    apiVersion: v1
    kind: Pod
    metadata: {name: web, namespace: shop, labels: {app: web}}
    spec: {containers: [{name: c, image: i}]}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: no-posts, namespace: shop}
    spec:
      action: DENY
      rules:
      - from: [{source: {namespaces: [other]}}]
        to: [{operation: {methods: [POST]}}]
      - to: [{operation: {methods: [POST], ports: ["9000"]}}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: readers, namespace: shop}
    spec:
      rules:
      - from: [{source: {namespaces: [shop]}}]
      - to: [{operation: {methods: [GET]}}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: watched, namespace: shop}
    spec: {action: AUDIT, rules: [{}]}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: everywhere, namespace: shop}
    spec: {selector: {}, action: DENY, rules: [{}]}

    """

  private static func ask(_ verb: String, _ arguments: String...) throws -> Run {
    try withSandbox { sandbox in
      let file = try sandbox.write(policies, to: "policies.yaml")
      return try sandbox.portcullis([verb, "--policies", file, "--to", "shop/web", "--profile", "ztunnel"] + arguments)
    }
  }

  @Test func `a rule that needs HTTP allows nobody, and an empty selector attaches to nothing`() throws {
    let friend = try Self.ask("check", "--from", "shop/a", "--port", "80")
    #expect(
      friend.code == 0 && friend.output.contains("  policy    ns[shop]-policy[readers]-rule[0] (ALLOW)\n"),
      "\(friend.output)\(friend.errors)")
    let stranger = try Self.ask("check", "--from", "other/a", "--port", "80", "--method", "GET")
    #expect(stranger.code == 1 && stranger.output.contains("  reason    no-allow-matched: "), "\(stranger.output)\(stranger.errors)")
  }

  @Test func `a rule that loses HTTP denies the port`() throws {
    let run = try Self.ask("check", "--from", "shop/a", "--port", "9000", "--method", "GET")
    #expect(run.code == 1 && run.output.contains("  policy    ns[shop]-policy[no-posts]-rule[1] (DENY)\n"), "\(run.output)\(run.errors)")
  }

  @Test func `who calls must be known, and must be of the mesh's own trust domain`() throws {
    let nobody = try Self.ask("check", "--port", "80")
    #expect(nobody.code == 3 && nobody.output.contains("  reason    unknown-peer: "), "\(nobody.output)")
    let foreigner = try Self.ask("check", "--from", "spiffe://old/ns/shop/sa/a", "--port", "80", "--trust-domain-alias", "old")
    #expect(foreigner.code == 1 && foreigner.output.contains("  reason    untrusted-domain: "), "\(foreigner.output)\(foreigner.errors)")
  }

  @Test func `explain names what ztunnel leaves out`() throws {
    let run = try Self.ask("explain", "--from", "other/a", "--port", "80")
    #expect(run.code == 1, "\(run.errors)")
    for line in [
      "  rule 0 is not there: nothing is left of to[0] for ztunnel, and what is empty never matches, so the rule has no effect",
      "    note: to[0]: ztunnel does not see `methods`, so the rule is wider than written",
      "  rule 1 is not there: ztunnel does not see `methods` in to[0], so Istio omits this ALLOW rule",
      "not enforced: shop/everywhere: ztunnel attaches a policy with `selector: {}` to nothing",
      "not enforced: shop/watched: ztunnel knows no action AUDIT",
      "    from[0]: source.namespace is `spiffe://cluster.local/ns/other/sa/a`, must be one of `shop`",
      "    to[0]: destination.port is 80, must be one of `9000`",
    ] {
      #expect(run.lines.contains { $0.hasPrefix(line) }, "\(line)\n\(run.output)")
    }
    #expect(run.output.components(separatedBy: "note: ").count == 2 && !run.output.contains("elsewhere"), "\(run.output)")
  }

  @Test func `lines of one file may ask for several kinds of proxy`() throws {
    try withSandbox { sandbox in
      let file = try sandbox.write(Self.policies, to: "policies.yaml")
      let lines = ["sidecar", "ztunnel", "sidecar"].map {
        #"{"source": {"principal": "spiffe://cluster.local/ns/shop/sa/a"}, "destination": {"workload": "shop/web", "port": 80, "profile": "\#($0)"}}"#
      }
      let requests = try sandbox.write(lines.joined(separator: "\n"), to: "requests.jsonl")
      let run = try sandbox.portcullis(["check", "--policies", file, "--requests", requests])
      // To a sidecar an empty selector is every workload, and `everywhere` denies.
      #expect(run.lines.map { $0.prefix { $0 != " " } } == ["deny", "allow", "deny"], "\(run.output)\(run.errors)")
    }
  }

  @Test func `there are no Envoy filters for ztunnel`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis(
        "export", "envoy-rbac", "--policies", Sandbox.shop, "--workload", "shop/backend", "--profile", "ztunnel")
      #expect(run.code == 2 && run.errors.contains("`--profile ztunnel` does not go here: ztunnel has no Envoy filters"), "\(run.errors)")
    }
  }
}
