// The Envoy configuration that asks Portcullis, as YAML with comments for the operator who pastes it.
//
// Enters: checked options. Leaves: text, the same for the same options. Never happens here: reading the command line, files, network.
// Nothing here can fail, and no user text enters the YAML but as a double-quoted scalar.
//
// Every part is written without indentation, as it would stand at the beginning of a line: list items for lists, keys for mappings. The
// whole export is the parts under named keys, so that it is one YAML document.

extension EnvoyExtAuthzOptions {
  /// The whole export: every part that this kind of proxy needs, each introduced by where it goes.
  ///
  /// - Returns: one YAML document that ends in a newline.
  func document() -> String {
    var text = """
      # Envoy asks Portcullis about \(isTCP ? "every connection to" : "every request for") `\(workload.text)`.
      # Made by `portcullis export envoy-ext-authz`; checked with Envoy 1.40. Each top-level key below says where its content goes.

      # 1. Into `static_resources.clusters`: the engine.
      clusters:
      \(cluster())

      """
    if isTCP {
      text += """

        # 2. Into `filters` of the filter chain of the inbound listener, BEFORE `envoy.filters.network.tcp_proxy`.
        filters:
        \(networkFilter())

        """
    } else {
      text += """

        # 2. Into the `typed_config` of the `http_connection_manager` of the inbound listener.
        http_connection_manager:
        \(connectionManager().indented(by: 2))
          # 3. Into its `http_filters`: after `envoy.filters.http.jwt_authn`, before every filter that acts on the request, before the router.
          http_filters:
        \(httpFilter().indented(by: 2))

        """
    }
    return text
  }

  /// One part alone, ready to be spliced into a template.
  ///
  /// - Parameter part: which one.
  /// - Returns: YAML without indentation that ends in a newline.
  func text(of part: ExportPart) -> String {
    switch part {
    case .cluster: cluster() + "\n"
    case .httpFilter: httpFilter() + "\n"
    case .networkFilter: networkFilter() + "\n"
    case .hcm: connectionManager() + "\n"
    }
  }

  /// The cluster: HTTP/2, health checked, kept alive.
  private func cluster() -> String {
    let address =
      switch engine {
      case .unix(let path): "pipe: {path: \(quoted(path))}"
      case .tcp(let host, let port): "socket_address: {address: \(quoted(host)), port_value: \(port)}"
      }
    var text = """
      - name: \(quoted(clusterName))
        type: \(engine.needsResolving ? "STRICT_DNS" : "STATIC")
        connect_timeout: \(seconds(max(50, timeoutMilliseconds / 2)))
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            explicit_http_config:
              http2_protocol_options:
                # A connection that died silently is noticed here, not by a request that waits.
                connection_keepalive: {interval: 30s, timeout: 5s}
        # The engine answers NOT_SERVING while it starts and when it stops, so traffic moves to another replica before it is gone.
        health_checks:
        - timeout: 1s
          interval: 5s
          no_traffic_interval: 5s
          unhealthy_interval: 1s
          unhealthy_threshold: 2
          healthy_threshold: 1
          grpc_health_check: {service_name: envoy.service.auth.v3.Authorization}
        # When an engine is replaced, every check under way may have to be asked again at the same moment; Envoy's own limit is 3.
        circuit_breakers:
          thresholds:
          - {max_requests: 65536, max_pending_requests: 65536, max_retries: 65536}
        load_assignment:
          cluster_name: \(quoted(clusterName))
          endpoints:
          - lb_endpoints:
            - endpoint: {address: {\(address)}}
      """
    if let engineTLS {
      text += """

          # The engine demands a client certificate on every address but loopback; we demand its name in return.
          transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
              sni: \(quoted(engineTLS.serverName))
              common_tls_context:
                alpn_protocols: [h2]
                tls_params: {tls_minimum_protocol_version: TLSv1_2}
                # These files are read once. Where certificates rotate, deliver both by SDS instead (docs/envoy.md, "TLS to the engine").
                tls_certificates:
                - certificate_chain: {filename: \(quoted(engineTLS.certificate))}
                  private_key: {filename: \(quoted(engineTLS.key))}
                validation_context:
                  trusted_ca: {filename: \(quoted(engineTLS.authority))}
                  match_typed_subject_alt_names:
                  - {san_type: DNS, matcher: {exact: \(quoted(engineTLS.serverName))}}
        """
    }
    return text
  }

