// Headers, paths, names of TLS and TCP, over the wire.

internal import ExtAuthzServer
internal import PolicyModel
internal import Testing

private func deny(_ name: String, _ rule: String) -> String { authorization(name, app: name, "action: DENY, rules: [\(rule)]") }

@Suite struct `The headers of a request` {
  private static let yaml =
    deployment("shop", "value") + deployment("shop", "present") + deployment("shop", "scheme") + deployment("shop", "none")
    + deny("value", "{when: [{key: \"request.headers[X-A]\", values: [\"2\"]}]}")
    + deny("present", "{when: [{key: \"request.headers[x-a]\", values: [\"*\"]}]}")
    + deny("scheme", "{when: [{key: \"request.headers[:scheme]\", values: [\"https\"]}]}")

  private func message(_ headers: CheckMessage.Headers, to workload: String = "value") -> CheckMessage {
    CheckMessage(to: "shop/\(workload)").with { $0.http = .init(headers: headers) }
  }

  @Test func `are matched line by line where the proxy sends lines`() throws {
    let server = try TestServer(Self.yaml)
    for lines in [[("x-a", "2")], [("x-a", "1"), ("x-a", "2")], [("X-A", "2")], [("x-a", "2"), ("x-a", "1")]] {
      #expect(try server.reason(message(.lines(lines))) == "denied-by-policy", "\(lines)")
    }
    for lines in [[("x-a", "1,2")], [("x-a", "1")], [("x-b", "2")], [("x-a", "")], [("x-a", "2 ")]] {
      #expect(try server.reason(message(.lines(lines))) == "allowed-by-default", "\(lines)")
    }
  }

  @Test func `with a comma, joined by the proxy, are ambiguous where a rule tests them`() throws {
    let server = try TestServer(Self.yaml)
    let accepting = try TestServer(Self.yaml) { $0.acceptsJoinedHeaders = true }
    let joined = [("x-a", "1,2"), ("accept", "a,b")]
    #expect(try server.reason(message(.joined(joined))) == "ambiguous-header")
    #expect(try server.reason(message(.joined([("x-a", ",")]))) == "ambiguous-header")
    #expect(try server.reason(message(.joined(joined), to: "none")) == "allowed-by-default")
    // However many lines there were, the header is there.
    #expect(try server.reason(message(.joined(joined), to: "present")) == "denied-by-policy")
    #expect(try accepting.reason(message(.joined(joined))) == "allowed-by-default")
    for server in [server, accepting] {
      #expect(try server.reason(message(.joined([("x-a", "2")]))) == "denied-by-policy")
      #expect(try server.reason(message(.joined([("x-a", "1"), ("x-b", "2,2")]))) == "allowed-by-default")
      // A pseudo header comes once, so its comma is its own.
      #expect(try server.reason(message(.joined([(":scheme", "a,https")]), to: "scheme")) == "allowed-by-default")
      #expect(try server.reason(message(.joined([(":scheme", "https")]), to: "scheme")) == "denied-by-policy")
    }
  }

  @Test func `that were not sent are unknown, not absent`() throws {
    for accepts in [false, true] {
      let server = try TestServer(Self.yaml) { $0.acceptsJoinedHeaders = accepts }
      for workload in ["value", "present", "scheme"] {
        #expect(try server.reason(message(.none, to: workload)) == "unknown-headers")
        #expect(try server.reason(message(.lines([]), to: workload)) == "unknown-headers")
      }
      #expect(try server.reason(message(.none, to: "none")) == "allowed-by-default")
    }
  }
}

@Suite struct `The path of a request` {
  private static let yaml =
    deployment("shop", "admin") + deployment("shop", "none") + deny("admin", "{to: [{operation: {paths: [\"/admin\"]}}]}")

  /// Paths, and whether each mode leaves them as they are: none, base, merge, decode.
  private static let table: [(String, [Bool])] = [
    ("/x", [true, true, true, true]), ("/a/../admin", [true, false, false, false]), ("/./x", [true, false, false, false]),
    ("/%61dmin", [true, false, false, false]), ("/x\\y", [true, false, false, false]), ("//x", [true, true, false, false]),
    ("/x//", [true, true, false, false]), ("/x%2Fy", [true, true, true, false]), ("/x%5cy", [true, true, true, false]),
    ("/x#y", [false, false, false, false]), ("/x?/../%61//", [true, true, true, true]), ("/x?a#b", [false, false, false, false]),
    ("/x y", [true, false, false, false]), ("/x%00", [true, false, false, false]), ("/x%", [true, true, true, true]),
    ("*", [true, true, true, true]), ("/..x/.y", [true, true, true, true]),
  ]

