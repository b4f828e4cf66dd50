// A decision with a residual is the decision without one: on random policies, for connections that come again and again with other requests,
// over snapshots that follow each other, in tables that are too small.

import PolicyModel
import RandomWorlds
import Testing

@testable import PolicyEngine

@Suite struct `What is remembered of a connection` {
  @Test(arguments: [(sets: 250, policies: 4), (60, 40), (40, 12)])
  func `changes no decision`(_ world: (sets: Int, policies: Int)) {
    let seed = `The reference and the index agree`.seed
    print("residual seed: \(seed) (\(world.policies) policies a set)")
    var random = RandomWorld(seed: seed &+ 4711 &+ UInt64(world.policies))
    // Of one connection, of a few that crowd each other out, and of all.
    var one = ResidualTable(capacity: 1)
    var few = ResidualTable(capacity: 4)
    var all = ResidualTable(capacity: 256)
    var verdicts: [Verdict: Int] = [:]
    for number in 0..<world.sets * `The reference and the index agree`.factor {
      let set = number % 3 == 0 ? random.crowdedSet(.allCases[number / 3 % 4]) : random.profileSet(policies: world.policies)
      let snapshot = Snapshot(set, mesh: random.mesh())
      let questions = (0..<8).map { _ in random.question() }
      let targets = questions.map { question in
        let waypoint = snapshot.target(waypointIn: question.namespace, labels: question.labels, service: question.service)
        return question.profile == .waypoint ? waypoint : snapshot.target(namespace: question.namespace, labels: question.labels)
      }
      for _ in 0..<120 {
        let place = random.pick(Array(questions.indices))
        guard let target = targets[place] else { continue }
        let profile = questions[place].profile
        let request = questions[place].request.bringing(random.pick(questions).request)
        var plain = request
        let expected = snapshot.decide(&plain, on: target, profile: profile)
        verdicts[expected.verdict, default: 0] += 1
        var (first, second, third) = (request, request, request)
        var own = ResidualTable.ofOneConnection()
        var (fourth, fifth) = (request, questions[place].request.bringing(random.pick(questions).request))
        _ = snapshot.decide(&fifth, on: target, profile: profile, remembering: &own)
        fourth = request
        let found = [
          snapshot.decide(&fourth, on: target, profile: profile, remembering: &own),
          snapshot.decide(&first, on: target, profile: profile, remembering: &one),
          snapshot.decide(&second, on: target, profile: profile, remembering: &few),
          snapshot.decide(&third, on: target, profile: profile, remembering: &all),
        ]
        guard found.allSatisfy({ $0 == expected }) else {
          Issue.record(
            "without \(expected), with \(found); seed \(seed), \(profile): \(questions[place].text)\n\(`The reference and the index agree`.description(set, snapshot.name(of: expected.rule)))"
          )
          return
        }
      }
    }
    print("verdicts: \(verdicts), residuals built: \(one.builtCount), \(few.builtCount), \(all.builtCount)")
    #expect(one.builtCount > 2 && few.builtCount > 10 && all.builtCount > 30)
    #expect(verdicts.count == 3)
  }

  private static func policies(allowing account: String) -> PolicySet {
    var set = PolicySet()
    let principal = Located(ExactText("cluster.local/ns/web/sa/\(account)"))
    let rule = AuthorizationPolicy.Rule(sources: [.init([Constraint(.sourcePrincipal, values: [principal])])])
    let key = ObjectKey(kind: "AuthorizationPolicy", namespace: "shop", name: "p")
    set.policies = [
      AuthorizationPolicy(
        metadata: ObjectMetadata(key: key, location: SourceLocation(file: "p.yaml", span: .nowhere)), rules: [rule])
    ]
    return set
  }

  @Test func `of a set that somebody changed is not taken over`() {
    var set = Self.policies(allowing: "a")
    set.revisions = Revisions(source: 1, namespaces: ["shop": 1], unplaced: 0)
    let before = Snapshot(set, mesh: MeshSettings())
    set.policies = Self.policies(allowing: "b").policies
    let after = Snapshot(set, mesh: MeshSettings(), reusing: before)
    for (account, verdict) in [("a", Verdict.deny), ("b", .allow)] {
      var request = Self.request(account)
      #expect(after.decide(&request, on: after.target(namespace: "shop", labels: [:])).verdict == verdict)
    }
  }

