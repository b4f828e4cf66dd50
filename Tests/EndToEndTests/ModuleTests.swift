// Envoy's module in a real Envoy: requests and connections, allowed and denied inside the proxy.

internal import Foundation
internal import TestSupport
internal import Testing

extension EndToEnd {
  @Suite struct `Envoy's module decides about requests` {
    @Test func `by the peer's certificate, the path, a header, and says so in the log and the statistics`() throws {
      try withSandbox { sandbox in
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.backend(), [ModuleListener(name: "http", settings: ModuleSite.workload, leading: ["peer"])],
          callers: [.frontend, .backend, .anonymous, .nameless], workers: 2)
        #expect(try site.status("http", .frontend, "/open") == 200)
        let denied = try HTTPClient(port: site.port("http", .backend)).request("/open")
        #expect(denied.status == 403)
        #expect(denied.body == "RBAC: access denied")
        #expect(try site.status("http", .anonymous, "/open") == 403)
        #expect(try site.status("http", .frontend, "/closed") == 403)
        #expect(try site.status("http", .frontend, "/team", [("x-team", "blue")]) == 200)
        #expect(try site.status("http", .frontend, "/team", [("x-team", "red")]) == 403)
        #expect(try site.status("http", .frontend, "/team") == 403)
        // Everyone but the backend: also a caller without a certificate, but nobody whose name cannot be had.
        #expect(try site.status("http", .frontend, "/not-backend") == 200)
        #expect(try site.status("http", .backend, "/not-backend") == 403)
        #expect(try site.status("http", .anonymous, "/not-backend") == 200)
        #expect(try site.status("http", .nameless, "/not-backend") == 403)
        #expect(site.application.answeredCount == 4)

        #expect(try site.counter("allowed") == 4)
        #expect(try site.counter("denied") == 6)
        #expect(try site.counter("undecided") == 1)
        #expect(try site.counter("failed") == 0)
        #expect(try site.counter("denials.reason.no-allow-matched") == 6)
        #expect(try site.counter("denials.reason.unknown-peer") == 1)

        let lines = try site.logLines("http", count: 11)
        #expect(lines.allSatisfy { ($0["portcullis"] as? [String: Any])?["snapshot"] as? String != nil })
        let first = try #require(lines.first { $0["status"] as? Int == 200 && $0["path"] as? String == "/open" })
        let told = try #require(first["portcullis"] as? [String: String])
        #expect(told["decision"] == "allow")
        #expect(told["policy"] == "ns[shop]-policy[open]-rule[0]")
        #expect(told["reason"] == "allowed-by-policy")
        #expect(told["decision_id"]?.utf8.count == 32)
        let unknown = try #require(lines.first { ($0["portcullis"] as? [String: String])?["reason"] == "unknown-peer" })
        #expect(unknown["details"] as? String == "rbac_access_denied_undecided[unknown-peer]")
        #expect(lines.contains { $0["details"] as? String == "rbac_access_denied_matched_policy[none]" })
        #expect(Set(lines.compactMap { ($0["portcullis"] as? [String: String])?["decision_id"] }).count == 11)
      }
    }

