// A decision for programs, and what it means for whoever ran the command.
// Enters: a report. Leaves: JSON of a stable shape, the exit code, the option that would make something known.

internal import DecisionText
internal import PolicyEngine
internal import PolicyModel

extension DecisionReport {
  /// The exit code.
  var answer: Answer {
    switch decision.verdict {
    case .allow: .yes
    case .deny: .no
    case .undecided: .undecided
    }
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
}

/// Which option of `check` makes an attribute known.
enum MissingOption {
  /// The help for a reason; `nil` when no option helps.
  static func help(for reason: Reason) -> String? { name(for: reason).map { "give \($0); nothing is assumed" } }

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
