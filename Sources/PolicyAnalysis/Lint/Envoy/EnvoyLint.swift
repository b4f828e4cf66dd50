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
  let trees = trees.map(\.withoutTypedStructs)
  for tree in trees { walk.collect(tree, nil, isInChain: false) }
  for tree in trees { walk.collectOrder(tree) }
  for tree in trees { walk.visit(tree) }
  walk.checkWays()
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
  /// The tables of routes that connection managers name.
  private(set) var tables: [ExactText: [TextNode]] = [:]
  /// Configurations of filters that came by discovery and are in the file, by name.
  private(set) var discovered: [ExactText: TextNode] = [:]
  private(set) var listeners: [EnvoyListener] = []
  private(set) var chains: [EnvoyChain] = []
  /// Ports at which the proxy itself answers: its admin address, and the status of Istio's agent beside it.
  private(set) var ownPorts: Set<Int> = [15_020]
  /// The names that filters of the engine have in the lists of filters.
  private(set) var filterNames: Set<ExactText> = ["envoy.filters.http.ext_authz"]
  /// The names of all filters that decide.
  private(set) var deciderNames: Set<ExactText> = ["envoy.filters.http.ext_authz"]
  /// The names of filters behind one that decides.
  private(set) var lateNames: Set<ExactText> = []

  init(file: ExactText, mesh: MeshSettings, interest: EnvoyLintInterest?) {
    self.file = file
    self.mesh = mesh
    self.interest = interest
  }

  func location(_ span: SourceSpan) -> SourceLocation { SourceLocation(file: file, span: span) }

  mutating func add(_ code: LintCode, at span: SourceSpan, _ message: String, help: String? = nil) {
    report.add(code, at: location(span), message, help: help)
  }

  // MARK: First passes: names

  /// Notes what has a name that other parts of the file use, and the chains of filters. The reader bounds the depth.
  ///
  /// - Parameters:
  ///   - listener: the place of the listener in which the node stands.
  ///   - isInChain: whether it stands in a chain that was noted.
  mutating func collect(_ node: TextNode, _ listener: Int?, isInChain: Bool) {
    var (listener, isInChain) = (listener, isInChain)
    if let name = node["name"]?.text { collect(node, named: name) }
    if node.field("filter_chains") != nil || node.field("default_filter_chain") != nil {
      listener = listeners.count
      listeners.append(EnvoyListener(node))
    }
    if let port = node.message("admin")?.message("address")?.message("socket_address")?.field("port_value")?.value.number {
      ownPorts.insert(port)
    }
    let filters = node.list("filters")
    if let end = filters.firstIndex(where: { EnvoyChain.ends.contains($0.field("typed_config")?.value.typeName ?? "") }),
      let config = filters[end].field("typed_config")?.value
    {
      chains.append(EnvoyChain(listener: listener, before: Array(filters[..<end]), end: config))
      isInChain = true
    } else if !isInChain, node.typeName == EnvoyType.connectionManager {
      chains.append(EnvoyChain(listener: listener, before: [], end: node))
      isInChain = true
    }
    for child in node.items + node.entries.map(\.value) { collect(child, listener, isInChain: isInChain) }
  }

  private mutating func collect(_ node: TextNode, named name: ExactText) {
    let isCluster =
      node.field("load_assignment") != nil || node.field("cluster_type") != nil || node.field("eds_cluster_config") != nil
      || node.typeName == "envoy.config.cluster.v3.Cluster"
      || node["type"]?.isOne(of: ["STATIC": 0, "STRICT_DNS": 1, "LOGICAL_DNS": 2, "EDS": 3, "ORIGINAL_DST": 4]) ?? false
    if isCluster { clusters[name] = node }
    if node.field("virtual_hosts") != nil { tables[name, default: []].append(node) }
    guard let config = node.field("typed_config")?.value else { return }
    if config.typeName == EnvoyType.httpAuthorization { filterNames.insert(name) }
    if node.typeName == "envoy.config.core.v3.TypedExtensionConfig" { discovered[name] = config }
  }

  /// Notes the names of filters that decide, and of those behind them; after everything else has been noted.
  mutating func collectOrder(_ node: TextNode) {
    for list in [node.list("http_filters")] + node.upgradeFilters.map(\.items) {
      var isLate = false
      for filter in list {
        guard let name = filter["name"]?.text else { continue }
        if decision(of: filter).by != nil {
          isLate = true
          deciderNames.insert(name)
        } else if isLate {
          lateNames.insert(name)
        }
      }
    }
    for child in node.items + node.entries.map(\.value) { collectOrder(child) }
  }

  // MARK: Last pass: findings

  mutating func visit(_ node: TextNode) {
    for item in node.items { visit(item) }
    switch node.typeName {
    case EnvoyType.httpAuthorization: checkAuthorization(node, isHTTP: true)
    case EnvoyType.networkAuthorization: checkAuthorization(node, isHTTP: false)
    case EnvoyType.connectionManager:
      checkConnectionManager(node)
      for filters in node.upgradeFilters { checkFilters(filters) }
    case EnvoyType.authorizationOfRoute: checkAuthorizationOfRoute(node)
    case "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext": checkDownstream(node)
    case let type? where EnvoyType.modules.contains(type): checkModule(node)
    default: break
    }
    if let trust = node.field("trust_chain_verification"), trust.value.isOne(of: ["ACCEPT_UNTRUSTED": 1]) {
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
}
