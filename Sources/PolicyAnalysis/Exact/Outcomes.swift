// What a proxy decides, as functions over a space.
// Enters: an attached program. Leaves: where it denies, where it asks a provider, where it allows; the same for policies in dry run.
// Never here: an order of rules; the order of the gates is the engine's (`ReferenceEvaluator.decide`).

internal import PolicyEngine
internal import PolicyModel

/// A program whose rules are formulas.
struct ProgramFormulas {
  var refusal: Reason?
  var gate: Formula
  var rules: [(effect: AttachedProgram.Effect, formula: Formula)]
  var hasAllow: Bool
  var hasDryRunAllow: Bool
  var hasDryRunDeny: Bool

  init(_ program: AttachedProgram, mesh: MeshSettings, profile: Profile) {
    let maker = FormulaMaker(mesh: mesh, profile: profile)
    refusal = program.refusal
    gate = Self.gate(program.gate, maker)
    rules = program.rules.map { ($0.effect, maker.formula($0.groups)) }
    hasAllow = program.hasAllow
    hasDryRunAllow = program.hasDryRunAllow
    hasDryRunDeny = program.hasDryRunDeny
  }

  /// All formulas, for the space.
  var formulas: [Formula] { [gate] + rules.map(\.formula) }

  /// Whom the proxy refuses before any policy.
  private static func gate(_ gate: AttachedProgram.Gate, _ maker: FormulaMaker) -> Formula {
    switch gate {
    case .open: return .constant(false)
    case .envoy(let isStrict, let exceptions, let domains):
      let scheme = LanguageMaker.steps(LanguageMaker.scheme)
      let any = Step.run(.any)
      let spiffe = Formula.text(.identity, .scalar, Language([scheme + [any]]), "SPIFFE identity")
      let accepted = domains.map { domain in
        Formula.text(
          .identity, .scalar, Language([scheme + LanguageMaker.steps(domain.bytes) + [.byte(0x2f), any]]), "trust domain \(domain)")
      }
      let named = Formula.ports(exceptions.sorted())
      let strict: Formula = exceptions.isEmpty ? .constant(isStrict) : isStrict ? .not(named) : named
      return .any([.all([.not(spiffe), strict]), .all([spiffe, .not(.any(accepted))])])
    case .ztunnel(let domain, let denied):
      let own = Formula.text(
        .identity, .scalar, LanguageMaker.ztunnelIdentity(domain: LanguageMaker.steps(domain.bytes)), "identity of \(domain)")
      let someone = Formula.text(.identity, .scalar, Language([[.run(.any)]]), "any identity")
      return .any([.all([someone, .not(own)])] + denied.map(maker.formula))
    }
  }
}

/// Where a program decides what. The three cover all points and do not overlap.
struct Outcomes: Hashable {
  var deny: Diagram
  var undecided: Diagram
  var allow: Diagram
  /// Whom the proxy refuses before any policy; a part of `deny`.
  var refused = Diagrams.never
  /// Of the policies in dry run; nil when there are none.
  var dryRunDeny: Diagram?

  init(_ program: ProgramFormulas, in space: Space, _ diagrams: inout Diagrams) throws {
    if program.refusal != nil {
      (deny, undecided, allow, refused) = (Diagrams.always, Diagrams.never, Diagrams.never, Diagrams.never)
      return
    }
    var found: [AttachedProgram.Effect: [Diagram]] = [:]
    for rule in program.rules { found[rule.effect, default: []].append(try space.diagram(rule.formula, &diagrams)) }
    func any(_ effect: AttachedProgram.Effect) throws -> Diagram { try diagrams.any(found[effect] ?? []) }
    refused = try space.diagram(program.gate, &diagrams)
    var denied = try diagrams.any([refused, try any(.customDeny), try any(.deny)])
    if program.hasAllow { denied = try diagrams.or(denied, try diagrams.not(try any(.allow))) }
    deny = denied
    undecided = try diagrams.subtract(denied, from: try any(.custom))
    allow = try diagrams.not(try diagrams.or(denied, undecided))
    if program.hasDryRunAllow || program.hasDryRunDeny {
      var dryRun = try any(.dryRunDeny)
      if program.hasDryRunAllow { dryRun = try diagrams.or(dryRun, try diagrams.not(try any(.dryRunAllow))) }
      dryRunDeny = dryRun
    }
  }

  /// Where the verdict is this one.
  subscript(_ verdict: Verdict) -> Diagram {
    switch verdict {
    case .deny: deny
    case .undecided: undecided
    case .allow: allow
    }
  }
}
