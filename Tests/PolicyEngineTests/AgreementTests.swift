// Two ways to the same answer: the reference evaluator and the compiled index, on random policies and requests.

import Foundation
import PolicyModel
import RandomWorlds
import Testing

@testable import PolicyEngine

@Suite struct `The reference and the index agree` {
  /// Worlds: how many sets, how many policies a set, how many requests a set. `PORTCULLIS_SOAK` multiplies the sets; `PORTCULLIS_SEED`
  /// repeats a run.
  static let factor = ProcessInfo.processInfo.environment["PORTCULLIS_SOAK"].flatMap { Int($0) } ?? 1
  static let seed = ProcessInfo.processInfo.environment["PORTCULLIS_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0 ... .max)

  @Test(arguments: [(sets: 400, policies: 3), (200, 15), (60, 80)])
  func `on random policies and requests, with everything known and with some things unknown`(_ world: (sets: Int, policies: Int)) {
    print("agreement seed: \(Self.seed) (\(world.policies) policies a set)")
    var random = RandomWorld(seed: Self.seed &+ UInt64(world.policies))
    var verdicts: [String: Int] = [:]
    for _ in 0..<world.sets * Self.factor {
      let set = random.policySet(policies: random.chance(10) ? 0 : world.policies)
      let mesh = MeshSettings(
        trustDomain: random.pick(["cluster.local", "td1"]), trustDomainAliases: random.pick([[], ["td2"], ["old-td", "cluster.local"]]),
        acceptedTrustDomains: random.acceptedTrustDomains(), delegatedProviders: random.pick([[], ["portcullis"]]))
      let agreement = Agreement(set, mesh)
      for _ in 0..<40 {
        let namespace: ExactText = random.pick(["foo", "foo", "bar", "istio-system"])
        var labels: [ExactText: ExactText] = random.pick([[:], ["app": "a"], ["app": "a", "version": "v1"], ["app": "b"]])
        if random.chance(10) { labels[gatewayNameLabel] = random.pick(["gw", "x"]) }
        let profile = random.pick([Profile.sidecar, .sidecar, .gateway])
        let (request, text) = random.request(unknown: random.pick([0, 0, 15, 40]))
        let found = agreement.compare(request, namespace: namespace, labels: labels, profile: profile)
        verdicts["\(found.decision.verdict.name) \(found.decision.reason.code)", default: 0] += 1
        if !found.differences.isEmpty {
          Issue.record(
            """
            \(found.differences.joined(separator: "\n"))
            seed \(Self.seed), \(namespace) \(labels) \(profile): \(text)
            \(Self.description(set, found.expected.rule, found.rule))
            """)
          return
        }
      }
    }
    print("verdicts: \(verdicts.sorted { $0.key < $1.key })")
    // A world in which an outcome never happens would test nothing of it.
    for outcome in [
      "allow allowed-by-policy", "allow allowed-by-default", "deny denied-by-policy", "deny no-allow-matched", "deny mtls-required",
      "deny untrusted-domain",
    ] {
      #expect(verdicts[outcome, default: 0] > 0, "\(outcome) never happened")
    }
    #expect(verdicts.contains { $0.key.hasPrefix("undecided") })
  }

  @Test func `on many narrow rules of one action, with several things unknown at once`() {
    print("agreement seed: \(Self.seed) (many rules)")
    var random = RandomWorld(seed: Self.seed &+ 1000)
    var reasons: [String: Int] = [:]
    var dryRuns: [Verdict?: Int] = [:]
    var audited = 0
    for number in 0..<320 * Self.factor {
      let set = random.crowdedSet(AuthorizationPolicy.Action.allCases[number % 4])
      let agreement = Agreement(set, MeshSettings())
      for _ in 0..<30 {
        let (request, text) = random.request(unknown: random.pick([10, 30, 60]))
        let found = agreement.compare(request, namespace: "foo", labels: [:], profile: .sidecar)
        reasons["\(found.decision.reason.code)", default: 0] += 1
        dryRuns[found.decision.dryRun.verdict, default: 0] += 1
        if found.decision.audit != .none { audited += 1 }
        if !found.differences.isEmpty {
          Issue.record(
            """
            \(found.differences.joined(separator: "\n"))
            seed \(Self.seed): \(text)
            \(Self.description(set, found.expected.rule, found.rule))
            """)
          return
        }
      }
    }
    print("reasons: \(reasons.sorted { $0.key < $1.key }), dry run: \(dryRuns), audited \(audited)")
    // Every kind of not knowing has to be met among many rules.
    for reason in [
      "unknown-peer", "unknown-port", "unknown-source-ip", "unknown-remote-ip", "unknown-destination-ip", "unknown-sni", "unknown-metadata",
      "unknown-method", "unknown-host", "unknown-path", "unknown-headers", "unknown-claims", "ambiguous-header",
    ] {
      #expect(reasons[reason, default: 0] > 0, "\(reason) never happened")
    }
    for verdict in [Verdict.allow, .deny, .undecided] { #expect(dryRuns[verdict, default: 0] > 0, "\(verdict) in dry run") }
    #expect(audited > 0)
  }

  /// The two rules that the sides name, written out.
  static func description(_ set: PolicySet, _ names: ExactText...) -> String {
    var lines: [String] = []
    for policy in set.policies {
      for (index, rule) in policy.rules.enumerated() {
        let name = ExactText("ns[\(policy.metadata.key.namespace)]-policy[\(policy.metadata.key.name)]-rule[\(index)]")
        if let rule, names.contains(name) || set.policies.count < 4 {
          func constraints(_ list: [Constraint]) -> String {
            list.map { "\($0.attribute.description) in \($0.values.map(\.value)) not in \($0.notValues.map(\.value))" }.joined(
              separator: " and ")
          }
          lines.append(
            "\(policy.action) \(name): from \(rule.sources.map { constraints($0.constraints) }) to \(rule.operations.map { constraints($0.constraints) }) when \(constraints(rule.conditions))"
          )
        }
      }
    }
    return lines.joined(separator: "\n")
  }
}
