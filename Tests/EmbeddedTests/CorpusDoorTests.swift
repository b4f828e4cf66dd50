// The corpus through the C interface: each request as a host would put it into structs, the answer held to the case. Enters: Tests/Corpus.
// Leaves: answers, by every way in which a host can name its workload and its peer, and by requests that follow each other on one connection.
// Never here: a request that is left out without being counted by its reason.

internal import CPortcullis
internal import CorpusSupport
internal import EmbeddedPortcullis
internal import PolicyEngine
internal import PolicyModel
internal import TestSupport
internal import Testing

/// Why a request cannot be put into the structs.
private struct Inexpressible: Error {
  let reason: String
}

@Suite struct `The corpus through the C interface` {
  @Test func `is decided as Istio with Envoy decides it`() throws {
    var (requests, questions, leftOut) = (0, 0, 0)
    var left: [String: Int] = [:]
    try withSandbox { sandbox throws in
      // All files first, so that no engine waits for its own to stand still.
      var worlds = try CorpusCase.all().filter { $0.needs == nil }.enumerated().map { number, one in
        let facts = try one.checks.map { try CorpusFacts($0.request) }
        return (one: one, facts: facts, world: try CorpusWorld(one, facts, sandbox, number))
      }
      while let (one, facts, world) = worlds.popLast() {
        for (index, check) in one.checks.enumerated() {
          do {
            guard one.mesh.olderBehaviors.isEmpty else { throw Inexpressible(reason: "a host is not older than its library") }
            let asked = try world.ask(facts[index], workload: "w\(CorpusCase.workload(facts, index))")
            requests += 1
            questions += asked.count
            leftOut += world.leftOut
            world.leftOut = 0
            for answer in asked where !Self.matches(answer, check) {
              Issue.record("\(one), request \(index): \(answer), dry run \(answer.dryRun ?? "none"), audit \(answer.audit)")
            }
          } catch let error as Inexpressible {
            left[error.reason, default: 0] += 1
            print("not through the C interface (\(error.reason)): \(one), request \(index)")
          }
        }
      }
    }
    print("corpus through the C interface: \(requests) requests asked in \(questions) ways, \(leftOut) facts left out, left \(left)")
    #expect(leftOut > 1_000)
    #expect(left == ["a host is not older than its library": 10])
    #expect(requests > 1_000)
  }

  private static func matches(_ answer: Answer, _ check: CorpusCheck) -> Bool {
    answer.status == PORTCULLIS_OK && answer.decision == check.decision && answer.reason == check.reason && answer.policy == check.policy
      && answer.dryRun == check.dryRun && (check.audit == nil || answer.audit == check.audit)
  }
}

/// The engines of one case, as its requests need them.
private final class CorpusWorld {
  private let one: CorpusCase
  private let paths: [String]
  private let meshConfig: String?
  private let lender = Lender()
  private var engines: [[Bool]: TestEngine] = [:]
  /// How many known facts were left out because they do not matter.
  var leftOut = 0

  init(_ one: CorpusCase, _ facts: [CorpusFacts], _ sandbox: Sandbox, _ number: Int) throws {
    self.one = one
    paths = [try one.write(facts, in: sandbox, number)]
    meshConfig = try one.writeMeshConfig(in: sandbox, number)
  }

