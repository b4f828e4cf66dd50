// What became of each invariant.
// Enters: invariants, and what can be asked about. Leaves: results. Never here: words for people (`VerifyReport.swift`).

internal import DecisionText
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyLoading
internal import PolicyModel

/// What became of an invariant.
struct InvariantResult {
  var name: String
  /// Where it is written; nil for one that is asked for by name.
  var place: String?
  /// How many workloads and services were looked at.
  var count = 0
  /// What breaks it.
  var broken: [(destination: AnalyzedDestination, example: Counterexample)] = []
  /// The workloads that no ALLOW policy covers.
  var uncovered: [String] = []
  /// What was not looked at.
  var gaps: [String] = []

  var answer: Answer { !broken.isEmpty || !uncovered.isEmpty ? .no : gaps.isEmpty ? .yes : .undecided }
}

struct Verifier {
  let side: AnalysisSide
  let destinations: AnalyzedDestinations
  let workLimit: WorkLimit

  /// An invariant from a file.
  func result(_ object: InvariantObject, _ bar: inout ProgressBar) throws -> InvariantResult {
    let invariant = Invariant(
      .matching(object.rule), expect: object.expectation == .deny ? .deny : .allow, chain: object.chain.map { $0 == .http ? .http : .tcp })
    var result = try result(object.name.string, place: object.location.description, invariant, &bar) { destination in
      (object.namespaces.isEmpty || object.namespaces.contains { $0.value == destination.namespace })
        && object.selector.map { destination.isSelected(by: $0) } ?? true
        && (object.workloads.isEmpty || object.workloads.contains { destination.isNamed($0.value.string) })
    }
    // Who misspells one of several names is not told that all is well.
    let all = destinations.all + destinations.unasked.map(\.destination)
    let missing =
      object.namespaces.map(\.value).filter { name in !all.contains { $0.namespace == name } }.map(\.string)
      + object.workloads.map(\.value.string).filter { name in !all.contains { $0.isNamed(name) } }
    result.gaps += missing.map { "`\($0)` of `\(object.name)` is nothing in the files that can be asked about" }
    return result
  }

  /// An invariant, for every destination that is meant.
  func result(
    _ name: String, place: String? = nil, _ invariant: Invariant, _ bar: inout ProgressBar,
    isMeant: (AnalyzedDestination) -> Bool = { _ in true }
  ) throws -> InvariantResult {
    var result = InvariantResult(name: name, place: place)
    result.gaps = destinations.unasked.filter { isMeant($0.destination) }.map(\.why)
    var concernsAny = false
    let meant = destinations.all.filter(isMeant)
    for (number, destination) in meant.enumerated() {
      bar.show(percent: number * 100 / meant.count, "\(Printable.text(name))")
      result.count += 1
      // Who is to be let in comes through the waypoint; who is to be kept out must not get in past it either.
      if invariant.expectation == .allow, !destination.waypointIdentities.isEmpty {
        result.broken += try refusals(of: destination, &result.gaps).map { (destination, $0) }
        continue
      }
      let finding = try side.check(invariant, of: destination, workLimit: workLimit, gaps: &result.gaps)
      concernsAny = concernsAny || finding.concernsAny
      result.broken += finding.counterexamples.map { (destination, $0) }
    }
    if result.count == 0 {
      result.gaps.append("`\(name)` is about no workload of the files")
    } else if !concernsAny, result.gaps.isEmpty {
      result.gaps.append("`\(name)` is about no request that there can be, so that it says nothing")
    }
    return result
  }

  /// Whether a workload refuses the waypoints that it is called through.
  private func refusals(of destination: AnalyzedDestination, _ gaps: inout [String]) throws -> [Counterexample] {
    var found: [Counterexample] = []
    for identity in destination.waypointIdentities {
      let name = Located(ExactText(String(decoding: identity.dropFirst("spiffe://".utf8.count), as: UTF8.self)))
      let rule = AuthorizationPolicy.Rule(
        sources: [AuthorizationPolicy.Clause([Constraint(.sourcePrincipal, values: [name])])], operations: [], conditions: [])
      let allowed = try side.check(Invariant(.matching(rule), expect: .allow), of: destination, workLimit: workLimit, gaps: &gaps)
      if allowed.counterexamples.isEmpty { continue }
      let denied = try side.check(Invariant(.matching(rule), expect: .deny), of: destination, workLimit: workLimit, gaps: &gaps)
      if denied.counterexamples.isEmpty {
        found += allowed.counterexamples
      } else {
        gaps.append(
          "\(destination.name) takes only some connections of the waypoint that it is called through; which ones was not followed")
      }
    }
    return found
  }

  /// Whether an enforced ALLOW policy applies everywhere.
  func coverage(_ name: String) -> InvariantResult {
    var result = InvariantResult(name: name)
    result.gaps = destinations.gaps
    result.count = destinations.all.count
    result.uncovered = destinations.all.filter { !side.isCovered($0) }.map(\.name)
    return result
  }

  /// Whether nothing is newly allowed.
  func strictness(_ name: String, since old: PolicySet, mesh: MeshSettings) throws -> InvariantResult {
    let both = AnalyzedDestinations(
      before: old, after: side.policies, assumed: destinations.assumed, trustDomain: mesh.trustDomain)
    let planes = both.dataPlanes
    var analysis = ChangeAnalysis(
      before: AnalysisSide(old, mesh: mesh, dataPlanes: planes), after: AnalysisSide(side.policies, mesh: mesh, dataPlanes: planes))
    analysis.workLimit = workLimit
    analysis.limit = 1
    let report = try analysis.report(both)
    var result = InvariantResult(name: name)
    result.count = report.workloadCount
    // One example is enough; what else changes is no matter.
    result.gaps = report.gaps
    for change in report.changes where change.isNewlyAllowed {
      result.broken += change.regions.map { region in
        (
          change.destination,
          Counterexample(isTCP: change.isTCP, words: region.words, witness: region.witness, finding: region.after)
        )
      }
    }
    return result
  }
}
