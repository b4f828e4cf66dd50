// Envoy's module while listeners come and go in a running Envoy.

internal import Foundation
internal import TestSupport
internal import Testing

extension EndToEnd {
  @Suite struct `Envoy's module while listeners change` {
    private static func listener(_ name: String, _ more: String = "") -> ModuleListener {
      ModuleListener(name: name, settings: ModuleSite.workload + more, isPlaintext: true)
    }

    @Test func `a filter that joins an engine without a watch gets what the files say now, or is refused`() throws {
      try withSandbox { sandbox in
        let listeners = ["a", "b", "c"].map { Self.listener($0, #", "watch": false"#) }
        let site = try ModuleDiscovery(
          in: sandbox, policies: ModulePolicies.open("/one"), names: ["a", "b", "c"], [listeners[0]])
        #expect(try site.status("a", "/one") == 200)
        try sandbox.write(ModulePolicies.open("/two"), to: "policies/policies.yaml")
        #expect(try site.replace(Array(listeners[...1])))
        try waitUntil("listener b") { try site.status("b", "/two") == 200 }
        #expect(try site.status("b", "/one") == 403)
        // One engine, one truth.
        #expect(try site.status("a", "/one") == 403)
        #expect(site.server.process.output.components(separatedBy: "portcullis: opened: ").count - 1 == 1)
        try sandbox.write("kind: [Broken\n", to: "policies/policies.yaml")
        #expect(try !site.replace(listeners))
        #expect(site.server.process.output.contains("the policies cannot be loaded again"))
        #expect(site.server.process.output.contains("policies.yaml:2:1: error:"))
        #expect(try site.status("a", "/two") == 200)
        #expect(throws: (any Error).self) { try site.status("c", "/two") }
        try sandbox.write(ModulePolicies.open("/three"), to: "policies/policies.yaml")
        #expect(try site.replace(listeners))
        try waitUntil("listener c") { try site.status("c", "/three") == 200 }
      }
    }

    @Test func `listeners are replaced and drained under load, share one engine throughout, and give it back`() throws {
      try withSandbox { sandbox in
        func listeners(_ round: Int) -> [ModuleListener] {
          let metadata = #", "metadata": "\#(round % 2 == 0 ? "always" : "never")""#
          return [Self.listener("steady"), Self.listener("changing", metadata)] + (round % 2 == 0 ? [] : [Self.listener("coming")])
        }
        let site = try ModuleDiscovery(
          in: sandbox, policies: ModulePolicies.open("/always"), names: ["steady", "changing", "coming"], listeners(0), workers: 2)
        let load = Load(
          ["steady", "changing", "coming"].flatMap { [(site.port($0), "/always"), (site.port($0), "/never")] })
        for round in 1...6 {
          try load.waitForMore(100)
          #expect(try site.replace(listeners(round)))
          try waitUntil("the old listeners to be drained", seconds: 30) {
            try site.server.counter("listener_manager.total_listeners_draining") == 0
          }
        }
        let seen = try load.stop()
        for name in ["steady", "changing", "coming"] {
          // 0 is a connection that was refused, or closed when its listener was drained.
          #expect(Set(seen["\(site.port(name)) /always", default: [:]].keys).isSubset(of: [200, 0]), "\(name)")
          #expect(Set(seen["\(site.port(name)) /never", default: [:]].keys).isSubset(of: [403, 0]), "\(name)")
          #expect(seen["\(site.port(name)) /always"]?[200] ?? 0 > 10, "\(name)")
        }
        #expect(seen["\(site.port("steady")) /always"]?.keys.sorted() == [200])
        #expect(seen["\(site.port("steady")) /never"]?.keys.sorted() == [403])
        #expect(try site.counter("failed") == 0)
        func opened() -> Int { site.server.process.output.components(separatedBy: "portcullis: opened: ").count - 1 }
        #expect(opened() == 1)
        // The last filter closes it, with all its threads.
        let busy = try site.threadCount()
        #expect(try site.replace([]))
        try waitUntil("the engine to be closed", seconds: 30) { try site.threadCount() < busy }
        #expect(try site.replace(listeners(0)))
        try waitUntil("a new engine") { try site.status("steady", "/always") == 200 }
        #expect(opened() == 2)
        #expect(try site.threadCount() == busy)
      }
    }

    @Test func `the proxy ends well while an engine that nobody uses any more still loads`() throws {
      try withSandbox { sandbox in
        func policies(_ path: String) -> String {
          ModulePolicies.open(path)
            + (0..<2_000).map { number in
              """
              ---
              apiVersion: security.istio.io/v1
              kind: AuthorizationPolicy
              metadata: {name: many-\(number), namespace: other}
              spec: {action: DENY, rules: [{to: [{operation: {paths: ["\(path)/\(number)"]}}]}]}

              """
            }.joined()
        }
        let site = try ModuleDiscovery(in: sandbox, policies: policies("/one"), names: ["a", "b"], [Self.listener("a")])
        for round in 0..<4 {
          try sandbox.write(policies("/round-\(round)"), to: "policies/policies.yaml")
          // With either the engine is given back at once, before, while or after it has read the files.
          #expect(try site.replace(round % 2 == 0 ? [] : [Self.listener("a")]))
          #expect(site.server.process.isRunning)
        }
        try waitUntil("the listener", seconds: 60) { try site.status("a", "/round-3") == 200 }
        try sandbox.write(policies("/last"), to: "policies/policies.yaml")
        site.server.process.send(signal: SIGTERM)
        #expect(try site.server.process.waitForEnd(seconds: 60) == .exited(0))
      }
    }

    @Test func `no filter joins an engine whose files are broken, and those that are there go on`() throws {
      try withSandbox { sandbox in
        let site = try ModuleDiscovery(
          in: sandbox, policies: ModulePolicies.open("/one"), names: ["a", "b"], [Self.listener("a")])
        #expect(try site.status("a", "/one") == 200)
        try sandbox.write("kind: [Broken\n", to: "policies/policies.yaml")
        try waitUntil("the mistake in the statistics") { try site.counter("reloads_stale") == 1 }
        #expect(try !site.replace([Self.listener("a"), Self.listener("b")]))
        #expect(site.server.process.output.contains("what is in force is not what the files say"))
        #expect(try site.status("a", "/one") == 200)
        #expect(throws: (any Error).self) { try site.status("b", "/one") }
        try sandbox.write(ModulePolicies.open("/two"), to: "policies/policies.yaml")
        try waitUntil("the mended file") { try site.status("a", "/two") == 200 }
        #expect(try site.replace([Self.listener("a"), Self.listener("b")]))
        try waitUntil("listener b") { try site.status("b", "/two") == 200 }
      }
    }
  }
}
