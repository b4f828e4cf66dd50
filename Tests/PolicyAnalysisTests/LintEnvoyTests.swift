// Configurations of Envoy that weaken the policies: each pitfall is found, and a configuration with one thing other is left alone.
// Enters: YAML, or the JSON of a dump. Leaves: codes and places. Never here: an Envoy; whether it takes the configuration is not asked.

internal import PolicyAnalysis
internal import PolicyLoading
internal import PolicyModel
internal import Testing

extension String {
  fileprivate func replacing(_ text: String, with other: String) -> String {
    split(separator: text, omittingEmptySubsequences: false).joined(separator: other)
  }
}

@Suite struct `the pitfalls of an Envoy's configuration` {
  static func findings(_ text: String, isWithPolicies: Bool = true, mesh: MeshSettings = MeshSettings()) -> [LintFinding] {
    let (trees, diagnostics) = readTextTrees(text: Array(text.utf8), file: "envoy.yaml")
    #expect(diagnostics.isEmpty, "\(diagnostics.map(\.description)) in\n\(text)")
    let policy = LintMesh.policy(
      "DENY", "[{when: [{key: 'request.headers[X-Role]', values: [a]}, {key: 'request.auth.claims[x]', values: [a]}]}]")
    var set = PolicySet()
    for case .policy(let policy) in loadPolicies(text: Array(policy.utf8), file: "p.yaml").objects { set.policies.append(policy) }
    return lintEnvoy(trees, file: "envoy.yaml", mesh: mesh, interest: isWithPolicies ? EnvoyLintInterest(set) : nil)
  }

  @Test func `are not in the sound one`() {
    #expect(Self.findings(soundEnvoy).isEmpty, "\(Self.findings(soundEnvoy).map(\.message))")
    #expect(Self.findings(soundEnvoy, isWithPolicies: false).isEmpty)
    #expect(Self.findings("{}").isEmpty && Self.findings("[]").isEmpty && Self.findings("").isEmpty)
  }

