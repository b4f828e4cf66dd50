// An explanation for programs (docs/explain.md).
// Enters: findings. Leaves: one object on one line; every key is always there, `null` where there is nothing.
// Never here: a sentence; whoever wants words has the codes.

internal import DecisionText
internal import PolicyEngine
internal import PolicyModel

extension ExplanationReport {
  /// The decision's members, as `check` prints them, and what it rests on.
  func json() -> String {
    let reference = explanation.finding
    let all = decision.shape.with([
      "at": .optional(decision.location.map(JSONValue.place)),
      "agrees": .bool(differences.isEmpty),
      "reference": [
        "decision": .text("\(reference.verdict.name)"), "reason": .text("\(reference.reason.code)"),
        "policy": .text(reference.rule.string),
      ],
      "peer": .optional(explanation.peer.map { .list($0.map(JSONValue.bytes)) }),
      "server_mode": serverMode, "token": .optional(explanation.token.map(Self.outcome)),
      "unusable": .list(explanation.unusable.map { Self.object($0.key, $0.location) }),
      "policies": .list(explanation.policies.map(Self.policy)),
      "not_enforced": .list(
        explanation.withheld.map { Self.object($0.key, $0.location).with(["cause": .text($0.cause.rawValue)]) }),
      "policies_elsewhere": .count(explanation.unattachedCount),
    ])
    return all.text
  }

  private var serverMode: JSONValue {
    let mode = explanation.serverMode
    return Self.outcome(mode.outcome).with([
      "mode": mode.isHBONE ? .text("HBONE") : .optional(mode.mode.map { .text($0.rawValue) }),
      "set_by": .optional(mode.origin.map { Self.object($0.key, $0.location) }),
    ])
  }

  private static func outcome(_ outcome: Explanation.ServerMode.Outcome) -> JSONValue {
    let (word, reason): (String, Reason?) =
      switch outcome {
      case .passes: ("pass", nil)
      case .denied(let reason): ("deny", reason)
      case .unknown(let reason): ("undecided", reason)
      case .doesNotApply: ("not-applicable", nil)
      }
    return ["outcome": .text(word), "reason": .optional(reason.map { .text("\($0.code)") })]
  }

  private static func policy(_ policy: Explanation.Policy) -> JSONValue {
    [
      "namespace": .text(policy.key.namespace.string), "name": .text(policy.key.name.string),
      "action": .text(policy.action.rawValue), "dry_run": .bool(policy.isDryRun),
      "provider": .optional(policy.provider.map { .text($0.string) }), "effect": .optional(policy.effect.map { .text($0.rawValue) }),
      "reached": .text(policy.reach.rawValue), "at": JSONValue.place(policy.location), "rules": .list(policy.rules.map(rule)),
    ]
  }

  private static func rule(_ rule: Explanation.Rule) -> JSONValue {
    var (outcome, reason, dropped): (String, JSONValue, JSONValue) = ("match", .null, .null)
    var (questions, failures): ([JSONValue], [JSONValue]) = ([], [])
    switch rule.outcome {
    case .matches: break
    case .fails(let found): (outcome, failures) = ("no-match", found.map(failure))
    case .dropped(let found): (outcome, dropped) = ("dropped", omission(found))
    case .unknown(let why, let found):
      (outcome, reason) = ("undecided", .text("\(why.code)"))
      questions = found.map { question -> JSONValue in
        [
          "part": part(question.part), "attribute": .text(question.attribute.description), "reason": .text("\(question.reason.code)"),
          "at": JSONValue.place(question.location),
        ]
      }
    }
    return [
      "rule": .text(rule.name.string), "index": .count(rule.index), "reached": .text(rule.reach.rawValue),
      "at": JSONValue.place(rule.location), "outcome": .text(outcome), "reason": reason, "depends_on": .list(questions),
      "dropped": dropped, "failures": .list(failures), "not_tested": .list(rule.ignored.map(omission)),
    ]
  }

  private static func failure(_ failure: Explanation.Failure) -> JSONValue {
    let wanted = failure.wanted.map { value -> JSONValue in
      [
        "value": .text(value.value.string), "at": JSONValue.place(value.location), "matched": .bool(value.isMatched),
        "near_miss": .optional(
          value.nearMiss.map { near -> JSONValue in
            ["kind": .text(near.rawValue), "actual": .optional(value.nearest.map(JSONValue.bytes))]
          }),
      ]
    }
    return [
      "part": part(failure.part), "attribute": .text(failure.attribute.description),
      "demand": .text(failure.isNegative ? "none-of" : "one-of"), "wanted": .list(wanted),
      "actual": .list(failure.actual.map(JSONValue.bytes)), "absence": .optional(failure.absence.map { .text($0.rawValue) }),
      "at": JSONValue.place(failure.location),
    ]
  }

  private static func omission(_ omission: Explanation.Omission) -> JSONValue {
    [
      "cause": .text(omission.cause.rawValue), "part": .optional(omission.part.map(part)),
      "attribute": .optional(omission.attribute.map { .text($0.description) }),
      "values": .list(omission.values.map { .text($0.string) }), "at": JSONValue.place(omission.location),
    ]
  }

  private static func part(_ part: Explanation.Part) -> JSONValue {
    let (name, index) =
      switch part {
      case .from(let index): ("from", index)
      case .to(let index): ("to", index)
      case .when(let index): ("when", index)
      }
    return ["clause": .text(name), "index": .count(index)]
  }

  private static func object(_ key: ObjectKey, _ location: SourceLocation) -> JSONValue {
    [
      "kind": .text(key.kind.string), "namespace": .text(key.namespace.string), "name": .text(key.name.string),
      "at": JSONValue.place(location),
    ]
  }
}

extension JSONValue {
  /// File, line and column; the last two `null` when only the file is known.
  static func place(_ location: SourceLocation) -> JSONValue {
    let isKnown = location.span.line > 0
    return [
      "file": .text(location.file.string), "line": isKnown ? .count(Int(location.span.line)) : .null,
      "column": isKnown ? .count(Int(location.span.column)) : .null,
    ]
  }
}