  private func engine(_ facts: CorpusFacts) throws -> TestEngine {
    let key = [facts.profile == "ztunnel", facts.honorsRequestAuthentication]
    if let known = engines[key] { return known }
    let mesh = one.mesh
    let engine = try unsafe TestEngine(paths, lender) { options in
      var flags = PORTCULLIS_ALLOW_EMPTY
      if !one.unvalidated.isEmpty { flags |= PORTCULLIS_LENIENT }
      if mesh.allowsSeveralCustomProviders { flags |= PORTCULLIS_SEVERAL_CUSTOM_PROVIDERS }
      if key[1] { flags |= PORTCULLIS_REQUEST_AUTHENTICATION }
      unsafe options.flags = UInt32(flags)
      if key[0] { unsafe options.profile = Int32(PORTCULLIS_PROFILE_ZTUNNEL) }
      if let meshConfig { unsafe options.mesh_config = lender.text(meshConfig) }
      unsafe options.trust_domain = lender.text(mesh.trustDomain.string)
      unsafe options.trust_domain_aliases = lender.texts(mesh.trustDomainAliases.map(\.string))
      unsafe options.trust_domain_alias_count = mesh.trustDomainAliases.count
      unsafe options.accepted_trust_domains = lender.texts(mesh.acceptedTrustDomains.map(\.string))
      unsafe options.accepted_trust_domain_count = mesh.acceptedTrustDomains.count
      unsafe options.root_namespace = lender.text(mesh.rootNamespace.string)
      unsafe options.delegated_providers = lender.texts(mesh.delegatedProviders.map(\.string))
      unsafe options.delegated_provider_count = mesh.delegatedProviders.count
      unsafe options.path_normalization = Int32(
        1 + (MeshSettings.PathNormalization.allCases.firstIndex(of: mesh.pathNormalization) ?? 0))
    }
    engines[key] = engine
    return engine
  }

  /// The answers in every way of asking.
  func ask(_ facts: CorpusFacts, workload: String) throws -> [Answer] {
    let engine = try engine(facts)
    let request = try unsafe request(facts)
    var answers: [Answer] = []
    let peers = try unsafe peers(facts.peer)
    for number in unsafe peers.indices {
      for isNamed in [true, false] {
        var connection = unsafe portcullis_connection_facts_init()
        if isNamed {
          unsafe connection.workload = lender.bytes("\(facts.namespace)/\(workload)")
        } else {
          let labels = facts.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
          unsafe connection.workload_namespace = lender.bytes(facts.namespace)
          unsafe connection.workload_labels = lender.bytes(labels)
        }
        unsafe peers[number](&connection)
        try unsafe fill(facts, &connection)
        let opened = try unsafe engine.connect(connection)
        defer { _ = unsafe portcullis_connection_close(opened) }
        // What one request said must be gone for the next.
        answers.append(unsafe check(opened, request))
        _ = unsafe check(opened, Shop.request(lender))
        answers.append(unsafe check(opened, request))
        // And so must what does not matter.
        var found: UInt32 = 0
        guard isNamed, unsafe portcullis_tested_facts(opened, &found) == PORTCULLIS_OK else { continue }
        var (thrifty, less) = unsafe (connection, request)
        leftOut += unsafe Thrift.leaveOut(found, &thrifty) + Thrift.leaveOut(found, &less)
        answers.append(try unsafe engine.ask(thrifty, less))
      }
    }
    return answers
  }

  private func fill(_ facts: CorpusFacts, _ connection: inout portcullis_connection_facts) throws {
    let profiles = ["sidecar": PORTCULLIS_PROFILE_SIDECAR, "gateway": PORTCULLIS_PROFILE_GATEWAY, "waypoint": PORTCULLIS_PROFILE_WAYPOINT]
    unsafe connection.profile = Int32(profiles[facts.profile] ?? PORTCULLIS_PROFILE_DEFAULT)
    if facts.profile == "waypoint" { unsafe connection.service = lender.bytes(facts.service ?? "none") }
    if let port = facts.port { unsafe connection.port = UInt32(port) }
    if let source = facts.sourceAddress { unsafe connection.source = lender.address(source) }
    if let destination = facts.destinationAddress { unsafe connection.destination = lender.address(destination) }
    if let sni = facts.sni { unsafe connection.sni = lender.bytes(sni) }
  }