  private static func request(_ account: String) -> Request {
    var request = Request()
    request.setMethod(Array("GET".utf8).span)
    request.addIdentity(Array("spiffe://cluster.local/ns/web/sa/\(account)".utf8).span)
    return request
  }

  @Test func `ends with the snapshot`() {
    var table = ResidualTable.ofOneConnection()
    var before: Snapshot?
    for round in 0..<40 {
      // Revisions that change: nothing may be taken over but what is the same.
      var set = Self.policies(allowing: round % 2 == 0 ? "a" : "b")
      set.revisions = Revisions(source: 1, namespaces: ["shop": UInt64(round)], unplaced: 0)
      let snapshot = Snapshot(set, mesh: MeshSettings(), reusing: before)
      let target = snapshot.target(namespace: "shop", labels: [:])
      for account in ["a", "b"] {
        table.connectionChanged()
        for _ in 0..<4 {
          var request = Self.request(account)
          let verdict = snapshot.decide(&request, on: target, remembering: &table).verdict
          #expect(verdict == ((account == "a") == (round % 2 == 0) ? .allow : .deny))
        }
      }
      before = snapshot
    }
    #expect(table.builtCount > 40)
  }

  @Test func `stays small under a million identities, and is not filled with those who come once`() {
    var set = Self.policies(allowing: "a")
    // Enough rules that are tested one by one: what few rules leave is not remembered.
    set.policies[0].rules += (0..<20).map { _ in AuthorizationPolicy.Rule(conditions: [Constraint(.method, notValues: [Located("GET")])]) }
    let snapshot = Snapshot(set, mesh: MeshSettings())
    let target = snapshot.target(namespace: "shop", labels: [:])
    var table = ResidualTable(capacity: 64)
    let size = table.byteCount
    var wrong = 0
    for number in 0..<1_000_000 {
      var stranger = Self.request("s\(number)")
      if snapshot.decide(&stranger, on: target, remembering: &table).verdict != .deny { wrong += 1 }
      if number % 8 == 0 {
        var friend = Self.request("a")
        if snapshot.decide(&friend, on: target, remembering: &table).verdict != .allow { wrong += 1 }
      }
    }
    #expect(wrong == 0)
    #expect(table.byteCount == size)
    // Strangers who come once are not worth a residual; the friend is built again when two of them took its place.
    #expect(table.builtCount > 0 && table.builtCount < 10_000)
  }
}

extension Request {
  /// The same connection with what another request brings over it.
  fileprivate func bringing(_ other: Request) -> Request {
    var result = self
    (result.method, result.host, result.path, result.target) = (
      TextField(reason: .unknownMethod), TextField(reason: .unknownHost), TextField(reason: .unknownPath), TextField(reason: .unknownPath)
    )
    (result.headers, result.areHeadersKnown) = ([], other.areHeadersKnown)
    (result.claims, result.areClaimsKnown, result.hasToken, result.givenToken) = ([], other.areClaimsKnown, other.hasToken, nil)
    if !isTCP {
      if other.method.knowledge == .present { result.setMethod(other.copy(other.method.slice).span) }
      if other.host.knowledge == .present { result.setHost(other.copy(other.host.slice).span) }
      if other.target.knowledge == .present { result.setPath(other.copy(other.target.slice).span) }
    }
    for line in other.headers {
      result.addHeader(name: other.copy(line.name).span, value: other.copy(line.value).span, isAmbiguous: line.isAmbiguous)
    }
    for claim in other.claims {
      let (path, value) = (result.append(other.copy(claim.path).span), result.append(other.copy(claim.value).span))
      result.claims.append(TreeEntry(path: path, value: value, isListElement: claim.isListElement))
    }
    result.remoteIP = other.remoteIP
    return result
  }
}
