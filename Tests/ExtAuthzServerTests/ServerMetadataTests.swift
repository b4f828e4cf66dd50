// Claims and other filters' metadata, over the wire.

internal import ExtAuthzServer
internal import Testing

private func workload(_ name: String, _ action: String, _ rule: String) -> String {
  deployment("shop", name) + authorization(name, app: name, "action: \(action), rules: [\(rule)]")
}

private func when(_ name: String, _ key: String, _ value: String) -> String {
  workload(name, "ALLOW", "{when: [{key: \"request.auth.\(key)\", values: [\"\(value)\"]}]}")
}

@Suite struct `The claims of a request` {
  private static let yaml =
    workload("subject", "ALLOW", "{from: [{source: {requestPrincipals: [\"issuer/subject\"]}}]}")
    + workload("token", "DENY", "{from: [{source: {notRequestPrincipals: [\"*\"]}}]}")
    + workload("banned", "DENY", "{when: [{key: \"request.auth.claims[sub]\", values: [\"subject\"]}]}")
    + when("group", "claims[groups]", "admin") + when("nested", "claims[realm][roles]", "admin") + when("deep", "claims[a][b][c]", "x")
    + when("flat", "claims[d]", "z") + when("wrong", "claims[a][d]", "z") + when("up", "claims[c]", "x")
    + when("level", "claims[level]", "3")
    + when("flag", "claims[flag]", "true") + when("audience", "audiences", "shop") + when("scope", "claims[scope]", "write")
    + deployment("shop", "none")

  private func message(_ workload: String, _ metadata: [(String, [(String, TestValue)])]?) -> CheckMessage {
    CheckMessage(to: "shop/\(workload)").with { $0.metadata = metadata }
  }

  private func token(_ claims: [(String, TestValue)], key: String = "payload", filter: String = "envoy.filters.http.jwt_authn")
    -> [(String, [(String, TestValue)])]
  {
    [(filter, [(key, .object(claims))])]
  }

  @Test func `are those that the proxy's JWT filter found`() throws {
    let server = try TestServer(Self.yaml)
    let claims: [(String, TestValue)] = [
      ("a", .object([("b", .object([("c", .string("x"))]))])), ("aud", .list([.string("shop"), .string("bank")])), ("d", .string("z")),
      ("empty", .object([])), ("groups", .list([.string("users"), .string("admin")])), ("iss", .string("issuer")),
      ("realm", .object([("name", .string("admin")), ("roles", .list([.string("admin")]))])), ("scope", .string("read write")),
      ("sub", .string("subject")),
    ]
    for name in ["subject", "group", "nested", "deep", "flat", "audience", "scope"] {
      #expect(try server.ask(message(name, token(claims))).policy == rule(name), "\(name)")
    }
    for name in ["wrong", "up", "level", "flag"] {
      #expect(try server.reason(message(name, token(claims))) == "no-allow-matched", "\(name)")
    }
    #expect(try server.reason(message("token", token(claims))) == "allowed-by-default")
    #expect(try server.reason(message("banned", token(claims))) == "denied-by-policy")
    #expect(try server.reason(message("group", token([("groups", .string("admin"))]))) == "allowed-by-policy")
    #expect(try server.reason(message("subject", token([("iss", .string("issuer")), ("sub", .string("subjects"))]))) == "no-allow-matched")
  }

  @Test func `never match when they are no text`() throws {
    let server = try TestServer(Self.yaml)
    for value in [TestValue.number(3), .list([.number(3)]), .null, .object([("3", .string("3"))]), .list([.list([.string("3")])])] {
      #expect(try server.reason(message("level", token([("level", value)]))) == "no-allow-matched", "\(value)")
    }
    #expect(try server.reason(message("level", token([("level", .list([.number(1), .string("3")]))]))) == "allowed-by-policy")
    #expect(try server.reason(message("flag", token([("flag", .bool(true))]))) == "no-allow-matched")
    #expect(try server.reason(message("nested", token([("realm", .list([.object([("roles", .string("admin"))])]))]))) == "no-allow-matched")
  }

