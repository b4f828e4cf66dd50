// A decision for people.
// Enters: a decision and the snapshot that made it. Leaves: text. Never here: advice that only one door can give; whoever prints brings it.

package import PolicyEngine
package import PolicyModel

/// What was decided, and the snapshot that knows the names.
package struct DecisionReport {
  package let decision: Decision
  package let snapshot: Snapshot

  /// Reports a decision of this snapshot.
  package init(_ decision: Decision, _ snapshot: Snapshot) {
    self.decision = decision
    self.snapshot = snapshot
  }

  /// A few lines for one check. `help` says how the asker makes known what a reason misses; `nil` for no line.
  package func text(question: String, help: (Reason) -> String?) -> String {
    var lines = ["\(decision.verdict.name)  \(question)", "  reason    \(decision.reason.code): \(decision.reason.explanation)"]
    if let origin = origin(decision.rule) {
      lines.append("  policy    \(origin.name) (\(origin.action.rawValue))")
      lines.append("  at        \(origin.location.description)")
    } else {
      lines.append("  policy    none")
    }
    if let verdict = decision.dryRun.verdict {
      lines.append("  dry run   \(verdict.name)\(origin(decision.dryRun.rule).map { " by \($0.name)" } ?? "")")
    }
    if let audit = origin(decision.audit) { lines.append("  audit     \(audit.name)") }
    if decision.verdict == .undecided, let help = help(decision.reason) { lines.append("  = help: \(help)") }
    lines.append("  snapshot  \(snapshot.contentHash)")
    return lines.joined(separator: "\n")
  }

  /// What the reference evaluator says otherwise, in words; empty when it says the same. Of an undecided request the two may name
  /// different things that are not known.
  package func differences(from explanation: Explanation) -> [String] {
    let finding = explanation.finding
    var found: [String] = []
    func compare(_ what: String, _ own: String, _ other: String) {
      if !own.utf8.elementsEqual(other.utf8) { found.append("\(what) is \(own), the reference evaluator says \(other)") }
    }
    compare("the decision", "\(decision.verdict.name)", "\(finding.verdict.name)")
    if decision.verdict != .undecided {
      compare("the reason", "\(decision.reason.code)", "\(finding.reason.code)")
      compare("the rule", snapshot.name(of: decision.rule).string, finding.rule.string)
    }
    compare("the outcome in dry run", decision.dryRun.verdict.map { "\($0.name)" } ?? "none", finding.dryRun.map { "\($0.name)" } ?? "none")
    compare("the rule in dry run", snapshot.name(of: decision.dryRun.rule).string, explanation.dryRunRule.string)
    compare("the AUDIT rule", snapshot.name(of: decision.audit).string, explanation.auditRule.string)
    return found
  }

  /// One line for one of many.
  package func line(question: String) -> String {
    "\(decision.verdict.name)  \(question)  \(decision.reason.code)  \(snapshot.name(of: decision.rule))"
  }

  /// Where the rule that decided is written.
  package var location: SourceLocation? { origin(decision.rule)?.location }

  private func origin(_ rule: RuleReference) -> RuleOrigin? { snapshot.origin(of: rule) }
}
