// The Envoy configuration of a world: listeners, routes and filter chains around the two exports.
//
// Enters: sets, ports, certificates. Leaves: YAML. Never happens here: a setting of an authorization filter, except that a hint which differs
// by route moves from the filter to the routes (as docs/envoy.md says), and that a test's metadata namespace is added.

internal import PolicyModel
internal import TestSupport

@testable internal import portcullis

struct WorldConfiguration {
  let sets: [TestSet]
  let policies: PolicySet
  let mesh: TestMesh
  let credentials: Credentials
  let ports: TestPorts
  let engine: EngineAddress
  /// The module's library, and the policies as a file.
  let module: String
  let file: String

  func text() throws -> String {
    """
    static_resources:
      listeners:
    \(try listener("http", ports.http, httpChains()).indented(2))
    \(try listener("tcp", ports.tcp, tcpChains()).indented(2))
    \(try listener("tcp-asking-0", [ports.tcpAsking[0]], tcpChains(asking: ports.tcp[0])).indented(2))
    \(try listener("tcp-asking-1", [ports.tcpAsking[1]], tcpChains(asking: ports.tcp[1])).indented(2))
    \(try listener("tcp-module-0", [ports.tcpModule[0]], tcpChains(deciding: ports.tcp[0])).indented(2))
    \(try listener("tcp-module-1", [ports.tcpModule[1]], tcpChains(deciding: ports.tcp[1])).indented(2))
    \(strictListener().indented(2))
      clusters:
    \(try asking("any/any").text(of: .cluster).indented(2))
    """
  }

  private func asking(_ workload: String) throws -> EnvoyExtAuthzOptions {
    var options = try EnvoyExtAuthzOptions(workload: WorkloadName(workload))
    options.engine = engine
    if mesh.trustedHops != nil { options.remoteIPHeader = TestMesh.clientHeader }
    options.timeoutMilliseconds = 10_000
    return options
  }

  private func name(_ index: Int) -> String {
    "\(sets[index].namespace.replacing("$W", with: TestSet.workload(index)))/\(TestSet.workload(index))"
  }

  private func rbac(_ index: Int) throws -> EnvoyRBAC {
    let name = ExactText(TestSet.workload(index))
    guard let workload = policies.workloads.first(where: { $0.metadata.key.name == name }) else { throw TestFailure("no workload \(name)") }
    return try EnvoyRBAC(policies, mesh: mesh.settings, workload: workload, isTCP: sets[index].isTCP)
  }

  // MARK: Listeners