  @Test(arguments: envoyPitfalls) func `are found, and near misses are left alone`(_ pitfall: EnvoyPitfall) {
    #expect(soundEnvoy.contains(pitfall.replaced), "nothing to replace: \(pitfall.replaced)")
    let found = Self.findings(soundEnvoy.replacing(pitfall.replaced, with: pitfall.bad))
    #expect(
      found.contains { $0.code == pitfall.code && $0.location.span.line > 0 }, "\(found.map { "\($0.code.rawValue): \($0.message)" })")
    let near = Self.findings(soundEnvoy.replacing(pitfall.replaced, with: pitfall.fine))
    #expect(!near.contains { $0.code == pitfall.code }, "\(near.map { "\($0.code.rawValue): \($0.message)" })")
  }

  /// Every place at which Envoy takes `typed_per_filter_config`, and one of another name.
  @Test(arguments: [
    "{name: table, %}", "{virtual_hosts: [{name: host, %}]}", "{virtual_hosts: [{routes: [{route: {cluster: a}, %}]}]}",
    "{virtual_hosts: [{routes: [{route: {weighted_clusters: {clusters: [{name: a}, {name: b, %}]}}}]}]}",
    "{virtual_hosts: [{matcher: {on_no_match: {action: {typed_config: {%}}}}}]}",
  ])
  func `of routes are found at each level`(_ table: String) {
    let dump = "static_route_configs: [{route_config: \(table)}]"
    let settings = [
      #"{"@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute, disabled: true}"#,
      #"{"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}"#,
      #"{"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {"@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute, disabled: true}}"#,
    ]
    for setting in settings {
      for name in ["typed_per_filter_config", "typedPerFilterConfig"] {
        let bad = dump.replacing("%", with: "\(name): {envoy.filters.http.ext_authz: \(setting)}")
        #expect(Self.findings(bad).map(\.code) == [.envoyRouteDisabled], "\(bad)")
        let fine = bad.replacing("disabled: true", with: "disabled: false")
        #expect(Self.findings(fine).isEmpty, "\(fine)")
      }
    }
  }

  /// A filter that another one runs, and one whose configuration came by discovery.
  @Test(arguments: [
    "http_filters: [{name: c, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher, xds_matcher: {on_no_match: {action: {typed_config: {typed_config: %}}}}}}]",
    "ecds_filters: [{ecds_filter: {\"@type\": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig, name: a, %}}]",
    "filter_chains: [{filters: [%]}]", "default_filter_chain: {filters: [%]}",
  ])
  func `of a filter are found wherever it stands`(_ place: String) {
    let type = #""@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"#
    let settings = "include_peer_certificate: true, encode_raw_headers: true, metadata_context_namespaces: [envoy.filters.http.jwt_authn]"
    let bad =
      "{typed_config: {\(type), failure_mode_allow: true, disallowed_headers: {patterns: [{exact: x-role}]}, clear_route_cache: true}}"
    let braces = place.contains(", %}") ? String(bad.dropFirst().dropLast()) : bad
    let found = Self.findings(place.replacing("%", with: braces)).map(\.code)
    #expect(
      Set(found).isSuperset(of: [
        .envoyFailsOpen, .envoyHeaderFiltered, .envoyClearsRouteCache, .envoyCertificateNotSent, .envoyHeadersJoined,
      ]),
      "\(found)")
    let fine = "{typed_config: {\(type), \(settings)}}"
    let sound = Self.findings(place.replacing("%", with: place.contains(", %}") ? String(fine.dropFirst().dropLast()) : fine))
    #expect(sound.isEmpty, "\(sound.map(\.message))")
  }

  @Test func `of Envoy's own RBAC are found where it decides`() {
    let filter =
      #"{name: rules, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC, rules: {action: DENY}}}"#
    func findings(_ filter: String, _ route: String, _ name: String = "rules") -> [LintCode] {
      let type = #""@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute"#
      let table = "typed_per_filter_config: {\(name): {\(type)\(route)}}"
      return Self.findings("{http_filters: [\(filter)], \(table)}").map(\.code)
    }
    #expect(findings(filter, "") == [.envoyRouteDisabled] && findings(filter, ", rbac: {}") == [.envoyRouteDisabled])
    #expect(findings(filter, ", rbac: {shadow_rules: {}}") == [.envoyRouteDisabled])
    #expect(findings(filter, ", rbac: {rules: {action: DENY}}").isEmpty && findings(filter, "", "others").isEmpty)
    #expect(findings(filter.replacing("rules: {", with: "shadow_rules: {"), "").isEmpty)
  }

  @Test func `have a case each`() {
    let untested = Set(LintCode.allCases.filter { $0.rawValue.hasPrefix("envoy-") }).subtracting(envoyPitfalls.map(\.code))
    #expect(untested.isEmpty, "\(untested.map(\.rawValue))")
  }

  @Test func `of paths are those of the mesh's normalization`() {
    let decode = MeshSettings(pathNormalization: .decodeAndMergeSlashes)
    let found = Self.findings(soundEnvoy, mesh: decode)
    #expect(found.map(\.help) == ["set `merge_slashes: true` and `path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD`"])
    let both = soundEnvoy.replacing(
      "normalize_path: true",
      with: "normalize_path: true\n          merge_slashes: true\n          path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT")
    #expect(Self.findings(both, mesh: decode).isEmpty)
    let off = soundEnvoy.replacing("normalize_path: true", with: "normalize_path: false")
    #expect(Self.findings(off, mesh: MeshSettings(pathNormalization: .none)).isEmpty)
  }

  @Test func `of headers are reported without policies, because any rule may test one`() {
    let filtered = soundEnvoy.replacing("failure_mode_allow: false", with: "disallowed_headers: {patterns: [{exact: cookie}]}")
    #expect(Self.findings(filtered).isEmpty)
    #expect(Self.findings(filtered, isWithPolicies: false).map(\.code) == [.envoyHeaderFiltered])
  }

  @Test func `are found in JSON, too`() {
    let dump = #"""
      {"configs": [{"dynamic_listeners": [{"active_state": {"listener": {"filter_chains": [{"filters": [{"name": "authz", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz",
        "failure_mode_allow": true, "include_peer_certificate": true}}]}]}}}]}]}
      """#
    let found = Self.findings(dump)
    #expect(found.map(\.code) == [.envoyFailsOpen] && found.first?.location.span.line == 3, "\(found)")
  }
}
