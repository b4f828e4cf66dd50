// The corpus through the server: each request as a proxy would put it on the wire, the answer held to the case. Enters: Tests/Corpus.
// Leaves: answers, by every way in which a proxy can name its workload and its peer. Never here: a request that is left out without
// being counted by its reason.

internal import CorpusSupport
internal import ExtAuthzServer
internal import PolicyEngine
internal import PolicyModel
internal import TestSupport
internal import Testing

/// Why a request cannot come over the wire.
private struct Inexpressible: Error {
  let reason: String
}

/// How the proxy says which workload it stands for.
private enum Naming: CaseIterable {
  /// By its name.
  case name
  /// By namespace and labels.
  case labels
  /// By what the proxy knows of its own node: its labels and its certificate.
  case node
}

@Suite struct `The corpus through the server` {
  @Test func `is decided as Istio with Envoy decides it`() throws {
    var belief = Belief()
    belief.remoteIP = .header("x-portcullis-client")
    let mesh = MeshSettings()
    var tokens = Belief()
    tokens.tokens = .requestAuthentication
    let servers = try (
      tokens: TestServer(Snapshot(PolicySet(), mesh: mesh), tokens), sidecar: TestServer(Snapshot(PolicySet(), mesh: mesh)),
      header: TestServer(Snapshot(PolicySet(), mesh: mesh), belief)
    )
    var certificates = Certificates()
    var (requests, questions) = (0, 0)
    var left: [String: Int] = [:]
    for one in try CorpusCase.all() where one.needs == nil {
      let facts = try one.checks.map { try CorpusFacts($0.request) }
      let set = try Self.policySet(one, facts)
      let snapshot = Snapshot(set, mesh: one.mesh)
      servers.sidecar.snapshots.publish(snapshot)
      servers.header.snapshots.publish(snapshot)
      servers.tokens.snapshots.publish(snapshot)
      let filters = Self.filters(set)
      for (index, check) in one.checks.enumerated() {
        do {
          let wire = try WireRequest(
            facts[index], workload: "w\(Self.workload(facts, index))", one.mesh, filters, &certificates)
          requests += 1
          let server =
            wire.needsHeader ? servers.header : facts[index].honorsRequestAuthentication ? servers.tokens : servers.sidecar
          for (message, metadata) in wire.messages {
            questions += 1
            let answer = try server.ask(message, metadata: metadata)
            if !Self.matches(answer, check) {
              Issue.record("\(one), request \(index): \(answer), dry run \(answer.dryRun ?? "none"), audit \(answer.audit ?? "none")")
            }
          }
        } catch let error as Inexpressible {
          left[error.reason, default: 0] += 1
          print("not over the wire (\(error.reason)): \(one), request \(index)")
        }
      }
    }
    print("corpus through the server: \(requests) requests asked in \(questions) ways, left \(left)")
    #expect(left == ["nobody asks for ztunnel": 130, "an empty host is not told from an unknown one": 1, "the peer is unknown": 6])
    #expect(requests > 880)
  }

  private static func matches(_ answer: Answer, _ check: CorpusCheck) -> Bool {
    let dryRun = answer.dryRun?.split(separator: " ").first.map { String($0) }
    return answer.isAllowed == (check.decision == "allow") && answer.reason == check.reason && answer.policy == check.policy
      && dryRun == check.dryRun && (check.audit == nil || answer.audit ?? "none" == check.audit)
  }

  /// The case's policies, with a workload for each namespace and labels that its requests are for.
  private static func policySet(_ one: CorpusCase, _ facts: [CorpusFacts]) throws -> PolicySet {
    var set = try one.policySet()
    for index in facts.indices where workload(facts, index) == index {
      let key = ObjectKey(kind: "Pod", namespace: ExactText(facts[index].namespace), name: ExactText("w\(index)"))
      set.workloads.append(
        Workload(
          metadata: ObjectMetadata(key: key, location: SourceLocation(file: "corpus", span: .nowhere)),
          labels: Dictionary(uniqueKeysWithValues: facts[index].labels.map { (ExactText($0.key), ExactText($0.value)) })))
    }
    // A service is known by its namespace.
    for service in facts.compactMap(\.service) {
      let key = ObjectKey(kind: "Namespace", namespace: "", name: ExactText(String(service.prefix { $0 != "/" })))
      set.inventory.append(InventoryObject(metadata: ObjectMetadata(key: key, location: SourceLocation(file: "corpus", span: .nowhere))))
    }
    return set
  }