  @Test(arguments: zip([MeshSettings.PathNormalization.none, .base, .mergeSlashes, .decodeAndMergeSlashes], 0..<4))
  func `is believed only if the proxy normalized it as the mesh demands`(_ mode: MeshSettings.PathNormalization, _ column: Int) throws {
    let mesh = MeshSettings(pathNormalization: mode)
    let server = try TestServer(Self.yaml, mesh: mesh)
    let trusting = try TestServer(Self.yaml, mesh: mesh) { $0.trustsNormalization = true }
    for (path, isFixed) in Self.table {
      let expected = isFixed[column] ? "allowed-by-default" : "path-not-normalized"
      #expect(try server.reason(CheckMessage(to: "shop/admin", path: path)) == expected, "\(path)")
      #expect(try server.reason(CheckMessage(to: "shop/none", path: path)) == "allowed-by-default", "\(path)")
      #expect(try trusting.reason(CheckMessage(to: "shop/admin", path: path)) == "allowed-by-default", "\(path)")
    }
    for server in [server, trusting] {
      for path in ["/admin", "/admin?x=/../y", "/admin?"] {
        #expect(try server.reason(CheckMessage(to: "shop/admin", path: path)) == "denied-by-policy", "\(path)")
      }
    }
  }

  @Test func `is absent for CONNECT only`() throws {
    for trusts in [false, true] {
      let server = try TestServer(Self.yaml) { $0.trustsNormalization = trusts }
      let ask = { (method: String, path: String) in
        try server.reason(CheckMessage(to: "shop/admin").with { $0.http = .init(method: method, path: path) })
      }
      #expect(try ask("CONNECT", "") == "allowed-by-default")
      #expect(try ask("CONNECT", "/admin") == "denied-by-policy")
      #expect(try ask("GET", "") == "unknown-path")
      #expect(try ask("connect", "") == "unknown-path")
      #expect(try ask("", "") == "unknown-path")
    }
  }
}

@Suite struct `Other attributes of a request` {
  private static let yaml =
    deployment("shop", "sni") + deployment("shop", "method") + deployment("shop", "host") + deployment("shop", "get")
    + deployment("shop", "who")
    + deny("sni", "{when: [{key: connection.sni, values: [\"a.example\"]}]}") + deny("method", "{to: [{operation: {methods: [\"POST\"]}}]}")
    + deny("host", "{to: [{operation: {hosts: [\"a.example\"]}}]}")
    + authorization("get", app: "get", "action: ALLOW, rules: [{to: [{operation: {methods: [\"GET\"]}}]}]")
    + authorization(
      "who", app: "who", "action: ALLOW, rules: [{from: [{source: {principals: [\"cluster.local/ns/shop/sa/frontend\"]}}]}]")

  @Test func `from TLS are known only if the proxy tells about TLS`() throws {
    let server = try TestServer(Self.yaml)
    let ask = { (name: String?) in try server.reason(CheckMessage(to: "shop/sni").with { $0.sni = name }) }
    #expect(try ask("a.example") == "denied-by-policy")
    #expect(try ask("b.example") == "allowed-by-default")
    #expect(try ask("") == "allowed-by-default")
    #expect(try ask(nil) == "unknown-sni")
  }

  @Test func `that are empty were withheld`() throws {
    let server = try TestServer(Self.yaml)
    let ask = { (workload: String, http: CheckMessage.HTTP) in
      try server.reason(CheckMessage(to: "shop/\(workload)").with { $0.http = http })
    }
    #expect(try ask("method", .init(method: "POST")) == "denied-by-policy")
    #expect(try ask("method", .init(method: "GET")) == "allowed-by-default")
    #expect(try ask("method", .init(method: "")) == "unknown-method")
    #expect(try ask("host", .init(host: "A.example")) == "denied-by-policy")
    #expect(try ask("host", .init(host: "a.example:80")) == "allowed-by-default")
    #expect(try ask("host", .init(host: "")) == "unknown-host")
  }

  @Test func `of HTTP do not exist on TCP: allowing rules that use them match nothing, denying rules lose them`() throws {
    let server = try TestServer(Self.yaml)
    let ask = { (workload: String, principal: String) in
      let message = CheckMessage().with {
        $0.http = nil
        $0.principal = principal
        $0.sni = "b.example"
      }
      return try server.ask(message, metadata: [("x-portcullis-workload", "shop/\(workload)")])
    }
    #expect(try ask("get", "").description == "deny no-allow-matched none")
    #expect(try ask("method", "").description == "deny denied-by-policy \(rule("method"))")
    #expect(try ask("host", "").description == "deny denied-by-policy \(rule("host"))")
    #expect(try ask("sni", "").description == "allow allowed-by-default none")
    #expect(try ask("who", spiffe("shop", "frontend")).description == "allow allowed-by-policy \(rule("who"))")
    #expect(try ask("who", "").description == "deny no-allow-matched none")
    #expect(try ask("who", "").status == nil)
  }
}
