// What is demanded of all requests to a workload, and whether it holds.
// Enters: one policy set, and a demand. Leaves: that it holds, or a counterexample that the engine decided.
// Never here: an invariant that is said to hold where something was not looked at, or where no request is meant by it.

internal import PolicyEngine
public import PolicyModel

/// What must hold of every request to the destinations that it is about.
public struct Invariant: Sendable {
  /// Which requests are meant.
  public enum Requests: Sendable {
    /// Those of peers without an identity.
    case anonymous
    /// Those of identities of other namespaces than the destination's own and these.
    case crossNamespace(allowed: [ExactText])
    /// Those that a rule matches, in the vocabulary of AuthorizationPolicy.
    case matching(AuthorizationPolicy.Rule)
  }

  /// What must be decided about them.
  public enum Expectation: String, Sendable, CaseIterable {
    /// None may be allowed, nor be left to a provider.
    case deny
    /// All must be allowed, whatever a provider says.
    case allow
  }

  /// Of an Envoy's chains for a port.
  public enum Chain: String, Sendable, CaseIterable { case http, tcp }

  /// Which requests are meant.
  public var requests: Requests
  /// What must be decided about them.
  public var expectation: Expectation
  /// The only chain that it is about; nil for both, and for HTTP where the rule looks into requests.
  public var chain: Chain?

  /// Demands something.
  public init(_ requests: Requests, expect expectation: Expectation, chain: Chain? = nil) {
    self.requests = requests
    self.expectation = expectation
    self.chain = chain
  }
}

/// A request that breaks an invariant.
public struct Counterexample: Sendable {
  /// TCP connections, or HTTP requests.
  public var isTCP: Bool
  /// The region in the policies' own words; empty for any request.
  public var words: [FieldWords]
  /// A request, and what the engine decides about it.
  public var witness: WitnessRequest
  /// What the engine decides about the witness.
  public var finding: SideFinding

  /// A counterexample that was found otherwise.
  public init(isTCP: Bool, words: [FieldWords], witness: WitnessRequest, finding: SideFinding) {
    self.isTCP = isTCP
    self.words = words
    self.witness = witness
    self.finding = finding
  }
}

/// What was found about one destination.
public struct InvariantFinding: Sendable {
  /// The first counterexample of each chain; none when the invariant holds for all requests.
  public var counterexamples: [Counterexample] = []
  /// Whether there is any request that the invariant is about.
  public var concernsAny = false
}

extension AnalysisSide {
  /// Looks for requests that break an invariant. `gaps` takes what was not looked at.
  ///
  /// - Throws: `AnalysisDefect` when the engine does not confirm a counterexample.
  public func check(
    _ invariant: Invariant, of destination: AnalyzedDestination, workLimit: WorkLimit = WorkLimit(), gaps: inout [String]
  ) throws -> InvariantFinding {
    var finding = InvariantFinding()
    if invariant.expectation == .allow { gaps += delegated(destination) }
    for isTCP in invariant.chains(at: destination.profile) {
      let shown = "\(destination.name), \(isTCP ? "TCP" : "HTTP")"
      do {
        try workLimit.check()
        try check(invariant, of: destination, isTCP: isTCP, workLimit, &finding, shown)
      } catch is TimeOver {
        if !gaps.contains(timeOver) { gaps.append(timeOver) }
      } catch let error as LimitReached {
        gaps.append("\(shown): too many \(error.what)")
      } catch let error as NotAnalyzable {
        gaps.append("\(shown): \(error.why)")
      }
    }
    return finding
  }

  private func check(
    _ invariant: Invariant, of destination: AnalyzedDestination, isTCP: Bool, _ workLimit: WorkLimit, _ finding: inout InvariantFinding,
    _ shown: String
  ) throws {
    let program = program(destination.after, isTCP: isTCP)
    let maker = FormulaMaker(mesh: mesh, profile: destination.profile)
    let concerned = try invariant.formula(of: destination, maker)
    let strangers = invariant.expectation == .allow ? Self.strangers(to: mesh) : .constant(false)
    var comparison = try ChainComparison(
      before: (program, mesh), after: (program, mesh), profile: destination.profile, isTCP: isTCP, also: [concerned, strangers],
      workLimit: workLimit)
    var meant = try comparison.diagrams.and(comparison.possible, try comparison.space.diagram(concerned, &comparison.diagrams))
    meant = try comparison.diagrams.subtract(try comparison.space.diagram(strangers, &comparison.diagrams), from: meant)
    if meant != Diagrams.never { finding.concernsAny = true }
    let fine = invariant.expectation == .deny ? comparison.after.deny : comparison.after.allow
    let broken = try comparison.diagrams.subtract(fine, from: meant)
    guard let region = try comparison.regions(of: broken, limit: 1).regions.first else { return }
    let witness = comparison.space.request(at: region.point, known: comparison.space.knownIdentities(self))
    guard let decided = self.finding(witness, destination.after),
      invariant.expectation == .deny ? decided.verdict != .deny : decided.verdict != .allow
    else {
      throw AnalysisDefect(description: "\(shown): the engine does not confirm that this is not to \(invariant.expectation): \(witness)")
    }
    let words = comparison.space.words(of: region.box, told: try comparison.told(region.box))
    finding.counterexamples.append(Counterexample(isTCP: isTCP, words: words, witness: witness, finding: decided))
  }

