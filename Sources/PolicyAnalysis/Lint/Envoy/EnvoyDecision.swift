// What a filter does about policies: it decides, it does not, or the file does not say.
// Enters: an item of a list of filters. Leaves: one of the three. Never here: findings, and whether what decides is set up well.

internal import PolicyModel

/// What a filter does with a request or a connection that nobody should let in.
enum EnvoyDecision {
  /// It lets it pass.
  case none
  /// The file does not say, and why.
  case elsewhere(String)
  /// It refuses it.
  case decides(By)

  /// Who decides.
  enum By { case engine, module, rules }

  /// Whether it may refuse.
  var mayDecide: Bool { if case .none = self { false } else { true } }

  /// Who decides for certain.
  var by: By? { if case .decides(let by) = self { by } else { nil } }
}

/// The types of messages that matter more than once.
enum EnvoyType {
  static let httpAuthorization: ExactText = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
  static let networkAuthorization: ExactText = "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz"
  static let authorizationOfRoute: ExactText = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
  static let rules: Set<ExactText> = ["envoy.extensions.filters.http.rbac.v3.RBAC", "envoy.extensions.filters.network.rbac.v3.RBAC"]
  static let rulesOfRoute: ExactText = "envoy.extensions.filters.http.rbac.v3.RBACPerRoute"
  static let modules: Set<ExactText> = [
    "envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
    "envoy.extensions.filters.network.dynamic_modules.v3.DynamicModuleNetworkFilter",
  ]
  /// Filters that run others, for those requests that a matcher chooses.
  static let chosen: Set<ExactText> = [
    "envoy.extensions.filters.http.composite.v3.Composite", "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
  ]
  static let tokens: ExactText = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
  static let connectionManager: ExactText = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
}

extension EnvoyWalk {
  /// What a filter of HTTP or of a network does.
  func decision(of filter: TextNode) -> EnvoyDecision {
    let isOff = filter.field("disabled")?.value.bool == true
    guard let config = configuration(of: filter) else {
      if filter.field("config_discovery") != nil { return .elsewhere("has its configuration from elsewhere (`config_discovery`)") }
      return filterNames.contains(filter["name"]?.text ?? "") ? .decides(.engine) : .none
    }
    guard let type = config.typeName else { return .none }
    // One that is switched off until a route switches it on has a finding of its own.
    if type == EnvoyType.httpAuthorization || type == EnvoyType.networkAuthorization { return .decides(.engine) }
    if EnvoyType.rules.contains(type) { return !isOff && Self.enforces(config) ? .decides(.rules) : .none }
    if EnvoyType.modules.contains(type) { return Self.isOurs(config) ? .decides(.module) : .none }
    if EnvoyType.chosen.contains(type), mayDecide(within: config) {
      return .elsewhere("leaves it to a matcher which requests are checked")
    }
    return .none
  }

  /// The configuration of a filter: its own, or the one of this name that the file has among those that came by discovery.
  func configuration(of filter: TextNode) -> TextNode? {
    if let own = filter.field("typed_config")?.value { return own }
    guard filter.field("config_discovery") != nil, let name = filter["name"]?.text else { return nil }
    return discovered[name]
  }

  /// Whether Envoy's own RBAC refuses anything: shadow rules and rules that log do not.
  static func enforces(_ config: TextNode) -> Bool {
    if config.message("matcher") != nil { return true }
    guard let rules = config.message("rules") else { return false }
    return !(rules.field("action")?.value.isOne(of: ["LOG": 2]) ?? false)
  }

  /// Whether a dynamic module is the filter of this project that decides. Its filter `peer` notes names, and other modules are unknown.
  private static func isOurs(_ config: TextNode) -> Bool {
    let name = config.message("dynamic_module_config")?["name"]?.text?.string ?? ""
    return name.contains("portcullis") && config.field("filter_name")?.value.text == "authorize"
  }

  /// Whether something in a composite could decide.
  private func mayDecide(within node: TextNode) -> Bool {
    if let type = node.typeName {
      if type == EnvoyType.httpAuthorization { return true }
      if EnvoyType.rules.contains(type), Self.enforces(node) { return true }
      if EnvoyType.modules.contains(type), Self.isOurs(node) { return true }
    }
    if node.field("dynamic_config") != nil || node.field("config_discovery") != nil { return true }
    return (node.items + node.entries.map(\.value)).contains { mayDecide(within: $0) }
  }
}
