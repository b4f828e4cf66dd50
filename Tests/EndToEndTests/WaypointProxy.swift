// A waypoint as Istio builds one, on a plain Envoy: a listener that ends HBONE and keeps the peer's URI names, and behind it internal listeners
// without TLS, one for each service, where policies are decided. Every service is there twice: asking Portcullis, and with Envoy's own filters.
//
// Enters: a sandbox. Leaves: a client's port for each caller and service. Never happens here: an authorization setting that is not the
// unchanged output of `portcullis export`.

internal import TestSupport

/// Who calls.
enum WaypointPeer: String, CaseIterable {
  /// One URI name.
  case one
  /// Two URI names.
  case two
  /// No URI name.
  case none

  fileprivate var order: CertificateOrder {
    switch self {
    case .one: .leaf("spiffe://cluster.local/ns/a/sa/b")
    case .two: .leaf("spiffe://cluster.local/ns/a/sa/b", "spiffe://cluster.local/ns/d/sa/c")
    case .none: .leaf(dns: ["a.example"])
    }
  }
}

/// What is called.
enum WaypointService: String, CaseIterable {
  case web, api, db
  /// A workload's own address.
  case none

  fileprivate var hint: String { self == .none ? "none" : "shop/\(rawValue)" }
  fileprivate var isTCP: Bool { self == .db }
}

/// Who decides.
enum WaypointSide: String, CaseIterable {
  case ask, rbac
}

/// The running proxy, with its engine.
final class WaypointProxy {
  private let proxy: Envoy
  private var ports: [String: UInt16] = [:]

  private struct Route {
    var service: WaypointService
    var side: WaypointSide
    var name: String { "\(service.rawValue)-\(side.rawValue)" }
    /// What the tunnel is opened to; policies see its port.
    var authority: String
  }

  init(in sandbox: Sandbox, policies: String) throws {
    let file = try sandbox.write(policies, to: "policies.yaml")
    let address = try "127.0.0.1:\(Ports.free())"
    let engine = try sandbox.start("engine", Programs.portcullis(), ["serve", "--policies", file, "--listen", address])
    try waitUntil("the engine to serve", detail: { engine.log }) {
      if let end = engine.poll() { throw TestFailure("it ended: \(end)", isFinal: true) }
      return engine.output.contains("ready")
    }
    let root = try IssuedCertificate(.authority("mesh"))
    let authority = try sandbox.write(root.pem, to: "ca.pem")
    func files(_ order: CertificateOrder, _ name: String) throws -> CertificateFiles {
      let issued = try IssuedCertificate(order, signedBy: root)
      return try CertificateFiles(
        chain: sandbox.write(issued.pem, to: "\(name).pem"), key: sandbox.write(issued.keyPEM, to: "\(name).key"))
    }
    var routes: [Route] = []
    for service in WaypointService.allCases {
      for side in WaypointSide.allCases { routes.append(Route(service: service, side: side, authority: "10.1.1.\(routes.count + 1):8080")) }
    }
    let own = try files(.leaf("spiffe://cluster.local/ns/infra/sa/wp"), "waypoint")
    let port = try Ports.free()
    var listeners = [Self.ending(routes, port: port, own, authority: authority)]
    var clusters = try [
      sandbox.export("envoy-ext-authz", ["--workload", "infra/wp", "--engine", address, "--only", "cluster"])
    ]
    for route in routes {
      let part = ["--only", route.service.isTCP ? "network-filter" : "http-filter"] + (route.service.isTCP ? ["--tcp"] : [])
      let common = ["--workload", "infra/wp", "--profile", "waypoint", "--service", route.service.hint] + part
      let filter =
        try route.side == .ask
        ? sandbox.export("envoy-ext-authz", common + ["--engine", address, "--timeout", "5s"])
        : sandbox.export("envoy-rbac", common + ["--policies", file])
      listeners.append(Self.deciding(route, filter))
      clusters.append(Self.internalCluster(route.name))
    }
    for peer in WaypointPeer.allCases {
      try clusters.append(Self.tunnel(peer, to: port, files(peer.order, peer.rawValue)))
      for route in routes {
        let port = try Ports.free()
        ports["\(peer.rawValue)-\(route.name)"] = port
        listeners.append(Self.client(peer, route, port: port))
      }
    }
    proxy = try Envoy(
      "waypoint",
      configuration: """
        bootstrap_extensions:
        - name: envoy.bootstrap.internal_listener
          typed_config: {"@type": type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener}
        static_resources:
          listeners:
        \(listeners.joined(separator: "\n").indented(2))
          clusters:
        \(clusters.joined(separator: "\n").indented(2))

        """, in: sandbox)
  }

