// Allowed and denied calls through real sidecars, and what operators see of them.

internal import TestSupport
internal import Testing

extension EndToEnd {
  @Suite struct `calls between sidecars` {
    @Test func `the frontend may call the backend, and the access log names the rule`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox)
        let response = try shop.get(.frontendToBackend, "/hello")
        #expect(response.status == 200)
        #expect(response.body == "hello from backend\n")
        let lines = try shop.logLines(path: "/hello")
        #expect(lines.map(\.status) == [200])
        #expect(lines.first?.peer == "spiffe://cluster.local/ns/shop/sa/frontend-sa")
        #expect(lines.first?.portcullis["decision"] == "allow")
        #expect(lines.first?.portcullis["policy"] == "ns[shop]-policy[backend-from-frontend]-rule[0]")
      }
    }

    @Test func `the frontend may not call the database: Istio's own denial, never forwarded, and explained in the access log`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox)
        let response = try shop.get(.frontendToDB, "/rows")
        #expect(response.status == 403)
        #expect(response.body == "RBAC: access denied")
        #expect(shop.db.answeredCount == 0)
        let line = try #require(try shop.logLines(path: "/rows").first)
        #expect(line.status == 403)
        #expect(line.details == "ext_authz_denied")
        #expect(line.portcullis["decision"] == "deny")
        #expect(line.portcullis["policy"] == "none")
        #expect(line.portcullis["reason"]?.isEmpty == false)
        #expect(line.portcullis["snapshot"]?.isEmpty == false)
        #expect(try shop.server.counter("http.db.ext_authz.portcullis.denied") == 1)
        // The database is not closed to everyone.
        #expect(try shop.get(.backendToDB, "/rows").body == "hello from db\n")
      }
    }

    @Test func `a client without a certificate is denied, over TLS and over plaintext`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox)
        let answered = shop.backend.answeredCount
        #expect(try shop.get(.anonymousToBackend, "/over-tls").status == 403)
        #expect(try HTTPClient(port: shop.plaintextPort).request("/over-plaintext").status == 403)
        for path in ["/over-tls", "/over-plaintext"] {
          let line = try #require(try shop.logLines(path: path).first)
          #expect(line.details == "ext_authz_denied", "\(path)")
          #expect(line.portcullis["reason"] == "mtls-required", "\(path)")
        }
        #expect(shop.backend.answeredCount == answered)
      }
    }

    @Test func `a client whose certificate comes from another CA cannot connect, and the engine is never asked`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox)
        let allowed = try shop.server.counter("http.backend.ext_authz.portcullis.ok")
        #expect(try shop.get(.foreignToBackend).status == 503)
        #expect(try shop.client.counter("cluster.foreign-to-backend.upstream_rq_2xx") == 0)
        try waitUntil("the failed handshake in the counters") {
          try shop.server.counter("listener.127.0.0.1_\(shop.serverPort("backend")).ssl.fail_verify_error") >= 1
        }
        #expect(try shop.server.counter("http.backend.ext_authz.portcullis.ok") == allowed)
        #expect(try shop.server.counter("http.backend.ext_authz.portcullis.denied") == 0)
        // The same name with the right CA gets through.
        #expect(try shop.get(.frontendToBackend).status == 200)
      }
    }

    @Test func `the engine is asked over a unix socket`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox, engineAddress: "unix:\(sandbox.path("engine.sock"))")
        #expect(try shop.get(.frontendToBackend).status == 200)
        #expect(try shop.get(.frontendToDB).status == 403)
      }
    }

    @Test func `the engine is asked over TLS, with certificates on both sides`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox, engineTLS: .tls)
        #expect(try shop.get(.frontendToBackend).status == 200)
        #expect(try shop.get(.frontendToDB).status == 403)
        #expect(try shop.server.counter("cluster.portcullis.ssl.handshake") >= 1)
      }
    }

    @Test func `a proxy whose certificate the engine does not trust gets no answer, and lets nobody in`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox, engineTLS: .foreignClient, export: ["--timeout", "500ms"])
        for _ in 0..<3 { #expect(try shop.get(.frontendToBackend).status == 503) }
        #expect(shop.backend.answeredCount == 0)
        #expect(try shop.server.counter("http.backend.ext_authz.portcullis.ok") == 0)
        #expect(try shop.server.counter("http.backend.ext_authz.portcullis.denied") == 0)
      }
    }

    @Test func `a path is judged as the mesh normalizes it, and forwarded that way`() throws {
      try withSandbox { sandbox in
        try sandbox.write(Shop.policiesThatCloseAdmin(), to: "closed/policies.yaml")
        try sandbox.write(Shop.exampleWorkloads(), to: "closed/workloads.yaml")
        let shop = try Shop(in: sandbox, policies: sandbox.path("closed"))
        for path in ["/admin", "/admin?x=1", "/x/../admin", "/x/%2e%2e/admin", "/%61dmin", "/.//../admin", "/x\\..\\admin"] {
          #expect(try shop.get(.frontendToBackend, path).status == 403, "\(path)")
        }
        // Istio's BASE neither merges slashes nor ignores case.
        for path in ["/administrator", "/Admin", "//admin", "/admin/", "/"] {
          #expect(try shop.get(.frontendToBackend, path).status == 200, "\(path)")
        }
      }
    }
  }
}
