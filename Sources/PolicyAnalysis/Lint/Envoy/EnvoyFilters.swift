// The list of filters of a connection manager, and what routes change of it.
// Enters: a list, a connection manager, the configuration of a route by names of filters. Leaves: findings. Never here: what a filter is set
// up to ask.

internal import PolicyModel

extension EnvoyWalk {
  // MARK: The list

  /// The order of the filters, and filters that are off until a route switches them on.
  mutating func checkFilters(_ list: TextNode) {
    var own: (by: EnvoyDecision.By, node: TextNode)?
    for filter in list.items {
      let name = filter["name"]?.text ?? ""
      if let by = decision(of: filter).by {
        own = own ?? (by, filter)
        if by != .rules, let disabled = filter.field("disabled"), disabled.value.bool == true {
          add(.envoyRouteDisabled, at: disabled.span, "the filter is switched off, but for routes that switch it on")
        }
        continue
      }
      guard let own else { continue }
      if isTokens(filter) {
        add(
          .envoyFilterOrder, at: own.node.span.start,
          "`\(own.node["name"]?.text ?? "")` comes before `\(name)`, so tokens are not verified when the engine is asked")
      }
      checkRouteCache(configuration(of: filter) ?? filter, of: name)
    }
    for filter in list.items where decision(of: filter).by == .engine { checkClaims(filter, in: list) }
  }

  private func isTokens(_ filter: TextNode) -> Bool {
    filter["name"]?.text == "envoy.filters.http.jwt_authn" || configuration(of: filter)?.typeName == EnvoyType.tokens
  }

  /// Fields with which a filter behind the check chooses the route anew.
  private mutating func checkRouteCache(_ config: TextNode, of name: ExactText) {
    let clears =
      config.deepFields("clear_route_cache").filter { $0.value.bool == true }
      + config.deepFields("route_cache_action").filter { $0.value.isOne(of: ["CLEAR": 1]) }
    for clear in clears {
      add(.envoyClearsRouteCache, at: clear.span, "`\(name)` chooses the route anew after the engine has allowed the request")
    }
  }

  /// Whether the engine is told the claims of a token.
  private mutating func checkClaims(_ filter: TextNode, in list: TextNode) {
    guard let config = configuration(of: filter), config.typeName == EnvoyType.httpAuthorization else { return }
    let names = config.field("metadata_context_namespaces")
    if names?.value.items.contains(where: { $0.text == "envoy.filters.http.jwt_authn" }) ?? false { return }
    guard interest?.testsTokens ?? list.items.contains(where: isTokens) else { return }
    add(
      .envoyClaimsNotSent, at: names?.span ?? filter.field("typed_config")?.span ?? filter.span.start,
      "`metadata_context_namespaces` has no `envoy.filters.http.jwt_authn`: a DENY rule about claims does not deny")
  }

  // MARK: Routes

  /// `typed_per_filter_config` of routes, virtual hosts, weighted clusters and whole tables of routes, by the filter's name.
  mutating func checkRoute(_ node: TextNode) {
    for (key, value) in node.entries {
      if deciderNames.contains(key.value), value.typeName == "envoy.config.route.v3.FilterConfig" {
        if let disabled = value.field("disabled"), disabled.value.bool == true { addDisabled(disabled.span) }
      }
      if deciderNames.contains(key.value), value.typeName == EnvoyType.rulesOfRoute, !(value.message("rbac").map(Self.enforces) ?? false) {
        addDisabled(value.field("rbac")?.span ?? key.span)
      }
      if lateNames.contains(key.value) { checkRouteCache(value, of: key.value) }
    }
  }

  /// `ExtAuthzPerRoute`.
  mutating func checkAuthorizationOfRoute(_ node: TextNode) {
    if let disabled = node.field("disabled"), disabled.value.bool == true { addDisabled(disabled.span) }
    if let service = node.message("check_settings")?.message("grpc_service") { checkService(service) }
  }

  private mutating func addDisabled(_ span: SourceSpan) {
    add(.envoyRouteDisabled, at: span, "the check is switched off here: requests that take this route are not asked about")
  }

  // MARK: Paths

  /// Path normalization, of a connection manager that asks the engine.
  mutating func checkConnectionManager(_ node: TextNode) {
    let lists = (node.field("http_filters").map { [$0.value] } ?? []) + node.upgradeFilters
    if !lists.isEmpty, !lists.contains(where: { $0.items.contains { decision(of: $0).mayDecide } }) { return }
    let action = node.field("path_with_escaped_slashes_action")
    let (normalizes, merges) = (node.field("normalize_path"), node.field("merge_slashes"))
    var missing: [String] = []
    if mesh.pathNormalization != .none, normalizes?.value.bool != true { missing.append("normalize_path: true") }
    if mesh.pathNormalization == .mergeSlashes || mesh.pathNormalization == .decodeAndMergeSlashes {
      if merges?.value.bool != true { missing.append("merge_slashes: true") }
    }
    let decoding = ["REJECT_REQUEST": 2, "UNESCAPE_AND_REDIRECT": 3, "UNESCAPE_AND_FORWARD": 4]
    if mesh.pathNormalization == .decodeAndMergeSlashes, !(action?.value.isOne(of: decoding) ?? false) {
      missing.append("path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD")
    }
    guard !missing.isEmpty else { return }
    let place = normalizes?.span ?? merges?.span ?? node.entry("@type")?.span ?? node.span.start
    add(
      .envoyPathNotNormalized, at: place,
      "the mesh's normalization is \(mesh.pathNormalization.rawValue), and this connection manager lacks \(missing.map { "`\($0)`" }.joined(separator: ", "))",
      help: "set \(missing.map { "`\($0)`" }.joined(separator: " and "))")
  }
}