  /// The port at which a caller's own proxy takes what is meant for a service.
  func port(_ peer: WaypointPeer, _ service: WaypointService, _ side: WaypointSide) -> UInt16 {
    ports["\(peer.rawValue)-\(service.rawValue)-\(side.rawValue)", default: 0]
  }

  /// The listener that ends HBONE, with the filter by which Istio's waypoints keep who calls, from where, and to what.
  private static func ending(_ routes: [Route], port: UInt16, _ own: CertificateFiles, authority: String) -> String {
    let hosts = routes.map { route in
      """
      - name: \(route.name)
        domains: ["\(route.authority)"]
        routes:
        - {match: {connect_matcher: {}}, route: {cluster: \(route.name), upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}}
      """
    }
    return """
      - name: connect_terminate
        address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
        filter_chains:
        - transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              require_client_certificate: true
              common_tls_context:
                alpn_protocols: [h2]
                tls_certificates: [{certificate_chain: {filename: "\(own.chain)"}, private_key: {filename: "\(own.key)"}}]
                validation_context: {trusted_ca: {filename: "\(authority)"}}
          filters:
          - name: envoy.filters.network.http_connection_manager
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
              stat_prefix: connect_terminate
              http2_protocol_options: {allow_connect: true}
              http_filters:
              - name: envoy.filters.http.set_filter_state
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config
                  on_request_headers:
                  - object_key: envoy.filters.listener.original_dst.local_ip
                    format_string: {text_format_source: {inline_string: "%REQ(:AUTHORITY)%"}}
                    shared_with_upstream: ONCE
                  - object_key: envoy.filters.listener.original_dst.remote_ip
                    format_string: {text_format_source: {inline_string: "%DOWNSTREAM_REMOTE_ADDRESS%"}}
                    shared_with_upstream: ONCE
                  - object_key: io.istio.peer_principal
                    factory_key: envoy.string
                    format_string: {text_format_source: {inline_string: "%DOWNSTREAM_PEER_URI_SAN%"}}
                    shared_with_upstream: ONCE
              - name: envoy.filters.http.router
                typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
              route_config:
                virtual_hosts:
      \(hosts.joined(separator: "\n").indented(10))
      """
  }

  /// An internal listener that decides.
  private static func deciding(_ route: Route, _ filter: String) -> String {
    let filters =
      route.service.isTCP
      ? """
      \(filter)
      - {name: echo, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}
      """
      : """
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: \(route.name)
          http_filters:
      \(filter.indented(4))
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - {name: app, domains: ["*"], routes: [{match: {prefix: "/"}, direct_response: {status: 200}}]}
      """
    return """
      - name: \(route.name)
        internal_listener: {}
        listener_filters:
        - name: envoy.filters.listener.original_dst
          typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst}
        filter_chains:
        - filters:
      \(filters.indented(4))
      """
  }

  /// The way to an internal listener, with what is kept for it.
  private static func internalCluster(_ name: String) -> String {
    """
    - name: \(name)
      transport_socket:
        name: envoy.transport_sockets.internal_upstream
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport
          transport_socket:
            name: envoy.transport_sockets.raw_buffer
            typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}
      load_assignment:
        cluster_name: \(name)
        endpoints: [{lb_endpoints: [{endpoint: {address: {envoy_internal_address: {server_listener_name: \(name)}}}}]}]
    """
  }

  /// A caller's own listener: what arrives goes through a tunnel.
  private static func client(_ peer: WaypointPeer, _ route: Route, port: UInt16) -> String {
    """
    - name: \(peer.rawValue)-\(route.name)
      address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
      filter_chains:
      - filters:
        - name: envoy.filters.network.tcp_proxy
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
            stat_prefix: client
            cluster: from-\(peer.rawValue)
            tunneling_config: {hostname: "\(route.authority)"}
    """
  }

  /// A caller's way to the waypoint.
  private static func tunnel(_ peer: WaypointPeer, to port: UInt16, _ own: CertificateFiles) -> String {
    """
    - name: from-\(peer.rawValue)
      connect_timeout: 5s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: {http2_protocol_options: {allow_connect: true}}
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2]
            tls_certificates: [{certificate_chain: {filename: "\(own.chain)"}, private_key: {filename: "\(own.key)"}}]
      load_assignment:
        cluster_name: from-\(peer.rawValue)
        endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}}]}]
    """
  }
}

extension Sandbox {
  /// What `portcullis export` writes.
  func export(_ kind: String, _ arguments: [String]) throws -> String {
    let result = try run(Programs.portcullis(), ["export", kind] + arguments)
    guard result.end == .exited(0) else { throw TestFailure("export: \(result.end) \(result.errors)") }
    return result.output
  }
}
