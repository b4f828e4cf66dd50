// `--mesh-config` and `--lenient` as a person uses them, with `check` and with a server that runs.
// Enters: a MeshConfig, alone or in Istio's ConfigMap, and policies that Istio's webhook would refuse. Leaves: decisions, exit codes, the
// status. Never here: how a file is decoded.

internal import Foundation
internal import Glibc
internal import TestSupport
internal import Testing

private let plain = "trustDomain: prod.example\nrootNamespace: mesh-root\n"
private let configMap = """
  apiVersion: v1
  kind: ConfigMap
  metadata:
    name: istio
    namespace: istio-system
  data:
    meshNetworks: "networks: {}"
    mesh: |-
      accessLogFile: /dev/stdout
      trustDomain: prod.example
      rootNamespace: mesh-root

  """

extension Sandbox {
  /// Whether the frontend of a trust domain may call the backend of the shop.
  fileprivate func frontend(of domain: String, _ arguments: String...) throws -> Run {
    try portcullis(
      ["check", "--policies", Self.shop, "--from", "spiffe://\(domain)/ns/shop/sa/frontend-sa", "--to", "shop/backend", "--output", "json"]
        + arguments)
  }
}

@Suite struct `the settings of the mesh come from its own file` {
  @Test(arguments: [plain, configMap, #"{"trustDomain": "prod@example", "rootNamespace": "mesh-root"}"#])
  func `a MeshConfig, or the ConfigMap that holds it`(_ text: String) throws {
    try withSandbox { sandbox in
      let mesh = try sandbox.write(text, to: "mesh.yaml")
      #expect(try sandbox.frontend(of: "prod.example").code == 1)
      #expect(try sandbox.frontend(of: "cluster.local").code == 0)
      let given = try sandbox.frontend(of: "prod.example", "--mesh-config", mesh)
      #expect(given.code == 0 && given.errors.isEmpty, "\(given.errors)")
      #expect(try sandbox.frontend(of: "cluster.local", "--mesh-config", mesh).code == 1)
      let root = try sandbox.write(
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: nobody, namespace: mesh-root}
        spec: {action: DENY, rules: [{}]}

        """, to: "root/policy.yaml")
      #expect(try sandbox.frontend(of: "prod.example", "--mesh-config", mesh, "--policies", root).code == 1)
      #expect(try sandbox.frontend(of: "prod.example", "--mesh-config", mesh, "--policies", root, "--root-namespace", "other").code == 0)
    }
  }

  @Test func `an option wins over the file`() throws {
    try withSandbox { sandbox in
      let mesh = try sandbox.write(plain, to: "mesh.yaml")
      let flags = ["--mesh-config", mesh, "--trust-domain", "dev@example"]
      #expect(try sandbox.frontend(of: "prod.example", flags[0], flags[1], flags[2], flags[3]).code == 1)
      #expect(try sandbox.frontend(of: "dev.example", flags[0], flags[1], flags[2], flags[3]).code == 0)
    }
  }

  @Test func `a broken file is exit code 2, with its findings`() throws {
    try withSandbox { sandbox in
      let mesh = try sandbox.write("trustDomian: prod.example\n", to: "mesh.yaml")
      let missing = sandbox.path("nowhere.yaml")
      for verb in [
        ["check", "--to", "shop/backend"], ["serve", "--listen", "127.0.0.1:0"], ["export", "envoy-rbac", "--workload", "shop/backend"],
      ] {
        let run = try sandbox.portcullis(verb + ["--policies", Sandbox.shop, "--mesh-config", mesh])
        #expect(run.code == 2 && run.output.isEmpty)
        #expect(
          run.errors.hasPrefix("\(mesh):1:1: error: unknown field `trustDomian` in `MeshConfig` [field-unknown]\n")
            && run.errors.contains("did you mean `trustDomain`?"), "\(run.errors)")
        let gone = try sandbox.portcullis(verb + ["--policies", Sandbox.shop, "--mesh-config", missing])
        #expect(gone.code == 2 && gone.errors.contains("`\(missing)` cannot be read: No such file or directory"), "\(gone.errors)")
      }
    }
  }

  @Test func `a server follows the file, with its policies, and keeps the last good settings`() throws {
    try withSandbox { sandbox in
      let mesh = try sandbox.write("trustDomain: a.example\n", to: "mesh.yaml")
      let shop = try sandbox.shopCopy()
      let path = sandbox.path("status.json")
      let (server, _) = try sandbox.serve(
        "serve", "--policies", shop, "--mesh-config", mesh, "--root-namespace", "mesh-root", "--status-file", path)
      /// What `check` says of the same files is what the server has.
      func snapshot(_ extra: String...) throws -> String? {
        let run = try sandbox.portcullis(
          [
            "check", "--policies", shop, "--mesh-config", mesh, "--root-namespace", "mesh-root", "--to", "shop/backend", "--output", "json",
          ] + extra)
        return try run.json()["snapshot"] as? String
      }
      let first = try snapshot()
      _ = try sandbox.status(path) { $0["snapshot"] as? String == first && $0["current"] as? Bool == true }

      // An option still wins, so that only the trust domain changes.
      try sandbox.write("trustDomain: b.example\nrootNamespace: elsewhere\n", to: "mesh.yaml")
      let second = try snapshot()
      #expect(first != second)
      let changed = try sandbox.status(path) { $0["snapshot"] as? String == second }
      #expect(changed["current"] as? Bool == true && changed["generation"] as? Int == 1)

      // Broken: the last good settings stay, also for policies that change now.
      try sandbox.write("trustDomain: [c.example\n", to: "mesh.yaml")
      let bad = try sandbox.status(path) { $0["current"] as? Bool == false }
      let stale = bad["stale"] as? [[String: Any]] ?? []
      #expect(stale.map { $0["what"] as? String } == ["MeshConfig \(mesh)"] && bad["snapshot"] as? String == second, "\(bad)")
      try waitUntil("the log", detail: { server.errors }) {
        server.errors.contains("stale: the settings of \(mesh) keep their last good version: ")
      }
      #expect(server.errors.contains("\(mesh):1:13: error: ") || server.errors.contains("[yaml-syntax]"), "\(server.errors)")
      let text = try String(contentsOfFile: Sandbox.shop + "/policies.yaml", encoding: .utf8)
      try sandbox.write(text.replacingOccurrences(of: "frontend-sa", with: "other-sa"), to: "shop/policies.yaml")
      let renewed = try sandbox.status(path) { $0["generation"] as? Int == 2 }
      try sandbox.write("trustDomain: b.example\n", to: "mesh.yaml")
      let third = try snapshot()
      #expect(renewed["snapshot"] as? String == third && third != second && renewed["current"] as? Bool == false)
      _ = try sandbox.status(path) { $0["current"] as? Bool == true && $0["snapshot"] as? String == third }

      // Gone, and back with other settings.
      guard unsafe unlink(mesh) == 0 else { throw TestFailure("unlink: \(Errno())") }
      let gone = try sandbox.status(path) { $0["current"] as? Bool == false }
      #expect(gone["snapshot"] as? String == third)
      try sandbox.write("trustDomain: a.example\n", to: "mesh.yaml")
      let fourth = try snapshot()
      _ = try sandbox.status(path) { $0["current"] as? Bool == true && $0["snapshot"] as? String == fourth }
      server.send(signal: SIGTERM)
      #expect(try server.waitForEnd() == .exited(0))
    }
  }
}

@Suite struct `policies that Istio's webhook refuses` {
  /// A DENY rule whose only address is none: at run time it denies everybody.
  private static let policy = """
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: bad, namespace: shop}
    spec: {action: DENY, rules: [{from: [{source: {ipBlocks: [bad]}}]}]}

    """

  @Test func `are errors without --lenient, and decided with it`() throws {
    try withSandbox { sandbox in
      let path = try sandbox.write(Self.policy, to: "one/policy.yaml")
      let arguments = ["--policies", Sandbox.shop, "--policies", path]
      let question = ["--from", "shop/frontend-sa", "--to", "shop/backend", "--source-ip", "10.0.0.1"]
      let strict = try sandbox.portcullis(["check"] + arguments + question)
      #expect(strict.code == 2 && strict.output.isEmpty && strict.errors.contains("\(path):4:59: error: "), "\(strict.errors)")
      for verb in ["check", "explain"] {
        let run = try sandbox.portcullis([verb] + arguments + question + ["--lenient"])
        #expect(run.code == 1 && run.output.contains("ns[shop]-policy[bad]-rule[0]"), "\(run.output)\(run.errors)")
        #expect(
          run.errors.hasPrefix("\(path):4:59: warning: `bad` is neither") && run.errors.contains("covers MORE than it reads"),
          "\(run.errors)")
      }
      let export = try sandbox.portcullis(["export", "envoy-rbac", "--workload", "shop/backend", "--lenient"] + arguments)
      #expect(export.code == 0 && export.output.contains("ns[shop]-policy[bad]-rule[0]"), "\(export.errors)")
    }
  }

  @Test func `are followed by a server that is lenient`() throws {
    try withSandbox { sandbox in
      let shop = try sandbox.shopCopy()
      let path = sandbox.path("status.json")
      let (server, _) = try sandbox.serve("serve", "--policies", shop, "--lenient", "--status-file", path)
      try sandbox.write(Self.policy, to: "shop/bad.yaml")
      let status = try sandbox.status(path) { $0["policies"] as? Int == 3 }
      #expect(status["current"] as? Bool == true)
      try waitUntil("the warning", detail: { server.errors }) { server.errors.contains("bad.yaml:4:59: warning: ") }
    }
  }
}
