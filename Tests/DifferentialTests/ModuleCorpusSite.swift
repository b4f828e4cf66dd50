// One workload of one case of the corpus as a listener of a real Envoy that decides by Portcullis' module.
//
// Enters: a case, a workload. Leaves: YAML, and a file with the case's objects. Never happens here: a policy that is changed; what the listener
// cannot be told is not asked.

internal import CorpusSupport
internal import PolicyModel
internal import TestSupport

@testable internal import portcullis

/// What the HTTP filter is given to know.
enum ModuleKnowledge: CaseIterable {
  /// All names of the peer's certificate, and the claims of its token.
  case whole
  /// The first URI name, and nothing about tokens: what Envoy shows an HTTP filter by itself.
  case bare
}

struct ModuleCorpusSite: CorpusPlace {
  let number: Int
  let facts: CorpusFacts
  let attributes: Set<Attribute>
  /// The connection's peer is on loopback here, and policies are not changed.
  let octet: Substring? = "127"
  /// The module sees no metadata of other filters, so nobody needs to bring any.
  let metadata: [(filter: String, key: String)] = []
  private let knowledge: ModuleKnowledge
  private let settings: String
  private let normalization: PathNormalization
  private let readsTokens: Bool

  /// - Parameter workload: the name of its manifest.
  init(
    number: Int, _ one: CorpusCase, _ set: PolicySet, requests: [CorpusFacts], workload: String, policies: String, meshConfig: String?,
    _ knowledge: ModuleKnowledge, watches: Bool = false
  ) throws {
    guard let facts = requests.first else { throw CorpusError("no request") }
    self.number = number
    self.knowledge = knowledge
    self.facts = facts
    attributes = set.attributes
    normalization = PathNormalization(one.mesh.pathNormalization)
    readsTokens = knowledge == .whole && requests.contains { if case .object? = $0.http?.claims { true } else { false } }
    let mesh = one.mesh
    func list(_ texts: [ExactText]) -> String { "[\(texts.map { EnvoyValue.quoted($0.string) }.sorted().joined(separator: ", "))]" }
    var members = [
      "policies: [\(EnvoyValue.quoted(policies))]", "watch: \(watches)", "allow_empty: true", "lenient: \(!one.unvalidated.isEmpty)",
      "several_custom_providers: \(mesh.allowsSeveralCustomProviders)", "request_authentication: \(facts.honorsRequestAuthentication)",
      "trust_domain: \(EnvoyValue.quoted(mesh.trustDomain.string))", "trust_domain_aliases: \(list(mesh.trustDomainAliases))",
      "accepted_trust_domains: \(list(Array(mesh.acceptedTrustDomains)))",
      "root_namespace: \(EnvoyValue.quoted(mesh.rootNamespace.string))",
      "delegated_providers: \(list(Array(mesh.delegatedProviders)))",
      "path_normalization: \(mesh.pathNormalization.rawValue)",
      "workload: \(EnvoyValue.quoted("\(facts.namespace)/\(workload)"))", "profile: \(facts.profile)",
    ]
    if let meshConfig { members.append("mesh_config: \(EnvoyValue.quoted(meshConfig))") }
    if facts.http != nil, knowledge == .whole { members.append("token: \"\(readsTokens ? "header:x-corpus-payload" : "none")\"") }
    if facts.http != nil, knowledge == .bare { members += ["peer: first-uri", "token: unknown"] }
    settings = members.joined(separator: ", ")
  }

  var address: String { "127.9.\(number / 250).\(number % 250 + 1)" }

  /// - Parameter log: the file for what is said about connections.
  func listener(port: UInt16, _ trust: CorpusTrust, module: String, log: String) -> String {
    let peer = knowledge == .whole ? EnvoyModule.filter("Network", module, name: "peer", settings: nil) + "\n" : ""
    let filters =
      facts.http == nil
      ? EnvoyModule.filter("Network", module, settings: settings) + "\n" + WorldConfiguration.echo : peer + connectionManager(trust, module)
    return corpusListener(port: port, trust, filters: filters, accessLog: facts.http == nil ? ModuleCorpusLog.loggers(to: log) : "[]")
  }

  private func connectionManager(_ trust: CorpusTrust, _ module: String) -> String {
    let tokens = WorldConfiguration.tokenFilter(keys: trust.keys, forwarding: "x-corpus-payload")
    return """
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          generate_request_id: false
          upgrade_configs: [{upgrade_type: CONNECT}]
          use_remote_address: \(facts.profile == "gateway")
      \(normalization.connectionManagerSettings.indented(4))
          local_reply_config:
            mappers:
            - filter: {status_code_filter: {comparison: {op: GE, value: {default_value: 200, runtime_key: none}}}}
              headers_to_add:
              - header: {key: x-details, value: "%RESPONSE_CODE_DETAILS%"}
              - header: {key: x-reason, value: "%DYNAMIC_METADATA(portcullis:reason)%"}
              - header: {key: x-policy, value: "%DYNAMIC_METADATA(portcullis:policy)%"}
              - header: {key: x-dry-run, value: "%DYNAMIC_METADATA(portcullis:dry_run)%"}
              - header: {key: x-audit-policy, value: "%DYNAMIC_METADATA(portcullis:audit)%"}
          http_filters:
      \((readsTokens ? tokens : "").indented(4))
      \(EnvoyModule.filter("HTTP", module, settings: settings).indented(4))
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - {match: {connect_matcher: {}}, direct_response: {status: 200, body: {inline_string: hello}}}
              - {match: {safe_regex: {regex: ".*"}}, direct_response: {status: 200, body: {inline_string: hello}}}
      """
  }
}