  @Test func `are none when the filter found no token`() throws {
    let server = try TestServer(Self.yaml)
    let found = token([("groups", .list([.string("admin")])), ("iss", .string("issuer")), ("sub", .string("subject"))])[0].1
    let none: [[(String, [(String, TestValue)])]] = [
      [], [("envoy.filters.http.jwt_authn", [])], [("envoy.filters.http.jwt_authn2", found)], [("ENVOY.FILTERS.HTTP.JWT_AUTHN", found)],
      [("envoy.filters.http.jwt_authn", [("header", found[0].1), ("failed_status", .object([("code", .number(3))]))])],
    ]
    for metadata in none {
      #expect(try server.reason(message("group", metadata)) == "no-allow-matched")
      #expect(try server.reason(message("banned", metadata)) == "allowed-by-default")
      #expect(try server.reason(message("token", metadata)) == "denied-by-policy")
    }
  }

  @Test func `are unknown when the proxy did not send them, or in a form of its own, or when it is not believed`() throws {
    let server = try TestServer(Self.yaml)
    let claims = token([("groups", .string("admin")), ("iss", .string("issuer")), ("sub", .string("subject"))])
    let unbelieving = try TestServer(Self.yaml) { $0.tokens = .unavailable }
    for name in ["subject", "token", "banned", "group", "nested", "audience", "scope"] {
      #expect(try server.reason(message(name, nil)) == "unknown-claims", "\(name)")
      for payload in [TestValue.string("{}"), .list([.object([("sub", .string("subject"))])]), .null, .number(1), .bool(true)] {
        #expect(try server.reason(message(name, [("envoy.filters.http.jwt_authn", [("payload", payload)])])) == "unknown-claims", "\(name)")
      }
      for metadata in [nil, [], claims] {
        #expect(try unbelieving.reason(message(name, metadata)) == "unknown-claims", "\(name)")
      }
    }
    #expect(try server.reason(message("none", nil)) == "allowed-by-default")
  }
}

@Suite struct `Metadata of the proxy's filters` {
  private static let yaml =
    workload("text", "ALLOW", "{when: [{key: \"experimental.envoy.filters.a.b[key]\", values: [\"v\"]}]}")
    + workload("list", "ALLOW", "{when: [{key: \"experimental.envoy.filters.a.b[key]\", values: [\"[v]\"]}]}")
    + workload("banned", "DENY", "{when: [{key: \"experimental.envoy.filters.a.b[key]\", values: [\"v\"]}]}")

  @Test func `is known of the filters that were sent, and of no others`() throws {
    let server = try TestServer(Self.yaml)
    let ask = { (workload: String, metadata: [(String, [(String, TestValue)])]?) in
      try server.reason(CheckMessage(to: "shop/\(workload)").with { $0.metadata = metadata })
    }
    let filter = "envoy.filters.a.b"
    #expect(try ask("text", [(filter, [("key", .string("v"))])]) == "allowed-by-policy")
    #expect(try ask("list", [(filter, [("key", .list([.string("u"), .string("v")]))])]) == "allowed-by-policy")
    #expect(try ask("banned", [(filter, [("key", .string("v"))])]) == "denied-by-policy")
    // Text is no list of itself, and a list is no text.
    #expect(try ask("list", [(filter, [("key", .string("v"))])]) == "no-allow-matched")
    #expect(try ask("text", [(filter, [("key", .list([.string("v")]))])]) == "no-allow-matched")
    for fields in [[], [("key", .string("w"))], [("other", .string("v"))], [("key", .object([("key", .string("v"))]))]]
      as [[(String, TestValue)]]
    {
      #expect(try ask("text", [(filter, fields)]) == "no-allow-matched")
      #expect(try ask("banned", [(filter, fields), ("envoy.filters.other", [("key", .string("v"))])]) == "allowed-by-default")
    }
    for unsent in [nil, [], [("envoy.filters.a", [("b[key", .string("v"))])], [("a.b", [("key", .string("v"))])]]
      as [[(String, [(String, TestValue)])]?]
    {
      for workload in ["text", "list", "banned"] { #expect(try ask(workload, unsent) == "unknown-metadata") }
    }
  }
}
