// The pitfalls of an Envoy's configuration, each as a change of one that is sound, and beside it a change that is none.
// Enters: nothing. Leaves: configurations. Never here: what lint says of them.

internal import PolicyAnalysis
internal import Testing

/// A configuration without fault, of which each case changes a part.
let soundEnvoy = """
  static_resources:
    listeners:
    - filter_chains:
      - transport_socket:
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
            require_client_certificate: true
            common_tls_context: {validation_context: {trusted_ca: {filename: ca.pem}}}
        filters:
        - typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
            normalize_path: true
            route_config:
              virtual_hosts:
              - routes:
                - typed_per_filter_config:
                    envoy.filters.http.cors: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}
            http_filters:
            - name: envoy.filters.http.jwt_authn
              typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication}
            - name: envoy.filters.http.ext_authz
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
                failure_mode_allow: false
                include_peer_certificate: true
                encode_raw_headers: true
                metadata_context_namespaces: [envoy.filters.http.jwt_authn]
                grpc_service:
                  envoy_grpc: {cluster_name: engine}
                  initial_metadata: [{key: x-portcullis-workload, value: shop/backend}]
            - name: envoy.filters.http.router
    clusters:
    - name: engine
      type: STATIC
      load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9191}}}}]}]}

  """

/// A change of the sound configuration that is a pitfall, and one that is none.
struct EnvoyPitfall: CustomTestStringConvertible, Sendable {
  let code: LintCode
  let replaced: String
  let bad: String
  let fine: String
  var testDescription: String { "\(code.rawValue): \(bad)" }

  init(_ code: LintCode, _ replaced: String, _ bad: String, fine: String) {
    (self.code, self.replaced, self.bad, self.fine) = (code, replaced, bad, fine)
  }
}

private let upstream =
  #"transport_socket: {typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"#

