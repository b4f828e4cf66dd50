// What the module makes of answers that a real Envoy never gives.

internal import TestSupport
internal import Testing

@testable internal import EnvoyModule

private let policies = """
  apiVersion: v1
  kind: Pod
  metadata: {name: backend, namespace: shop, labels: {app: backend}}
  ---
  apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: open, namespace: shop}
  spec:
    rules:
    - from: [{source: {principals: ["cluster.local/ns/shop/sa/frontend-sa"]}}]
      to: [{operation: {paths: ["/frontend"]}}]
    - from: [{source: {notPrincipals: ["cluster.local/ns/shop/sa/frontend-sa"]}}]
      to: [{operation: {paths: ["/others"]}}]
    - to: [{operation: {paths: ["/named"]}}]
      when: [{key: connection.sni, values: ["backend.test"]}]
    - to: [{operation: {paths: ["/other-name"]}}]
      when: [{key: connection.sni, notValues: ["backend.test"]}]
    - to: [{operation: {paths: ["/other-host"], notHosts: ["test"]}}]
    - from: [{source: {notIpBlocks: ["10.0.0.0/8"]}}]
      to: [{operation: {paths: ["/far"]}}]

  """

@Suite(.serialized) struct `The module's connections` {
  static func withListener(_ more: String = "", _ body: (FakeListener) throws -> Void) throws {
    try withSandbox { sandbox in
      let path = try sandbox.write(policies, to: "policies/policies.yaml")
      let listener = try FakeListener("\"policies\": [\"\(path)\"], \"workload\": \"shop/backend\"\(more)")
      defer { listener.end() }
      try body(listener)
    }
  }

  @Test func `are of nobody known when names cannot be had, even where the first one would do`() throws {
    let refusals = [
      FakeAnswers(refusesURIs: true), FakeAnswers(dnsName: "a.example", refusesDNSNames: true), FakeAnswers(subject: nil),
      FakeAnswers(uriCount: 65_537),
    ]
    try Self.withListener(#", "peer": "first-uri""#) { listener in
      for isSeen in [true, false] { #expect(listener.ask(FakeConnection("/frontend"), isSeen: isSeen) == 200) }
      for refusal in refusals {
        for path in ["/frontend", "/others"] {
          let connection = FakeConnection(path, refusal)
          #expect(listener.ask(connection) == 403, "\(refusal), \(path)")
          #expect(connection.reason == "unknown-peer", "\(refusal), \(path)")
        }
      }
    }
  }

  @Test func `have the server name that the network filter saw`() throws {
    try Self.withListener { listener in
      let seen = FakeAnswers(serverName: "backend.test")
      #expect(listener.ask(FakeConnection("/named", seen)) == 200)
      #expect(listener.ask(FakeConnection("/other-name", seen)) == 403)
      let differs = FakeAnswers(serverName: "backend.test", serverNameAttribute: "other.test")
      #expect(listener.ask(FakeConnection("/named", differs)) == 200)
      let none = FakeConnection("/other-name")
      #expect(listener.ask(none) == 200)
      #expect(none.reason == "allowed-by-policy")
    }
  }

  @Test func `may have an empty host, and an address that no block contains`() throws {
    try Self.withListener { listener in
      #expect(listener.ask(FakeConnection("/other-host")) == 403)
      #expect(listener.ask(FakeConnection("/other-host", FakeAnswers(host: ""))) == 200)
      #expect(listener.ask(FakeConnection("/far")) == 403)
      for address in ["/run/app.sock", "@app", "envoy://inner/1"] {
        #expect(listener.ask(FakeConnection("/far", FakeAnswers(address: address))) == 200, "\(address)")
      }
      let unknown = FakeConnection("/far", FakeAnswers(address: ""))
      #expect(listener.ask(unknown) == 403)
      #expect(unknown.reason == "unknown-source-ip")
    }
  }

  @Test func `are forgotten when they end`() throws {
    try Self.withListener { listener in
      let connection = FakeConnection("/frontend")
      var seen: [Bool] = []
      let status = listener.ask(connection) { seen.append(SeenConnections.connection(connection.number) != nil) }
      #expect(status == 200)
      #expect(seen == [true])
      #expect(SeenConnections.connection(connection.number) == nil)
    }
  }

  @Test func `are anonymous only when Envoy says that there is no certificate`() throws {
    try Self.withListener { listener in
      #expect(listener.ask(FakeConnection("/others", FakeAnswers(hasCertificate: false, uriCount: 0))) == 200)
      #expect(listener.ask(FakeConnection("/others", FakeAnswers(uriCount: 0))) == 403)
    }
  }
}
