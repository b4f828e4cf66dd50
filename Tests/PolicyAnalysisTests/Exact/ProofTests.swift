// That the analysis and the engine say the same of every request: of witnesses, and of requests near the edges of what rules tell apart.

import Foundation
import PolicyModel
import Testing

@testable import PolicyAnalysis
@testable import PolicyEngine

@Suite struct `The exact core agrees with the engine` {
  /// `PORTCULLIS_SOAK` multiplies the worlds; `PORTCULLIS_SEED` repeats a run.
  static let factor = ProcessInfo.processInfo.environment["PORTCULLIS_SOAK"].flatMap { Int($0) } ?? 1
  static let seed = ProcessInfo.processInfo.environment["PORTCULLIS_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0 ... .max)

  /// One side, decided by the engine.
  struct Side {
    let snapshot: Snapshot
    let target: Target?
    let program: AttachedProgram
    let mesh: MeshSettings

    init(_ set: PolicySet, _ mesh: MeshSettings, _ proxy: AnalyzedProxy, isTCP: Bool) {
      snapshot = Snapshot(set, mesh: mesh, dataPlane: proxy.profile.dataPlane)
      target = proxy.target(in: snapshot)
      program = AttachedPrograms(policies: set, mesh: mesh).program(proxy, isTCP: isTCP)
      self.mesh = mesh
    }

    func decide(_ request: WitnessRequest, _ profile: Profile) -> Decision {
      var request = request.request
      return target.map { snapshot.decide(&request, on: $0, profile: profile) } ?? Decision(.deny, .unsupportedProfile)
    }
  }

  struct Tally {
    var checks = 0
    var differing = 0
    var witnesses = 0
    var outside = 0
    var skipped = 0
    /// Pairs of which each side sees requests in another way.
    var notAnalyzable = 0
    var atoms = 0
  }

  /// Both directions for one pair: every request that the engine decides differently lies in a region, and no other one does.
  static func check(_ random: inout AnalysisWorld, policies: Int, requests: Int, _ tally: inout Tally) throws -> [String] {
    let (mesh, proxy, isTCP) = (random.mesh(), random.proxy(), random.chance(25))
    let old = random.set(policies: policies)
    var set = random.changed(old)
    if random.chance(20) { set = random.set(policies: policies) }
    let other = random.chance(25) ? random.changed(mesh) : mesh
    return try check((old, mesh), (set, other), proxy, isTCP: isTCP, &random, requests: requests, &tally)
  }

  /// The same for two sides that are given.
  static func check(
    _ one: (set: PolicySet, mesh: MeshSettings), _ two: (set: PolicySet, mesh: MeshSettings), _ proxy: AnalyzedProxy, isTCP: Bool,
    _ random: inout AnalysisWorld, requests: Int, _ tally: inout Tally
  ) throws -> [String] {
    let (before, after) = (Side(one.set, one.mesh, proxy, isTCP: isTCP), Side(two.set, two.mesh, proxy, isTCP: isTCP))
    var comparison: ChainComparison
    do {
      comparison = try ChainComparison(
        before: (before.program, one.mesh), after: (after.program, two.mesh), profile: proxy.profile, isTCP: isTCP, limit: 30_000)
    } catch is LimitReached {
      tally.skipped += 1
      return []
    } catch is NotAnalyzable {
      tally.notAnalyzable += 1
      return []
    }
    var problems: [String] = []
    let verdicts: [Verdict] = [.deny, .allow, .undecided]
    var covered = Diagrams.never
    for from in verdicts {
      for to in verdicts where from != to {
        let (regions, isComplete) = try comparison.regions(from: from, to: to, limit: 40)
        let changed = try comparison.changed(from: from, to: to)
        covered = try comparison.diagrams.or(covered, changed)
        var union = Diagrams.never
        for region in regions {
          tally.witnesses += 1
          let request = comparison.space.request(at: region.point)
          let found = (before.decide(request, proxy.profile).verdict, after.decide(request, proxy.profile).verdict)
          if found != (from, to) { problems.append("witness of \(from) to \(to) is \(found): \(request)") }
          if comparison.point(of: request) != region.point { problems.append("a witness has another point: \(request)") }
          union = try comparison.diagrams.or(union, try comparison.diagrams.diagram(of: region.box))
        }
        union = try comparison.diagrams.and(union, comparison.possible)
        let refused = try comparison.diagrams.and(comparison.before.refused, comparison.after.refused)
        union = try comparison.diagrams.subtract(refused, from: union)
        if isComplete, union != changed { problems.append("the boxes of \(from) to \(to) are not the region") }
      }
    }
    for _ in 0..<requests {
      let request = random.request(in: comparison.space)
      guard let point = comparison.point(of: request) else {
        tally.outside += 1
        continue
      }
      tally.checks += 1
      let (one, two) = (before.decide(request, proxy.profile), after.decide(request, proxy.profile))
      if one.verdict != two.verdict { tally.differing += 1 }
      if !comparison.diagrams.value(comparison.possible, at: point) { problems.append("a request is called impossible: \(request)") }
      if comparison.diagrams.value(covered, at: point) != (one.verdict != two.verdict) {
        problems.append(
          "membership is \(comparison.diagrams.value(covered, at: point)), the engine \(one.verdict), \(two.verdict): \(request)")
      }
      for (outcomes, decision, name) in [(comparison.before, one, "before"), (comparison.after, two, "after")] {
        if !comparison.diagrams.value(outcomes[decision.verdict], at: point) {
          problems.append("\(name) is \(decision.verdict) (\(decision.reason)) for the engine, not for the analysis: \(request)")
        }
        let dryRun = decision.reason == .policyUnusable || decision.reason == .unsupportedProfile ? nil : decision.dryRun.verdict
        if outcomes.dryRunDeny.map({ comparison.diagrams.value($0, at: point) }) != dryRun.map({ $0 == .deny }) {
          problems.append("dry run \(name) differs: \(request)")
        }
      }
      if problems.count > 3 { break }
    }
    tally.atoms = max(tally.atoms, comparison.space.counts.count)
    return problems.isEmpty
      ? [] : problems + ["\(proxy) tcp \(isTCP) \(one.mesh) \(two.mesh)", Self.text(one.set), "--- after", Self.text(two.set)]
  }

  static func text(_ set: PolicySet) -> String {
    set.policies.map { policy in
      func words(_ list: [Constraint]) -> String {
        list.map { "\($0.attribute.description) in \($0.values.map(\.value)) not in \($0.notValues.map(\.value))" }.joined(
          separator: " and ")
      }
      let rules = policy.rules.map { rule in
        rule.map {
          "from \($0.sources.map { words($0.constraints) }) to \($0.operations.map { words($0.constraints) }) when \(words($0.conditions))"
        }
          ?? "nil"
      }
      return "\(policy.action) \(policy.metadata.key) \(policy.attachment) dry \(policy.isDryRun)\n    " + rules.joined(separator: "\n    ")
    }.joined(separator: "\n")
  }

  @Test func `on witnesses and on random requests near the edges`() throws {
    print("exact core seed: \(Self.seed)")
    var random = AnalysisWorld(seed: Self.seed)
    var tally = Tally()
    // Some seeds make few pairs that differ: then more pairs are made, up to a bound that an analysis without differences would reach.
    while tally.checks < 100_000 * Self.factor
      || (tally.differing <= 1_000 || tally.witnesses <= 50) && tally.checks < 400_000 * Self.factor
    {
      let problems = try Self.check(&random, policies: random.number(1...4), requests: 800, &tally)
      if !problems.isEmpty {
        Issue.record("seed \(Self.seed), check \(tally.checks):\n\(problems.joined(separator: "\n"))")
        return
      }
    }
    print("exact core: \(tally)")
    #expect(tally.differing > 1_000)
    #expect(tally.witnesses > 50)
    #expect(tally.skipped * 5_000 < tally.checks)
    #expect(tally.notAnalyzable * 1_000 < tally.checks)
  }
}