  /// Certificates that the mesh did not issue: they may be refused, but nobody can demand that they are let in.
  private static func strangers(to mesh: MeshSettings) -> Formula {
    let anyone = Formula.text(.identity, .scalar, Language([[.run(.any)]]), "any identity")
    let domains = Set(mesh.allTrustDomains + mesh.acceptedTrustDomains).sorted()
    let issued = domains.map { Formula.text(.identity, .scalar, LanguageMaker.issued(by: $0.bytes), "identity of the mesh") }
    return .all([anyone, .not(.any(issued))])
  }

  /// What CUSTOM policies of a workload may deny beside what is known: those whose provider the proxy asks itself.
  func delegated(_ destination: AnalyzedDestination) -> [String] {
    let proxy = destination.after
    let concerned = policies.policies.filter { policy in
      guard policy.action == .custom, let provider = policy.provider, mesh.delegatedProviders.contains(provider) else { return false }
      let namespace = policy.metadata.key.namespace
      guard [proxy.namespace, proxy.service?.namespace ?? proxy.namespace, mesh.rootNamespace].contains(namespace) else { return false }
      if case .selector(let selector) = policy.attachment { return selector.selects(proxy.labels) }
      return true
    }
    return concerned.map {
      "\(destination.name): \($0.metadata.key.description) is for a provider that the proxy asks itself; what it answers is not known here"
    }
  }

  /// Whether an enforced ALLOW policy applies to both chains of a destination, so that what no rule names is denied.
  public func isCovered(_ destination: AnalyzedDestination) -> Bool {
    (destination.profile == .ztunnel ? [true] : [false, true]).allSatisfy { isTCP in
      let program = program(destination.after, isTCP: isTCP)
      return program.refusal != nil || program.hasAllow
    }
  }
}

extension Invariant {
  /// The chains of a proxy that it is about, TCP or not. ztunnel has no other than connections: to it a request is the connection that it
  /// comes in.
  func chains(at profile: Profile) -> [Bool] {
    if profile == .ztunnel { return [true] }
    switch chain {
    case .http: return [false]
    case .tcp: return [true]
    case nil: return looksIntoRequests ? [false] : [false, true]
    }
  }

  private var looksIntoRequests: Bool {
    guard case .matching(let rule) = requests else { return false }
    return rule.looksIntoRequests
  }

  fileprivate func formula(of destination: AnalyzedDestination, _ maker: FormulaMaker) throws -> Formula {
    let anyone = Formula.text(.identity, .scalar, Language([[.run(.any)]]), "any identity")
    switch requests {
    case .anonymous: return .not(anyone)
    case .crossNamespace(let allowed):
      return .all([anyone, .not(Self.home([destination.namespace] + allowed, destination.profile, maker.mesh))])
    case .matching(let rule):
      let constraints = rule.constraints
      if destination.profile == .waypoint, constraints.contains(where: { $0.attribute == .sourceIP && !$0.demandsNothing }) {
        throw NotAnalyzable(why: "the invariant asks for the address of the connection's peer, which a waypoint does not see")
      }
      // What ztunnel lets in may be any request.
      func demands(_ constraints: [Constraint]) -> [AttachedProgram.Demand] {
        constraints.filter { destination.profile != .ztunnel || !$0.attribute.isHTTP }.map { constraint in
          AttachedProgram.Demand(
            subject: .attribute(constraint.attribute), values: constraint.values.map(\.value),
            notValues: constraint.notValues.map(\.value), namespace: destination.namespace)
        }
      }
      var groups: [[[AttachedProgram.Demand]]] = [[demands(rule.conditions)]]
      for clauses in [rule.sources, rule.operations] where !clauses.isEmpty { groups.append(clauses.map { demands($0.constraints) }) }
      return maker.formula(groups)
    }
  }

  /// Identities of these namespaces in the mesh's own trust domains, as rules read namespaces. Istio gives the names of other domains that
  /// mutual TLS accepts to somebody else, whatever namespace they name. A sidecar's mutual TLS takes nobody without such a domain, so that
  /// names of another form are no identities there.
  private static func home(_ namespaces: [ExactText], _ profile: Profile, _ mesh: MeshSettings) -> Formula {
    let (maker, scheme, any) = (LanguageMaker(), LanguageMaker.steps(LanguageMaker.scheme), Step.run(.any))
    let named = namespaces.map { Formula.text(.identity, .scalar, maker.namespace($0.bytes), "namespace \($0)") }
    var own = mesh.allTrustDomains.map { domain in
      Formula.text(
        .identity, .scalar, Language([scheme + LanguageMaker.steps(domain.bytes) + [.byte(0x2f), any]]), "trust domain \(domain)")
    }
    if profile == .sidecar { own.append(.not(.text(.identity, .scalar, Language([scheme + [any]]), "SPIFFE identity"))) }
    return .all([.any(named), .any(own)])
  }
}

extension AuthorizationPolicy.Rule {
  /// All constraints of all its parts.
  public var constraints: [Constraint] { (sources + operations).flatMap(\.constraints) + conditions }

  /// Whether it asks for something that only HTTP requests have.
  public var looksIntoRequests: Bool { constraints.contains { $0.attribute.isHTTP && !$0.demandsNothing } }
}
