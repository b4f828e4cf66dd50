// The corpus through the two doors of the engine: the slow reference and the compiled index. Cases that need what is not built yet are
// counted, printed and held to an exact number, never skipped in silence.

import CorpusSupport
import PolicyEngine
import PolicyModel
import Testing

@Suite struct `The conformance cases` {
  static let all: Result<[CorpusCase], any Error> = Result { try CorpusCase.all() }
  static let ready = ((try? all.get()) ?? []).filter { $0.needs == nil }

  @Test(arguments: ready) func `are decided as Istio with Envoy decides them`(_ one: CorpusCase) throws {
    let set = try one.policySet()
    for (number, check) in one.checks.enumerated() {
      let door = try CorpusRequest(check.request, mesh: one.mesh)
      let expected = Outcome(check)
      let place = "\(one), request \(number)"
      let finding = ReferenceEvaluator(policies: set, mesh: one.mesh)
        .decide(
          door.request, namespace: door.namespace, labels: door.labels, profile: door.profile, service: door.service)
      let reference = Outcome(
        decision: "\(finding.verdict.name)", reason: "\(finding.reason.code)", policy: finding.rule.string,
        dryRun: finding.dryRun.map { "\($0.name)" })
      #expect(reference == expected, "reference, \(place)")
      #expect(try Self.compiled(set, one.mesh, door) == expected, "compiled, \(place)")
      // Few rules are walked; among many, the index has to find them.
      guard door.isPeerKnown else { continue }
      #expect(try Self.compiled(Self.crowded(set), one.mesh, door) == expected, "compiled among many rules, \(place)")
      if let audit = check.audit {
        let snapshot = Snapshot(set, mesh: one.mesh, dataPlane: door.profile.dataPlane)
        var request = door.request
        let decision = snapshot.decide(&request, on: try door.target(in: snapshot), profile: door.profile)
        #expect(snapshot.name(of: decision.audit).string == audit, "audit, \(place)")
      }
    }
  }

  @Test func `are all there`() throws {
    let cases = try Self.all.get()
    let numbers = Set(cases.compactMap(\.number))
    // 131 to 147 are about the client's side of mTLS, which is not a decision about a request.
    #expect(numbers == Set(1...164).subtracting(131...147))
    print("corpus: \(cases.count) cases, \(cases.reduce(0) { $0 + $1.checks.count }) requests")
  }

  @Test func `that need what is not built yet are known by number`() throws {
    var needs: [String: Int] = [:]
    for one in try Self.all.get() {
      guard let need = one.needs else { continue }
      needs[need, default: 0] += 1
      print("needs \(need): \(one)")
      // What is written down must be readable today.
      _ = try one.policySet()
      for check in one.checks { _ = try CorpusRequest(check.request, mesh: one.mesh) }
    }
    #expect(needs == ["codec": 2, "jwt-filter": 1, "interception": 1])
  }

  /// What is compared.
  struct Outcome: Equatable, CustomStringConvertible {
    var decision: String
    var reason: String
    var policy: String
    var dryRun: String?

    init(decision: String, reason: String, policy: String, dryRun: String?) {
      (self.decision, self.reason, self.policy, self.dryRun) = (decision, reason, policy, dryRun)
    }

    init(_ check: CorpusCheck) {
      self.init(decision: check.decision, reason: check.reason ?? "", policy: check.policy ?? "", dryRun: check.dryRun)
    }

    var description: String { "\(decision) (\(reason)) by \(policy), dry run \(dryRun ?? "none")" }
  }

  static func compiled(_ set: PolicySet, _ mesh: MeshSettings, _ door: CorpusRequest) throws -> Outcome {
    let snapshot = Snapshot(set, mesh: mesh, dataPlane: door.profile.dataPlane)
    var request = door.request
    let decision = snapshot.decide(&request, on: try door.target(in: snapshot), profile: door.profile)
    return Outcome(
      decision: "\(decision.verdict.name)", reason: "\(decision.reason.code)", policy: snapshot.name(of: decision.rule).string,
      dryRun: decision.dryRun.verdict.map { "\($0.name)" })
  }

  /// The same policies, each beside one of its kind with many rules for somebody who never calls.
  static func crowded(_ set: PolicySet) -> PolicySet {
    var crowded = set
    for policy in set.policies {
      var other = policy
      other.metadata.key.name = ExactText("zz-\(policy.metadata.key.name)")
      other.rules = (0..<20).map { number in
        AuthorizationPolicy.Rule(sources: [
          AuthorizationPolicy.Clause([Constraint(.sourcePrincipal, values: [Located(ExactText("nobody/ns/x/sa/n\(number)"))])])
        ])
      }
      crowded.policies.append(other)
    }
    return crowded
  }
}
