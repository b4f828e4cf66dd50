// CUSTOM policies and the providers of a MeshConfig, as a person asks about them.
// Enters: policies that ask a provider, and a mesh that knows it or does not. Leaves: decisions and explanations.
// Never here: a provider that is asked; the real ones are the proxy's.

internal import Foundation
internal import TestSupport
internal import Testing

private let mesh = """
  extensionProviders:
  - name: opa
    envoyExtAuthzGrpc: {service: opa.opa.svc.cluster.local, port: 9191}
  - name: web
    envoyExtAuthzHttp: {service: web.opa.svc.cluster.local, port: 80}
  - name: broken
    envoyExtAuthzGrpc: {service: opa.opa.svc.cluster.local, port: 99999}
  - name: log
    zipkin: {service: zipkin.istio-system.svc.cluster.local, port: 9411}

  """

extension Sandbox {
  /// Asks about the shop's backend, whose requests to port 8080 go to these providers.
  fileprivate func ask(_ providers: [String], verb: String = "check", knowsProviders: Bool = true, _ more: String...) throws -> Run {
    try ask(providers, verb: verb, knowsProviders: knowsProviders, with: more)
  }

  fileprivate func ask(_ providers: [String], verb: String, knowsProviders: Bool = true, with more: [String]) throws -> Run {
    let policies = providers.map { provider in
      """
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {name: ask-\(provider), namespace: shop}
      spec: {action: CUSTOM, provider: {name: \(provider)}, rules: [{to: [{operation: {ports: ["8080"]}}]}]}

      """
    }
    let path = try write(policies.joined(separator: "---\n"), to: "custom.yaml")
    let settings = knowsProviders ? ["--mesh-config", try write(mesh, to: "mesh.yaml")] : []
    return try portcullis(
      [verb, "--policies", path, "--policies", Self.shop + "/workloads.yaml", "--from", "shop/frontend-sa", "--to", "shop/backend"]
        + ["--port", "8080"] + settings + more)
  }
}

@Suite struct `a CUSTOM rule that matches` {
  @Test(arguments: ["opa", "web"]) func `is undecided, for its provider's answer is not known`(_ provider: String) throws {
    try withSandbox { sandbox throws in
      let run = try sandbox.ask([provider])
      #expect(run.code == 3 && run.output.contains("  reason    custom-provider: "), "\(run.output)\(run.errors)")
      #expect(try sandbox.ask([provider], "--custom-delegated", provider).code == 0)
      #expect(try sandbox.ask([provider], "--provider-name", provider).code == 0)
    }
  }

  @Test(arguments: ["broken", "log", "nowhere"])
  func `denies where the provider is broken, is of another kind, or is not defined`(_ provider: String) throws {
    try withSandbox { sandbox throws in
      for chain in ["--no-headers", "--tcp"] {
        let run = try sandbox.ask([provider], chain)
        #expect(run.code == 1 && run.output.contains("  reason    custom-provider-unusable: "), "\(run.output)")
        #expect(run.output.contains("  policy    ns[shop]-policy[ask-\(provider)]-rule[0] (CUSTOM)\n"))
      }
      let explained = try sandbox.ask([provider], verb: "explain")
      #expect(explained.output.contains("(the provider is missing or broken: a match denies)"), "\(explained.output)")
      #expect(explained.output.contains("    rule 0 MATCHES, and denies"))
      #expect(try sandbox.effects([provider]) == ["unusable"])
      // Where nobody said which providers there are, none is missing.
      #expect(try sandbox.ask([provider], knowsProviders: false).code == 3)
    }
  }

  @Test func `is skipped on TCP where the provider speaks HTTP`() throws {
    try withSandbox { sandbox throws in
      #expect(try sandbox.ask(["web"], "--tcp").code == 0)
      #expect(try sandbox.ask(["opa"], "--tcp").code == 3)
      let explained = try sandbox.ask(["web"], verb: "explain", "--tcp")
      #expect(explained.output.contains("(the provider speaks HTTP: skipped on TCP connections)"), "\(explained.output)")
      #expect(try sandbox.effects(["web"], "--tcp") == ["skipped"])
    }
  }

  @Test func `denies where one workload has several providers, unless the control plane allows that`() throws {
    try withSandbox { sandbox throws in
      let both = ["opa", "web"]
      #expect(try sandbox.ask(both).output.contains("  reason    custom-provider-unusable: "))
      #expect(try sandbox.ask(both, "--custom-delegated", "opa", "--custom-delegated", "web").code == 1)
      let flag = "--several-custom-providers"
      #expect(try sandbox.ask(both, flag).output.contains("  policy    ns[shop]-policy[ask-opa]-rule[0] (CUSTOM)\n"))
      let rest = try sandbox.ask(both, flag, "--custom-delegated", "opa")
      #expect(rest.code == 3 && rest.output.contains("  policy    ns[shop]-policy[ask-web]-rule[0] (CUSTOM)\n"), "\(rest.output)")
      #expect(try sandbox.ask(both, flag, "--custom-delegated", "opa", "--provider-name", "web").code == 0)
      let explained = try sandbox.ask(both, verb: "explain")
      #expect(explained.output.contains("(several providers for one workload: a match denies)"), "\(explained.output)")
      #expect(try sandbox.effects(both) == ["several", "several"])
      #expect(try sandbox.effects(both, flag) == ["asked", "asked"])
      #expect(try sandbox.effects(both, flag, "--custom-delegated", "opa") == ["delegated", "asked"])
    }
  }
}

extension Sandbox {
  /// The `effect` of each policy in the JSON of `explain`.
  fileprivate func effects(_ providers: [String], _ more: String...) throws -> [String?] {
    let run = try ask(providers, verb: "explain", with: more + ["--output", "json"])
    return (try run.json()["policies"] as? [[String: Any]] ?? []).map { $0["effect"] as? String }
  }
}