  /// The number of the first request that is for the same workload.
  private static func workload(_ facts: [CorpusFacts], _ index: Int) -> Int {
    facts.firstIndex { $0.namespace == facts[index].namespace && $0.labels == facts[index].labels } ?? index
  }

  /// The filters whose metadata policies test.
  private static func filters(_ set: PolicySet) -> [String] {
    let conditions = set.policies.flatMap(\.rules).compactMap(\.self).flatMap(\.conditions)
    return conditions.compactMap { if case .envoyMetadata(let filter, _) = $0.attribute { filter.string } else { nil } }
  }
}

/// Certificates by the names that they hold, each made once.
private struct Certificates {
  // By bytes: two texts that are equal for Swift may be different names.
  private var made: [[[UInt8]]: String] = [:]

  mutating func certificate(_ uris: [String], _ dns: [String], _ subject: String) throws -> String {
    let names = (uris + ["\n"] + dns + ["\n", subject]).map { Array($0.utf8) }
    if let known = made[names] { return known }
    var order = CertificateOrder()
    order.uris = uris.map { Array($0.utf8) }
    order.dnsNames = dns.map { Array($0.utf8) }
    // RFC 2253 writes the last attribute first.
    order.subject = subject.split(separator: ",").reversed().map { attribute in
      let parts = attribute.split(separator: "=", maxSplits: 1)
      return (String(parts[0]), String(parts[1]))
    }
    let text = try IssuedCertificate(order).urlEncodedPEM
    made[names] = text
    return text
  }
}

/// The messages in which a proxy can ask about one request.
private struct WireRequest {
  var messages: [(CheckMessage, [(String, String)])] = []
  /// Only a server that takes the client's address from a header does not know it.
  var needsHeader = false

  init(
    _ facts: CorpusFacts, workload: String, _ mesh: MeshSettings, _ filters: [String],
    _ certificates: inout Certificates
  ) throws {
    if facts.profile == "ztunnel" { throw Inexpressible(reason: "nobody asks for ztunnel") }
    var message = CheckMessage()
    message.source = facts.sourceAddress.map { .socket($0, 40_000) } ?? .none
    message.destination = facts.destinationAddress.map { .socket($0, facts.port.map { UInt64($0) }) } ?? .none
    message.sni = facts.sni
    message.http = try facts.http.map { try Self.http($0, mesh) }
    message.metadata = Self.metadata(facts.http, filters)
    var hints: [(String, String)] = []
    if facts.destinationAddress == nil, let port = facts.port { hints.append(("port", "\(port)")) }
    if facts.profile != "sidecar" { hints.append(("profile", facts.profile)) }
    if facts.profile == "waypoint" { hints += [("service", facts.service ?? "none"), ("source-ip", "envoy://internal_client_address/")] }
    if facts.remoteIP == nil { needsHeader = facts.http != nil }
    if let remote = facts.remoteIP, remote != Self.derivedRemoteIP(facts) { hints.append(("remote-ip", remote)) }
    for (index, peer) in try Self.peers(facts.peer, &certificates).enumerated() {
      message.principal = peer.principal
      message.certificate = peer.certificate
      // A workload without labels can only be named.
      for naming in index == 0 ? Naming.allCases : [.name] where naming == .name || !facts.labels.isEmpty {
        // A waypoint says what it is; its node is never asked.
        if naming == .node, facts.profile == "waypoint" { continue }
        messages.append(Self.named(naming, message, hints, facts, workload))
      }
    }
  }

  /// What the server takes for the client's address when no hint says it.
  private static func derivedRemoteIP(_ facts: CorpusFacts) -> String? {
    guard let http = facts.http else { return facts.sourceAddress }
    guard facts.profile == "sidecar", let headers = http.headers else { return nil }
    let forwarded = headers.last { $0[0].lowercased() == "x-forwarded-for" }?[1].split(separator: ",").last
    return forwarded.map { $0.filter { $0 != " " } } ?? facts.sourceAddress
  }

