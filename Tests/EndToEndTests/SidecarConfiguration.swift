// Envoy configuration for the sidecars of the tests. Everything about Portcullis in it is the unchanged output of
// `portcullis export envoy-ext-authz`; this file adds what any sidecar has: listeners, mTLS, routes, an access log.
//
// Enters: ports, certificates, the export's text. Leaves: YAML. Never happens here: a setting of the authorization filter or its cluster.

internal import Foundation
internal import TestSupport

/// A certificate chain and its key, as files.
struct CertificateFiles {
  var chain: String
  var key: String
}

/// One inbound listener of a server sidecar.
struct Inbound {
  /// How clients reach it.
  enum Security {
    /// TLS; a client certificate is verified when there is one (what Istio's PERMISSIVE and STRICT have in common).
    case tls(CertificateFiles, authority: String)
    /// TLS that demands a certificate, with a context of validation that verifies nothing.
    case careless(CertificateFiles, validation: String)
    /// No TLS at all.
    case plaintext
  }

  /// Name of the listener, prefix of its counters.
  var name: String
  var port: UInt16
  var security: Security
  /// Where the application listens.
  var applicationPort: UInt16
  /// The exported filters, and for HTTP the exported settings of the connection manager; TCP when there are none.
  var filter: String
  var connectionManager: String?
  /// Network filters before the connection manager.
  var leading = ""
  /// Configuration of filters on a route of its own, by its path.
  var perRoute: [String: String] = [:]
  /// Whether there is the listener filter that reads the server name of a handshake.
  var inspectsTLS = false
  /// Whose dynamic metadata is logged; that of Envoy's own filter unless given.
  var metadata: String?
}

/// One outbound listener of a client sidecar: whatever arrives goes to one peer.
struct Outbound {
  var name: String
  var port: UInt16
  var peerPort: UInt16
  var isTCP = false
  /// The client's certificate; nil for a client without one.
  var certificate: CertificateFiles?
  /// The CA that the peer must have.
  var authority: String
  /// The SPIFFE ID that the peer must have.
  var peer: String
  /// The server name to ask for.
  var serverName: String?
}

enum SidecarConfiguration {
  /// The server side: listeners with authorization, applications behind them, and the exported cluster(s).
  static func server(_ inbounds: [Inbound], engineClusters: String, accessLog: String) -> String {
    """
    static_resources:
      listeners:
    \(inbounds.map { listener($0, accessLog: accessLog) }.joined(separator: "\n").indented(2))
      clusters:
    \(engineClusters.indented(2))
    \(inbounds.map(application).joined(separator: "\n").indented(2))
    """
  }

  /// The same listeners for Envoy to discover in a file, and the clusters that they may name.
  static func discovered(_ inbounds: [Inbound], accessLog: String) -> String {
    let type = "\"@type\": type.googleapis.com/envoy.config.listener.v3.Listener"
    let texts = inbounds.map {
      "- \(type)\n" + listener($0, accessLog: accessLog).replacing("- name: \($0.name)\n", with: "  name: \($0.name)\n")
    }
    return "resources:\n" + texts.joined(separator: "\n") + "\n"
  }

  /// A server whose listeners are in a file that it watches.
  static func server(discovering file: String, _ applications: [Inbound]) -> String {
    """
    dynamic_resources: {lds_config: {path_config_source: {path: "\(file)"}}}
    static_resources:
      clusters:
    \(applications.map(application).joined(separator: "\n").indented(2))
    """
  }

  /// The client side: one listener for each peer.
  static func client(_ outbounds: [Outbound]) -> String {
    """
    static_resources:
      listeners:
    \(outbounds.map(listener).joined(separator: "\n").indented(2))
      clusters:
    \(outbounds.map(peer).joined(separator: "\n").indented(2))
    """
  }

  private static func listener(_ inbound: Inbound, accessLog: String) -> String {
    let transport =
      switch inbound.security {
      case .plaintext: ""
      case .tls(let certificate, let authority):
        transport(certificate, "validation_context: {trusted_ca: {filename: \"\(authority)\"}}", demandsCertificate: false)
      case .careless(let certificate, let validation): transport(certificate, validation, demandsCertificate: true)
      }
    return """
      - name: \(inbound.name)
        address: {socket_address: {address: 127.0.0.1, port_value: \(inbound.port)}}
        traffic_direction: INBOUND
        \(inbound.inspectsTLS ? inspector : "")
        filter_chains:
        - filters:
      \(filters(inbound, accessLog: accessLog).indented(4))
      \(transport.indented(2))
      """
  }

