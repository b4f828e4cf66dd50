// Random policies and requests through the C interface: the answer must be the engine's own, which the engine's tests hold to the reference.
// Enters: worlds of random policies, put under an engine that is open. Leaves: nothing. Never here: a request that is left out without being
// counted, or policies that the loader would have to take.

internal import CPortcullis
internal import Foundation
internal import PolicyFiles
internal import PolicyModel
internal import RandomWorlds
internal import TestSupport
internal import Testing

@testable internal import EmbeddedPortcullis
@testable internal import PolicyEngine

@Suite struct `Random requests through the C interface` {
  /// `PORTCULLIS_SOAK` multiplies the sets; `PORTCULLIS_SEED` repeats a run.
  static let factor = ProcessInfo.processInfo.environment["PORTCULLIS_SOAK"].flatMap { Int($0) } ?? 1
  static let seed = ProcessInfo.processInfo.environment["PORTCULLIS_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0 ... .max)

  @Test(arguments: [(sets: 60, policies: 3), (40, 15), (15, 80)])
  func `are decided as the engine decides them, also without what does not matter`(_ world: (sets: Int, policies: Int)) throws {
    print("random requests through the C interface: seed \(Self.seed) (\(world.policies) policies a set)")
    var random = RandomWorld(seed: Self.seed &+ UInt64(world.policies))
    let (engine, core) = try open()
    var connection: OpaquePointer?
    defer { _ = unsafe portcullis_connection_close(connection) }
    var (outcomes, inexpressible, leftOut) = ([String: Int](), 0, 0)
    for _ in 0..<world.sets * Self.factor {
      let mesh = MeshSettings(
        trustDomain: random.pick(["cluster.local", "td1"]), trustDomainAliases: random.pick([[], ["td2"], ["old-td", "cluster.local"]]),
        acceptedTrustDomains: random.acceptedTrustDomains(), delegatedProviders: random.pick([[], ["portcullis"]]))
      core.publisher.publish(policies: random.policySet(policies: random.chance(10) ? 0 : world.policies), mesh: mesh)
      for _ in 0..<40 {
        let lender = Lender()
        let asked = RandomQuestion(&random)
        guard var facts = unsafe asked.facts(lender), var request = unsafe asked.wire(lender) else {
          inexpressible += 1
          continue
        }
        // One connection for all of them, so that nothing of one may stay for the next.
        if unsafe connection == nil { unsafe connection = try engine.connect(facts) }
        #expect(unsafe portcullis_connection_reset(connection, &facts, nil) == PORTCULLIS_OK)
        let expected = asked.answer(core.publisher.snapshots.value)
        outcomes["\(expected.decision) \(expected.reason)", default: 0] += 1
        var found: UInt32 = 0
        var answers = unsafe [check(connection, request), check(connection, request)]
        #expect(unsafe portcullis_tested_facts(connection, &found) == PORTCULLIS_OK)
        leftOut += unsafe Thrift.leaveOut(found, &facts) + Thrift.leaveOut(found, &request)
        #expect(unsafe portcullis_connection_reset(connection, &facts, nil) == PORTCULLIS_OK)
        unsafe answers.append(check(connection, request))
        for (number, answer) in answers.enumerated() where answer != expected {
          Issue.record("seed \(Self.seed), answer \(number): \(answer) instead of \(expected): \(asked.text)")
          return
        }
      }
    }
    print(
      "random requests through the C interface: \(outcomes.sorted { $0.key < $1.key }), \(leftOut) facts left out, \(inexpressible) requests"
    )
    let asked = outcomes.values.reduce(0, +)
    #expect(asked > inexpressible * 2 && leftOut > asked)
    for outcome in ["allow allowed-by-policy", "deny denied-by-policy", "undecided unknown"] {
      #expect(outcomes.contains { $0.key.hasPrefix(outcome) }, "\(outcome) never happened")
    }
  }

  /// An engine whose files do not matter.
  private func open() throws -> (TestEngine, EngineCore) {
    try withSandbox { sandbox throws in
      let file = try sandbox.write("apiVersion: v1\nkind: Namespace\nmetadata: {name: foo}\n", to: "p/nothing.yaml")
      let engine = try unsafe TestEngine([file], Lender()) { unsafe $0.flags = UInt32(PORTCULLIS_ALLOW_EMPTY) }
      guard let core = unsafe Handle.object(engine.engine, .engine, EngineCore.self) else { throw TestFailure("no engine") }
      return (engine, core)
    }
  }
}

/// A random request and the workload that it is for.
private struct RandomQuestion {
  let request: Request
  let text: String
  let namespace: ExactText
  let labels: [ExactText: ExactText]
  let profile: Profile

  init(_ random: inout RandomWorld) {
    namespace = random.pick(["foo", "foo", "bar", "istio-system"])
    var labels: [ExactText: ExactText] = random.pick([[:], ["app": "a"], ["app": "a", "version": "v1"], ["app": "b"]])
    if random.chance(10) { labels[gatewayNameLabel] = random.pick(["gw", "x"]) }
    self.labels = labels
    profile = random.pick([.sidecar, .sidecar, .gateway])
    (request, text) = random.request(unknown: random.pick([0, 0, 15, 40]))
  }

  /// What the engine says.
  func answer(_ snapshot: Snapshot) -> Answer {
    var decision = Decision(.deny, .unknownWorkload)
    let name = namespace.bytes
    if snapshot.knows(namespace: name.span) {
      var request = request
      var table = ResidualTable.ofOneConnection()
      decision = snapshot.decide(
        &request, on: snapshot.target(namespace: namespace, labels: labels), profile: profile, remembering: &table)
    }
    var answer = unsafe Answer(Int32(PORTCULLIS_OK), portcullis_decision_init())
    answer.outcome = decision.verdict.number
    answer.decision = "\(decision.verdict.name)"
    answer.reason = "\(decision.reason.code)"
    answer.policy = snapshot.name(of: decision.rule).string
    answer.dryRun = decision.dryRun.verdict.map { "\($0.name)" }
    answer.audit = snapshot.name(of: decision.audit).string
    answer.snapshot = snapshot.contentHash.string
    return answer
  }