  /// The same message, in which the workload is named in one way.
  private static func named(
    _ naming: Naming, _ message: CheckMessage, _ hints: [(String, String)], _ facts: CorpusFacts, _ workload: String
  ) -> (CheckMessage, [(String, String)]) {
    var (message, hints) = (message, hints)
    let labels = facts.labels.sorted { $0.key < $1.key }
    switch naming {
    case .name: hints.append(("workload", "\(facts.namespace)/\(workload)"))
    case .labels: hints += [("namespace", facts.namespace), ("labels", labels.map { "\($0.key)=\($0.value)" }.joined(separator: ","))]
    case .node:
      message.labels = labels
      message.destinationPrincipal = spiffe(facts.namespace, "server")
    }
    // The filter for TCP sends nothing but the metadata of its call.
    if message.http == nil { return (message, hints.map { ("x-portcullis-\($0.0)", $0.1) }) }
    message.extensions = hints.map { ("portcullis.\($0.0)", $0.1) }
    return (message, [])
  }

  private static func peers(_ peer: CorpusFacts.Peer, _ certificates: inout Certificates) throws -> [(
    principal: String, certificate: String
  )] {
    switch peer {
    case .unknown: throw Inexpressible(reason: "the peer is unknown")
    case .anonymous: [("", "")]
    case .named(let name): [(name, ""), ("", try certificates.certificate([name], [], ""))]
    case .certificate(let uris, let dns, let subject): [("", try certificates.certificate(uris, dns, subject))]
    }
  }

  private static func http(_ http: CorpusFacts.HTTP, _ mesh: MeshSettings) throws -> CheckMessage.HTTP {
    var wire = CheckMessage.HTTP(method: http.method ?? "", path: "", host: http.host ?? "", headers: CheckMessage.Headers.none)
    if http.host == "" { throw Inexpressible(reason: "an empty host is not told from an unknown one") }
    switch http.path {
    case .absent: if http.method != "CONNECT" { throw Inexpressible(reason: "only CONNECT has no path") }
    case .unknown: if http.method == "CONNECT" { throw Inexpressible(reason: "CONNECT has no path") }
    case .text(let text):
      // The proxy normalizes before it asks; what it cannot normalize it sends as it is.
      wire.path = mesh.normalize(Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) } ?? text
    }
    if let headers = http.headers {
      let pseudo = [
        (":method", http.method), (":path", wire.path.isEmpty ? nil : wire.path), (":authority", http.host),
      ]
      wire.headers = .lines(
        pseudo.compactMap { name, value in value.map { (name, $0) } } + headers.map { ($0[0].lowercased(), $0[1]) })
    }
    return wire
  }

  /// The metadata context: the JWT filter's payload, and what the other filters found. A filter that found nothing is there without
  /// fields, since the wire does not tell what is absent from what was not sent.
  private static func metadata(_ http: CorpusFacts.HTTP?, _ filters: [String]) -> [(String, [(String, TestValue)])]? {
    guard let http else { return filters.map { ($0, []) } }
    if http.claims == nil, http.metadata == nil { return nil }
    var context: [(String, [(String, TestValue)])] = []
    switch http.claims {
    case nil: context.append(("envoy.filters.http.jwt_authn", [("payload", .string("in a form that nobody knows"))]))
    case .null?: break
    case let claims?: context.append(("envoy.filters.http.jwt_authn", [("payload", TestValue(claims))]))
    }
    guard let metadata = http.metadata else { return context }
    for filter in Set(filters).union(metadata.keys).sorted() {
      guard case .object(let fields) = TestValue(metadata[filter] ?? .object([:])) else { continue }
      context.append((filter, fields))
    }
    return context
  }
}

extension TestValue {
  fileprivate init(_ json: JSON) {
    switch json {
    case .null: self = .null
    case .bool(let value): self = .bool(value)
    case .number(let value): self = .number(UInt64(value))
    case .string(let text): self = .string(text)
    case .array(let list): self = .list(list.map { TestValue($0) })
    case .object(let members): self = .object(members.sorted { $0.key < $1.key }.map { ($0.key, TestValue($0.value)) })
    }
  }
}
