// Whom Envoy's module takes a caller for: all names of a certificate, or nobody it knows.

internal import Foundation
internal import TestSupport
internal import Testing

extension EndToEnd {
  @Suite struct `Envoy's module knows its callers` {
    private static func listener(_ name: String, _ more: String = "", _ leading: String...) -> ModuleListener {
      ModuleListener(name: name, settings: ModuleSite.workload + more, leading: leading)
    }

    private static func reason(_ line: [String: Any]) -> String? { (line["portcullis"] as? [String: String])?["reason"] }

    @Test func `by all names of their certificates, which either network filter sees`() throws {
      try withSandbox { sandbox in
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.backend(),
          [
            Self.listener("peer", "", "peer"), Self.listener("authorize", "", "authorize"), Self.listener("both", "", "peer", "authorize"),
            Self.listener("first", #", "peer": "first-uri""#, "peer"),
          ], callers: [.frontend, .twoNames, .dnsToo, .foreign, .anonymous, .nameless])
        for listener in ["peer", "authorize", "both", "first"] {
          #expect(try site.status(listener, .frontend, "/open") == 200, "\(listener)")
          #expect(try site.status(listener, .twoNames, "/open") == 403, "\(listener)")
          #expect(try site.status(listener, .dnsToo, "/open") == 403, "\(listener)")
          #expect(try site.status(listener, .foreign, "/not-backend") == 403, "\(listener)")
          #expect(try site.status(listener, .nameless, "/not-backend") == 403, "\(listener)")
          #expect(try site.status(listener, .anonymous, "/not-backend") == 200, "\(listener)")
          let lines = try site.logLines(listener, count: 6)
          #expect(
            lines.compactMap(Self.reason).sorted() == [
              "allowed-by-policy", "allowed-by-policy", "denied-by-policy", "denied-by-policy", "unknown-peer", "untrusted-domain",
            ], "\(listener)")
        }
      }
    }

    @Test func `not at all without a network filter, and the log says what is missing`() throws {
      try withSandbox { sandbox in
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.backend(),
          [Self.listener("default"), Self.listener("demanded", #", "peer": "all-names""#)],
          callers: [.frontend, .twoNames, .dnsToo, .foreign, .anonymous, .nameless])
        for listener in ["default", "demanded"] {
          for caller in [Caller.frontend, .twoNames, .dnsToo, .foreign, .nameless] {
            #expect(try site.status(listener, caller, "/not-backend") == 403, "\(listener), \(caller)")
          }
          #expect(try site.status(listener, .anonymous, "/not-backend") == 200, "\(listener)")
          let lines = try site.logLines(listener, count: 6)
          #expect(lines.compactMap(Self.reason).count { $0 == "unknown-peer" } == 5, "\(listener)")
        }
        // Once for each of the two filters.
        #expect(site.server.process.output.components(separatedBy: "the network filter `peer`").count - 1 == 2)
      }
    }

    /// Not what anybody wants: it is what the documentation warns of, and shows if Envoy ever does otherwise.
    @Test func `by a name that nobody verified, or as nobody, where the listener does not verify`() throws {
      try withSandbox { sandbox in
        func listener(_ name: String, _ context: String?) -> ModuleListener {
          var listener = Self.listener(name, "", "peer")
          listener.careless = context
          return listener
        }
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.backend(),
          [
            listener("careful", nil), listener("none", "# no validation_context"), listener("empty", "validation_context: {}"),
            listener("untrusted", "validation_context: {trusted_ca: {filename: \"@\"}, trust_chain_verification: ACCEPT_UNTRUSTED}"),
          ], callers: [.frontend, .backend, .stranger])
        #expect(try site.status("untrusted", .stranger, "/open") == 200)
        // Though the listener demands a certificate, Envoy asks for none: even the backend is nobody.
        for name in ["none", "empty"] {
          for caller in [Caller.stranger, .backend] {
            #expect(try site.status(name, caller, "/open") == 403, "\(name), \(caller)")
            #expect(try site.status(name, caller, "/not-backend") == 200, "\(name), \(caller)")
          }
        }
        #expect(try site.status("careful", .frontend, "/open") == 200)
        #expect(try site.status("careful", .backend, "/not-backend") == 403)
        // Envoy's word, not ours: there is no connection.
        #expect(try site.status("careful", .stranger, "/open") == 503)
      }
    }

    @Test func `by the first URI name alone, where the configuration vouches that there is no other`() throws {
      try withSandbox { sandbox in
        let site = try ModuleSite(
          in: sandbox, policies: ModulePolicies.backend(), [Self.listener("first", #", "peer": "first-uri""#)],
          callers: [.frontend, .backend, .twoNames, .dnsToo, .foreign, .anonymous, .nameless])
        // What that word gives away, as docs/envoy-module.md says.
        for caller in [Caller.frontend, .twoNames, .dnsToo] { #expect(try site.status("first", caller, "/open") == 200, "\(caller)") }
        #expect(try site.status("first", .foreign, "/not-backend") == 200)
        #expect(try site.status("first", .backend, "/not-backend") == 403)
        #expect(try site.status("first", .nameless, "/not-backend") == 403)
        #expect(try site.status("first", .anonymous, "/open") == 403)
        #expect(try site.counter("undecided") == 1)
      }
    }
  }
}
