// Which ways through an Envoy lead to an upstream although nobody was asked, listener by listener.
// Enters: listeners, routes and clusters. Leaves: codes and places. Never here: how the one who is asked is set up.

internal import PolicyAnalysis
internal import PolicyModel
internal import Testing

private func type(_ name: String) -> String { #""@type": type.googleapis.com/envoy.extensions.filters.\#(name)"# }

private let asksHTTP = "{name: a, typed_config: {\(type("http.ext_authz.v3.ExtAuthz"))}}"
private let asksNetwork = "{name: a, typed_config: {\(type("network.ext_authz.v3.ExtAuthz"))}}"
private func rules(_ level: String, _ rest: String) -> String { "{name: r, typed_config: {\(type("\(level).rbac.v3.RBAC")), \(rest)}}" }
private func module(_ level: String, _ filter: String, _ name: String = "portcullis_envoy") -> String {
  let type = type("\(level).dynamic_modules.v3.DynamicModule\(level == "http" ? "" : "Network")Filter")
  return "{name: m, typed_config: {\(type), dynamic_module_config: {name: \(name)}, filter_name: \(filter)}}"
}

/// A connection manager that leads to the cluster `app`, unless routes say otherwise.
private func manager(_ filters: String, routes: String = "[{match: {prefix: /}, route: {cluster: app}}]") -> String {
  "{typed_config: {\(type("network.http_connection_manager.v3.HttpConnectionManager")), "
    + "route_config: {virtual_hosts: [{routes: \(routes)}]}, http_filters: [\(filters)]}}"
}
private func proxy(_ cluster: String = "cluster: app") -> String {
  "{typed_config: {\(type("network.tcp_proxy.v3.TcpProxy")), \(cluster)}}"
}
private func listener(_ name: String, _ filters: String, _ more: String = "stat_prefix: x") -> String {
  "{name: \(name), \(more), filter_chains: [{filters: [\(filters)]}]}"
}
private func cluster(_ name: String, _ address: String) -> String {
  "{name: \(name), type: STATIC, load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: \(address)}}]}]}}"
}
private func inner(_ name: String) -> String { "{envoy_internal_address: {server_listener_name: \(name)}}" }
private func socket(_ address: String, _ port: Int) -> String { "{socket_address: {address: \(address), port_value: \(port)}}" }

/// One thing that a chain of filters holds, and whether that leaves it unchecked.
struct WayCase: CustomTestStringConvertible, Sendable {
  let filters: String
  let codes: [LintCode]
  var testDescription: String { filters }

  init(_ filters: String, _ codes: LintCode...) { (self.filters, self.codes) = (filters, codes) }
}

@Suite struct `ways through an Envoy` {
  /// The findings about ways, by code and by the listener or the message that they name.
  private static func ways(_ text: String) -> [LintFinding] {
    `the pitfalls of an Envoy's configuration`.findings(text).filter { $0.code == .envoyNotChecked || $0.code == .envoyFilterElsewhere }
  }

  private static let chains: [WayCase] = [
    // Who decides about requests.
    WayCase(manager(""), .envoyNotChecked), WayCase(manager(asksHTTP)), WayCase(manager(rules("http", "rules: {action: DENY}"))),
    WayCase(manager(rules("http", "rules: {}"))), WayCase(manager(rules("http", "matcher: {}"))),
    WayCase(manager(rules("http", "shadow_rules: {action: DENY}")), .envoyNotChecked),
    WayCase(manager(rules("http", "shadow_matcher: {}")), .envoyNotChecked),
    WayCase(manager(rules("http", "rules: null, shadow_rules: {}")), .envoyNotChecked),
    WayCase(manager(rules("http", "rules: {action: LOG}")), .envoyNotChecked),
    WayCase(manager(rules("http", "rules: {action: 2}")), .envoyNotChecked),
    WayCase(manager(rules("http", "rules: {}").replacingLast("}", with: ", disabled: true}")), .envoyNotChecked),
    WayCase(manager(module("http", "authorize"))), WayCase(manager(module("http", "authorize", "other")), .envoyNotChecked),
    // Who decides about connections decides nothing about requests.
    WayCase("\(asksNetwork), \(manager(""))", .envoyNotChecked),
    WayCase("\(rules("network", "rules: {}")), \(manager(""))", .envoyNotChecked),
    WayCase("\(asksNetwork), \(manager(asksHTTP))"), WayCase("\(module("network", "peer")), \(manager(""))", .envoyNotChecked),
    // Connections.
    WayCase(proxy(), .envoyNotChecked), WayCase("\(asksNetwork), \(proxy())"),
    WayCase("\(rules("network", "rules: {action: DENY}")), \(proxy())"),
    WayCase("\(rules("network", "shadow_rules: {}")), \(proxy())", .envoyNotChecked),
    WayCase("\(proxy()), \(asksNetwork)", .envoyNotChecked),
    WayCase("\(module("network", "authorize")), \(proxy())"), WayCase("\(module("network", "peer")), \(proxy())", .envoyNotChecked),
    WayCase("\(rules("network", "rules: {}")), {typed_config: {\(type("network.redis_proxy.v3.RedisProxy"))}}"),
    WayCase("{typed_config: {\(type("network.redis_proxy.v3.RedisProxy"))}}", .envoyNotChecked),
    WayCase("{typed_config: {\(type("network.echo.v3.Echo"))}}"),
    // What the file does not say.
    WayCase(manager("{name: e, config_discovery: {config_source: {ads: {}}}}"), .envoyFilterElsewhere),
    WayCase("{name: e, config_discovery: {config_source: {ads: {}}}}, \(proxy())", .envoyFilterElsewhere),
    WayCase(manager("{name: e, config_discovery: {}}, \(asksHTTP)")),
    WayCase(manager("{name: found, config_discovery: {}}")), WayCase(manager("{name: harmless, config_discovery: {}}"), .envoyNotChecked),
    WayCase(manager("{name: c, typed_config: {\(type("http.composite.v3.Composite")), x: [\(asksHTTP)]}}"), .envoyFilterElsewhere),
    WayCase(manager("{name: c, typed_config: {\(type("http.composite.v3.Composite")), x: {dynamic_config: {}}}}"), .envoyFilterElsewhere),
    WayCase(manager("{name: c, typed_config: {\(type("http.composite.v3.Composite")), x: []}}"), .envoyNotChecked),
    // Where the routes lead.
    WayCase(manager("", routes: "[{direct_response: {status: 200}}, {redirect: {https_redirect: true}}]")),
    WayCase(manager("", routes: "[{direct_response: {status: 200}}, {route: {cluster_header: x}}]"), .envoyNotChecked),
    WayCase(manager("", routes: "[{match: {prefix: /stats/prometheus}, route: {cluster: admin}}]")),
    WayCase(manager("", routes: "[{route: {weighted_clusters: {clusters: [{name: admin}, {name: agent}]}}}]")),
    WayCase(manager("", routes: "[{route: {weighted_clusters: {clusters: [{name: admin}, {name: app}]}}}]"), .envoyNotChecked),
    WayCase(manager("", routes: "[{route: {cluster: same-port}}]"), .envoyNotChecked),
    WayCase(manager("", routes: "[{match: {prefix: /stats/prometheus}, route: {cluster: prometheus_stats}}]")),
    WayCase(manager("", routes: "[{match: {prefix: /healthz/ready}, route: {cluster: agent_of_a_dump}}]"), .envoyNotChecked),
    WayCase(manager("", routes: "[{match: {prefix: /}, route: {cluster: prometheus_stats}}]"), .envoyNotChecked),
    WayCase(proxy("cluster: hole")), WayCase(proxy("cluster: BlackHoleCluster")), WayCase(proxy("cluster: later"), .envoyNotChecked),
    WayCase(proxy("weighted_clusters: {clusters: [{name: hole}, {name: app}]}"), .envoyNotChecked),
    WayCase("{typed_config: {\(type("network.http_connection_manager.v3.HttpConnectionManager")), rds: {route_config_name: redirects}}}"),
    WayCase(
      "{typed_config: {\(type("network.http_connection_manager.v3.HttpConnectionManager")), rds: {route_config_name: other}}}",
      .envoyNotChecked),
  ]

  @Test(arguments: chains) func `are checked or not`(_ chain: WayCase) {
    // Beside a listener that is sound: what another one does says nothing about this one.
    let rest = """
      admin: {address: \(socket("127.0.0.1", 15_000))}
      ecds_filters:
      - ecds_filter: {"@type": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig, name: found, typed_config: {\(type("http.ext_authz.v3.ExtAuthz"))}}
      - ecds_filter: {"@type": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig, name: harmless, typed_config: {\(type("http.cors.v3.Cors"))}}
      static_route_configs: [{route_config: {name: redirects, virtual_hosts: [{routes: [{redirect: {}}]}]}}]
      clusters: [\(cluster("app", socket("10.0.0.1", 80))), \(cluster("admin", socket("127.0.0.1", 15_000))), \(cluster("agent", socket("localhost", 15_020))), \(cluster("same-port", socket("10.0.0.1", 15_000))), {name: hole, type: STATIC}, {name: later, type: EDS}]
      """
    for listener in [
      listener("one", chain.filters), "{name: one, default_filter_chain: {filters: [\(chain.filters)]}}",
      "{name: one, filter_chains: [{filters: [\(manager(asksHTTP))]}, {filters: [\(chain.filters)]}]}",
    ] {
      let text = "listeners: [\(listener), {name: sound, filter_chains: [{filters: [\(manager(asksHTTP))]}]}]\n\(rest)\n"
      let found = Self.ways(text)
      #expect(found.map(\.code) == chain.codes, "\(found.map(\.message)) in \(text)")
      #expect(found.allSatisfy { $0.message.contains("`one`") && $0.location.span.line == 1 })
    }
  }

  /// A connection manager with filters of its own for upgrades.
  private static func upgrading(_ filters: String, _ upgrades: String, routes: String = "[{match: {prefix: /}, route: {cluster: app}}]")
    -> String
  {
    manager(filters, routes: routes).replacingLast("}", with: "").replacingLast("}", with: ", upgrade_configs: [\(upgrades)]}}")
  }

  @Test func `of upgrades have filters of their own`() {
    let router = "{name: router}"
    let open = "{upgrade_type: websocket, filters: [\(router)]}"
    let switching = "[{match: {prefix: /}, route: {cluster: app, upgrade_configs: [{upgrade_type: websocket}]}}]"
    for (filters, upgrades, codes) in [
      (asksHTTP, open, [LintCode.envoyNotChecked]),
      (asksHTTP, "{upgradeType: CONNECT, filters: [\(router)]}, {upgrade_type: websocket}", [.envoyNotChecked]),
      (asksHTTP, "{upgrade_type: websocket, filters: [{name: e, config_discovery: {}}]}", [.envoyFilterElsewhere]),
      ("", open, [.envoyNotChecked, .envoyNotChecked]),
      ("", "{upgrade_type: websocket, filters: [\(asksHTTP), \(router)]}", [.envoyNotChecked]),
      // The check is there, or the connection manager's own filters run.
      (asksHTTP, "{upgrade_type: websocket, filters: [\(asksHTTP), \(router)]}", []),
      (asksHTTP, "{upgrade_type: websocket}", []), (asksHTTP, "{upgrade_type: websocket, filters: []}", []),
      (asksHTTP, "{upgrade_type: websocket, enabled: false, filters: [\(router)]}", []),
    ] {
      let text = "listeners: [\(listener("one", Self.upgrading(filters, upgrades)))]"
      #expect(Self.ways(text).map(\.code) == codes, "\(Self.ways(text).map(\.message)) in \(text)")
    }
    // A route can switch an upgrade on; where nothing leads to an upstream, nothing is lost.
    let off = Self.upgrading(asksHTTP, "{upgrade_type: websocket, enabled: false, filters: [\(router)]}", routes: switching)
    #expect(Self.ways("listeners: [\(listener("one", off))]").map(\.code) == [.envoyNotChecked])
    #expect(Self.ways("listeners: [\(listener("one", Self.upgrading(asksHTTP, open, routes: "[{redirect: {}}]")))]").isEmpty)
    let found = Self.ways("listeners: [\(listener("one", Self.upgrading(asksHTTP, open)))]").first
    #expect(found?.message.contains("upgrades to `websocket` of the listener `one`") == true, "\(found?.message ?? "")")
  }

  @Test func `of upgrades are looked at filter by filter`() {
    let off = asksHTTP.replacingLast("}", with: ", disabled: true}")
    let text = "listeners: [\(listener("one", Self.upgrading(asksHTTP, "{upgrade_type: websocket, filters: [\(off)]}")))]"
    let codes = `the pitfalls of an Envoy's configuration`.findings(text).map(\.code)
    #expect(codes.contains(.envoyRouteDisabled), "\(codes)")
    let sound = text.replacing(", disabled: true", with: "")
    #expect(!`the pitfalls of an Envoy's configuration`.findings(sound).contains { $0.code == .envoyRouteDisabled })
  }

  @Test func `are told apart by what passes`() {
    let text = """
      listeners:
      - name: one
        filter_chains:
        - filters:
          - \(asksNetwork)
          - \(manager(""))
        - filters: [\(proxy())]
        - filters: [\(manager("{name: e, config_discovery: {}}"))]
      """
    #expect(
      Self.ways(text).map { "\($0.location.span.line) \($0.message)" } == [
        "6 no filter of this connection manager of the listener `one` asks an engine, so that every request of an admitted connection passes",
        "7 no filter of the listener `one` before this one asks an engine, so that every connection passes",
        "8 whether requests of the listener `one` are checked is not in this file: `e` has its configuration from elsewhere (`config_discovery`)",
      ])
  }

  @Test func `out of a sidecar need no check, those into a gateway do`() {
    let inbound = listener("in", manager(asksHTTP), "traffic_direction: INBOUND")
    let outbound = listener("out", manager(""), "traffic_direction: OUTBOUND")
    #expect(Self.ways("listeners: [\(inbound), \(outbound)]").isEmpty)
    #expect(Self.ways("listeners: [\(inbound), \(listener("out", manager(""), "trafficDirection: 2"))]").isEmpty)
    // A gateway's listeners are marked as outbound, too. It has no others.
    #expect(Self.ways("listeners: [\(outbound)]").count == 1)
    #expect(Self.ways("listeners: [\(listener("out", proxy(), "traffic_direction: OUTBOUND, use_original_dst: true"))]").isEmpty)
    #expect(Self.ways("listeners: [\(listener("out", proxy(), "traffic_direction: OUTBOUND, bind_to_port: false"))]").isEmpty)
    // The one that says nothing counts, and so does an inbound one.
    #expect(Self.ways("listeners: [\(inbound), \(listener("plain", manager("")))]").count == 1)
    #expect(Self.ways("listeners: [\(listener("in", manager(""), "traffic_direction: INBOUND, bind_to_port: false"))]").count == 1)
  }

  @Test func `through listeners inside the same Envoy are followed`() {
    let inside = "internal_listener: {}"
    func waypoint(_ outer: String, _ main: String) -> String {
      """
      listeners:
      - \(listener("tunnel", manager(outer, routes: "[{route: {cluster: to-main}}]")))
      - \(listener("main", manager(main, routes: "[{route: {cluster: to-out}}]"), inside))
      - \(listener("out", proxy("cluster: app"), inside))
      clusters: [\(cluster("to-main", inner("main"))), \(cluster("to-out", inner("out"))), {name: app, type: ORIGINAL_DST}]
      """
    }
    #expect(Self.ways(waypoint("", asksHTTP)).isEmpty)
    #expect(Self.ways(waypoint(asksHTTP, "")).isEmpty)
    let found = Self.ways(waypoint("", ""))
    #expect(found.count == 1 && found.first?.message.contains("`out`") == true, "\(found.map(\.message))")
    // Two that lead to each other end.
    let circle = """
      listeners: [\(listener("a", proxy("cluster: b"))), \(listener("b", proxy("cluster: c"), inside)), \(listener("c", proxy("cluster: b"), inside))]
      """
    #expect(Self.ways(circle).isEmpty)
    // A dump of listeners alone: the clusters have the listeners' names.
    let dump = "listeners: [\(listener("a", proxy("cluster: b"))), \(listener("b", proxy(), inside))]"
    #expect(Self.ways(dump).map { $0.message.contains("`b`") } == [true])
  }

  @Test func `in parts of a configuration are looked at, too`() {
    let one = manager("")
    #expect(Self.ways("filters: [\(one)]").count == 1)
    #expect(Self.ways("- \(one)").count == 1)
    #expect(Self.ways("filters: [\(asksNetwork), \(proxy())]").isEmpty)
    #expect(Self.ways("http_filters: [{name: envoy.filters.http.router}]").isEmpty)
  }

  @Test func `of Istio's own listeners for statistics and health are no findings`() {
    // As in a bootstrap of Istio; the second form is that of `istioctl proxy-config listeners`.
    let routes = [
      "[{match: {prefix: /stats/prometheus}, route: {cluster: prometheus_stats}}]",
      "[{match: {prefix: /healthz/ready}, route: {cluster: agent}}]",
    ]
    let listeners = routes.map { listener("\"\"", manager("", routes: $0)) }.joined(separator: ", ")
    let clusters = "[\(cluster("prometheus_stats", socket("127.0.0.1", 15_000))), \(cluster("agent", socket("127.0.0.1", 15_020)))]"
    let bootstrap =
      "{admin: {address: \(socket("127.0.0.1", 15_000))}, static_resources: {listeners: [\(listeners)], clusters: \(clusters)}}"
    #expect(Self.ways(bootstrap).isEmpty && Self.ways("[\(listeners)]").isEmpty)
    let other = bootstrap.replacing("{admin: {address: \(socket("127.0.0.1", 15_000))}, ", with: "{")
    #expect(other != bootstrap && Self.ways(other).count == 1)
  }
}

extension String {
  fileprivate func replacing(_ text: String, with other: String) -> String {
    split(separator: text, omittingEmptySubsequences: false).joined(separator: other)
  }

  fileprivate func replacingLast(_ text: Character, with other: String) -> String {
    lastIndex(of: text).map { self[..<$0] + other + self[index(after: $0)...] }.map(String.init) ?? self
  }
}
