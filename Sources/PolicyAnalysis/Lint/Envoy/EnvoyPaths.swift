// The ways through an Envoy: which of them reach an upstream although nobody was asked.
// Enters: the listeners, tables of routes and clusters of one file. Leaves: a finding at each connection manager or proxy of connections at
// which such a way ends. Never here: whether the one who is asked is set up well.
//
// A way begins at a listener that takes connections from elsewhere. It may lead through listeners inside the same Envoy, as in Istio's
// ambient mode, where one listener ends a tunnel and the next one checks what was in it. Ways of requests that leave, and those that end in
// the proxy itself (its statistics, its health), need no check.

internal import PolicyModel

/// A listener, as far as it matters who gets in by it.
struct EnvoyListener {
  let name: ExactText
  /// Whether it takes connections of this same Envoy alone.
  let isInner: Bool
  /// Whether what comes in is on its way out.
  let isOutbound: Bool
  /// Whether it says that what comes in is for the workload.
  let isInbound: Bool
  /// Whether only what was redirected comes in: an outbound listener of a sidecar, never one of a gateway.
  let isRedirected: Bool

  init(_ node: TextNode) {
    name = node["name"]?.text ?? ""
    isInner = node.field("internal_listener") != nil
    let direction = node.field("traffic_direction")?.value
    isOutbound = direction?.isOne(of: ["OUTBOUND": 2]) ?? false
    isInbound = direction?.isOne(of: ["INBOUND": 1]) ?? false
    let binds = node.field("bind_to_port") ?? node.message("deprecated_v1")?.field("bind_to_port")
    isRedirected = binds?.value.bool == false || node.field("use_original_dst")?.value.bool == true
  }
}

/// Network filters that run one after the other, to the one that leads on.
struct EnvoyChain {
  let listener: Int?
  let before: [TextNode]
  /// The configuration of the filter that leads on.
  let end: TextNode

  /// Network filters that lead on.
  static let ends: Set<ExactText> = [
    EnvoyType.connectionManager, "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy", "envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy",
    "envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy", "envoy.extensions.filters.network.generic_proxy.v3.GenericProxy",
  ]
}

/// A list of filters that something runs through on its way.
private struct FilterWay {
  let filters: [TextNode]
  /// Where a finding about them stands.
  let place: SourceSpan
  /// The upgrade that they are for; nil for everything else.
  var upgrade: ExactText?
}

/// Where a route or a proxy of connections leads.
private enum Destination: Hashable {
  case upstream
  /// A listener inside the same Envoy.
  case inner(ExactText)
}

extension EnvoyWalk {
  /// Adds the findings. O(values) at most for each listener.
  mutating func checkWays() {
    let hasInbound = listeners.contains(where: \.isInbound)
    var open = Set(
      listeners.indices.filter { place in
        let listener = listeners[place]
        // The listeners of an Istio gateway are outbound, too; what sets a sidecar apart is that others of its listeners are not.
        return !listener.isInner && !(listener.isOutbound && (hasInbound || listener.isRedirected))
      })
    var waiting = open.sorted()
    let chains = Dictionary(grouping: chains, by: \.listener)
    for chain in chains[nil] ?? [] { _ = follow(chain) }
    while let place = waiting.popLast() {
      for chain in chains[place] ?? [] {
        for name in follow(chain) {
          for next in listeners.indices where listeners[next].name == name && listeners[next].isInner && open.insert(next).inserted {
            waiting.append(next)
          }
        }
      }
    }
  }

  /// Adds a finding if a chain leads to an upstream without a check.
  ///
  /// - Returns: the names of the listeners inside this Envoy to which it leads without one.
  private mutating func follow(_ chain: EnvoyChain) -> [ExactText] {
    let isHTTP = chain.end.typeName == EnvoyType.connectionManager
    let connection = chain.before.map { (filter: $0, decision: decision(of: $0)) }
    let isConnectionChecked = connection.contains { $0.decision.by != nil }
    let place = chain.end.entry("@type")?.span ?? chain.end.span.start
    // Who was asked about a connection knows nothing of the requests in it.
    var ways = isHTTP ? filterWays(of: chain.end, at: place) : [FilterWay(filters: chain.before, place: place)]
    ways.removeAll { $0.filters.contains { decision(of: $0).by != nil } }
    if ways.isEmpty { return [] }
    let destinations = Set(destinations(of: chain.end))
    if destinations.contains(.upstream) {
      for way in ways {
        let asked = (isHTTP ? connection : []) + way.filters.map { ($0, decision(of: $0)) }
        let elsewhere = asked.lazy.compactMap { one in Self.reason(one.decision).map { (filter: one.filter, reason: $0) } }.first
        report(way, of: chain, isHTTP: isHTTP, isConnectionChecked: isConnectionChecked, elsewhere: elsewhere)
      }
    }
    return destinations.compactMap { if case .inner(let name) = $0 { name } else { nil } }
  }

