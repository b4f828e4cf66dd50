// Who can reach a workload, exactly.
// Enters: one policy set and a proxy. Leaves: the regions of requests that it allows, and of those for which a provider is asked; for each,
// which workloads of the inventory are among the callers.
// Never here: a region that the engine does not confirm, or a sample.

public import PolicyEngine
internal import PolicyModel

/// Who calls.
public enum Caller: Sendable {
  /// A peer with this name in its certificate.
  case identity([UInt8])
  /// A peer without one.
  case anonymous

  fileprivate var formula: Formula {
    switch self {
    case .identity(let name): .text(.identity, .scalar, Language([LanguageMaker.steps(name)]), String(decoding: name, as: UTF8.self))
    case .anonymous: .not(.text(.identity, .scalar, Language([[.run(.any)]]), "any identity"))
    }
  }
}

/// A region of requests with one outcome.
public struct ReachRegion: Sendable {
  /// What of a request matters; empty for every request.
  public var words: [FieldWords]
  /// A request in it, and what the engine decides about it.
  public var witness: WitnessRequest
  /// What the engine decides about the witness.
  public var finding: SideFinding
  /// The workloads of the inventory that run under an identity for which some request of the region exists.
  public var callers: [String]
}

/// What one chain of a workload lets in.
public struct WorkloadReach: Sendable {
  /// TCP connections, or HTTP requests.
  public var isTCP: Bool
  /// Allowed, or undecided where a provider is asked.
  public var verdict: Verdict
  /// Where.
  public var regions: [ReachRegion]
}

extension AnalysisSide {
  /// What reaches a workload; `caller` narrows it to requests of one identity.
  ///
  /// - Throws: `AnalysisDefect` when the engine does not confirm a witness.
  public func reach(
    to destination: AnalyzedDestination, from caller: Caller? = nil, limit: Int, workLimit: WorkLimit = WorkLimit(),
    gaps: inout [String]
  ) throws -> [WorkloadReach] {
    var found: [WorkloadReach] = []
    gaps += delegated(destination)
    let profile = destination.profile
    for isTCP in profile == .ztunnel ? [true] : [false, true] {
      let kind = isTCP ? "TCP" : "HTTP"
      do {
        let program = program(destination.after, isTCP: isTCP)
        let own = caller.map(\.formula)
        var comparison = try ChainComparison(
          before: (program, mesh), after: (program, mesh), profile: profile, isTCP: isTCP, also: [own].compactMap { $0 },
          workLimit: workLimit)
        try workLimit.check()
        let known = comparison.space.knownIdentities(self)
        let callers = comparison.space.callers(self)
        for verdict in [Verdict.allow, .undecided] {
          var function = comparison.after[verdict]
          if let own { function = try comparison.diagrams.and(function, try comparison.space.diagram(own, &comparison.diagrams)) }
          let (regions, isComplete) = try comparison.regions(of: function, limit: limit)
          if !isComplete { gaps.append("\(destination.name), \(kind): only the first \(limit) regions") }
          if regions.isEmpty { continue }
          let told = try regions.map { region in
            let witness = comparison.space.request(at: region.point, known: known)
            guard let finding = finding(witness, destination.after), finding.verdict == verdict else {
              throw AnalysisDefect(description: "\(destination.name), \(kind): the engine does not confirm \(verdict.name) of \(witness)")
            }
            let box = try comparison.told(region.box)
            let admitted = try comparison.admitted(comparison.space.identityDimension, in: region.box)
            let names = callers.filter { admitted.contains($0.atom) }.map(\.name)
            return ReachRegion(words: comparison.space.words(of: region.box, told: box), witness: witness, finding: finding, callers: names)
          }
          found.append(WorkloadReach(isTCP: isTCP, verdict: verdict, regions: told))
        }
      } catch is TimeOver {
        if !gaps.contains(timeOver) { gaps.append(timeOver) }
      } catch let error as LimitReached {
        gaps.append("\(destination.name), \(kind): too many \(error.what)")
      } catch let error as NotAnalyzable {
        gaps.append("\(destination.name), \(kind): \(error.why)")
      }
    }
    return found
  }
}

extension Space {
  /// The dimension of the peer.
  var identityDimension: Int { places[.identity]?.scalar ?? 0 }

  /// The workloads of the inventory with the class of the name that each shows.
  mutating func callers(_ side: AnalysisSide) -> [(name: String, atom: Int32)] {
    var found: [(name: String, atom: Int32)] = []
    guard let place = places[.identity] else { return [] }
    for (name, identity) in side.callers {
      guard let identity else {
        // Without a proxy: an anonymous peer.
        found.append((name, 0))
        continue
      }
      if let atom = textAtom(.identity, identity) { found.append((name, place.atom(atom))) }
    }
    return found.sorted { $0.name < $1.name }
  }
}
