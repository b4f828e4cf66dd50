// Invariants by name, checked for all requests.
// Enters: one policy set (for one invariant two), and a name. Leaves: that it holds, or a counterexample that the engine decided.
// Never here: an invariant that is said to hold where something was not looked at.

public import PolicyEngine
internal import PolicyModel

/// What can be demanded of every workload.
public enum BuiltInInvariant: String, Sendable, CaseIterable {
  /// Nobody without an identity gets in.
  case noAnonymousAccess = "no-anonymous-access"
  /// No identity of another namespace gets in, but for namespaces that are listed.
  case noCrossNamespaceAccess = "no-cross-namespace-access"
  /// An enforced ALLOW policy applies, so that what no rule names is denied.
  case everyWorkloadCovered = "every-workload-covered"
}

/// A request that breaks an invariant.
public struct Counterexample: Sendable {
  /// The workload.
  public var workload: String
  /// TCP connections, or HTTP requests.
  public var isTCP: Bool
  /// The region in the policies' own words; empty for any request.
  public var words: [FieldWords]
  /// A request, and what the engine decides about it; nil for an invariant that is not about requests.
  public var witness: WitnessRequest?
  /// What the engine decides about the witness.
  public var finding: SideFinding?
}

extension AnalysisSide {
  /// The first counterexample of each chain of a workload; none when the invariant holds for all requests to it. `gaps` takes what was not
  /// looked at.
  ///
  /// - Throws: `AnalysisDefect` when the engine does not confirm a counterexample.
  public func counterexamples(
    to invariant: BuiltInInvariant, of destination: AnalyzedDestination, namespaces: [String] = [], profile: Profile = .sidecar,
    gaps: inout [String]
  ) throws -> [Counterexample] {
    var found: [Counterexample] = []
    for isTCP in profile == .ztunnel ? [true] : [false, true] {
      let kind = isTCP ? "TCP" : "HTTP"
      let program = program(destination.after, isTCP: isTCP)
      if invariant == .everyWorkloadCovered {
        if program.refusal == nil, !program.hasAllow {
          found.append(Counterexample(workload: destination.name, isTCP: isTCP, words: []))
        }
        continue
      }
      let anyone = Formula.text(.identity, .scalar, Language([[.run(.any)]]), "any identity")
      let home = self.home([destination.namespace.string] + namespaces, profile: profile)
      let concerned: Formula = invariant == .noAnonymousAccess ? .not(anyone) : .all([anyone, .not(home)])
      do {
        var comparison = try ChainComparison(
          before: (program, mesh), after: (program, mesh), profile: profile, isTCP: isTCP, also: [concerned])
        let known = comparison.space.knownIdentities(self)
        let admitted = try comparison.diagrams.not(comparison.after.deny)
        let broken = try comparison.diagrams.and(admitted, try comparison.space.diagram(concerned, &comparison.diagrams))
        guard let region = try comparison.regions(of: broken, limit: 1).regions.first else { continue }
        let witness = comparison.space.request(at: region.point, known: known)
        guard let finding = finding(witness, destination.after), finding.verdict != .deny else {
          throw AnalysisDefect(description: "\(destination.name), \(kind): the engine denies the counterexample \(witness)")
        }
        let words = comparison.space.words(of: region.box, told: try comparison.told(region.box))
        found.append(
          Counterexample(workload: destination.name, isTCP: isTCP, words: words, witness: witness, finding: finding))
      } catch let error as LimitReached {
        gaps.append("\(destination.name), \(kind): too many \(error.what)")
      } catch let error as NotAnalyzable {
        gaps.append("\(destination.name), \(kind): \(error.why)")
      }
    }
    return found
  }

  /// Identities of these namespaces in the mesh's own trust domains, as rules read namespaces. Istio gives the names of other domains that
  /// mutual TLS accepts to somebody else, whatever namespace they name. A sidecar's mutual TLS takes nobody without such a domain, so that
  /// names of another form are no identities there.
  private func home(_ namespaces: [String], profile: Profile) -> Formula {
    let (maker, scheme, any) = (LanguageMaker(), LanguageMaker.steps(LanguageMaker.scheme), Step.run(.any))
    let named = namespaces.map { Formula.text(.identity, .scalar, maker.namespace(Array($0.utf8)), "namespace \($0)") }
    var own = mesh.allTrustDomains.map { domain in
      Formula.text(
        .identity, .scalar, Language([scheme + LanguageMaker.steps(domain.bytes) + [.byte(0x2f), any]]), "trust domain \(domain)")
    }
    if profile == .sidecar { own.append(.not(.text(.identity, .scalar, Language([scheme + [any]]), "SPIFFE identity"))) }
    return .all([.any(named), .any(own)])
  }
}
