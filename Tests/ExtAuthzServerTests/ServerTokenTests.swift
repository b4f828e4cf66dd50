// Tokens, where only those count that an attached RequestAuthentication accepts.

internal import ExtAuthzServer
internal import PolicyEngine
internal import PolicyModel
internal import Testing

@Suite struct `Tokens under RequestAuthentication` {
  private static let yaml =
    deployment("shop", "backend") + deployment("shop", "open") + deployment("shop", "demanding")
    + authorization("b", app: "backend", "action: ALLOW, rules: [{when: [{key: 'request.auth.claims[groups]', values: [admin]}]}]")
    + authorization("o", app: "open", "action: DENY, rules: [{from: [{source: {requestPrincipals: ['*']}}]}]")
      + """
      apiVersion: security.istio.io/v1
      kind: RequestAuthentication
      metadata: {name: b, namespace: shop}
      spec: {selector: {matchLabels: {app: backend}}, jwtRules: [{issuer: 'https://iss', spaceDelimitedClaims: [groups]}]}
      ---
      apiVersion: security.istio.io/v1
      kind: RequestAuthentication
      metadata: {name: d, namespace: shop}
      spec: {selector: {matchLabels: {app: demanding}}, jwtRules: [{issuer: 'https://iss', presence: REQUIRED}]}
      ---

      """

  private func message(_ workload: String, _ payload: [String: String]?) -> CheckMessage {
    CheckMessage(to: "shop/\(workload)").with { message in
      let claims = payload?.sorted { $0.key < $1.key }.map { ($0.key, TestValue.string($0.value)) }
      message.metadata = claims.map { [("envoy.filters.http.jwt_authn", [("payload", .object($0))])] } ?? []
    }
  }

  private func server(_ tokens: Belief.Tokens) throws -> TestServer { try TestServer(Self.yaml) { $0.tokens = tokens } }

  @Test func `count when their issuer is named`() throws {
    let server = try server(.requestAuthentication)
    #expect(try server.reason(message("backend", ["iss": "https://iss", "groups": "user admin"])) == "allowed-by-policy")
    #expect(try server.reason(message("backend", ["iss": "https://iss", "groups": "user"])) == "no-allow-matched")
    #expect(try server.reason(message("backend", ["iss": "https://other", "groups": "admin"])) == "token-rejected")
    #expect(try server.reason(message("backend", [:])) == "token-rejected")
    #expect(try server.reason(message("backend", nil)) == "no-allow-matched")
    #expect(try server.reason(message("demanding", nil)) == "token-required")
    #expect(try server.reason(message("demanding", ["iss": "https://iss"])) == "allowed-by-default")
    // Without a RequestAuthentication the proxy would read no token.
    #expect(try server.reason(message("open", ["iss": "https://iss", "sub": "u"])) == "allowed-by-default")
    #expect(try server.reason(message("backend", ["iss": "https://iss"]).with { $0.metadata = nil }) == "unknown-claims")
  }

  @Test func `count as the proxy verified them, where it is trusted`() throws {
    let server = try server(.trustProxy)
    #expect(try server.reason(message("open", ["iss": "https://iss", "sub": "u"])) == "denied-by-policy")
    #expect(try server.reason(message("backend", ["iss": "https://other", "groups": "admin"])) == "allowed-by-policy")
    #expect(try server.reason(message("demanding", nil)) == "allowed-by-default")
  }
}
