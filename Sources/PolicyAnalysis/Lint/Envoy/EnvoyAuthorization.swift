// The filter that asks the engine, the cluster that it asks, and the TLS that tells who is calling.
// Enters: the configuration of one filter or TLS context. Leaves: findings at the field. Never here: filters beside it.

internal import PolicyModel

extension EnvoyWalk {
  /// `ExtAuthz`, as an HTTP filter or as a network filter.
  mutating func checkAuthorization(_ node: TextNode, isHTTP: Bool) {
    let type = node.entry("@type")?.span ?? node.span.start
    checkOpenings(node)
    if node.field("include_peer_certificate")?.value.bool != true {
      add(
        .envoyCertificateNotSent, at: node.field("include_peer_certificate")?.span ?? type,
        "`include_peer_certificate` is not set: rules about a further name of the peer's certificate do not see it, and nobody can verify it again"
      )
    }
    if isHTTP {
      if node.field("encode_raw_headers")?.value.bool != true {
        add(
          .envoyHeadersJoined, at: node.field("encode_raw_headers")?.span ?? type,
          "`encode_raw_headers` is not set: two header lines arrive as one, joined by a comma\(headersOfRules)")
      }
      checkHeaders(node)
      if let clear = node.field("clear_route_cache"), clear.value.bool == true {
        add(.envoyClearsRouteCache, at: clear.span, "the route is chosen anew after the engine has allowed the request")
      }
    }
    if let service = node.message("grpc_service") { checkService(service) }
  }

  /// The engine that is asked, also by a route that asks another one.
  mutating func checkService(_ service: TextNode) {
    checkHints(service)
    checkEngine(service)
  }

  /// A dynamic module of this project that only reports.
  mutating func checkModule(_ node: TextNode) {
    guard let config = node.message("filter_config"),
      node.message("dynamic_module_config")?["name"]?.text?.string.contains("portcullis") == true
    else { return }
    // The configuration is a `Struct`, whose fields are below `value`.
    if let shadow = (config["value"] ?? config).field("shadow"), shadow.value.bool == true {
      add(.envoyFailsOpen, at: shadow.span, "`shadow` lets requests pass that the policies deny")
    }
  }

  private var headersOfRules: String {
    guard let interest, !interest.headers.isEmpty else { return "" }
    return " (rules test \(interest.headers.sorted().map { "`\($0)`" }.joined(separator: ", ")))"
  }

  /// What lets requests pass that were not allowed.
  private mutating func checkOpenings(_ node: TextNode) {
    if let open = node.field("failure_mode_allow"), open.value.bool == true {
      add(.envoyFailsOpen, at: open.span, "`failure_mode_allow` lets every request pass while the engine does not answer")
    }
    if let shadow = node.field("shadow_mode"), shadow.value.bool == true {
      add(.envoyFailsOpen, at: shadow.span, "`shadow_mode` lets requests pass that the engine denied")
    }
    // Where it is not enabled, it may deny instead of letting pass.
    let denies = node.message("deny_at_disable")?.field("default_value")?.value.bool == true
    if let enabled = node.field("filter_enabled"), !denies, !Self.isWhole(enabled.value.field("default_value")?.value) {
      add(.envoyFailsOpen, at: enabled.span, "`filter_enabled` asks about a part of the requests; the others pass")
    }
    if let enabled = node.field("filter_enabled_metadata") {
      add(.envoyFailsOpen, at: enabled.span, "`filter_enabled_metadata` asks about requests with certain metadata; the others pass")
    }
  }

  /// Whether a fraction is all: an absent one is, as Envoy reads it.
  private static func isWhole(_ fraction: TextNode?) -> Bool {
    guard let fraction else { return true }
    let unit = fraction.field("denominator")?.value
    let denominator = unit?.isOne(of: ["TEN_THOUSAND": 1]) == true ? 10_000 : unit?.isOne(of: ["MILLION": 2]) == true ? 1_000_000 : 100
    return fraction.field("numerator")?.value.number ?? 0 >= denominator
  }

  // MARK: Headers

  private mutating func checkHeaders(_ node: TextNode) {
    for name in ["allowed_headers", "disallowed_headers"] {
      guard let list = node.field(name) else { continue }
      let patterns = list.value.field("patterns")?.value.items ?? []
      guard let interest else {
        add(
          .envoyHeaderFiltered, at: list.span,
          "`\(name)` keeps headers from the engine, and a header that is kept back looks absent; give `--policies` to see whether a rule tests one"
        )
        continue
      }
      // Pseudo headers are fields of their own, and always sent.
      let withheld = interest.headers.sorted().filter { header in
        guard header.bytes.first != UInt8(ascii: ":") else { return false }
        let isNamed = patterns.contains { Self.matches($0, header) ?? (name == "disallowed_headers") }
        return name == "allowed_headers" ? !isNamed : isNamed
      }
      guard !withheld.isEmpty else { continue }
      add(
        .envoyHeaderFiltered, at: list.span,
        "`\(name)` keeps \(withheld.map { "`\($0)`" }.joined(separator: ", ")) from the engine; a DENY rule about it does not deny")
    }
  }