  /// Adds the finding about one list of filters that asks nobody.
  private mutating func report(
    _ way: FilterWay, of chain: EnvoyChain, isHTTP: Bool, isConnectionChecked: Bool, elsewhere: (filter: TextNode, reason: String)?
  ) {
    let listener = chain.listener.map { listeners[$0].name } ?? ""
    let owner = listener.isEmpty ? "" : " of the listener `\(listener)`"
    let upgrading = way.upgrade.map { " that upgrade to `\($0)`" } ?? ""
    if let elsewhere {
      return add(
        .envoyFilterElsewhere, at: way.place,
        "whether \(isHTTP ? "requests" : "connections")\(owner)\(upgrading) are checked is not in this file: `\(elsewhere.filter["name"]?.text ?? "")` \(elsewhere.reason)"
      )
    }
    if let upgrade = way.upgrade {
      return add(
        .envoyNotChecked, at: way.place,
        "these filters take the place of `http_filters` for upgrades to `\(upgrade)`\(owner), and none asks an engine, so that every such request passes"
      )
    }
    let what = isHTTP ? "no filter of this connection manager\(owner) asks an engine" : "no filter\(owner) before this one asks an engine"
    let so = !isHTTP ? "connection passes" : isConnectionChecked ? "request of an admitted connection passes" : "request passes"
    add(.envoyNotChecked, at: way.place, "\(what), so that every \(so)")
  }

  /// The lists of filters that a request may run through: that of the connection manager, and those of its upgrades that have their own.
  private func filterWays(of manager: TextNode, at place: SourceSpan) -> [FilterWay] {
    let own = manager.list("upgrade_configs").compactMap { upgrade -> FilterWay? in
      // Envoy: an empty list is none, and the filters of the connection manager are used.
      guard let filters = upgrade.field("filters"), !filters.value.items.isEmpty else { return nil }
      // A route can switch on what is off here.
      if upgrade.field("enabled")?.value.bool == false, !mayRouteUpgrade(manager) { return nil }
      return FilterWay(filters: filters.value.items, place: filters.span, upgrade: upgrade["upgrade_type"]?.text ?? "")
    }
    return [FilterWay(filters: manager.list("http_filters"), place: place)] + own
  }

  /// Whether a route of the connection manager says anything about upgrades, or is not in the file.
  private func mayRouteUpgrade(_ manager: TextNode) -> Bool {
    if let table = manager.message("route_config") { return !table.deepFields("upgrade_configs").isEmpty || table.field("vhds") != nil }
    guard let name = manager.message("rds")?.field("route_config_name")?.value.text, let tables = tables[name] else { return true }
    return tables.contains { !$0.deepFields("upgrade_configs").isEmpty || $0.field("vhds") != nil }
  }

  private static func reason(_ decision: EnvoyDecision) -> String? { if case .elsewhere(let reason) = decision { reason } else { nil } }

  // MARK: Where it leads

  private func destinations(of end: TextNode) -> [Destination] {
    if end.typeName != EnvoyType.connectionManager { return clusters(of: end).flatMap { destinations(ofCluster: $0, match: nil) } }
    if let table = end.message("route_config") { return destinations(ofTable: table) }
    guard let name = end.message("rds")?.field("route_config_name")?.value.text, let tables = tables[name] else { return [.upstream] }
    return tables.flatMap(destinations(ofTable:))
  }

  private func destinations(ofTable table: TextNode) -> [Destination] {
    if table.field("vhds") != nil { return [.upstream] }
    return table.list("virtual_hosts").flatMap { host -> [Destination] in
      if host.field("matcher") != nil { return [.upstream] }
      return host.list("routes").flatMap { route -> [Destination] in
        if route.field("direct_response") != nil || route.field("redirect") != nil { return [] }
        guard let action = route.message("route") else { return [.upstream] }
        return clusters(of: action).flatMap { destinations(ofCluster: $0, match: route.message("match")) }
      }
    }
  }

  /// The clusters that an action or a proxy of connections names; nil for one that is chosen by something else.
  private func clusters(of action: TextNode) -> [ExactText?] {
    if let weighted = action.message("weighted_clusters") { return weighted.list("clusters").map { $0["name"]?.text } }
    return [action["cluster"]?.text]
  }

  private func destinations(ofCluster name: ExactText?, match: TextNode?) -> [Destination] {
    guard let name else { return [.upstream] }
    guard let cluster = clusters[name] else {
      // A dump of listeners alone. These are the names that Istio gives.
      if listeners.contains(where: { $0.isInner && $0.name == name }) { return [.inner(name)] }
      let path = (match?["prefix"] ?? match?["path"])?.text
      let isOwn = name == "prometheus_stats" && path == "/stats/prometheus" || name == "agent" && path == "/healthz/ready"
      return isOwn || name == "BlackHoleCluster" ? [] : [.upstream]
    }
    let localities = cluster.message("load_assignment")?.list("endpoints") ?? []
    let addresses = localities.flatMap { $0.list("lb_endpoints") }.map { $0["endpoint"]?["address"] }
    let isFixed = cluster.field("cluster_type") == nil && cluster["type"]?.isOne(of: ["STATIC": 0]) ?? true
    // A cluster without endpoints leads nowhere, unless somebody else delivers them.
    guard !addresses.isEmpty else { return isFixed ? [] : [.upstream] }
    return addresses.compactMap { address in
      if let inner = address?.message("envoy_internal_address")?.field("server_listener_name")?.value.text { return .inner(inner) }
      guard let socket = address?.message("socket_address"), let port = socket.field("port_value")?.value.number else { return .upstream }
      return ownPorts.contains(port) && Self.isLocal(socket["address"]?.text?.string ?? "") ? nil : .upstream
    }
  }
}