  private func peers(_ peer: CorpusFacts.Peer) throws -> [(inout portcullis_connection_facts) -> Void] {
    func certificate(_ order: CertificateOrder) throws -> (inout portcullis_connection_facts) -> Void {
      let text = try unsafe lender.bytes(IssuedCertificate(order).urlEncodedPEM)
      return { connection in
        unsafe connection.peer_kind = Int32(PORTCULLIS_PEER_CERTIFICATE_URL_ENCODED_PEM)
        unsafe connection.peer = text
      }
    }
    let lender = lender
    switch peer {
    case .unknown: return unsafe [{ _ in }]
    case .anonymous: return unsafe [{ connection in unsafe connection.peer_kind = Int32(PORTCULLIS_PEER_ANONYMOUS) }]
    case .named(let name):
      return unsafe [
        { connection in
          unsafe connection.peer_kind = Int32(PORTCULLIS_PEER_URI)
          unsafe connection.peer = lender.bytes(name)
        }, try certificate(.leaf(name)),
      ]
    case .certificate(let uris, let dns, let subject):
      var order = CertificateOrder.leaf()
      order.uris = uris.map { Array($0.utf8) }
      order.dnsNames = dns.map { Array($0.utf8) }
      // RFC 2253 writes the last attribute first.
      order.subject = subject.split(separator: ",").reversed().map { attribute in
        let parts = attribute.split(separator: "=", maxSplits: 1)
        return (String(parts[0]), String(parts[1]))
      }
      let issued = try unsafe certificate(order)
      if uris.isEmpty, dns.isEmpty, subject.isEmpty { return unsafe [issued] }
      return unsafe [
        { connection in
          unsafe connection.peer_kind = Int32(PORTCULLIS_PEER_NAMES)
          unsafe connection.uris = lender.list(uris.map { unsafe lender.bytes($0) })
          unsafe connection.uri_count = uris.count
          unsafe connection.dns_names = lender.list(dns.map { unsafe lender.bytes($0) })
          unsafe connection.dns_name_count = dns.count
          unsafe connection.subject = lender.bytes(subject)
        }, issued,
      ]
    }
  }

  private func request(_ facts: CorpusFacts) throws -> portcullis_request {
    var request = unsafe portcullis_request_init()
    unsafe request.protocol = Int32(facts.http == nil ? PORTCULLIS_TCP : PORTCULLIS_HTTP)
    if let remote = facts.remoteIP { unsafe request.remote = lender.address(remote) }
    guard let http = facts.http else { return unsafe request }
    if http.method == "" { throw Inexpressible(reason: "an empty method") }
    if let method = http.method { unsafe request.method = lender.bytes(method) }
    if let host = http.host { unsafe request.host = lender.bytes(host) }
    switch http.path {
    case .unknown: break
    case .absent:
      if http.method != "CONNECT" { throw Inexpressible(reason: "only CONNECT has no path") }
      unsafe request.path = lender.bytes("")
    case .text(let text):
      // The proxy normalizes before it asks; what it cannot normalize it shows as it is.
      unsafe request.path = lender.bytes(one.mesh.normalize(Array(text.utf8)) ?? Array(text.utf8))
    }
    if let headers = http.headers {
      unsafe request.header_form = Int32(PORTCULLIS_HEADERS_LINES)
      unsafe request.headers = lender.list(headers.map { unsafe lender.header($0[0], $0[1]) })
      unsafe request.header_count = headers.count
    }
    switch http.claims {
    case nil: break
    case .null?: unsafe request.token = Int32(PORTCULLIS_TOKEN_NONE)
    case let claims?:
      let entries = unsafe entries(claims, [])
      unsafe request.token = Int32(PORTCULLIS_TOKEN_VERIFIED)
      unsafe request.claims = lender.list(entries)
      unsafe request.claim_count = entries.count
    }
    if let metadata = http.metadata {
      let entries = unsafe entries(.object(metadata), [])
      unsafe request.metadata_form = Int32(PORTCULLIS_METADATA_COMPLETE)
      unsafe request.metadata = lender.list(entries)
      unsafe request.metadata_count = entries.count
    }
    return unsafe request
  }

  /// Every string and every string of a list, with the path of its names.
  private func entries(_ value: JSON, _ path: [String]) -> [portcullis_entry] {
    switch value {
    case .string(let text): return unsafe [lender.entry(path, text)]
    case .array(let list):
      return unsafe list.compactMap { element in
        if case .string(let text) = element { unsafe lender.entry(path, text, isListElement: true) } else { nil }
      }
    case .object(let members):
      return unsafe members.sorted { $0.key < $1.key }.flatMap { name, member in unsafe entries(member, path + [name]) }
    case .null, .bool, .number: return unsafe []
    }
  }
}
