// An explanation for people who have never seen the policy.
// Enters: findings. Leaves: lines of at most 100 columns, unless a name or a value is longer by itself. Foreign text stays on its line.
// Never here: a finding; whatever is said here is in the explanation.

package import PolicyEngine
internal import PolicyModel

/// A decision and its explanation, which must agree.
package struct ExplanationReport {
  package let decision: DecisionReport
  package let explanation: Explanation
  /// What the two say differently; empty unless the program is wrong.
  package let differences: [String]

  /// Compares what the engine decided with what the reference evaluator found.
  package init(_ decision: DecisionReport, _ explanation: Explanation) {
    self.decision = decision
    self.explanation = explanation
    differences = decision.differences(from: explanation)
  }
}

extension ExplanationReport {
  /// The decision as `check` prints it, then what it rests on. `help` as for the decision.
  package func text(question: String, help: (Reason) -> String?) -> String {
    var page = Page()
    for line in decision.text(question: question, help: help).split(separator: "\n") {
      let indent = line.prefix { $0 == " " }.count
      page.add(indent, String(line.dropFirst(indent)))
    }
    page.add(2, "checked   " + (differences.isEmpty ? "the reference evaluator says the same" : "THE REFERENCE EVALUATOR SAYS OTHERWISE"))
    page.addBlank()
    peer(on: &page)
    serverMode(on: &page)
    token(on: &page)
    for policy in explanation.unusable {
      page.add(
        0, "UNUSABLE  \(policy.key.description): it cannot be read, so nobody knows what it denies, and everything is denied",
        policy.location)
    }
    for action in [AuthorizationPolicy.Action.custom, .audit, .deny, .allow] {
      let policies = explanation.policies.filter { $0.action == action }
      if let first = policies.first { section(action, policies, reach: first.reach, on: &page) }
    }
    if !explanation.withheld.isEmpty {
      page.addBlank()
      page.add(0, "policies that ztunnel does not enforce")
      for policy in explanation.withheld {
        page.add(2, "\(policy.key.namespace)/\(policy.key.name): \(policy.cause.text)", policy.location)
      }
    }
    elsewhere(on: &page)
    return page.lines.joined(separator: "\n")
  }

  private func peer(on page: inout Page) {
    switch explanation.peer {
    case nil: page.add(0, "peer      not known")
    case .some(let names) where names.isEmpty: page.add(0, "peer      anonymous")
    case .some(let names):
      for (index, name) in names.enumerated() { page.add(0, (index == 0 ? "peer      " : "   and as ") + Page.quoted(name)) }
    }
  }

  private func serverMode(on page: inout Page) {
    let mode = explanation.serverMode
    let outcome =
      switch mode.outcome {
      case .passes:
        switch mode.mode {
        case _ where mode.isHBONE, .strict: "the peer has an identity of the mesh and passes"
        case nil: "the peer passes"
        default: "the peer passes, no identity is demanded"
        }
      case .denied(.untrustedDomain) where !mode.isHBONE: "no mode takes a peer of this trust domain (untrusted-domain)"
      case .denied(let reason): "the peer is denied before any policy (\(reason.code))"
      case .unknown(let reason): "whether the peer passes is not known (\(reason.code))"
      case .doesNotApply: "does not apply: PeerAuthentication does not bind a gateway's servers"
      }
    if mode.isHBONE { return page.add(0, "mTLS      always, by HBONE: \(outcome)") }
    if case .doesNotApply = mode.outcome { return page.add(0, "mTLS      \(outcome)") }
    let name = mode.mode.map { mode.origin == nil ? "\($0.rawValue) by default: " : "\($0.rawValue): " }
    page.add(0, "mTLS      \(name ?? (mode.origin == nil ? "" : "depends on the port: "))\(outcome)")
    if let origin = mode.origin { page.add(10, "set by \(origin.key.description)", origin.location) }
  }

  private func token(on page: inout Page) {
    switch explanation.token {
    case nil, .doesNotApply: break
    case .passes: page.add(0, "token     RequestAuthentication lets the request pass")
    case .denied(let reason): page.add(0, "token     the request is denied before DENY and ALLOW policies (\(reason.code))")
    case .unknown(let reason): page.add(0, "token     whether the request passes is not known (\(reason.code))")
    }
  }

  private func section(
    _ action: AuthorizationPolicy.Action, _ policies: [Explanation.Policy], reach: Explanation.Reach, on page: inout Page
  ) {
    page.addBlank()
    page.add(0, "\(action.rawValue) policies: \(action.meaning)")
    switch reach {
    case .yes: break
    case .no: page.add(2, "(the proxy never comes to these: \(blocker(of: action)))")
    case .depends:
      let what = isProviderAsked ? "the answer of a CUSTOM policy's provider" : "what is not known"
      page.add(2, "(whether the proxy comes to these depends on \(what))")
    }
    if action == .allow, policies.allSatisfy(\.isDryRun) { page.add(2, "(none is enforced, so they close nothing)") }
    for policy in policies {
      let key = policy.key
      page.add(2, "\(key.namespace)/\(key.name)\(notes(policy))", policy.location)
      if policy.reach != reach { page.add(4, "(not tried: a rule before it \(policy.reach == .no ? "matched" : "may match"))") }
      if policy.rules.isEmpty { page.add(4, "no rules: it never matches") }
      for rule in policy.rules { self.rule(rule, of: policy, on: &page) }
    }
  }

