// A decision for people and for programs.
// Enters: a decision and the snapshot that made it. Leaves: text, or JSON of a stable shape.

internal import Foundation
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

  /// Whether the reference evaluator says the same.
  func agrees(with finding: ReferenceEvaluator.Finding) -> Bool {
    decision.verdict == finding.verdict && (decision.verdict == .undecided || snapshot.name(of: decision.rule) == finding.rule)
  }

  /// One line for one of many.
  func line(question: String) -> String {
    "\(decision.verdict.name)  \(question)  \(decision.reason.code)  \(snapshot.name(of: decision.rule))"
  }

  /// `{"audit":[…],"decision":…,"dry_run":[…],"policy":…,"reason":…,"snapshot":…}` on one line, keys sorted.
  func json() throws -> String {
    struct Shape: Encodable {
      struct DryRun: Encodable {
        let decision: String
        let policy: String
      }
      let decision: String
      let reason: String
      let policy: String
      let dryRun: [DryRun]
      let audit: [String]
      let snapshot: String

      enum CodingKeys: String, CodingKey {
        case decision, reason, policy, audit, snapshot
        case dryRun = "dry_run"
      }
    }
    let shape = Shape(
      decision: "\(decision.verdict.name)", reason: "\(decision.reason.code)", policy: snapshot.name(of: decision.rule).string,
      dryRun: decision.dryRun.verdict.map { [.init(decision: "\($0.name)", policy: snapshot.name(of: decision.dryRun.rule).string)] }
        ?? [],
      audit: decision.audit == .none ? [] : [snapshot.name(of: decision.audit).string], snapshot: snapshot.contentHash.string)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(shape), as: UTF8.self)
  }

  private func origin(_ rule: RuleReference) -> RuleOrigin? {
    rule == .none || Int(rule.number) >= snapshot.rules.count ? nil : snapshot.rules[Int(rule.number)]
  }
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
    case .unknownMetadata: "`http.metadata` in a file for `--requests`"
    case .customProvider: "`--custom-delegated` or `--provider-name`, if the provider's answer does not matter here"
    case .pathNotNormalized: "a path that the proxy does not refuse"
    default: nil
    }
  }
}
