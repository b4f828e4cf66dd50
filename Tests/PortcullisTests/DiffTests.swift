// `portcullis diff` and `who-can` as a person uses them: what is printed, what it exits with, and that `check` confirms every witness.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `portcullis diff` {
  /// The shop with one more rule for its backend.
  static func changedShop(_ sandbox: Sandbox) throws -> String {
    let shop = Sandbox.shop
    let policies = try String(contentsOfFile: shop + "/policies.yaml", encoding: .utf8)
    let workloads = try String(contentsOfFile: shop + "/workloads.yaml", encoding: .utf8)
    let changed = policies.replacingOccurrences(
      of: "principals: [\"cluster.local/ns/shop/sa/frontend-sa\"]\n",
      with: """
        principals: ["cluster.local/ns/shop/sa/frontend-sa"]
          - from:
            - source:
                namespaces: ["web"]
            to:
            - operation:
                methods: ["GET"]
                paths: ["/api/*"]

        """)
    let path = try sandbox.write(changed, to: "changed/policies.yaml")
    _ = try sandbox.write(workloads, to: "changed/workloads.yaml")
    return URL(fileURLWithPath: path).deletingLastPathComponent().path
  }

  @Test func `a rule more is one region that is newly allowed, in the policies' own words`() throws {
    try withSandbox { sandbox in
      let changed = try Self.changedShop(sandbox)
      let run = try sandbox.portcullis("diff", Sandbox.shop, changed)
      #expect(run.code == 1)
      #expect(run.lines.first == "newly allowed  shop/deployment/backend  HTTP")
      #expect(run.output.contains("  source      namespace web\n  method      GET\n  path        /api/*\n"))
      #expect(run.output.contains("1 region changed, of 1 of 3 workloads"))
      #expect(run.output.contains("policies.yaml:33:5"))
    }
  }

  @Test func `check confirms the witness on both sides`() throws {
    try withSandbox { sandbox in
      let changed = try Self.changedShop(sandbox)
      let report = try sandbox.portcullis("diff", Sandbox.shop, changed, "--output", "json").json()
      let changes = try #require(report["changes"] as? [[String: Any]])
      let regions = try #require(changes.first?["regions"] as? [[String: Any]])
      let witness = try #require(regions.first?["witness"])
      let line = String(decoding: try JSONSerialization.data(withJSONObject: witness), as: UTF8.self)
      let file = try sandbox.write(line + "\n", to: "witness.jsonl")
      #expect(try sandbox.portcullis("check", "--policies", Sandbox.shop, "--requests", file).code == 1)
      #expect(try sandbox.portcullis("check", "--policies", changed, "--requests", file).code == 0)
    }
  }

  @Test func `the same set changes nothing, and a tightened one fails no build that asks for newly allowed`() throws {
    try withSandbox { sandbox in
      let changed = try Self.changedShop(sandbox)
      #expect(try sandbox.portcullis("diff", Sandbox.shop, Sandbox.shop).code == 0)
      #expect(try sandbox.portcullis("diff", changed, Sandbox.shop).code == 1)
      #expect(try sandbox.portcullis("diff", changed, Sandbox.shop, "--fail-on", "newly-allowed").code == 0)
      #expect(try sandbox.portcullis("diff", Sandbox.shop, changed, "--to", "shop/db").code == 0)
      #expect(try sandbox.portcullis("diff", Sandbox.shop, changed, "--to", "shop/nobody").code == 2)
      #expect(try sandbox.portcullis("diff", Sandbox.shop, sandbox.path("nowhere")).code == 2)
      #expect(try sandbox.portcullis("diff", "git:--output=x:y", changed).code == 2)
    }
  }

  @Test func `markdown for a pull request holds no markup of a policy`() throws {
    try withSandbox { sandbox in
      let changed = try Self.changedShop(sandbox)
      let run = try sandbox.portcullis("diff", Sandbox.shop, changed, "--output", "markdown")
      #expect(run.output.contains("### newly allowed: shop/deployment/backend (HTTP)"))
      #expect(run.output.contains("path /api/\\*"))
    }
  }

  @Test func `who-can names the callers and the rule`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis("who-can", "--policies", Sandbox.shop, "--to", "shop/backend")
      #expect(run.code == 0)
      #expect(
        run.output.contains("  source      principal cluster.local/ns/shop/sa/frontend-sa\n    among them  shop/deployment/frontend\n"))
      #expect(try sandbox.portcullis("who-can", "--policies", Sandbox.shop, "--to", "shop/backend", "--from", "shop/db").code == 1)
    }
  }

  @Test func `who has no proxy shows no identity, and is no caller by his account`() throws {
    try withSandbox { sandbox in
      typealias World = `A comparison that does not see everything says so`
      let set =
        World.workload("api") + World.workload("in") + World.workload("out", "app: out, sidecar.istio.io/inject: \"false\"")
        + World.policy(
          "allow",
          "{selector: {matchLabels: {app: api}}, rules: [{from: [{source: {principals: [\"cluster.local/ns/shop/sa/default\"]}}]}]}")
      let path = try sandbox.write(set, to: "all.yaml")
      let run = try sandbox.portcullis("who-can", "--policies", path, "--to", "shop/api")
      #expect(run.output.contains("    among them  shop/deployment/api, shop/deployment/in\n"), "\(run.output)")
      #expect(try sandbox.portcullis("who-can", "--policies", path, "--from", "shop/out").output.contains("api") == false)
      // Whom mutual TLS refuses is no caller, whatever the policies say.
      let open =
        World.workload("api") + World.workload("out", "app: out, sidecar.istio.io/inject: \"false\"") + World.allow
        + World.policy("strict", "{mtls: {mode: STRICT}}", kind: "PeerAuthentication")
      let strict = try sandbox.write(open, to: "strict.yaml")
      let who = try sandbox.portcullis("who-can", "--policies", strict, "--to", "shop/api")
      #expect(who.output.contains("    among them  shop/deployment/api\n") && !who.output.contains("deployment/out"), "\(who.output)")
    }
  }

  @Test func `JSON is what the schemas say`() throws {
    try withSandbox { sandbox in
      let changed = try Self.changedShop(sandbox)
      let diff = try sandbox.portcullis("diff", Sandbox.shop, changed, "--output", "json").output
      let reach = try sandbox.portcullis("who-can", "--policies", changed, "--all", "--output", "json").output
      let proof = try sandbox.portcullis(
        "verify", "--policies", changed, "--invariants", "examples/shop/invariants.yaml", "--invariant", "every-workload-covered",
        "--output",
        "json"
      ).output
      for (name, output) in [("diff", diff), ("who-can", reach), ("verify", proof)] {
        let file = try sandbox.write(output, to: "\(name).json")
        let program = """
          import json, sys
          from jsonschema import Draft202012Validator as V
          errors = list(V(json.load(open(sys.argv[1]))).iter_errors(json.load(open(sys.argv[2]))))
          print(errors)
          sys.exit(1 if errors else 0)
          """
        let schema = Programs.project() + "/docs/schemas/\(name).json"
        let run = try sandbox.run("/usr/bin/python3", ["-c", program, schema, file])
        #expect(run.end == .exited(0), "\(run.output) \(run.errors)")
      }
    }
  }
}
