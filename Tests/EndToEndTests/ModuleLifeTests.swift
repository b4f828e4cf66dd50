// Envoy's module while things change: configurations that are refused, policies that come and break, and how many engines there are.

internal import Foundation
internal import TestSupport
internal import Testing

extension EndToEnd {
  @Suite struct `Envoy's module while things change` {
    @Test func `new policies decide at once, no request fails, and a broken file keeps the last good one`() throws {
      try withSandbox { sandbox in
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.open("/always", "/one"),
          [ModuleListener(name: "http", settings: ModuleSite.workload, isPlaintext: true)],
          workers: 2)
        let port = site.port("http")
        let load = Load([(port, "/always"), (port, "/never"), (port, "/always")])
        try load.waitForMore(50)
        for round in 1...5 {
          #expect(try site.status("http", "/round-\(round)") == 403)
          try sandbox.write(ModulePolicies.open("/always", "/round-\(round)"), to: "policies/policies.yaml")
          try waitUntil("round \(round) to be live") { try site.status("http", "/round-\(round)") == 200 }
          #expect(try site.status("http", "/round-\(round - 1)") == 403)
          try load.waitForMore(50)
        }
        try sandbox.write("kind: [Broken\n", to: "policies/policies.yaml")
        try waitUntil("the mistake in the statistics", detail: { site.server.process.log }) { try site.counter("reloads_stale") == 1 }
        #expect(site.server.process.output.contains("policies.yaml:2:1: error:"))
        #expect(try site.status("http", "/round-5") == 200)
        #expect(try site.status("http", "/round-4") == 403)
        try sandbox.write(ModulePolicies.open("/always", "/mended"), to: "policies/policies.yaml")
        try waitUntil("the mended file to be live") { try site.status("http", "/mended") == 200 }
        try waitUntil("the mended file in the statistics") { try site.counter("reloads") >= 1 }
        let seen = try load.stop()
        #expect(seen["\(port) /always"]?.keys.sorted() == [200])
        #expect(seen["\(port) /never"]?.keys.sorted() == [403])
        #expect(site.server.process.isRunning)
      }
    }

    @Test func `a proxy for TCP alone counts changes of files too`() throws {
      try withSandbox { sandbox in
        func policies(_ port: Int) -> String {
          ModulePolicies.text("backend", [.init(name: "open", action: "ALLOW", rules: ["- to: [{operation: {ports: [\"\(port)\"]}}]"])])
        }
        let site = try ModuleSite(
          in: sandbox, policies: policies(1),
          ["one", "two"].map { ModuleListener(name: $0, settings: ModuleSite.workload, isTCP: true, isPlaintext: true) })
        try sandbox.write(policies(2), to: "policies/policies.yaml")
        try waitUntil("the change in the statistics") { try site.counter("reloads") == 1 }
        try sandbox.write("kind: [Broken\n", to: "policies/policies.yaml")
        try waitUntil("the mistake in the statistics") { try site.counter("reloads_stale") == 1 }
        #expect(try site.counter("reloads") == 1)
        #expect(try Connection(port: site.port("one")).receiveUntilClosed() == [])
        #expect(try site.counter("denied") == 1)
      }
    }