  private func listener(_ name: String, _ ports: [UInt16], _ chains: [(match: String, filters: String)]) -> String {
    let transport = Self.transport(credentials.server, authority: credentials.authority)
    func address(_ port: UInt16) -> String {
      "address: {socket_address: {\(mesh.isDualStack ? "address: \"::\", ipv4_compat: true" : "address: 0.0.0.0"), port_value: \(port)}}"
    }
    var text = """
      - name: \(name)
        \(address(ports[0]))
        additional_addresses: [\(ports.dropFirst().map { "{\(address($0))}" }.joined(separator: ", "))]
        traffic_direction: INBOUND
        listener_filters:
        - name: envoy.filters.listener.tls_inspector
          typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}
        filter_chains:

      """
    for (number, chain) in chains.enumerated() {
      for (protocolName, security) in [("tls", transport), ("raw_buffer", "")] {
        text += """
            - name: \(protocolName)-\(number)
              filter_chain_match: {transport_protocol: \(protocolName)\(chain.match)}
              filters:
          \(chain.filters.indented(4))
          \(security.indented(4))

          """
      }
    }
    return text
  }

  /// Where only those are let in whom Istio's listener lets in under STRICT: TLS with a certificate of an accepted trust
  /// domain. In the other modes it says who of those that show a SPIFFE name is let in.
  private func strictListener() -> String {
    let domains = ([mesh.trustDomain] + mesh.aliases + mesh.accepted).map {
      "{san_type: URI, matcher: {prefix: \(EnvoyValue.quoted("spiffe://\($0)/"))}}"
    }
    let transport = Self.transport(credentials.server, authority: credentials.authority)
      .replacing("require_client_certificate: false", with: "require_client_certificate: true")
      .replacing("trusted_ca:", with: "match_typed_subject_alt_names: [\(domains.joined(separator: ", "))], trusted_ca:")
    return """
      - name: strict
        address: {socket_address: {address: 0.0.0.0, port_value: \(ports.strict)}}
        filter_chains:
        - filters:
      \(Self.echo.indented(4))
      \(transport.indented(4))
      """
  }

  /// Mutual TLS in which the client may be without certificate.
  static func transport(_ server: (chain: String, key: String), authority: String) -> String {
    """
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
        require_client_certificate: false
        common_tls_context:
          tls_certificates: [{certificate_chain: {filename: "\(server.chain)"}, private_key: {filename: "\(server.key)"}}]
          validation_context: {trusted_ca: {filename: "\(authority)"}}
    """
  }

  // MARK: HTTP

  private func httpChains() throws -> [(match: String, filters: String)] {
    let only = try asking("any/any").text(of: .httpFilter)
    // The workload's hint stands on each route instead.
    let lines = only.split(separator: "\n", omittingEmptySubsequences: false)
      .filter { !$0.contains("initial_metadata:") && !$0.contains("x-portcullis-workload") }
    let filter = lines.joined(separator: "\n")
      .replacing("[envoy.filters.http.jwt_authn]", with: "[envoy.filters.http.jwt_authn, envoy.filters.test]")
    let rbacType = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
    var options = try EnvoyRBACOptions(workload: WorkloadName("any/any"), pathNormalization: mesh.normalization)
    options.isGateway = mesh.trustedHops != nil
    let settings = try options.text(of: .hcm, rbac(sets.startIndex)) ?? ""
    return [
      (
        "",
        """
        \(EnvoyModule.filter("Network", module, name: "peer", settings: nil))
        - name: envoy.filters.network.http_connection_manager
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
            stat_prefix: http
            generate_request_id: false
            upgrade_configs: [{upgrade_type: CONNECT}]
            xff_num_trusted_hops: \(mesh.trustedHops ?? 0)
        \(settings.indented(4))
        \(Self.localReplies.indented(4))
            http_filters:
        \(Self.tokenFilter(keys: credentials.keys, forwarding: Self.payloadHeader).indented(4))
        \(Self.metadataFilter.indented(4))
            - {name: rbac-LOG, typed_config: {"@type": \(rbacType)}}
            - {name: rbac-DENY, typed_config: {"@type": \(rbacType)}}
            - {name: rbac-ALLOW, typed_config: {"@type": \(rbacType)}}
        \(filter.indented(4))
        \(try sets.indices.filter { !sets[$0].isTCP }.map(moduleFilter).joined(separator: "\n").indented(4))
            - name: envoy.filters.http.router
              typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
            route_config:
              virtual_hosts:
              - name: sets
                domains: ["*"]
                routes:
        \(try sets.indices.filter { !sets[$0].isTCP }.map(routes).joined(separator: "\n").indented(8))
        """
      )
    ]
  }

  /// Where the module finds the payload of a token.
  private static let payloadHeader = "x-portcullis-payload"

  private func moduleSettings(_ index: Int) -> String { mesh.members(policies: file) + ", workload: \(EnvoyValue.quoted(name(index)))" }

  /// A filter of a set's own, which only its route turns on.
  private func moduleFilter(_ index: Int) throws -> String {
    EnvoyModule.filter("HTTP", module, settings: moduleSettings(index) + ", token: \"header:\(Self.payloadHeader)\"")
      .replacing("name: portcullis-authorize", with: "name: portcullis-\(index)\n  disabled: true")
  }

  /// What the client learns of the decision, for the report.
  static let localReplies = """
    local_reply_config:
      mappers:
      - filter: {status_code_filter: {comparison: {op: GE, value: {default_value: 200, runtime_key: none}}}}
        headers_to_add:
        - header: {key: x-details, value: "%RESPONSE_CODE_DETAILS%"}
        - header: {key: x-reason, value: "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:reason)%"}
        - header: {key: x-policy, value: "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:policy)%"}
        - header: {key: x-module-reason, value: "%DYNAMIC_METADATA(portcullis:reason)%"}
        - header: {key: x-module-policy, value: "%DYNAMIC_METADATA(portcullis:policy)%"}
        - header: {key: x-dry-deny, value: "%DYNAMIC_METADATA(envoy.filters.http.rbac:istio_dry_run_deny_shadow_engine_result)%"}
        - header: {key: x-dry-allow, value: "%DYNAMIC_METADATA(envoy.filters.http.rbac:istio_dry_run_allow_shadow_engine_result)%"}
        - header: {key: x-audit, value: "%DYNAMIC_METADATA(envoy.common:access_log_hint)%"}
    """

  /// - Parameter header: where the payload goes for filters that cannot see metadata; `nil` for nowhere.
  static func tokenFilter(keys: String, forwarding header: String? = nil) -> String {
    """
    - name: envoy.filters.http.jwt_authn
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
        providers:
          all:
            payload_in_metadata: payload
            normalize_payload_in_metadata: {space_delimited_claims: [scope, permission]}
            forward: true
            \(header.map { "forward_payload_header: \($0)" } ?? "")
            local_jwks: {inline_string: \(EnvoyValue.quoted(keys))}
        rules: [{match: {prefix: "/"}, requires: {requires_any: {requirements: [{provider_name: all}, {allow_missing: {}}]}}}]
    """
  }

  /// Metadata of a filter `envoy.filters.test`: a string, a list, and a key that is always there.
  private static let metadataFilter = """
    - name: envoy.filters.http.header_to_metadata
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config
        request_rules:
        - {header: x-meta, on_header_present: {metadata_namespace: envoy.filters.test, key: string, type: STRING}}
        - {header: x-meta-list, on_header_present: {metadata_namespace: envoy.filters.test, key: list, type: PROTOBUF_VALUE, encode: BASE64}}
        - {header: x-set, on_header_present: {metadata_namespace: envoy.filters.test, key: always, value: admin, type: STRING}}
    """

  private func routes(_ index: Int) throws -> String {
    func route(_ side: Side, _ filters: String) -> String {
      ["prefix: \"/\"", "connect_matcher: {}"].map { path in
        """
        - match: {\(path), headers: [{name: x-set, string_match: {exact: \(side.rawValue)\(index)}}]}
          direct_response: {status: 200, body: {inline_string: "hello"}}
          typed_per_filter_config:
        \(filters.indented(4))
        """
      }.joined(separator: "\n")
    }
    let rbac = try rbac(index)
    let options = try EnvoyRBACOptions(workload: WorkloadName(name(index)))
    let own = rbac.filters.map { filter in
      """
      rbac-\(filter.action):
        "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute
        rbac:
      \(options.settings(of: filter).indented(4))
      """
    }
    let perRoute = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
    let off = "envoy.filters.http.ext_authz: {\"@type\": \(perRoute), disabled: true}"
    let inside = "portcullis-\(index): {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}"
    let on =
      "envoy.filters.http.ext_authz: {\"@type\": \(perRoute), check_settings: {context_extensions: {portcullis.workload: \(name(index))}}}"
    return [route(.envoy, (own + [off]).joined(separator: "\n")), route(.portcullis, on), route(.module, off + "\n" + inside)]
      .joined(separator: "\n")
  }

  // MARK: TCP

  /// One chain for each set: with its RBAC filters, with the filter that asks about a port, or with the module's that decides about one.
  private func tcpChains(asking port: UInt16? = nil, deciding own: UInt16? = nil) throws -> [(match: String, filters: String)] {
    var chains = try sets.indices.filter { sets[$0].isTCP }.map { index in
      var options = try asking(name(index))
      options.isTCP = true
      options.port = port
      let inside = own.map { EnvoyModule.filter("Network", module, settings: moduleSettings(index) + ", port: \($0)") + "\n" }
      let filters = try inside ?? (port == nil ? tcpRBAC(index) : options.text(of: .networkFilter))
      return (", prefix_ranges: [{address_prefix: \(World.tcpDestination(index)), prefix_len: 32}]", filters + Self.echo)
    }
    // A listener needs a chain.
    if chains.isEmpty { chains = [("", Self.echo)] }
    return chains
  }

  private func tcpRBAC(_ index: Int) throws -> String {
    var options = try EnvoyRBACOptions(workload: WorkloadName(name(index)))
    options.isTCP = true
    return try options.text(of: .networkFilter, rbac(index)) ?? ""
  }

  static let echo = """
    - name: envoy.filters.network.echo
      typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}

    """
}

extension String {
  /// The same lines, each moved to the right; empty lines stay empty.
  func indented(_ width: Int) -> String {
    let margin = String(repeating: " ", count: width)
    return split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : margin + $0 }.joined(separator: "\n")
  }
}