  /// Whether a string matcher takes a header's name; nil for a regular expression, which is not read here.
  private static func matches(_ pattern: TextNode, _ header: ExactText) -> Bool? {
    let name = header.string
    // Names of headers are compared in lower case.
    if let text = pattern["exact"]?.text { return ExactText(text.string.lowercased()) == header }
    if let text = pattern["prefix"]?.text { return name.hasPrefix(text.string.lowercased()) }
    if let text = pattern["suffix"]?.text { return name.hasSuffix(text.string.lowercased()) }
    if let text = pattern["contains"]?.text { return name.contains(text.string.lowercased()) }
    return nil
  }

  // MARK: The engine

  private mutating func checkHints(_ service: TextNode) {
    for hint in service.field("initial_metadata")?.value.items ?? [] {
      guard let value = hint.entry("value"), let text = value.value.text?.string, let key = hint["key"]?.text else { continue }
      guard text.contains("%REQ(") || text.contains("%REQUEST_HEADER(") else { continue }
      add(.envoyHintFromClient, at: value.value.span, "the hint `\(key)` is a header of the request, which a client can set to any value")
    }
  }

  private mutating func checkEngine(_ service: TextNode) {
    if let google = service.field("google_grpc"), let target = google.value.field("target_uri"), let uri = target.value.text {
      let isSecured = google.value.field("channel_credentials").map { $0.value.field("ssl_credentials") != nil } ?? false
      if !isSecured, !Self.isLocal(uri.string) {
        add(
          .envoyEnginePlaintext, at: target.span, "the engine at `\(uri)` is asked in plaintext: whoever is on the way can answer \"allow\""
        )
      }
    }
    guard let name = service.field("envoy_grpc")?.value.field("cluster_name")?.value.text, let cluster = clusters[name] else { return }
    let socket = cluster.field("transport_socket")
    let type = socket?.value.field("typed_config")?.value.typeName
    let isTLS = type == "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    if isTLS, let socket, !Self.verifies(socket.value.field("typed_config")?.value) {
      add(
        .envoyWithoutAuthority, at: socket.span, "the engine's certificate is not verified: whoever is on the way can answer \"allow\"",
        help: "set `trusted_ca` and the engine's name in the `validation_context`")
    }
    let isPlain = socket == nil || type == "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
    guard isPlain else { return }
    for address in Self.addresses(of: cluster) where !Self.isLocal(address.text?.string ?? "") {
      add(
        .envoyEnginePlaintext, at: address.span,
        "the engine at `\(address.text?.string ?? "")` is asked in plaintext: whoever is on the way can answer \"allow\"")
    }
  }

  /// The addresses of a cluster's endpoints, pipes left out.
  private static func addresses(of cluster: TextNode) -> [TextNode] {
    let localities = cluster.field("load_assignment")?.value.field("endpoints")?.value.items ?? []
    return localities.flatMap { $0.field("lb_endpoints")?.value.items ?? [] }.compactMap { endpoint in
      endpoint["endpoint"]?["address"]?.field("socket_address")?.value["address"]
    }
  }

  /// Whether an address never leaves the machine.
  static func isLocal(_ address: String) -> Bool {
    if address.hasPrefix("unix:") { return true }
    let host = address.hasPrefix("[") ? String(address.dropFirst().prefix { $0 != "]" }) : address
    if let parsed = IPAddress(host) ?? IPAddress(String(host.prefix { $0 != ":" })) {
      return (AddressBlock("127.0.0.0/8")?.contains(parsed) ?? false) || (AddressBlock("::1")?.contains(parsed) ?? false)
    }
    return host == "localhost" || host.hasPrefix("localhost:")
  }

  // MARK: TLS

  /// `DownstreamTlsContext`.
  mutating func checkDownstream(_ node: TextNode) {
    guard let demand = node.field("require_client_certificate"), demand.value.bool == true, !Self.verifies(node) else { return }
    add(
      .envoyWithoutAuthority, at: demand.span,
      "a client certificate is demanded and not verified: a client can make itself one with any name")
  }

  /// Whether a TLS context verifies the other side: it has an authority, or a source that delivers one.
  private static func verifies(_ context: TextNode?) -> Bool {
    guard let common = context?.field("common_tls_context")?.value else { return false }
    if common.field("validation_context_sds_secret_config") != nil { return true }
    if common.field("validation_context_certificate_provider_instance") != nil { return true }
    let combined = common.field("combined_validation_context")?.value
    if combined?.field("validation_context_sds_secret_config") != nil { return true }
    return [common.field("validation_context")?.value, combined?.field("default_validation_context")?.value].compactMap { $0 }.contains {
      validation in
      ["trusted_ca", "ca_certificate_provider_instance", "custom_validator_config", "verify_certificate_hash", "verify_certificate_spki"]
        .contains {
          validation.field($0) != nil
        }
    }
  }
}
