// A decision for people and for programs.
// Enters: a decision and the snapshot that made it. Leaves: text, or JSON of a stable shape.

internal import PolicyEngine
internal import PolicyModel

struct DecisionReport {
  private let decision: Decision
  private let snapshot: Snapshot

  init(_ decision: Decision, _ snapshot: Snapshot) {
    self.decision = decision
    self.snapshot = snapshot
  }

  /// The exit code.
  var answer: Answer {
    switch decision.verdict {
    case .allow: .yes
    case .deny: .no
    case .undecided: .undecided
    }
  }

  /// A few lines for one check.
  func text(question: String) -> String {
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
    if decision.verdict == .undecided, let option = MissingOption.name(for: decision.reason) {
      lines.append("  = help: give \(option); nothing is assumed")
    }
    lines.append("  snapshot  \(snapshot.contentHash)")
    return lines.joined(separator: "\n")
  }

  /// What the reference evaluator says otherwise, in words; empty when it says the same. Of an undecided request the two may name
  /// different things that are not known.
  func differences(from explanation: Explanation) -> [String] {
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
  func line(question: String) -> String {
    "\(decision.verdict.name)  \(question)  \(decision.reason.code)  \(snapshot.name(of: decision.rule))"
  }

  /// `{"audit":[…],"decision":…,"dry_run":[…],"policy":…,"reason":…,"snapshot":…}` on one line, keys sorted.
  func json() -> String { shape.text }

  /// The same as a value.
  var shape: JSONValue {
    let dryRun = decision.dryRun.verdict.map { verdict -> JSONValue in
      ["decision": .text("\(verdict.name)"), "policy": .text(snapshot.name(of: decision.dryRun.rule).string)]
    }
    return [
      "decision": .text("\(decision.verdict.name)"), "reason": .text("\(decision.reason.code)"),
      "policy": .text(snapshot.name(of: decision.rule).string), "dry_run": .list([dryRun].compactMap { $0 }),
      "audit": .list(decision.audit == .none ? [] : [.text(snapshot.name(of: decision.audit).string)]),
      "snapshot": .text(snapshot.contentHash.string),
    ]
  }

  /// Where the rule that decided is written.
  var location: SourceLocation? { origin(decision.rule)?.location }

  private func origin(_ rule: RuleReference) -> RuleOrigin? { snapshot.origin(of: rule) }
}

/// Which option of `check` makes an attribute known.
enum MissingOption {
  static func name(for reason: Reason) -> String? {
    switch reason {
    case .unknownPeer: "`--from`"
    case .unknownPort: "`--port`"
    case .unknownSourceIP: "`--source-ip`"
    case .unknownRemoteIP: "`--remote-ip`"
    case .unknownDestinationIP: "`--destination-ip`"
    case .unknownSNI: "`--sni`"
    case .unknownMethod: "`--method`"
    case .unknownHost: "`--host`"
    case .unknownPath: "`--path`"
    case .unknownHeaders: "`--header NAME=VALUE`, or `--no-headers`"
    case .unknownClaims: "`--claim NAME=VALUE`, or `--no-token`"
    case .unknownMetadata: "`http.metadata` (TCP: `metadata`) in a file for `--requests`"
    case .customProvider: "`--custom-delegated` or `--provider-name`, if the provider's answer does not matter here"
    case .pathNotNormalized: "a path that the proxy does not refuse"
    default: nil
    }
  }
}
