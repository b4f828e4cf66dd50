// The table of the codes about the configuration of an Envoy that asks Portcullis. Sorted by code.
// Nothing is decided here; docs/lint.md has the long form.

internal import PolicyModel

extension LintCode {
  /// The row of a code about Envoy; nil for the others.
  var envoyEntry: LintEntry? {
    switch self {
    case .envoyAcceptsUntrusted:
      LintEntry(
        .error, "A TLS context accepts certificates that it could not verify.", fix: "Remove `trust_chain_verification`.",
        source: "Envoy: CertificateValidationContext.trust_chain_verification")
    case .envoyCertificateNotSent:
      LintEntry(
        .warning, "Of the peer's certificate only the first name is sent.", fix: "Set `include_peer_certificate: true`.",
        source: "Envoy: ext_authz, include_peer_certificate")
    case .envoyClaimsNotSent:
      LintEntry(
        .error, "The claims of tokens are not sent, so every request looks as if it had no token.",
        fix: "Set `metadata_context_namespaces: [envoy.filters.http.jwt_authn]`.", source: "Envoy: ext_authz, metadata_context_namespaces")
    case .envoyClearsRouteCache:
      LintEntry(
        .error, "The route is chosen anew after the request was checked, so that another one can be taken than was allowed.",
        fix: "Do not clear the route cache behind the check; let filters that change the request stand before it.",
        source: "Envoy: clear_route_cache, route_cache_action")
    case .envoyEnginePlaintext:
      LintEntry(
        .error, "The question and its answer travel in plaintext to an engine on another machine.",
        fix: "Use TLS with a client certificate to the engine, a loopback address or a unix socket.",
        source: "Envoy: a cluster without transport_socket speaks plaintext")
    case .envoyFailsOpen:
      LintEntry(
        .error, "Requests pass that the engine denied, or was not asked about.", fix: "Remove the field; failing closed is the default.",
        source: "Envoy: ext_authz, failure_mode_allow, filter_enabled, shadow_mode; Portcullis: shadow")
    case .envoyFilterElsewhere:
      LintEntry(
        .warning, "Whether anything is checked is not in the file.",
        fix: "Give a dump that has the filter's configuration, or look at it by hand.",
        source: "Envoy: config_discovery, ExtensionWithMatcher")
    case .envoyFilterOrder:
      LintEntry(
        .error, "The check comes before the filter that verifies tokens, so no claim is known to it.",
        fix: "Put `envoy.filters.http.jwt_authn` before `envoy.filters.http.ext_authz`.",
        source: "Envoy: filters run in the order of the list")
    case .envoyHeaderFiltered:
      LintEntry(
        .error, "Headers are kept from the engine, to which they look absent.", fix: "Remove `allowed_headers` and `disallowed_headers`.",
        source: "Envoy: ext_authz, allowed_headers, disallowed_headers")
    case .envoyHeadersJoined:
      LintEntry(
        .warning, "Repeated headers are sent joined by commas.", fix: "Set `encode_raw_headers: true`.",
        source: "Envoy: ext_authz, encode_raw_headers")
    case .envoyHintFromClient:
      LintEntry(
        .error, "A hint to the engine is taken from a header that any client can write.",
        fix: "Write the value itself, or what Envoy knows of the connection.", source: "Envoy: format strings of initial_metadata")
    case .envoyNotChecked:
      LintEntry(
        .error, "A listener's filters lead to an upstream without asking the engine.",
        fix: "Add the filter of `portcullis export envoy-ext-authz`.", source: "Envoy: only what has the filter is checked")
    case .envoyPathNotNormalized:
      LintEntry(
        .error, "Paths are not normalized as the mesh's policies mean them.",
        fix: "Set what `portcullis export envoy-ext-authz --only hcm` prints.",
        source: "Envoy: HttpConnectionManager.normalize_path; Istio: path normalization")
    case .envoyRouteDisabled:
      LintEntry(
        .error, "The check is switched off for a route, a virtual host or a filter chain.", fix: "Remove `disabled`.",
        source: "Envoy: ExtAuthzPerRoute.disabled, FilterConfig.disabled, HttpFilter.disabled, RBACPerRoute without rules")
    case .envoyWithoutAuthority:
      LintEntry(
        .error, "Client certificates are demanded and not verified.", fix: "Set `trusted_ca` in the `validation_context`.",
        source: "Envoy: require_client_certificate without trusted_ca accepts any certificate")
    default: nil
    }
  }
}
