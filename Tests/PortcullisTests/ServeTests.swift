// `portcullis serve` as a process: how it starts, what it says, how it stops, what its status file tells.
// Enters: policies, signals, ports. Leaves: exit codes, `ready`, the status. Never here: questions of a proxy; the end-to-end tests ask those.

internal import Foundation
internal import Glibc
internal import TestSupport
internal import Testing

extension Sandbox {
  /// Starts a server and waits until it is ready; returns it and the port of its first listener.
  func serve(_ name: String = "serve", listen: String = "127.0.0.1:0", _ arguments: String...) throws -> (ChildProcess, UInt16) {
    let server = try start(name, Programs.portcullis(), ["serve", "--listen", listen] + arguments, isLog: false)
    try waitUntil("ready", detail: { server.log }) {
      if !server.isRunning { throw TestFailure("it ended: \(server.log)", isFinal: true) }
      return server.output.hasPrefix("ready: listening on ") && server.output.hasSuffix("\n")
    }
    let port = server.output.split(separator: "\n").first?.split(separator: ":").last.flatMap { UInt16($0) }
    return (server, port ?? 0)
  }

  /// The status file, when it holds what `condition` wants.
  func status(_ path: String, until condition: ([String: Any]) -> Bool) throws -> [String: Any] {
    var last: [String: Any] = [:]
    try waitUntil("the status", detail: { "\(last)" }) {
      last = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any] ?? [:]
      return condition(last)
    }
    return last
  }

  /// A directory with the shop, to be edited.
  func shopCopy() throws -> String {
    for name in ["policies.yaml", "workloads.yaml"] {
      try write(String(contentsOfFile: Self.shop + "/\(name)", encoding: .utf8), to: "shop/\(name)")
    }
    return path("shop")
  }
}

@Suite struct `serve starts and stops` {
  @Test(arguments: [SIGTERM, SIGINT]) func `it says where it listens, and a signal ends it with exit code 0`(_ signal: Int32) throws {
    try withSandbox { sandbox in
      let (server, port) = try sandbox.serve("serve", "--policies", Sandbox.shop)
      #expect(port > 0 && server.output == "ready: listening on 127.0.0.1:\(port)\n")
      _ = try Connection(port: port)
      server.send(signal: signal)
      #expect(try server.waitForEnd() == .exited(0))
      #expect(server.errors.contains("stopped") && isRefused(port))
    }
  }

  @Test func `every listener is named, and a unix socket is gone afterwards`() throws {
    try withSandbox { sandbox in
      let socket = sandbox.path("engine.sock")
      let (server, _) = try sandbox.serve("serve", "--listen", "unix:\(socket)", "--policies", Sandbox.shop)
      try waitUntil("both lines") { server.output.split(separator: "\n").count == 2 }
      #expect(server.output.hasSuffix("\nready: listening on unix:\(socket)\n"))
      #expect(FileManager.default.fileExists(atPath: socket))
      server.send(signal: SIGTERM)
      #expect(try server.waitForEnd() == .exited(0))
      #expect(!FileManager.default.fileExists(atPath: socket))
    }
  }

  @Test func `a successor may listen on the same port; a port where somebody listens is refused otherwise`() throws {
    try withSandbox { sandbox in
      let (first, port) = try sandbox.serve("first", "--policies", Sandbox.shop)
      let (second, samePort) = try sandbox.serve("second", listen: "127.0.0.1:\(port)", "--policies", Sandbox.shop, "--take-over")
      #expect(port == samePort)
      first.send(signal: SIGTERM)
      #expect(try first.waitForEnd() == .exited(0))
      _ = try Connection(port: port)
      #expect(second.isRunning)
      let taken = try ListeningSocket(port: Ports.free())
      for busy in [taken.port, port] {
        let run = try sandbox.portcullis("serve", "--policies", Sandbox.shop, "--listen", "127.0.0.1:\(busy)")
        #expect(run.code == 2 && run.output.isEmpty)
        #expect(
          run.errors.hasSuffix(
            "error: cannot listen on `127.0.0.1:\(busy)`: another process listens there\n"
              + "  = help: name a free address with `--listen`; a successor of a running server needs `--take-over`\n"), "\(run.errors)")
      }
    }
  }

  @Test func `a pinned workload must exist, and an empty set must be meant`() throws {
    try withSandbox { sandbox in
      let unknown = try sandbox.portcullis("serve", "--policies", Sandbox.shop, "--workload", "shop/nobody", "--listen", "127.0.0.1:0")
      #expect(unknown.code == 2 && unknown.errors.hasPrefix("error: no workload `shop/nobody` in the given files\n"), "\(unknown.errors)")
      // A waypoint's pods are made by its controller: often its Gateway is all that the files hold.
      let gateway = try sandbox.write(
        """
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: wp, namespace: shop}
        spec: {gatewayClassName: istio-waypoint}

        """, to: "gateway.yaml")
      let (waypoint, _) = try sandbox.serve("waypoint", "--policies", Sandbox.shop, "--policies", gateway, "--workload", "shop/wp")
      waypoint.send(signal: SIGTERM)
      #expect(try waypoint.waitForEnd() == .exited(0))
      let (server, _) = try sandbox.serve("serve", "--policies", Sandbox.shop + "/workloads.yaml", "--allow-empty")
      #expect(server.isRunning)
    }
  }

  @Test func `files that TLS and verification need must be readable`() throws {
    try withSandbox { sandbox in
      let bundle = try sandbox.portcullis(
        "serve", "--policies", Sandbox.shop, "--listen", "127.0.0.1:0", "--trust-bundle", "cluster.local=/nowhere.pem")
      #expect(bundle.code == 2 && bundle.errors.hasPrefix("error: `/nowhere.pem`: the trust bundle of `cluster.local` cannot be read"))
      let tls = try sandbox.portcullis(
        "serve", "--policies", Sandbox.shop, "--listen", "0.0.0.0:0", "--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.key",
        "--client-ca", "/nowhere-ca.pem")
      #expect(tls.code == 2 && tls.output.isEmpty && tls.errors.contains("error: ") && tls.errors.contains("/nowhere"), "\(tls.errors)")
    }
  }

  @Test func `a reader of the log that goes away does not end the server`() throws {
    try withSandbox { sandbox in
      let shop = try sandbox.shopCopy()
      let status = sandbox.path("status.json")
      let words = "serve --policies \(shop) --listen 127.0.0.1:0 --status-file \(status)"
      let script = "exec \(try Programs.portcullis()) \(words) 2> >(exec true)"
      let server = try sandbox.start("serve", "/bin/bash", ["-c", script], isLog: false)
      _ = try sandbox.status(status) { $0["current"] as? Bool == true }
      for generation in 2...4 {
        let text = try String(contentsOfFile: Sandbox.shop + "/policies.yaml", encoding: .utf8)
        try sandbox.write(text.replacingOccurrences(of: "frontend-sa", with: "other-\(generation)"), to: "shop/policies.yaml")
        _ = try sandbox.status(status) { $0["generation"] as? Int == generation }
      }
      #expect(server.isRunning)
    }
  }

  private func isRefused(_ port: UInt16) -> Bool {
    do { _ = try Connection(port: port) } catch { return true }
    return false
  }
}