  private static let inspector =
    "listener_filters: [{name: inspector, typed_config: {\"@type\": "
    + "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]"

  private static func transport(_ certificate: CertificateFiles, _ validation: String, demandsCertificate: Bool) -> String {
    """
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: \(demandsCertificate)
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates: [{certificate_chain: {filename: "\(certificate.chain)"}, private_key: {filename: "\(certificate.key)"}}]
            \(validation)

    """
  }

  private static func filters(_ inbound: Inbound, accessLog: String) -> String {
    guard let connectionManager = inbound.connectionManager else {
      return """
        \(inbound.filter)
        - name: envoy.filters.network.tcp_proxy
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
            stat_prefix: \(inbound.name)
            cluster: app-\(inbound.name)
            access_log:
        \(log(inbound.name, inbound.metadata ?? "envoy.filters.network.ext_authz", to: accessLog).indented(4))
        """
    }
    return """
      \(inbound.leading)
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: \(inbound.name)
      \(connectionManager.indented(4))
          access_log:
      \(log(inbound.name, inbound.metadata ?? "envoy.filters.http.ext_authz", to: accessLog).indented(4))
          http_filters:
      \(inbound.filter.indented(4))
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: app
              domains: ["*"]
              routes:
      \(routes(inbound).indented(8))
      """
  }

  private static func routes(_ inbound: Inbound) -> String {
    let own = inbound.perRoute.sorted { $0.key < $1.key }.map { path, configuration in
      "- {match: {path: \(path)}, route: {cluster: app-\(inbound.name)}, typed_per_filter_config: {\(configuration)}}\n"
    }
    return own.joined() + "- {match: {prefix: \"/\"}, route: {cluster: app-\(inbound.name)}}"
  }

  /// One line of JSON for each request or connection, with what the engine told about its decision.
  private static func log(_ name: String, _ namespace: String, to file: String) -> String {
    """
    - name: envoy.access_loggers.file
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
        path: "\(file)"
        log_format:
          json_format:
            listener: \(name)
            status: "%RESPONSE_CODE%"
            details: "%RESPONSE_CODE_DETAILS%"
            closed: "%CONNECTION_TERMINATION_DETAILS%"
            path: "%REQ(:PATH)%"
            peer: "%DOWNSTREAM_PEER_URI_SAN%"
            portcullis: "%DYNAMIC_METADATA(\(namespace))%"
    """
  }

  private static func application(_ inbound: Inbound) -> String {
    """
    - name: app-\(inbound.name)
      type: STATIC
      connect_timeout: 5s
    \(endpoint("app-\(inbound.name)", inbound.applicationPort).indented(2))
    """
  }

  private static func listener(_ outbound: Outbound) -> String {
    let filter =
      outbound.isTCP
      ? """
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: \(outbound.name)
          cluster: \(outbound.name)
      """
      : """
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: \(outbound.name)
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - {name: peer, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: \(outbound.name)}}]}
      """
    return """
      - name: \(outbound.name)
        address: {socket_address: {address: 127.0.0.1, port_value: \(outbound.port)}}
        filter_chains:
        - filters:
      \(filter.indented(4))
      """
  }

  private static func peer(_ outbound: Outbound) -> String {
    let own =
      outbound.certificate.map {
        "tls_certificates: [{certificate_chain: {filename: \"\($0.chain)\"}, private_key: {filename: \"\($0.key)\"}}]"
      } ?? ""
    let http2 = """
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: {http2_protocol_options: {}}
      """
    return """
      - name: \(outbound.name)
        type: STATIC
        connect_timeout: 5s
      \(endpoint(outbound.name, outbound.peerPort).indented(2))
      \(outbound.isTCP ? "" : http2.indented(2))
        transport_socket:
          name: envoy.transport_sockets.tls
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
            \(outbound.serverName.map { "sni: \($0)" } ?? "")
            common_tls_context:
              \(own)
              validation_context:
                trusted_ca: {filename: "\(outbound.authority)"}
                match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: "\(outbound.peer)"}}]
      """
  }

  private static func endpoint(_ cluster: String, _ port: UInt16) -> String {
    """
    load_assignment:
      cluster_name: \(cluster)
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}}]}]
    """
  }
}

extension String {
  /// The same lines, each moved to the right; empty lines stay empty.
  func indented(_ width: Int) -> String {
    let margin = String(repeating: " ", count: width)
    return split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : margin + $0 }.joined(separator: "\n")
  }
}
