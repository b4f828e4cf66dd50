// The configuration of an Envoy that asks Portcullis: what in it weakens the policies.
// Enters: trees of a bootstrap, a configuration dump, or the parts that `export envoy-ext-authz` prints. Leaves: findings at the field.
// Never here: a judgement of anything else; whether Envoy takes the configuration is for `envoy --mode validate`.
//
// The walk looks at types and names, wherever they stand, so that it finds its way in all three forms. Names of fields may be written as in
// protobuf (`trusted_ca`) or as in its JSON (`trustedCa`).

package import PolicyModel

/// What the policies ask of a request that a proxy could withhold; nil where no policies were given.
package struct EnvoyLintInterest: Sendable {
  /// Names of headers that a rule tests, in lower case.
  package var headers: Set<ExactText> = []
  /// Whether a rule tests a token.
  package var testsTokens = false

  /// What the rules of a set test.
  package init(_ set: PolicySet) {
    for case let rule? in set.policies.flatMap(\.rules) {
      for constraint in (rule.sources + rule.operations).flatMap(\.constraints) + rule.conditions {
        if case .requestHeader(let name) = constraint.attribute { headers.insert(ExactText(name.string.lowercased())) }
        testsTokens = testsTokens || constraint.attribute.isToken
      }
    }
  }
}

/// Looks for what weakens the policies in the documents of one file. O(values).
package func lintEnvoy(_ trees: [TextNode], file: ExactText, mesh: MeshSettings, interest: EnvoyLintInterest?) -> [LintFinding] {
  var walk = EnvoyWalk(file: file, mesh: mesh, interest: interest)
  for tree in trees { walk.collect(tree) }
  for tree in trees { walk.visit(tree) }
  walk.finish()
  return walk.report.sorted
}

/// A walk over one file.
struct EnvoyWalk {
  let file: ExactText
  let mesh: MeshSettings
  let interest: EnvoyLintInterest?
  var report = LintReport()
  /// The clusters of the file, by name.
  private(set) var clusters: [ExactText: TextNode] = [:]
  /// The names that filters of the engine have in the lists of filters.
  private(set) var filterNames: Set<ExactText> = ["envoy.filters.http.ext_authz"]
  /// Whether anything decides: a filter that asks the engine, or one that has the policies inside.
  private var hasDecider = false
  /// The first filter that leads to an upstream.
  private var firstUpstream: TextNode?

  init(file: ExactText, mesh: MeshSettings, interest: EnvoyLintInterest?) {
    self.file = file
    self.mesh = mesh
    self.interest = interest
  }

  func location(_ span: SourceSpan) -> SourceLocation { SourceLocation(file: file, span: span) }

  mutating func add(_ code: LintCode, at span: SourceSpan, _ message: String, help: String? = nil) {
    report.add(code, at: location(span), message, help: help)
  }

  // MARK: First pass: names

  /// Notes clusters, and which filters ask the engine. The reader bounds the depth.
  mutating func collect(_ node: TextNode) {
    for item in node.items { collect(item) }
    if node.field("load_assignment") != nil || node.field("cluster_type") != nil, let name = node["name"]?.text { clusters[name] = node }
    if let config = node.field("typed_config"), let name = node["name"]?.text {
      switch config.value.typeName {
      case "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz":
        filterNames.insert(name)
        hasDecider = true
      case let type?
      where type.string.hasSuffix(".ext_authz.v3.ExtAuthz") || type.string.contains(".rbac.v3.")
        || type.string.contains(".dynamic_modules.v3."):
        hasDecider = true
      default: break
      }
    }
    for entry in node.entries { collect(entry.value) }
  }

  // MARK: Second pass: findings

  mutating func visit(_ node: TextNode) {
    for item in node.items { visit(item) }
    switch node.typeName {
    case "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz": checkAuthorization(node, isHTTP: true)
    case "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz": checkAuthorization(node, isHTTP: false)
    case "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager":
      checkConnectionManager(node)
      if firstUpstream == nil { firstUpstream = node }
    case "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy": if firstUpstream == nil { firstUpstream = node }
    case "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext": checkDownstream(node)
    case "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute":
      if let disabled = node.field("disabled"), disabled.value.bool == true {
        add(.envoyRouteDisabled, at: disabled.span, "the check is switched off here: requests that take this route are not asked about")
      }
    default: break
    }
    if let trust = node.field("trust_chain_verification"), trust.value.text == "ACCEPT_UNTRUSTED" {
      add(.envoyAcceptsUntrusted, at: trust.span, "`ACCEPT_UNTRUSTED` lets in peers whose certificate nobody signed, under any name")
    }
    for entry in node.entries {
      switch entry.key.value {
      case "http_filters", "httpFilters": checkFilters(entry.value)
      case "http_connection_manager" where entry.value.typeName == nil: checkConnectionManager(entry.value)
      case "typed_per_filter_config", "typedPerFilterConfig": checkRoute(entry.value)
      default: break
      }
      visit(entry.value)
    }
  }

  mutating func finish() {
    if !hasDecider, let firstUpstream {
      add(.envoyNotChecked, at: firstUpstream.span.start, "no filter of this file asks an engine, so that every request passes")
    }
  }