@Suite struct `the status file` {
  @Test func `it tells what is in force, and what is stale or unusable and since when`() throws {
    try withSandbox { sandbox in
      let shop = try sandbox.shopCopy()
      let path = sandbox.path("status.json")
      let (server, _) = try sandbox.serve("serve", "--policies", shop, "--status-file", path)
      let good = try sandbox.status(path) { $0["written"] != nil }
      #expect(
        good.keys.sorted() == [
          "calls", "current", "decisions", "generation", "last_reload", "policies", "reloads", "snapshot", "stale", "unreadable",
          "unusable",
          "written",
        ])
      #expect(good["current"] as? Bool == true && good["generation"] as? Int == 1 && good["policies"] as? Int == 2)

      // One policy breaks, a new one is broken from the start.
      let policies = try String(contentsOfFile: Sandbox.shop + "/policies.yaml", encoding: .utf8)
      let broken = policies.replacingOccurrences(of: "name: db-from-backend", with: "name: db-from-backend\n  nmae: x")
      try sandbox.write(broken, to: "shop/policies.yaml")
      try sandbox.write(
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: fresh, namespace: shop}
        spec: {action: DENI}
        """, to: "shop/fresh.yaml")
      let bad = try sandbox.status(path) { status in
        let age = (status["stale"] as? [[String: Any]])?.first?["age_seconds"] as? Int ?? 0
        return age >= 1 && (status["unusable"] as? [Any])?.isEmpty == false
      }
      let stale = bad["stale"] as? [[String: Any]] ?? []
      #expect(bad["current"] as? Bool == false)
      #expect(stale.map { $0["what"] as? String } == ["AuthorizationPolicy shop/db-from-backend"], "\(bad)")
      #expect((stale.first?["reason"] as? String)?.contains("nmae") == true, "\(bad)")
      let unusable = bad["unusable"] as? [[String: Any]] ?? []
      #expect(unusable.map { $0["what"] as? String } == ["AuthorizationPolicy shop/fresh"], "\(bad)")
      #expect(server.errors.contains("stale: AuthorizationPolicy shop/db-from-backend keeps its last good version"))

      try sandbox.write(policies, to: "shop/policies.yaml")
      guard unsafe unlink(sandbox.path("shop/fresh.yaml")) == 0 else { throw TestFailure("unlink: \(Errno())") }
      let mended = try sandbox.status(path) { $0["current"] as? Bool == true }
      #expect(mended["snapshot"] as? String == good["snapshot"] as? String)
    }
  }

  @Test func `a place that cannot be written is an error at the start, and never replaces a device`() throws {
    try withSandbox { sandbox in
      for (place, reason) in [
        ("/nowhere/status.json", "cannot be written: No such file or directory"), ("/dev/null", "is not a regular file"),
        (sandbox.directory, "is not a regular file"),
      ] {
        let run = try sandbox.portcullis("serve", "--policies", Sandbox.shop, "--listen", "127.0.0.1:0", "--status-file", place)
        #expect(run.code == 2 && run.output.isEmpty && run.errors.contains("error: `\(place)` \(reason)"), "\(run.errors)")
      }
    }
  }
}
