// The trust domains whose peers mutual TLS takes, as a person asks about them: `--accepted-trust-domain`, `caCertificates`, and what
// `explain` and the export of native filters say.
// Enters: one policy for a namespace, peers of several domains. Leaves: answers and exit codes. Never here: a real handshake.

internal import TestSupport
internal import Testing

private let evil = "spiffe://evil.example/ns/bar/sa/x"

private func authentication(_ mode: String) -> String {
  """
  ---
  apiVersion: security.istio.io/v1
  kind: PeerAuthentication
  metadata: {name: mode, namespace: shop}
  spec: {mtls: {mode: \(mode)}}

  """
}

extension Sandbox {
  /// Asks about a workload that lets the namespace `bar` in.
  fileprivate func ask(_ verb: String, from peer: String, mode: String? = nil, _ arguments: [String] = []) throws -> Run {
    let policies = try write(
      """
      apiVersion: v1
      kind: Pod
      metadata: {name: backend, namespace: shop, labels: {app: backend}}
      ---
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {name: bar, namespace: shop}
      spec: {rules: [{from: [{source: {namespaces: [bar]}}]}]}

      """ + (mode.map(authentication) ?? ""), to: "policies.yaml")
    return try portcullis([verb, "--policies", policies, "--from", peer, "--to", "shop/backend"] + arguments)
  }
}

@Suite struct `the trust domain of a peer` {
  @Test(arguments: [nil, "PERMISSIVE", "DISABLE", "STRICT"])
  func `must be accepted in every mode, before any policy is asked`(_ mode: String?) throws {
    try withSandbox { sandbox in
      let refused = try sandbox.ask("check", from: evil, mode: mode)
      #expect(refused.code == 1 && refused.output.contains("untrusted-domain"), "\(refused.output)\(refused.errors)")
      #expect(try sandbox.ask("check", from: evil, mode: mode, ["--accepted-trust-domain", "evil.example"]).code == 0)
      #expect(try sandbox.ask("check", from: evil, mode: mode, ["--trust-domain-alias", "evil.example"]).code == 0)
      #expect(try sandbox.ask("check", from: evil, mode: mode, ["--trust-domain", "evil.example"]).code == 0)
      #expect(try sandbox.ask("check", from: evil, mode: mode, ["--profile", "gateway"]).code == 0)
      #expect(try sandbox.ask("check", from: "bar/x", mode: mode).code == 0)
    }
  }

  @Test func `may be any of several, named one by one or by the mesh's file, over which an option wins`() throws {
    try withSandbox { sandbox in
      let two = ["--accepted-trust-domain", "other.example", "--accepted-trust-domain=evil.example"]
      #expect(try sandbox.ask("check", from: evil, two).code == 0)
      let mesh = try sandbox.write(
        "caCertificates: [{pem: x}, {pem: y, trustDomains: [other.example, evil.example]}]\n", to: "mesh.yaml")
      #expect(try sandbox.ask("check", from: evil, ["--mesh-config", mesh]).code == 0)
      let won = try sandbox.ask("check", from: evil, ["--mesh-config", mesh, "--accepted-trust-domain", "other.example"])
      #expect(won.code == 1 && won.output.contains("untrusted-domain"), "\(won.output)\(won.errors)")
      // Replicas with other accepted domains are seen to differ.
      func snapshot(_ arguments: [String]) throws -> String? {
        try sandbox.ask("check", from: evil, arguments + ["--output", "json"]).json()["snapshot"] as? String
      }
      #expect(try snapshot([]) != snapshot(two))
      let none = try sandbox.write("{}", to: "none.yaml")
      #expect(try snapshot(["--mesh-config", mesh]) == snapshot(["--mesh-config", none] + two))
    }
  }

  @Test func `of the mesh is not meant by one that is only accepted`() throws {
    try withSandbox { sandbox in
      let principals = "[{from: [{source: {principals: [\"cluster.local/ns/bar/sa/x\"]}}]}]"
      let accepted = try sandbox.check(rules: principals, "--from", evil, "--accepted-trust-domain", "evil.example")
      #expect(accepted.code == 1 && accepted.output.contains("no-allow-matched"), "\(accepted.output)\(accepted.errors)")
      #expect(
        try sandbox.check(rules: principals, "--from", evil, "--trust-domain-alias", "evil.example").code == 0)
    }
  }

  @Test(arguments: ["spiffe://evil.example", "evil.example/ns", "*", "evil example"])
  func `is refused when it can be none`(_ domain: String) throws {
    try withSandbox { sandbox in
      let run = try sandbox.ask("check", from: evil, ["--accepted-trust-domain=\(domain)"])
      #expect(run.code == 2 && run.output.isEmpty && run.errors.hasPrefix("error: `\(domain)` is "), "\(run.output)\(run.errors)")
    }
  }

  @Test func `is what explain names`() throws {
    try withSandbox { sandbox in
      let text = try sandbox.ask("explain", from: evil)
      #expect(
        text.code == 1
          && text.output.contains("mTLS      PERMISSIVE by default: no mode takes a peer of this trust domain (untrusted-domain)\n")
          && text.output.contains("(the proxy never comes to these: mutual TLS takes no such peer)"), "\(text.output)\(text.errors)")
      let json = try sandbox.ask("explain", from: evil, mode: "DISABLE", ["--output", "json"]).json()
      let mode = json["server_mode"] as? [String: Any]
      #expect(mode?["mode"] as? String == "DISABLE" && mode?["outcome"] as? String == "deny")
      #expect(mode?["reason"] as? String == "untrusted-domain" && json["agrees"] as? Bool == true)
    }
  }

  @Test func `is left to the TLS context by native filters, which say so`() throws {
    try withSandbox { sandbox in
      let words = ["export", "envoy-rbac", "--policies", Sandbox.shop, "--workload", "shop/backend"]
      let sidecar = try sandbox.portcullis(words)
      #expect(
        sidecar.code == 0 && sidecar.output.contains("The listener's TLS context has to demand it (Istio's does)"), "\(sidecar.errors)")
      let gateway = try sandbox.portcullis(words + ["--profile", "gateway"])
      #expect(gateway.code == 0 && !gateway.output.contains("trust domain"), "\(gateway.output)\(gateway.errors)")
    }
  }
}