  private func bytes(_ slice: Request.Slice, _ lender: Lender) -> portcullis_bytes { unsafe lender.bytes(request.copy(slice)) }

  private func text(_ field: Request.TextField, _ lender: Lender) -> portcullis_bytes {
    field.knowledge == .present ? unsafe bytes(field.slice, lender) : unsafe portcullis_bytes()
  }

  private func address(_ field: Request.AddressField, _ lender: Lender) -> portcullis_address {
    switch field.knowledge {
    case .unknown: unsafe portcullis_address()
    case .absent: unsafe portcullis_address(kind: Int32(PORTCULLIS_ADDRESS_NOT_IP), port: 0, bytes: portcullis_bytes())
    case .present: unsafe lender.address("\(field.address)")
    }
  }

  /// The facts of its connection; `nil` where a host cannot say them.
  func facts(_ lender: Lender) -> portcullis_connection_facts? {
    // A client that is not known is the peer on a TCP connection.
    if request.isTCP, request.remoteIP.knowledge == .unknown, request.sourceIP.knowledge != .unknown { return nil }
    var facts = unsafe portcullis_connection_facts_init()
    unsafe facts.profile = Int32(profile == .gateway ? PORTCULLIS_PROFILE_GATEWAY : PORTCULLIS_PROFILE_SIDECAR)
    unsafe facts.workload_namespace = lender.bytes(namespace.string)
    let labels = labels.map { "\($0)=\($1)" }.sorted().joined(separator: ",")
    unsafe facts.workload_labels = lender.bytes(labels)
    if request.isPeerKnown, request.identities.isEmpty {
      unsafe facts.peer_kind = Int32(PORTCULLIS_PEER_ANONYMOUS)
    } else if request.isPeerKnown {
      unsafe facts.peer_kind = Int32(PORTCULLIS_PEER_NAMES)
      unsafe facts.uris = lender.list(request.identities.map { unsafe bytes($0.slice, lender) })
      unsafe facts.uri_count = request.identities.count
    }
    if request.isPortKnown { unsafe facts.port = UInt32(request.port) }
    unsafe facts.source = address(request.sourceIP, lender)
    unsafe facts.destination = address(request.destinationIP, lender)
    unsafe facts.sni = text(request.sni, lender)
    return unsafe facts
  }

  /// The request; `nil` where a host cannot say it.
  func wire(_ lender: Lender) -> portcullis_request? {
    var wire = unsafe portcullis_request_init()
    unsafe wire.protocol = Int32(request.isTCP ? PORTCULLIS_TCP : PORTCULLIS_HTTP)
    unsafe wire.remote = address(request.remoteIP, lender)
    unsafe wire.method = text(request.method, lender)
    unsafe wire.host = text(request.host, lender)
    unsafe wire.path = text(request.target, lender)
    unsafe wire.path_form = Int32(PORTCULLIS_PATH_TRUSTED)
    // Only CONNECT has no path.
    if request.target.knowledge == .absent { return nil }
    if request.areHeadersKnown {
      let isJoined = request.headers.contains(where: \.isAmbiguous)
      // A host says that it joined lines; where there is a comma, nobody knows.
      if isJoined, request.headers.contains(where: { $0.isAmbiguous != request.copy($0.value).contains(UInt8(ascii: ",")) }) { return nil }
      unsafe wire.header_form = Int32(isJoined ? PORTCULLIS_HEADERS_JOINED : PORTCULLIS_HEADERS_LINES)
      unsafe wire.headers = lender.list(
        request.headers.map { unsafe portcullis_header(name: bytes($0.name, lender), value: bytes($0.value, lender)) })
      unsafe wire.header_count = request.headers.count
    }
    if request.areClaimsKnown {
      unsafe wire.token = Int32(request.hasToken ? PORTCULLIS_TOKEN_VERIFIED : PORTCULLIS_TOKEN_NONE)
      unsafe wire.claims = lender.list(request.claims.map { unsafe entry($0, lender) })
      unsafe wire.claim_count = request.claims.count
    }
    if request.isMetadataComplete || !request.metadataFilters.isEmpty {
      unsafe wire.metadata_form = Int32(request.isMetadataComplete ? PORTCULLIS_METADATA_COMPLETE : PORTCULLIS_METADATA_OF_FILTERS)
      unsafe wire.filters = lender.list(request.metadataFilters.map { unsafe bytes($0, lender) })
      unsafe wire.filter_count = request.metadataFilters.count
      unsafe wire.metadata = lender.list(request.metadata.map { unsafe entry($0, lender) })
      unsafe wire.metadata_count = request.metadata.count
    }
    return unsafe wire
  }

  private func entry(_ entry: Request.TreeEntry, _ lender: Lender) -> portcullis_entry {
    var names: [[UInt8]] = []
    var rest = request.copy(entry.path)[...]
    while rest.count >= 4 {
      let count = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
      names.append(Array(rest.dropFirst(4).prefix(count)))
      rest = rest.dropFirst(4 + count)
    }
    return unsafe portcullis_entry(
      path: lender.list(names.map { unsafe lender.bytes($0) }), path_count: names.count, value: bytes(entry.value, lender),
      is_list_element: entry.isListElement ? 1 : 0, reserved: 0)
  }
}
