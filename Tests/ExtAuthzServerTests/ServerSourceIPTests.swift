// The connection's peer where the proxy tells another address: behind the PROXY protocol, and at a waypoint.

internal import ExtAuthzServer
internal import Testing

@Suite struct `The hint for the connection's peer` {
  private static let yaml =
    """
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: wp, namespace: shop}
    spec: {gatewayClassName: istio-waypoint}
    ---

    """ + deployment("shop", "backend")
    + authorization(
      "deny",
      """
      action: DENY, rules: [{from: [{source: {ipBlocks: [127.0.0.1]}}], to: [{operation: {paths: [/peer]}}]}, \
      {from: [{source: {ipBlocks: [10.0.0.1]}}], to: [{operation: {paths: [/told]}}]}, \
      {from: [{source: {remoteIpBlocks: [10.0.0.1]}}], to: [{operation: {paths: [/remote]}}]}, \
      {from: [{source: {notIpBlocks: [127.0.0.1]}}], to: [{operation: {paths: [/not]}}]}]
      """)
      + """
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {name: wp, namespace: shop}
      spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: wp}], action: DENY, rules: [
        {from: [{source: {ipBlocks: [10.0.0.0/8]}}], to: [{operation: {paths: [/in]}}]},
        {from: [{source: {notIpBlocks: [10.0.0.0/8]}}], to: [{operation: {paths: [/out]}}]},
        {from: [{source: {remoteIpBlocks: [10.0.0.0/8]}}], to: [{operation: {paths: [/remote]}}]}]}

      """

  private func asking(_ path: String) -> CheckMessage {
    CheckMessage(to: "shop/backend").with {
      $0.source = .socket("10.0.0.1", 40_000)
      $0.http = .init(path: path)
    }
  }

  @Test func `stands for the address that policies compare with ipBlocks, and for no other`() throws {
    let server = try TestServer(Self.yaml)
    let hint = [("x-portcullis-source-ip", "127.0.0.1")]
    for (path, without, with) in [
      ("/peer", "allowed-by-default", "denied-by-policy"), ("/told", "denied-by-policy", "allowed-by-default"),
      ("/remote", "denied-by-policy", "denied-by-policy"), ("/not", "denied-by-policy", "allowed-by-default"),
    ] {
      #expect(try server.reason(asking(path)) == without, "\(path)")
      #expect(try server.reason(asking(path), metadata: hint) == with, "\(path)")
    }
    // Of another family, or none at all.
    for text in ["::1", "/run/socket", "@socket", "envoy://internal_client_address/"] {
      #expect(try server.reason(asking("/not"), metadata: [("x-portcullis-source-ip", text)]) == "denied-by-policy", "\(text)")
      #expect(try server.reason(asking("/peer"), metadata: [("x-portcullis-source-ip", text)]) == "allowed-by-default", "\(text)")
    }
  }

  @Test func `is believed only when it is an address, and always the same`() throws {
    let server = try TestServer(Self.yaml)
    for text in ["localhost", "-", "127.0.0.1:80", "127.0.0.0/8", "127.0.0.1,10.0.0.1", " 127.0.0.1", "envoy:", "internal_client_address"] {
      #expect(try server.reason(asking("/told").with { $0.extensions.append(("portcullis.source-ip", text)) }) == "bad-hint", "\(text)")
    }
    func twice(_ first: String, _ second: String) throws -> String {
      let message = asking("/peer").with { $0.extensions.append(("portcullis.source-ip", first)) }
      return try server.reason(message, metadata: [("x-portcullis-source-ip", second)])
    }
    #expect(try twice("127.0.0.1", "127.0.0.1") == "denied-by-policy")
    #expect(try twice("127.0.0.1", "10.0.0.1") == "bad-hint")
    #expect(try twice("127.0.0.1", "envoy://internal_client_address/") == "bad-hint")
    #expect(try twice("envoy://internal_client_address/", "127.0.0.1") == "bad-hint")
  }

  @Test func `at a waypoint says that the peer is another listener, and nobody knows the peer without it`() throws {
    let server = try TestServer(Self.yaml)
    func reason(_ path: String, _ hint: String?) throws -> String {
      let message = CheckMessage().with {
        $0.source = .socket("10.0.0.1", 40_000)
        $0.http = .init(path: path)
        $0.extensions = [("portcullis.profile", "waypoint"), ("portcullis.service", "none"), ("portcullis.workload", "shop/wp")]
        $0.extensions.append(("portcullis.peer", spiffe("shop", "a")))
        if let hint { $0.extensions.append(("portcullis.source-ip", hint)) }
      }
      return try server.reason(message)
    }
    #expect(try reason("/in", nil) == "unknown-source-ip")
    #expect(try reason("/in", "envoy://internal_client_address/") == "allowed-by-default")
    #expect(try reason("/out", nil) == "unknown-source-ip")
    #expect(try reason("/out", "envoy://internal_client_address/") == "denied-by-policy")
    #expect(try reason("/in", "10.0.0.1") == "denied-by-policy")
    #expect(try reason("/", nil) == "allowed-by-default")
  }
}
