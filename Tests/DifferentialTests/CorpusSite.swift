// One workload of one case of the corpus as a listener of a real Envoy, whose RBAC filters are the export's.
//
// The listener believes the PROXY protocol, so that a client on loopback can have any address for the client's, and any destination. Only
// the connection's peer stays the real one (Envoy's `direct_remote_ip`); for cases about it the peer's first octet and 127 change places, in
// the policies and for the client. Enters: a case, a workload. Leaves: YAML. Never happens here: a rule that is not the export's.

internal import CorpusSupport
internal import PolicyModel
internal import TestSupport

@testable internal import portcullis

/// Why a request of the corpus cannot reach the filters of a real Envoy.
struct Inexpressible: Error {
  let reason: String
}

/// What listeners need to believe their clients.
struct CorpusTrust {
  let server: (chain: String, key: String)
  let authority: String
  let keys: String
}

struct CorpusSite: CorpusPlace {
  /// The number of the listener.
  let number: Int
  /// What its requests have in common.
  let facts: CorpusFacts
  let rbac: EnvoyRBAC
  let normalization: PathNormalization
  /// Whether there is a JWT filter.
  let readsTokens: Bool
  /// Filter and key of all metadata that its requests have, by the number of the header that brings it.
  let metadata: [(filter: String, key: String)]
  /// The attributes that policies test.
  let attributes: Set<Attribute>
  /// At a waypoint, what is addressed.
  let service: AddressedService?
  /// The first octet of its clients' addresses, which is 127 here.
  let octet: Substring?

  /// - Throws: `Inexpressible` when the policies cannot be exported.
  init(number: Int, _ one: CorpusCase, _ set: PolicySet, requests: [CorpusFacts], expecting decisions: [String]) throws {
    guard let facts = requests.first else { throw CorpusError("no request") }
    self.number = number
    self.facts = facts
    attributes = set.attributes
    octet = facts.sourceOctet
    service = try facts.profile == "waypoint" ? AddressedService(facts.service ?? "none") : nil
    let workload = Workload(
      metadata: ObjectMetadata(
        key: ObjectKey(kind: "Pod", namespace: ExactText(facts.namespace), name: "w"),
        location: SourceLocation(file: "corpus", span: .nowhere)),
      labels: Dictionary(uniqueKeysWithValues: facts.labels.map { (ExactText($0.key), ExactText($0.value)) }))
    do {
      rbac = try EnvoyRBAC(set.onLoopback(octet), mesh: one.mesh, workload: workload, isTCP: facts.http == nil, waypointOf: service)
    } catch let problem as ExportProblem {
      throw Inexpressible(reason: set.policies.contains { $0.action == .custom } ? "CUSTOM is not exported" : "\(problem)")
    }
    normalization = PathNormalization(one.mesh.pathNormalization)
    readsTokens = requests.contains { if case .object? = $0.http?.claims { true } else { false } } || decisions.contains("401")
    var metadata: [(filter: String, key: String)] = []
    for (filter, value) in requests.flatMap({ $0.http?.metadata ?? [:] }) {
      guard case .object(let fields) = value else { continue }
      for key in fields.keys where !metadata.contains(where: { $0 == (filter, key) }) { metadata.append((filter, key)) }
    }
    self.metadata = metadata
  }

  /// Where the listener is.
  var address: String { "127.8.\(number / 250).\(number % 250 + 1)" }

  /// The listener.
  func listener(port: UInt16, _ trust: CorpusTrust) throws -> String {
    let filters = try (service == nil ? "" : Self.keepingPeer) + (facts.http == nil ? networkFilters() : connectionManager(trust))
    return corpusListener(port: port, trust, filters: filters)
  }

  /// What the listener that ends HBONE keeps for the one that decides; here they are one.
  private static let keepingPeer = """
    - name: envoy.filters.network.set_filter_state
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config
        on_downstream_tls_handshake:
        - object_key: io.istio.peer_principal
          factory_key: envoy.string
          format_string: {text_format_source: {inline_string: "%DOWNSTREAM_PEER_URI_SAN%"}}

    """

  private func options() throws -> EnvoyRBACOptions {
    var options = try EnvoyRBACOptions(workload: WorkloadName("any/any"))
    options.isTCP = facts.http == nil
    options.isGateway = facts.profile == "gateway"
    options.service = service
    options.pathNormalization = normalization
    return options
  }

  private func networkFilters() throws -> String {
    try (options().text(of: .networkFilter, rbac) ?? "") + WorldConfiguration.echo
  }