let envoyPitfalls: [EnvoyPitfall] = [
  EnvoyPitfall(.envoyFailsOpen, "failure_mode_allow: false", "failure_mode_allow: true", fine: "failure_mode_allow_header_add: true"),
  EnvoyPitfall(
    .envoyFailsOpen, "failure_mode_allow: false", "filter_enabled: {default_value: {numerator: 99}}",
    fine: "filter_enabled: {default_value: {numerator: 100}}"),
  EnvoyPitfall(.envoyFailsOpen, "failure_mode_allow: false", "shadow_mode: true", fine: "shadow_mode: false"),
  EnvoyPitfall(.envoyFailsOpen, "failure_mode_allow: false", "filter_enabled_metadata: {filter: x}", fine: "status_on_error: {code: 503}"),
  EnvoyPitfall(
    .envoyCertificateNotSent, "include_peer_certificate: true", "include_peer_certificate: false", fine: "includePeerCertificate: true"),
  EnvoyPitfall(.envoyHeadersJoined, "encode_raw_headers: true", "stat_prefix: x", fine: "encodeRawHeaders: true"),
  EnvoyPitfall(
    .envoyHeaderFiltered, "failure_mode_allow: false", "allowed_headers: {patterns: [{exact: x-other}]}",
    fine: "allowed_headers: {patterns: [{prefix: X-}]}"),
  EnvoyPitfall(
    .envoyHeaderFiltered, "failure_mode_allow: false", "disallowed_headers: {patterns: [{suffix: role}]}",
    fine: "disallowed_headers: {patterns: [{exact: x-other}, {contains: cookie}]}"),
  EnvoyPitfall(
    .envoyHeaderFiltered, "failure_mode_allow: false", #"disallowed_headers: {patterns: [{safe_regex: {regex: "x-.*"}}]}"#,
    fine: "disallowed_headers: {patterns: []}"),
  EnvoyPitfall(
    .envoyClaimsNotSent, "metadata_context_namespaces: [envoy.filters.http.jwt_authn]", "metadata_context_namespaces: [other]",
    fine: "metadataContextNamespaces: [other, envoy.filters.http.jwt_authn]"),
  EnvoyPitfall(
    .envoyFilterOrder, "    - name: envoy.filters.http.router\n",
    "    - name: envoy.filters.http.jwt_authn\n", fine: "    - name: envoy.filters.http.cors\n"),
  EnvoyPitfall(
    .envoyClearsRouteCache, "    - name: envoy.filters.http.router\n",
    "    - name: late\n            typed_config: {clear_route_cache: true}\n", fine: "    - name: late\n"),
  EnvoyPitfall(.envoyClearsRouteCache, "failure_mode_allow: false", "clear_route_cache: true", fine: "clear_route_cache: false"),
  EnvoyPitfall(.envoyPathNotNormalized, "normalize_path: true", "normalize_path: false", fine: "normalizePath: true"),
  EnvoyPitfall(
    .envoyAcceptsUntrusted, "{trusted_ca: {filename: ca.pem}}",
    "{trusted_ca: {filename: ca.pem}, trust_chain_verification: ACCEPT_UNTRUSTED}",
    fine: "{trusted_ca: {filename: ca.pem}, trust_chain_verification: VERIFY_TRUST_CHAIN}"),
  EnvoyPitfall(
    .envoyWithoutAuthority, "{validation_context: {trusted_ca: {filename: ca.pem}}}", "{validation_context: {}}",
    fine: "{combined_validation_context: {validation_context_sds_secret_config: {name: ROOTCA}}}"),
  EnvoyPitfall(
    .envoyWithoutAuthority, "type: STATIC", "type: STATIC\n    \(upstream)}}",
    fine: "type: STATIC\n    \(upstream), common_tls_context: {validation_context: {trusted_ca: {filename: a}}}}}"),
  EnvoyPitfall(
    .envoyRouteDisabled, "envoy.filters.http.cors: {", "envoy.filters.http.ext_authz: {", fine: "envoy.filters.http.fault: {"),
  EnvoyPitfall(
    .envoyRouteDisabled, #"envoy.filters.http.cors: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig"#,
    #"envoy.filters.http.ext_authz: {"@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"#,
    fine: #"envoy.filters.http.cors: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy"#),
  EnvoyPitfall(
    .envoyRouteDisabled, "- name: envoy.filters.http.ext_authz\n", "- name: envoy.filters.http.ext_authz\n            disabled: true\n",
    fine: "- name: envoy.filters.http.ext_authz\n            disabled: false\n"),
  EnvoyPitfall(.envoyEnginePlaintext, "127.0.0.1", "10.0.0.1", fine: "127.9.9.9"),
  EnvoyPitfall(.envoyEnginePlaintext, "127.0.0.1", "engine.example", fine: #""::1""#),
  EnvoyPitfall(
    .envoyEnginePlaintext, "envoy_grpc: {cluster_name: engine}", #"google_grpc: {target_uri: "engine.example:9191"}"#,
    fine: #"google_grpc: {target_uri: "engine.example:9191", channel_credentials: {ssl_credentials: {}}}"#),
  EnvoyPitfall(.envoyHintFromClient, "value: shop/backend", #"value: "%REQ(x-workload)%""#, fine: #"value: "%DOWNSTREAM_PEER_URI_SAN%""#),
  EnvoyPitfall(
    .envoyNotChecked,
    "name: envoy.filters.http.ext_authz\n            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
    "name: other\n            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
    fine:
      "name: own\n            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter\n              dynamic_module_config: {name: portcullis_envoy}\n              filter_name: authorize"
  ),
  EnvoyPitfall(
    .envoyFilterElsewhere,
    "name: envoy.filters.http.ext_authz\n            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
    "name: own\n            config_discovery: {config_source: {ads: {}}}\n            more:",
    fine:
      "name: own\n            config_discovery: {config_source: {ads: {}}}\n          - name: envoy.filters.http.ext_authz\n            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
  ),
  // What is written in other places, or in other ways.
  EnvoyPitfall(
    .envoyFailsOpen, "failure_mode_allow: false",
    "filter_enabled: {default_value: {numerator: 100, denominator: 1}}",
    fine: "filter_enabled: {default_value: {numerator: 10}}\n              deny_at_disable: {default_value: true}"),
  EnvoyPitfall(
    .envoyFailsOpen, "      filters:\n", "      filters:\n      - typed_config: {\(networkAuthorization), failure_mode_allow: true}\n",
    fine: "      filters:\n      - typed_config: {\(networkAuthorization), failure_mode_allow: false}\n"),
  EnvoyPitfall(
    .envoyCertificateNotSent, "      filters:\n", "      filters:\n      - typed_config: {\(networkAuthorization)}\n",
    fine: "      filters:\n      - typed_config: {\(networkAuthorization), include_peer_certificate: true}\n"),
  EnvoyPitfall(
    .envoyFailsOpen, "  clusters:\n",
    "  - default_filter_chain: {filters: [{typed_config: {\(networkAuthorization), failureModeAllow: true}}]}\n  clusters:\n",
    fine: "  - default_filter_chain: {filters: [{typed_config: {\(networkAuthorization), failureModeAllow: false}}]}\n  clusters:\n"),
  EnvoyPitfall(
    .envoyFailsOpen, router, "\(module)filter_config: {value: {shadow: true}}}}\n\(router)",
    fine: "\(module)filter_config: {value: {labels: {shadow: \"true\"}}}}}\n\(router)"),
  EnvoyPitfall(
    .envoyFailsOpen,
    "\"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz\n              failure_mode_allow: false",
    "\"@type\": type.googleapis.com/udpa.type.v1.TypedStruct\n              type_url: envoy.extensions.filters.http.ext_authz.v3.ExtAuthz\n              value: {failure_mode_allow: true}",
    fine:
      "\"@type\": type.googleapis.com/xds.type.v3.TypedStruct\n              type_url: type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz\n              value: {failure_mode_allow: false}"
  ),
  EnvoyPitfall(
    .envoyClearsRouteCache, router,
    "    - name: late\n            typed_config: {a: {clear_route_cache: false}, b: {clear_route_cache: true}}\n",
    fine: "    - name: late\n            typed_config: {a: {clear_route_cache: false}}\n"),
  EnvoyPitfall(
    .envoyClearsRouteCache, router, "    - name: late\n            typed_config: {route_cache_action: CLEAR}\n",
    fine: "    - name: late\n            typed_config: {route_cache_action: RETAIN}\n"),
  EnvoyPitfall(
    .envoyClearsRouteCache, "envoy.filters.http.cors: {", "envoy.filters.http.router: {clear_route_cache: true, ",
    fine: "envoy.filters.http.jwt_authn: {clear_route_cache: true, "),
  EnvoyPitfall(
    .envoyFilterOrder, router,
    "    - name: tokens\n            typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication}\n",
    fine: "    - name: tokens\n"),
  EnvoyPitfall(
    .envoyAcceptsUntrusted, "  clusters:\n",
    "  secrets: [{name: ROOTCA, validation_context: {trustChainVerification: 1}}]\n  clusters:\n",
    fine: "  secrets: [{name: ROOTCA, validation_context: {trustChainVerification: 0}}]\n  clusters:\n"),
  EnvoyPitfall(
    .envoyHintFromClient, "route_config:\n",
    "route_config:\n            typed_per_filter_config: {x: {\(perRoute), check_settings: \(asked("%REQ(a)%"))}}\n",
    fine: "route_config:\n            typed_per_filter_config: {x: {\(perRoute), check_settings: \(asked("shop/a"))}}\n"),
]

private let router = "    - name: envoy.filters.http.router\n"
private let networkAuthorization = #""@type": type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz"#
private let perRoute = #""@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"#
private let module =
  #"    - {name: ours, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter, dynamic_module_config: {name: portcullis_envoy}, filter_name: authorize, "#
private func asked(_ hint: String) -> String { #"{grpc_service: {initial_metadata: [{key: x-portcullis-workload, value: "\#(hint)"}]}}"# }