    @Test func `many filters with one source share one engine, and other sources have their own`() throws {
      try withSandbox { sandbox in
        var listeners = (0..<12).map { number in
          ModuleListener(
            name: "http-\(number)", settings: ModuleSite.workload + (number % 2 == 0 ? "" : #", "shadow": true"#), isPlaintext: true)
        }
        listeners.append(ModuleListener(name: "tcp", settings: ModuleSite.workload, isTCP: true, isPlaintext: true))
        listeners.append(
          ModuleListener(name: "other", settings: ModuleSite.workload + #", "trust_domain": "other.test""#, isPlaintext: true))
        let site = try ModuleSite(in: sandbox, policies: ModulePolicies.open("/always", "/one"), listeners)
        for listener in listeners where !listener.isTCP { #expect(try site.status(listener.name, "/always") == 200, "\(listener.name)") }
        #expect(site.server.process.output.components(separatedBy: "portcullis: opened: ").count - 1 == 2)
      }
    }

    @Test(arguments: [
      (#""policies": ["@"], "workload": "shop/backend", "polices": ["@"]"#, "unknown key `polices`"),
      (#""policies": ["@"], "workload": "shop/backend", "shadow": "yes""#, "`shadow` is neither true nor false"),
      (#""policies": ["@"], "workload": "shop/backend", "port": 65536"#, "`port` is no number between 1 and 65535"),
      (#""policies": ["@"], "workload": "shop/backend", "profile": "ztunnel""#, "`profile` is one of"),
      (#""policies": ["@"], "workload": "shop/backend", "profile": "waypoint""#, "`profile` cannot be `waypoint`: HBONE ends at"),
      (#""policies": ["@"], "workload": "shop/backend", "service": "none""#, "unknown key `service`"),
      (#""policies": ["@"]"#, "no workload"),
      (#""policies": ["@"], "workload": "shop/backend", "peer": "auto""#, "`peer` is no longer `auto`: put the network filter `peer`"),
      (#""policies": ["@"], "workload": "shop/backend", "peer": "none""#, "`peer` is one of `all-names`, `first-uri`"),
      (#""policies": ["@"], "workload": "backend""#, "`workload` is `namespace/name`"),
      (#""policies": ["@"], "workload": "a/b/c/d""#, "`workload` is `namespace/name`"),
      (#""policies": [], "workload": "shop/backend""#, "`policies` names no file or directory"),
      (#""policies": ["@/missing"], "workload": "shop/backend""#, "cannot be read"),
      (#""policies": ["@"], "workload": "shop/backend", "mesh_config": "@/missing""#, "cannot be"),
      (#""policies": ["@/broken"], "workload": "shop/backend""#, "policies.yaml:"),
    ])
    func `a configuration that is wrong is refused, and the log says why`(settings: String, complaint: String) throws {
      try withSandbox { sandbox in
        try sandbox.write(ModulePolicies.open("/always", "/one"), to: "good/policies.yaml")
        try sandbox.write("kind: [Broken\n", to: "good/broken/policies.yaml")
        if !settings.contains("broken") { try FileManager.default.removeItem(atPath: sandbox.path("good/broken")) }
        let said = try #require(try Self.complaint(settings.replacing("@", with: sandbox.path("good")), in: sandbox))
        #expect(said.contains("portcullis: "))
        #expect(said.contains(complaint), "\(said)")
        // The same with the mistake taken out is fine, so that it is the mistake that is refused.
        #expect(try Self.complaint("\"policies\": [\"\(sandbox.path("good/policies.yaml"))\"], \(ModuleSite.workload)", in: sandbox) == nil)
      }
    }

    @Test func `a text that is no JSON, and a filter of another name, are refused`() throws {
      try withSandbox { sandbox in
        let module = try EnvoyModule.path(in: sandbox)
        for (text, complaint) in [
          ("{\"policies\": [", "filter_config is no JSON"), ("", "filter_config is no JSON"), ("[]", "no JSON object"),
        ] {
          let filter =
            EnvoyModule.filter("HTTP", module, settings: nil) + """

                  filter_config: {"@type": type.googleapis.com/google.protobuf.StringValue, value: '\(text)'}
              """
          let said = try #require(try Envoy.complaint(about: Self.configuration(filter), in: sandbox))
          #expect(said.contains(complaint), "\(said)")
        }
        let other = EnvoyModule.filter("HTTP", module, name: "other", settings: ModuleSite.workload)
        #expect(try Envoy.complaint(about: Self.configuration(other), in: sandbox)?.contains("filter_name is not `authorize`") == true)
      }
    }

    @Test func `the example runs as its first lines say, with the installed module`() throws {
      try withSandbox { sandbox in
        let script = """
          set -eu; cd "$work"; mkdir -p try/certificates
          "$project/scripts/install-module.sh" "$module" "$work/usr"
          cp "$project"/examples/shop/*.yaml try/; "$project/examples/shop/envoy/certificates.sh" try/certificates
          cd try; sed -e "s/15012/$port/" -e "s/15900/0/" "$project/examples/envoy-module/module.yaml" > module.yaml
          ENVOY_DYNAMIC_MODULES_SEARCH_PATH="$work/usr/lib" exec "$envoy" -c module.yaml --concurrency 1 --disable-hot-restart -l warning
          """
        let port = try Ports.free()
        let variables = try [
          "work": sandbox.directory, "project": Programs.project(), "module": EnvoyModule.path(in: sandbox), "envoy": Programs.envoy(),
          "port": "\(port)",
        ]
        let settings = variables.map { "\($0)='\($1)'" }.joined(separator: "; ")
        let envoy = try sandbox.start("example", "/bin/bash", ["-c", "\(settings); \(script)"])
        func call(_ account: String) throws -> String {
          let files = sandbox.path("try/certificates/\(account)")
          let arguments = ["-sk", "--cert", "\(files).pem", "--key", "\(files).key", "https://127.0.0.1:\(port)/"]
          return try sandbox.run("/usr/bin/curl", arguments).output
        }
        try waitUntil("the example to answer", detail: { envoy.log }) { try call("frontend-sa") == "hello from backend\n" }
        #expect(try call("db-sa") == "RBAC: access denied")
      }
    }

    private static func complaint(_ settings: String, in sandbox: Sandbox) throws -> String? {
      try Envoy.complaint(
        about: configuration(EnvoyModule.filter("HTTP", EnvoyModule.path(in: sandbox), settings: settings)), in: sandbox)
    }

    private static func configuration(_ filter: String) -> String {
      let inbound = Inbound(
        name: "http", port: 1, security: .plaintext, applicationPort: 2, filter: filter, connectionManager: "normalize_path: true")
      return SidecarConfiguration.server([inbound], engineClusters: "", accessLog: "/dev/null")
    }
  }
}
