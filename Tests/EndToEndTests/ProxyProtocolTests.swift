// Behind a load balancer that speaks the PROXY protocol: the connection's peer and the client are two addresses.

internal import TestSupport
internal import Testing

extension EndToEnd {
  @Suite struct `connections with the PROXY protocol` {
    /// Denies by the connection's peer, which is on loopback, and by the client that the protocol names. The port tells which rule is tried.
    private static let policies = """
      apiVersion: v1
      kind: Pod
      metadata: {name: web, namespace: shop, labels: {app: web}}
      ---
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {name: deny, namespace: shop}
      spec:
        action: DENY
        rules:
        - {from: [{source: {ipBlocks: [127.0.0.1]}}], to: [{operation: {ports: ["1"]}}]}
        - {from: [{source: {ipBlocks: [10.0.0.1, "2001:db8::1"]}}], to: [{operation: {ports: ["2"]}}]}
        - {from: [{source: {remoteIpBlocks: [127.0.0.1]}}], to: [{operation: {ports: ["3"]}}]}
        - {from: [{source: {remoteIpBlocks: [10.0.0.1, "2001:db8::1"]}}], to: [{operation: {ports: ["4"]}}]}
        - {from: [{source: {notIpBlocks: [127.0.0.1]}}], to: [{operation: {ports: ["5"]}}]}

      """

    /// Whether a connection to a port is let through.
    private static func isAllowed(_ listener: UInt16, port: Int, family: Int, isTCP: Bool) throws -> Bool {
      let connection = try Connection(port: listener)
      let addresses = family == 4 ? "10.0.0.1 10.0.0.2" : "2001:db8::1 2001:db8::2"
      try connection.send(Array("PROXY TCP\(family) \(addresses) 40000 \(port)\r\n".utf8))
      let text = isTCP ? "select 1" : "GET / HTTP/1.1\r\nhost: web\r\n\r\n"
      try connection.send(Array(text.utf8))
      let answer = String(decoding: try connection.receive(), as: UTF8.self)
      if isTCP { return answer.utf8.elementsEqual(text.utf8) }
      guard let status = Int(answer.split(separator: " ").dropFirst().first ?? ""), status == 200 || status == 403 else {
        throw TestFailure("neither allowed nor denied: \(answer)")
      }
      return status == 200
    }

    private static func listener(_ name: String, port: UInt16, _ filter: String, isTCP: Bool) -> String {
      let filters =
        isTCP
        ? """
        \(filter)
        - {name: echo, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}
        """
        : """
        - name: envoy.filters.network.http_connection_manager
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
            stat_prefix: \(name)
            http_filters:
        \(filter.indented(4))
            - name: envoy.filters.http.router
              typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
            route_config:
              virtual_hosts:
              - {name: app, domains: ["*"], routes: [{match: {prefix: "/"}, direct_response: {status: 200}}]}
        """
      return """
        - name: \(name)
          address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
          listener_filters:
          - name: envoy.filters.listener.proxy_protocol
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}
          filter_chains:
          - filters:
        \(filters.indented(4))
        """
    }

    @Test(arguments: [false, true])
    func `are decided by both addresses, each where policies mean it, as Envoy's own filters decide`(isTCP: Bool) throws {
      try withSandbox { sandbox in
        let file = try sandbox.write(Self.policies, to: "policies.yaml")
        let address = try "127.0.0.1:\(Ports.free())"
        let engine = try sandbox.start("engine", Programs.portcullis(), ["serve", "--policies", file, "--listen", address])
        try waitUntil("the engine to serve", detail: { engine.log }) {
          if let end = engine.poll() { throw TestFailure("it ended: \(end)", isFinal: true) }
          return engine.output.contains("ready")
        }
        let common = ["--workload", "shop/web", "--only", isTCP ? "network-filter" : "http-filter"] + (isTCP ? ["--tcp"] : [])
        let asking = ["--engine", address, "--timeout", "5s"]
        let ports = try [Ports.free(), Ports.free(), Ports.free()]
        let filters = try [
          sandbox.export("envoy-ext-authz", common + asking + ["--proxy-protocol"]),
          sandbox.export("envoy-rbac", common + ["--policies", file]), sandbox.export("envoy-ext-authz", common + asking),
        ]
        let listeners = filters.indices.map { Self.listener("listener-\($0)", port: ports[$0], filters[$0], isTCP: isTCP) }
        let cluster = try sandbox.export("envoy-ext-authz", ["--workload", "shop/web", "--engine", address, "--only", "cluster"])
        let proxy = try Envoy(
          "proxy",
          configuration: """
            static_resources:
              listeners:
            \(listeners.joined(separator: "\n").indented(2))
              clusters:
            \(cluster.indented(2))

            """, in: sandbox)
        for family in [4, 6] {
          for (port, isAllowed) in [(1, false), (2, true), (3, true), (4, false), (5, true), (6, true)] {
            for (index, listener) in ports.enumerated() where index < 2 {
              #expect(
                try Self.isAllowed(listener, port: port, family: family, isTCP: isTCP) == isAllowed,
                "port \(port), IPv\(family), \(index == 0 ? "Portcullis" : "Envoy")")
            }
          }
          // What the hint is for: without it Envoy tells the client's address alone.
          #expect(try Self.isAllowed(ports[2], port: 1, family: family, isTCP: isTCP))
        }
        #expect(proxy.process.poll() == nil)
      }
    }
  }
}