  /// `FilterConfig` of a route, by the filter's name.
  private mutating func checkRoute(_ node: TextNode) {
    for (key, value) in node.entries where filterNames.contains(key.value) && value.typeName == "envoy.config.route.v3.FilterConfig" {
      guard let disabled = value.field("disabled"), disabled.value.bool == true else { continue }
      add(.envoyRouteDisabled, at: disabled.span, "the check is switched off here: requests that take this route are not asked about")
    }
  }

  /// The order of the filters, and filters that are off until a route switches them on.
  private mutating func checkFilters(_ list: TextNode) {
    var own: (index: Int, node: TextNode)?
    for (index, filter) in list.items.enumerated() {
      let name = filter["name"]?.text ?? ""
      let type = filter.field("typed_config")?.value.typeName?.string ?? ""
      if filterNames.contains(name) || type == "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz" {
        own = own ?? (index, filter)
        if let disabled = filter.field("disabled"), disabled.value.bool == true {
          add(.envoyRouteDisabled, at: disabled.span, "the filter is switched off, but for routes that switch it on")
        }
        continue
      }
      guard let own else { continue }
      let isTokens = name == "envoy.filters.http.jwt_authn" || type == "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
      if isTokens {
        add(
          .envoyFilterOrder, at: own.node.span.start,
          "`\(own.node["name"]?.text ?? "")` comes before `\(name)`, so tokens are not verified when the engine is asked")
      }
      if let clear = filter.deepField("clear_route_cache"), clear.value.bool == true {
        add(.envoyClearsRouteCache, at: clear.span, "`\(name)` chooses the route anew after the engine has allowed the request")
      }
    }
    if let own, let claims = tokenNamespaces(own.node), !claims.isSent, interest?.testsTokens ?? claims.isNeeded(list) {
      add(
        .envoyClaimsNotSent, at: claims.span,
        "`metadata_context_namespaces` has no `envoy.filters.http.jwt_authn`: a DENY rule about claims does not deny")
    }
  }

  private struct TokenNamespaces {
    let isSent: Bool
    let span: SourceSpan

    /// Whether the same list verifies tokens.
    func isNeeded(_ filters: TextNode) -> Bool { filters.items.contains { $0["name"]?.text == "envoy.filters.http.jwt_authn" } }
  }

  /// Whether claims are sent; nil for a filter whose configuration is not here.
  private func tokenNamespaces(_ filter: TextNode) -> TokenNamespaces? {
    guard let config = filter.field("typed_config") else { return nil }
    let list = config.value.field("metadata_context_namespaces")
    let isSent = list?.value.items.contains { $0.text == "envoy.filters.http.jwt_authn" } ?? false
    return TokenNamespaces(isSent: isSent, span: list?.span ?? config.span)
  }

  /// Path normalization, of a connection manager that asks the engine.
  private mutating func checkConnectionManager(_ node: TextNode) {
    if let filters = node.field("http_filters") {
      let asks = filters.value.items.contains { filter in
        filterNames.contains(filter["name"]?.text ?? "")
          || filter.field("typed_config")?.value.typeName == "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
      }
      if !asks { return }
    }
    let action = node.field("path_with_escaped_slashes_action")
    let (normalizes, merges) = (node.field("normalize_path"), node.field("merge_slashes"))
    var missing: [String] = []
    if mesh.pathNormalization != .none, normalizes?.value.bool != true { missing.append("normalize_path: true") }
    if mesh.pathNormalization == .mergeSlashes || mesh.pathNormalization == .decodeAndMergeSlashes {
      if merges?.value.bool != true { missing.append("merge_slashes: true") }
    }
    let decoding: Set<ExactText> = ["UNESCAPE_AND_FORWARD", "UNESCAPE_AND_REDIRECT", "REJECT_REQUEST"]
    if mesh.pathNormalization == .decodeAndMergeSlashes, !(action?.value.text.map(decoding.contains) ?? false) {
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

extension TextNode {
  /// The first entry of this name, as protobuf or as its JSON writes it.
  func field(_ name: String) -> (span: SourceSpan, value: TextNode)? {
    if let found = entry(ExactText(name)) { return found }
    let words = name.split(separator: "_")
    guard let first = words.first, words.count > 1 else { return nil }
    let camel = words.dropFirst().reduce(String(first)) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
    return entry(ExactText(camel))
  }

  /// The first entry of this name in the node or below it, in the order of the text.
  func deepField(_ name: String) -> (span: SourceSpan, value: TextNode)? {
    if let found = field(name) { return found }
    for child in items + entries.map(\.value) {
      if let found = child.deepField(name) { return found }
    }
    return nil
  }

  /// The message that `@type` names.
  var typeName: ExactText? {
    guard let text = self["@type"]?.text, let slash = text.bytes.lastIndex(of: UInt8(ascii: "/")) else { return nil }
    return ExactText(String(decoding: text.bytes[(slash + 1)...], as: UTF8.self))
  }
}

extension SourceSpan {
  /// The first character: a whole filter would mark many lines.
  var start: SourceSpan { SourceSpan(line: line, column: column, endLine: line, endColumn: column + 1) }
}