  private func notes(_ policy: Explanation.Policy) -> String {
    var notes = policy.isDryRun && policy.effect != .enforcedDryRun ? " (dry run: evaluated, not enforced)" : ""
    if let provider = policy.provider { notes += " (provider `\(Printable.text(provider.string))`)" }
    if let effect = policy.effect?.note { notes += " (\(effect))" }
    return notes
  }

  /// Whether a CUSTOM rule matches whose provider somebody must ask.
  private var isProviderAsked: Bool {
    explanation.policies.contains { policy in
      policy.effect == .asked
        && policy.rules.contains { if case .matches = $0.outcome { true } else { false } }
    }
  }

  /// What keeps the proxy from the policies of an action.
  private func blocker(of action: AuthorizationPolicy.Action) -> String {
    if !explanation.unusable.isEmpty { return "a policy is unusable" }
    if case .denied(let reason) = explanation.serverMode.outcome {
      if explanation.serverMode.isHBONE { return "HBONE takes no such peer" }
      return reason == .untrustedDomain ? "mutual TLS takes no such peer" : "PeerAuthentication denies the peer"
    }
    if action != .custom, explanation.policies.contains(where: \.deniesByItself) { return "a CUSTOM rule denies" }
    if action != .custom, case .denied = explanation.token { return "the token is refused" }
    return "a DENY rule matches"
  }

  private func rule(_ rule: Explanation.Rule, of policy: Explanation.Policy, on page: inout Page) {
    let name = "rule \(rule.index)"
    if rule.reach != policy.reach, rule.reach == .no, case .matches = rule.outcome {
      return page.add(4, "\(name) would match, but one before it does", rule.location)
    }
    switch rule.outcome {
    case .matches: page.add(4, "\(name) \(matchText(rule, of: policy))", rule.location)
    case .dropped(let omission):
      page.add(4, "\(name) is not there: \(omission.text(isRule: true))", omission.location)
    case .unknown(let reason, let questions):
      page.add(4, "\(name) is undecided: \(reason.explanation)", rule.location)
      for question in questions {
        page.add(
          6, "\(question.part.name) \(question.attribute.field(in: question.part, isNegative: false)): \(question.reason.code)",
          question.location)
      }
    case .fails(let failures):
      page.add(4, "\(name) does not match", rule.location)
      for failure in failures { self.failure(failure, on: &page) }
    }
    for omission in rule.ignored {
      let change = omission.cause == .emptyInZtunnel ? "narrower" : "wider"
      page.add(6, "\(change) than written: \(omission.text(isRule: false))", omission.location)
    }
  }

  private func matchText(_ rule: Explanation.Rule, of policy: Explanation.Policy) -> String {
    if let effect = policy.effect { return rule.reach == .no ? "would match" : effect.matchText }
    if policy.isDryRun { return "would match: \(policy.action == .deny ? "it would deny" : "it would allow")" }
    if rule.reach == .no { return "would match" }
    switch policy.action {
    case .audit: return rule.reach == .yes ? "MATCHES: the request is recorded" : "would match: the request would be recorded"
    case .custom, .allow, .deny: return rule.name == explanation.finding.rule ? "MATCHES, and decides" : "would match"
    }
  }

  private func failure(_ failure: Explanation.Failure, on page: inout Page) {
    page.add(6, "\(failure.part.name) \(failure.attribute.field(in: failure.part, isNegative: failure.isNegative))", failure.location)
    if failure.actual.isEmpty { page.add(8, "is      \(failure.absence?.text ?? "not known")") }
    let shown = failure.actual.prefix(Page.mostValues)
    for (index, value) in shown.enumerated() {
      page.add(8, (index == 0 ? "is      " : "   and  ") + Page.quoted(failure.attribute.asWritten(value)), isWhole: true)
    }
    if failure.actual.count > shown.count { page.add(8, "   and  \(failure.actual.count - shown.count) more") }
    // What is near, or matched, must not be among those that are left out.
    let telling = failure.wanted.filter { $0.isMatched || $0.nearMiss != nil }
    let others = failure.wanted.filter { !$0.isMatched && $0.nearMiss == nil }
    let wanted = failure.isNegative ? telling : (telling + others)
    for (index, value) in wanted.prefix(Page.mostValues).enumerated() {
      let word = index > 0 ? "    or  " : failure.isNegative ? "not     " : "wanted  "
      page.add(
        8, word + Page.quoted(value.value.bytes), value.location.span.line == failure.location.span.line ? nil : value.location,
        isWhole: true)
      if let near = value.nearMiss {
        let which = failure.actual.count > 1 ? value.nearest.map { " from \(Page.quoted(failure.attribute.asWritten($0)))" } ?? "" : ""
        page.add(8, "        ^ near miss\(which): \(near.text)")
      }
    }
    if wanted.count > Page.mostValues { page.add(8, "    or  \(wanted.count - Page.mostValues) more") }
  }

  private func elsewhere(on page: inout Page) {
    let count = explanation.unattachedCount
    page.addBlank()
    let others = "\(count) \(count == 1 ? "policy applies" : "policies apply") elsewhere"
    if explanation.policies.isEmpty {
      page.add(0, "no policy applies to this workload" + (count > 0 ? "; \(others)" : ""))
    } else if count > 0 {
      page.add(0, "\(others), not to this workload")
    } else {
      page.lines.removeLast()
    }
  }
}
