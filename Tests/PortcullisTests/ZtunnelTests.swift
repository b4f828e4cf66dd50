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
    let findings = """
      DENY policies: a match denies
        shop/no-posts  FILE:8:18
          rule 0 is not there: nothing is left of to[0] for ztunnel, and what is empty never matches: the
              rule has no effect  FILE:13:23
          rule 1 does not match  FILE:14:5
            to[0] ports  FILE:14:40
              is      `80`
              wanted  `9000`
            wider than written: ztunnel does not see `methods` in to[0]  FILE:14:23

      ALLOW policies: where there are any that are enforced, one of their rules must match
        shop/readers  FILE:18:18
          rule 0 does not match  FILE:21:5
            from[0] namespaces  FILE:21:22
              is      `spiffe://cluster.local/ns/other/sa/a`
              wanted  `shop`
          rule 1 is not there: ztunnel does not see `methods` in to[0], so Istio omits this ALLOW rule
              at FILE:22:23

      policies that ztunnel does not enforce
        shop/everywhere: ztunnel attaches a policy with `selector: {}` to nothing  FILE:31:18
        shop/watched: ztunnel knows neither CUSTOM nor AUDIT  FILE:26:18

      """
    // The file's name is of no fixed length, so only the words are compared, not where lines break.
    let shown = run.output.replacing(#/\/[^ :]*policies\.yaml/#, with: "FILE")
    func words(_ text: String) -> [Substring] { text.split { $0 == " " || $0 == "\n" }.filter { $0 != "at" } }
    #expect(words(shown).suffix(words(findings).count) == words(findings)[...], "\(run.output)")
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
