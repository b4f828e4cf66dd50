// The configurations of Envoy that are measured beside each other. What enters are policies and paths; what leaves is YAML of a listener that answers by
// itself, with one filter or none in front.
internal import Foundation

/// What stands in front of the answer.
enum EnvoyContender: String, CaseIterable {
  /// Nothing: what a request costs Envoy in any case.
  case nothing = "no filter"
  /// What `portcullis export envoy-rbac` writes.
  case rbac = "native RBAC"
  /// A dynamic module that does nothing (`idle_module.c`): Envoy's own part.
  case idle = "idle module"
  case module = "Portcullis module"
  /// The module without dynamic metadata, which native RBAC does not write when it allows.
  case bareModule = "Portcullis module, no metadata"
  case server = "ext_authz, Portcullis server"
}

/// Writes configurations.
struct EnvoyConfiguration {
  /// The file of policies and workloads.
  let policies: URL
  /// The output of `portcullis export envoy-rbac`.
  let rbac: String
  /// `127.0.0.1:PORT` of the server.
  let server: String

  /// One listener on `port`, which answers each request with 200 unless the filter denies it.
  func text(_ contender: EnvoyContender, port: Substring) throws -> String {
    """
    static_resources:
      listeners:
      - name: measured
        address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
        filter_chains:
        - filters:
          - name: envoy.filters.network.http_connection_manager
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
              stat_prefix: measured
              normalize_path: true
              path_with_escaped_slashes_action: KEEP_UNCHANGED
              http_filters:
    \(try filter(contender))
              - name: envoy.filters.http.router
                typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
              route_config:
                virtual_hosts:
                - name: application
                  domains: ["*"]
                  routes: [{match: {prefix: "/"}, direct_response: {status: 200}}]
      clusters:
      - name: portcullis
        type: STATIC
        connect_timeout: 1s
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            explicit_http_config: {http2_protocol_options: {}}
        load_assignment:
          cluster_name: portcullis
          endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(server.split(separator: ":").last ?? "0")}}}}]}]

    """
  }

  private func filter(_ contender: EnvoyContender) throws -> String {
    switch contender {
    case .nothing: return ""
    case .rbac: return try nativeFilters()
    case .idle:
      return """
                  - name: idle
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter
                      dynamic_module_config: {name: idle, do_not_close: true}
                      filter_name: idle
        """
    case .module, .bareModule:
      return """
                  - name: portcullis
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter
                      dynamic_module_config: {name: portcullis_envoy, do_not_close: true, metrics_namespace: portcullis}
                      filter_name: authorize
                      filter_config:
                        "@type": type.googleapis.com/google.protobuf.Struct
                        value: {policies: ["\(policies.path)"], workload: shop/backend, metadata: \(contender == .module ? "always" : "denials"), token: none}
        """
    case .server:
      return """
                  - name: envoy.filters.http.ext_authz
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
                      transport_api_version: V3
                      failure_mode_allow: false
                      encode_raw_headers: true
                      include_peer_certificate: true
                      grpc_service:
                        envoy_grpc: {cluster_name: portcullis}
                        timeout: 5s
                        initial_metadata: [{key: x-portcullis-workload, value: shop/backend}]
        """
    }
  }

  /// The HTTP filters of the export, as they stand there, moved to where they belong.
  private func nativeFilters() throws -> String {
    let lines = rbac.split(separator: "\n", omittingEmptySubsequences: false)
    guard let start = lines.firstIndex(of: "  http_filters:") else { throw BenchError("`export envoy-rbac` wrote no `http_filters`") }
    let filters = lines[(start + 1)...].prefix { $0.isEmpty || $0.hasPrefix("  ") }
    return filters.map { "          \($0.dropFirst(2))".replacing(/^\s+$/, with: "") }.joined(separator: "\n")
  }
}