  /// The HTTP filter, and before it the step that tells the trusted client address, if there is one.
  private func httpFilter() -> String {
    var text = ""
    if let remoteIPHeader {
      // An add whose value is empty leaves a client's own header in place, hence the removal before it.
      text = """
        # The client's address as this proxy trusts it (`use_remote_address`, `xff_num_trusted_hops`). The removal comes first, and must stay: it
        # takes away what a client sent under this name. Run the engine with `--remote-ip header:\(remoteIPHeader)`.
        - name: envoy.filters.http.header_mutation
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
            mutations:
              request_mutations:
              - remove: \(quoted(remoteIPHeader))
              - append:
                  header: {key: \(quoted(remoteIPHeader)), value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}
                  append_action: OVERWRITE_IF_EXISTS_OR_ADD

        """
    }
    return text + """
      - name: envoy.filters.http.ext_authz
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
          transport_api_version: V3
          stat_prefix: portcullis
          # Fail closed: no answer is no entry. 503 tells an unreachable engine from a denial (403).
          failure_mode_allow: false
          status_on_error: {code: ServiceUnavailable}
          # A reply that would corrupt the request is an error, not a request.
          validate_mutations: true
          # Who is calling: the whole certificate (all its names), not the first name alone.
          include_peer_certificate: true
          # The server name that the client asked for (`connection.sni`).
          include_tls_session: true
          # Each header line apart. Joined with commas, `x: a` and `x: b` could not be told from `x: a,b`.
          encode_raw_headers: true
          # Claims of a token that the proxy has verified (`request.auth.*`).
          metadata_context_namespaces: [envoy.filters.http.jwt_authn]
      \(grpcService().indented(by: 4))
      """
  }

  /// The TCP filter: one check a connection, on its first bytes.
  private func networkFilter() -> String {
    """
    - name: envoy.filters.network.ext_authz
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz
        transport_api_version: V3
        stat_prefix: portcullis
        # Fail closed: no answer closes the connection.
        failure_mode_allow: false
        # Who is calling: the whole certificate (all its names), not the first name alone.
        include_peer_certificate: true
        # The server name that the client asked for (`connection.sni`).
        include_tls_session: true
    \(grpcService().indented(by: 4))
    """
  }

  /// The call itself, the same for both filters. The hints stand here, not on a route, so that no route can lack them.
  private func grpcService() -> String {
    var text = """
      grpc_service:
        envoy_grpc:
          cluster_name: \(quoted(clusterName))
        # A check can be asked again without harm. `cancelled` is what a stopping gRPC server may say to calls that it had not begun. Envoy's own
        # back-off starts near a second, longer than the time-out. (Envoy 1.40 ignores a policy inside `envoy_grpc`; it must stand here.)
        retry_policy:
          retry_on: unavailable,cancelled,connect-failure,refused-stream,reset
          num_retries: 4
          retry_back_off: {base_interval: 0.005s, max_interval: 0.05s}
        # The whole question: connecting, retries and the answer.
        timeout: \(seconds(timeoutMilliseconds))
        # Hints: which workload this proxy stands in front of. Set by this configuration alone; no client can reach them.
        initial_metadata:
        - {key: x-portcullis-workload, value: \(quoted(workload.text))}
      """
    if let port {
      text += """

          # The port that policies mean; this listener has another.
          - {key: x-portcullis-port, value: "\(port)"}
        """
    }
    return text + proxyHints()
  }

  /// Path normalization, as the mesh's mode makes Istio configure it.
  private func connectionManager() -> String {
    return """
      # Paths as the mesh's policies mean them (normalization `\(pathNormalization.meshConfigName)`). Without this, `/admin` could be reached as
      # `/x/../admin`; the engine denies what is not normalized where a policy tests paths. Start the engine with the same mode.
      \(pathNormalization.connectionManagerSettings)
      """
  }

  /// Milliseconds as a protobuf duration.
  private func seconds(_ milliseconds: UInt32) -> String {
    let fraction = String(milliseconds % 1000)
    return "\(milliseconds / 1000)." + String(repeating: "0", count: max(0, 3 - fraction.count)) + fraction + "s"
  }
}

extension PathNormalization {
  /// The settings of the `http_connection_manager` by which Envoy normalizes as the mesh means it; three lines without the last break.
  var connectionManagerSettings: String {
    let (normalize, merge, decode) =
      switch self {
      case .none: (false, false, false)
      case .base: (true, false, false)
      case .merge: (true, true, false)
      case .decode: (true, true, true)
      }
    return """
      normalize_path: \(normalize)
      merge_slashes: \(merge)
      path_with_escaped_slashes_action: \(decode ? "UNESCAPE_AND_FORWARD" : "KEEP_UNCHANGED")
      """
  }

  /// The name that Istio's MeshConfig uses.
  fileprivate var meshConfigName: String {
    switch self {
    case .none: "NONE"
    case .base: "BASE"
    case .merge: "MERGE_SLASHES"
    case .decode: "DECODE_AND_MERGE_SLASHES"
    }
  }
}

extension String {
  /// The same lines, each moved to the right; empty lines stay empty.
  fileprivate func indented(by width: Int) -> String {
    let margin = String(repeating: " ", count: width)
    return split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : margin + $0 }.joined(separator: "\n")
  }
}

/// A YAML double-quoted scalar. The options hold no control characters, so only the quote and the backslash need care.
private func quoted(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    if scalar == "\"" || scalar == "\\" { result.unicodeScalars.append("\\") }
    result.unicodeScalars.append(scalar)
  }
  return result + "\""
}