    @Test func `one connection is decided anew for each of its requests`() throws {
      try withSandbox { sandbox in
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.backend(), [ModuleListener(name: "http", settings: ModuleSite.workload, isPlaintext: true)])
        let client = HTTPClient(port: site.port("http"))
        for _ in 0..<20 {
          #expect(try client.request("/near").status == 200)
          #expect(try client.request("/open").status == 403)
          #expect(try client.request("/not-backend").status == 200)
          #expect(try client.request("/post", method: "POST").status == 200)
          #expect(try client.request("/post").status == 403)
        }
      }
    }

    @Test func `the client's address comes from where the configuration says`() throws {
      try withSandbox { sandbox in
        func listener(_ name: String, _ more: String) -> ModuleListener {
          ModuleListener(name: name, settings: ModuleSite.workload + more, isPlaintext: true)
        }
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.backend(),
          [
            listener("downstream", ""), listener("direct", #", "remote_ip": "direct""#),
            listener("header", #", "remote_ip": "header:X-Client""#),
          ])
        let hop = ("x-forwarded-for", "10.9.1.1")
        #expect(try site.status("downstream", "/client", [hop]) == 200)
        #expect(try site.status("downstream", "/client", [("x-forwarded-for", "10.8.1.1")]) == 403)
        #expect(try site.status("direct", "/client", [hop]) == 403)
        #expect(try site.status("header", "/client", [("x-client", "10.9.1.1")]) == 200)
        #expect(try site.status("header", "/client", [hop]) == 403)
        // Two lines: nobody knows which is right.
        #expect(try site.status("header", "/client", [("x-client", "10.9.1.1"), ("x-client", "10.9.1.2")]) == 403)
        #expect(try site.counter("undecided") == 2)
        // What is no address is not an address in no block: nothing is known then, and only the rules that ask for it mind.
        #expect(try site.status("header", "/not-client", [("x-client", "2001:DB8::1")]) == 200)
        #expect(try site.status("header", "/not-client", [("x-client", "10.8.1.1")]) == 403)
        let junk = [
          "", "/", "/10.9.1.1", "@x", "envoy://internal", "junk", "10.9.1.1:80", "[2001:db8::1]", "10.9.1.1, 10.9.1.1", "10.9.01.1",
        ]
        for value in junk {
          #expect(try site.status("header", "/not-client", [("x-client", value)]) == 403, "\(value)")
          #expect(try site.status("header", "/client", [("x-client", value)]) == 403, "\(value)")
          #expect(try site.status("header", "/near", [("x-client", value)]) == 200, "\(value)")
        }
        #expect(try site.counter("undecided") == 2 + 2 * junk.count)
        #expect(try site.counter("failed") == 0)
      }
    }

    @Test func `a connection without a server name has an empty one, as for Envoy's own filter`() throws {
      try withSandbox { sandbox in
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.backend(),
          [
            ModuleListener(name: "plain", settings: ModuleSite.workload, isPlaintext: true),
            ModuleListener(name: "seen", settings: ModuleSite.workload, isPlaintext: true, leading: ["peer"]),
            ModuleListener(name: "tls", settings: ModuleSite.workload, inspectsTLS: true),
            ModuleListener(name: "tls-seen", settings: ModuleSite.workload, inspectsTLS: true, leading: ["peer"]),
            ModuleListener(name: "uninspected", settings: ModuleSite.workload),
          ], callers: [.anonymous, .naming])
        for listener in ["plain", "seen"] {
          #expect(try site.status(listener, "/nameless") == 200, "\(listener)")
          #expect(try site.status(listener, "/named") == 403, "\(listener)")
        }
        for listener in ["tls", "tls-seen"] {
          #expect(try site.status(listener, .anonymous, "/nameless") == 200, "\(listener)")
          #expect(try site.status(listener, .anonymous, "/named") == 403, "\(listener)")
          #expect(try site.status(listener, .naming, "/nameless") == 403, "\(listener)")
          #expect(try site.status(listener, .naming, "/named") == 200, "\(listener)")
        }
        // Who sent one is not seen without `tls_inspector`, by Envoy's own filter neither.
        #expect(try site.status("uninspected", .naming, "/nameless") == 200)
        #expect(try site.counter("undecided") == 0)
      }
    }

    @Test func `claims come from the header of the JWT filter, or are unknown`() throws {
      try withSandbox { sandbox in
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.backend(),
          [
            ModuleListener(name: "unknown", settings: ModuleSite.workload, isPlaintext: true),
            ModuleListener(name: "none", settings: ModuleSite.workload + #", "token": "none""#, isPlaintext: true),
            ModuleListener(name: "header", settings: ModuleSite.workload + #", "token": "header:x-payload""#, isPlaintext: true),
          ])
        func payload(_ json: String) -> (String, String) {
          ("x-payload", Data(json.utf8).base64EncodedString().replacing("=", with: "").replacing("+", with: "-").replacing("/", with: "_"))
        }
        let staff = payload(#"{"iss": "me", "sub": "one", "groups": ["guests", "staff"], "exp": 1.5e9, "ok": true, "no": null}"#)
        #expect(try site.status("header", "/claims", [staff]) == 200)
        #expect(try site.status("header", "/claims", [payload(#"{"iss": "me", "sub": "one", "groups": "staff?>"}"#)]) == 403)
        #expect(try site.status("header", "/claims") == 403)
        #expect(try site.counter("undecided") == 0)
        #expect(try site.status("none", "/claims", [staff]) == 403)
        #expect(try site.counter("undecided") == 0)
        for broken in [("x-payload", "%%"), payload("[]"), payload("{"), payload(#"{"a": "b", "a": "c"}"#)] {
          #expect(try site.status("header", "/claims", [broken]) == 403, "\(broken)")
        }
        #expect(try site.status("header", "/claims", [staff, staff]) == 403)
        #expect(try site.status("unknown", "/claims", [staff]) == 403)
        #expect(try site.counter("undecided") == 6)
      }
    }

    @Test func `in shadow mode everything passes, and what would have been denied is told`() throws {
      try withSandbox { sandbox in
        let dryRun = ModulePolicies.Policy(
          name: "later", action: "DENY", isDryRun: true, rules: [#"- to: [{operation: {paths: ["/near"]}}]"#])
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.backend([dryRun]),
          [
            ModuleListener(name: "shadow", settings: ModuleSite.workload + #", "shadow": true"#, isPlaintext: true),
            ModuleListener(name: "quiet", settings: ModuleSite.workload + #", "metadata": "never""#, isPlaintext: true),
          ])
        #expect(try site.status("shadow", "/open") == 200)
        #expect(try site.counter("shadow_denied") == 1)
        #expect(try site.counter("denied") == 1)
        let told = try #require(try site.logLines("shadow").first?["portcullis"] as? [String: String])
        #expect(told["decision"] == "deny")
        #expect(told["reason"] == "no-allow-matched")
        #expect(try site.status("quiet", "/near") == 200)
        #expect(try site.counter("dry_run_denied") == 1)
        #expect(try site.logLines("quiet").first?["portcullis"] as? [String: String] == nil)
        #expect(try site.status("shadow", "/near") == 200)
        let later = try #require(try site.logLines("shadow", count: 2).last?["portcullis"] as? [String: String])
        #expect(later["dry_run"] == "deny ns[shop]-policy[later]-rule[0]")
      }
    }

    /// Envoy's own way to turn any filter off, of which the filter never learns: docs/envoy-module.md warns of it.
    @Test func `a route can turn the filter off, and cannot give it another configuration`() throws {
      try withSandbox { sandbox in
        let off = #"portcullis-authorize: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}"#
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.backend(),
          [ModuleListener(name: "http", settings: ModuleSite.workload, isPlaintext: true, perRoute: ["/off": off])])
        #expect(try site.status("http", "/off") == 200)
        #expect(try site.counter("denied") == 0)
        #expect(try site.status("http", "/off/") == 403)
        #expect(try site.counter("denied") == 1)

        let module = try EnvoyModule.path(in: sandbox)
        let other = """
          portcullis-authorize: {"@type": type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilterPerRoute, \
          dynamic_module_config: {name: portcullis_envoy, do_not_close: true, module: {local: {filename: "\(module)"}}}, filter_name: authorize}
          """
        for (configuration, isTaken) in [(other, false), (off, true)] {
          let inbound = Inbound(
            name: "http", port: 1, security: .plaintext, applicationPort: 2,
            filter: EnvoyModule.filter(
              "HTTP", module, settings: "\"policies\": [\"\(sandbox.path("policies"))\"], \(ModuleSite.workload)"),
            connectionManager: "normalize_path: true", perRoute: ["/other": configuration])
          let complaint = try Envoy.complaint(
            about: SidecarConfiguration.server([inbound], engineClusters: "", accessLog: "/dev/null"), in: sandbox)
          #expect((complaint == nil) == isTaken, "\(complaint ?? "")")
          if let complaint { #expect(complaint.contains("per_route_config_new"), "\(complaint)") }
        }
      }
    }

    @Test func `an unknown workload is denied`() throws {
      try withSandbox { sandbox in
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.backend(),
          [
            ModuleListener(name: "unknown", settings: #""workload": "shop/nobody""#, isPlaintext: true),
            ModuleListener(name: "labels", settings: #""namespace": "shop", "labels": {"app": "backend"}"#, isPlaintext: true),
          ])
        #expect(try site.status("unknown", "/near") == 403)
        #expect(try site.counter("denials.reason.unknown-workload") == 1)
        #expect(try site.status("labels", "/near") == 200)
        #expect(try site.status("labels", "/open") == 403)
        #expect(try site.counter("failed") == 0)
      }
    }
  }

  @Suite struct `Envoy's module decides about connections` {
    @Test func `by the peer's certificate, before anything behind it learns of the connection`() throws {
      try withSandbox { sandbox in
        let tcp = ModulePolicies.text(
          "db",
          [
            .init(
              name: "db", action: "ALLOW", rules: [#"- from: [{source: {principals: ["cluster.local/ns/shop/sa/backend-sa"]}}]"#])
          ])
        let site = try ModuleSite(
          in: sandbox, policies: tcp,
          [
            ModuleListener(name: "tcp", settings: #""workload": "shop/db""#, isTCP: true),
            ModuleListener(name: "plain-tcp", settings: #""workload": "shop/db""#, isTCP: true, isPlaintext: true),
            ModuleListener(name: "shadow-tcp", settings: #""workload": "shop/db", "shadow": true"#, isTCP: true, isPlaintext: true),
          ], callers: [.frontend, .backend, .anonymous, .twoNames, .nameless])
        for caller in [Caller.frontend, .anonymous, .twoNames, .nameless] {
          let refused = try Connection(port: site.port("tcp", caller))
          try refused.send(Array("select 1".utf8))
          #expect(try refused.receiveUntilClosed() == [], "\(caller)")
        }
        #expect(try Connection(port: site.port("plain-tcp")).receiveUntilClosed() == [])
        #expect(try site.counter("denied") == 4)
        #expect(try site.counter("undecided") == 1)
        // Not one connection to the application was begun.
        #expect(try site.server.counter("cluster.app-tcp.upstream_cx_total") == 0)
        #expect(site.echo.answeredCount == 0)
        let line = try #require(try site.logLines("plain-tcp").first)
        #expect(line["closed"] as? String == "rbac_access_denied_matched_policy[none]")
        #expect((line["portcullis"] as? [String: String])?["reason"] == "no-allow-matched")

        for port in [site.port("tcp", .backend), site.port("shadow-tcp")] {
          let allowed = try Connection(port: port)
          for text in ["select 1", "select 2"] {
            try allowed.send(Array(text.utf8))
            var answer: [UInt8] = []
            while answer.count < text.utf8.count {
              let bytes = try allowed.receive()
              if bytes.isEmpty { break }
              answer += bytes
            }
            #expect(String(decoding: answer, as: UTF8.self) == text)
          }
        }
        #expect(try site.counter("allowed") == 1)
        #expect(try site.counter("shadow_denied") == 1)
      }
    }
  }
}