  private func connectionManager(_ trust: CorpusTrust) throws -> String {
    let options = try options()
    return """
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          generate_request_id: false
          upgrade_configs: [{upgrade_type: CONNECT}]
      \((options.text(of: .hcm, rbac) ?? "").indented(4))
      \(WorldConfiguration.localReplies.indented(4))
          http_filters:
      \((readsTokens ? WorldConfiguration.tokenFilter(keys: trust.keys) : "").indented(4))
      \(metadataFilter().indented(4))
      \((options.text(of: .httpFilter, rbac) ?? "").indented(4))
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

  /// Each metadata value comes in a header of its own, which is gone before the policies see the request.
  private func metadataFilter() -> String {
    if metadata.isEmpty { return "" }
    return """
      - name: envoy.filters.http.header_to_metadata
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config
          request_rules:

      """
        + metadata.enumerated().map { index, value in
          "    - {header: x-corpus-metadata-\(index), on_header_present: {metadata_namespace: \(EnvoyValue.quoted(value.filter)), "
            + "key: \(EnvoyValue.quoted(value.key)), type: PROTOBUF_VALUE, encode: BASE64}, remove: true}\n"
        }.joined()
  }
}

extension CorpusPlace {
  /// The listener at the place's address, which believes the PROXY protocol and takes TLS and plaintext alike.
  ///
  /// - Parameters:
  ///   - filters: of both chains.
  ///   - accessLog: loggers of connections, as the value of a key.
  func corpusListener(port: UInt16, _ trust: CorpusTrust, filters: String, accessLog: String = "[]") -> String {
    """
    - name: site-\(number)
      address: {socket_address: {address: \(address), port_value: \(port)}}
      traffic_direction: INBOUND
      access_log: \(accessLog)
      listener_filters:
      - name: envoy.filters.listener.proxy_protocol
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}
      - name: envoy.filters.listener.tls_inspector
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}
      filter_chains:
      - name: tls
        filter_chain_match: {transport_protocol: tls}
        filters:
    \(filters.indented(4))
    \(WorldConfiguration.transport(trust.server, authority: trust.authority).indented(4))
      - name: plaintext
        filter_chain_match: {transport_protocol: raw_buffer}
        filters:
    \(filters.indented(4))

    """
  }
}

extension CorpusFacts {
  /// The first octet of the peer's address, if it is one of IPv4.
  var sourceOctet: Substring? {
    guard let sourceAddress, !sourceAddress.contains(":") else { return nil }
    return sourceAddress.split(separator: ".").first
  }
}

extension PolicySet {
  /// The attributes that policies test.
  var attributes: Set<Attribute> {
    Set(
      policies.flatMap(\.rules).compactMap(\.self).flatMap { $0.conditions + ($0.sources + $0.operations).flatMap(\.constraints) }
        .map(\.attribute))
  }

  /// The same policies in a world in which this first octet and 127 have changed places, as far as `source.ip` goes.
  ///
  /// - Throws: `Inexpressible` for a block that reaches beyond one of the two without being all addresses.
  fileprivate func onLoopback(_ octet: Substring?) throws -> PolicySet {
    guard let octet else { return self }
    var set = self
    func moved(_ constraints: [Constraint]) throws -> [Constraint] {
      try constraints.map { constraint in
        guard constraint.attribute == .sourceIP else { return constraint }
        var changed = constraint
        changed.values = try constraint.values.map { Located(ExactText(try Self.onLoopback($0.value.string, octet))) }
        changed.notValues = try constraint.notValues.map { Located(ExactText(try Self.onLoopback($0.value.string, octet))) }
        return changed
      }
    }
    for index in set.policies.indices {
      set.policies[index].rules = try set.policies[index].rules.map { rule in
        guard var rule else { return nil }
        rule.sources = try rule.sources.map { AuthorizationPolicy.Clause(try moved($0.constraints)) }
        rule.conditions = try moved(rule.conditions)
        return rule
      }
    }
    return set
  }

  /// An address or a block in the changed world.
  static func onLoopback(_ text: String, _ octet: Substring) throws -> String {
    if text.contains("::ffff:") { throw Inexpressible(reason: "a source block is not on loopback") }
    let parts = text.split(separator: "/")
    var octets = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    guard octets.count == 4 else { return text }
    if parts.count == 2, let length = Int(parts[1]), length > 0, length < 8 {
      throw Inexpressible(reason: "a source block is not on loopback")
    }
    switch octets[0] {
    case octet: octets[0] = "127"
    case "127": octets[0] = octet
    default: return text
    }
    return ([Substring(octets.joined(separator: "."))] + parts.dropFirst()).joined(separator: "/")
  }
}
