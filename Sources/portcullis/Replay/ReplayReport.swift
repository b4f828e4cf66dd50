// The outcome of a replay, for people and for programs.
// Enters: what was found, and the snapshots that know the names. Leaves: text, or JSON (docs/schemas/replay.json).
// Never here: text of a log printed raw; whoever sends requests writes it.

internal import DecisionText
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyModel

struct ReplayReport {
  let counts: VerdictCounts
  private let otherCounts: VerdictCounts?
  private let lineCount: Int
  private let refusedThen: Int
  private let changedCount: Int
  private let furtherCount: Int
  private let groups: [ReplayGroup]
  private let skipped: [SkippedLines]
  private let snapshot: Snapshot
  private let other: Snapshot?
  private let limit: Int
  private let ignoresSkipped: Bool

  init(_ replayer: borrowing Replayer, _ snapshot: Snapshot, _ other: Snapshot?, limit: Int, ignoresSkipped: Bool) {
    counts = replayer.counts
    otherCounts = other == nil ? nil : replayer.otherCounts
    lineCount = replayer.lineCount
    refusedThen = replayer.refusedThen
    changedCount = replayer.changedCount
    furtherCount = replayer.furtherCount
    groups = replayer.groups
    skipped = replayer.skipped
    self.snapshot = snapshot
    self.other = other
    self.limit = limit
    self.ignoresSkipped = ignoresSkipped
  }

  /// Lines that may be about a decision and were skipped. Between equal policies no line can change, whatever it says.
  private var gaps: Int {
    if let other, other.contentHash == snapshot.contentHash { return 0 }
    return skipped.filter(\.kind.leavesGap).reduce(0) { $0 + $1.count }
  }

  /// Records of which nobody knows whether they change: not decided on one side, or for a workload that the other side does not have.
  /// None, where both sides are the same.
  private var uncompared: Int {
    guard other?.contentHash != snapshot.contentHash else { return 0 }
    return
      max(counts.undecided, otherCounts?.undecided ?? 0) + skipped.filter { $0.kind == .missingAfter }.reduce(0) { $0 + $1.count }
  }

  /// The exit code.
  var answer: Answer {
    let isFound = other == nil ? counts.deny > 0 : changedCount > 0
    let open = (other == nil ? counts.undecided : uncompared) + (ignoresSkipped ? 0 : gaps)
    return isFound ? .no : open > 0 ? .undecided : .yes
  }

  // MARK: Text

  var text: String {
    var lines = ["\(Self.count(lineCount, "line")), \(Self.count(counts.total, "record")) decided"]
    lines.append("  \(otherCounts == nil ? "" : "--policies  ")\(Self.text(counts))")
    if let otherCounts { lines.append("  --against   \(Self.text(otherCounts))") }
    if refusedThen > 0 { lines.append("  \(refusedThen) of them were refused by a policy when they were recorded") }
    lines += skippedText
    if other == nil {
      lines += section("would be denied", groups.filter { $0.answer.verdict == .deny })
      lines += section("undecided: the log does not say enough", groups.filter { $0.answer.verdict == .undecided })
    } else {
      let isAllowed = { (group: ReplayGroup) in group.after?.verdict == .allow }
      lines += section("newly allowed", groups.filter(isAllowed))
      lines += section("newly denied", groups.filter { $0.after?.verdict == .deny })
      lines += section("no longer decided: the log does not say enough", groups.filter { $0.after?.verdict == .undecided })
      if changedCount == 0 {
        lines += [
          "",
          uncompared > 0
            ? "nothing that was decided changes; of \(Self.count(uncompared, "record")) nobody knows" : "nothing changes",
        ]
      }
    }
    if furtherCount > 0 { lines += ["", "\(Self.count(furtherCount, "record")) of further groups, which were too many to keep"] }
    if gaps > 0, !ignoresSkipped {
      lines += ["", "not complete: \(Self.count(gaps, "line")) \(gaps == 1 ? "was" : "were") skipped; `--ignore-skipped` accepts that"]
    }
    return lines.joined(separator: "\n")
  }

  /// A line for each kind of line that was not decided, with the first of them.
  var skippedText: [String] {
    skipped.flatMap { kind -> [String] in
      let place = kind.column > 0 ? "\(kind.firstLine):\(kind.column)" : "\(kind.firstLine)"
      let first = kind.count == 1 ? "line \(place)" : "the first is line \(place)"
      return ["  \(Self.count(kind.count, "line")) \(kind.kind.isBad ? "bad" : "left out"), \(kind.kind.text); \(first):"]
        + ["    \(Printable.text(kind.example))"]
    }
  }

  private func section(_ title: String, _ groups: [ReplayGroup]) -> [String] {
    if groups.isEmpty { return [] }
    let records = groups.reduce(0) { $0 + $1.count }
    var lines = ["", "\(title): \(Self.count(records, "record")) in \(Self.count(groups.count, "group"))"]
    for group in groups.prefix(limit) { lines += text(group) }
    if groups.count > limit { lines.append("  and \(Self.count(groups.count - limit, "group")) more; `--limit` shows more of them") }
    return lines
  }

  private func text(_ group: ReplayGroup) -> [String] {
    let isOpen = group.after == nil && group.answer.verdict == .undecided
    let caller = isOpen ? "" : "\(Self.name(group.caller)) -> "
    var lines = ["", "  \(Self.count(group.count, "record"))  \(caller)\(Self.name(group.destination))"]
    if let after = group.after, let other {
      lines.append("    before    \(text(group.answer, snapshot))")
      lines.append("    after     \(text(after, other))")
    } else {
      lines.append("    because   \(text(group.answer, snapshot))")
    }
    if group.refusedThen > 0 {
      lines.append("    then      \(group.refusedThen == group.count ? "all" : "\(group.refusedThen)") refused by a policy")
    }
    lines.append("    example   line \(group.firstLine): \(Printable.text(group.example))")
    if isOpen, let field = LogFieldHelp.field(for: group.answer.reason) { lines.append("    = help: \(field)") }
    return lines
  }

  private func text(_ answer: ReplayAnswer, _ snapshot: Snapshot) -> String {
    let what = "\(answer.verdict.name), \(answer.reason.code)"
    guard let origin = snapshot.origin(of: answer.rule) else { return what }
    return "\(what): \(Printable.text("\(origin.name)"))  \(Printable.text(origin.location.description))"
  }

  private static func text(_ counts: VerdictCounts) -> String {
    "\(counts.allow) allow, \(counts.deny) deny, \(counts.undecided) undecided"
  }

  private static func name(_ caller: ReplayCaller) -> String {
    switch caller {
    case .named(let name): Printable.text(name)
    case .anonymous: "anonymous"
    case .unknown: "?"
    case .other: "others"
    }
  }

  private static func name(_ key: ObjectKey) -> String { Printable.text("\(key.namespace)/\(key.name)") }

  private static func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }

  // MARK: JSON

  var json: JSONValue {
    [
      "lines": .count(lineCount), "complete": .bool(gaps == 0), "counts": Self.json(counts),
      "against": .optional(otherCounts.map(Self.json)),
      "refused_then": .count(refusedThen), "changed": other == nil ? .null : .count(changedCount), "further_records": .count(furtherCount),
      "groups": .list(groups.map(json)), "skipped": .list(skipped.map(Self.json)),
    ]
  }

  private func json(_ group: ReplayGroup) -> JSONValue {
    let caller: (kind: String, name: JSONValue) =
      switch group.caller {
      case .named(let name): ("named", .bytes(name))
      case .anonymous: ("anonymous", .null)
      case .unknown: ("unknown", .null)
      case .other: ("other", .null)
      }
    let after: JSONValue? = other.flatMap { other in group.after.map { json($0, other) } }
    return [
      "caller": ["kind": .text(caller.kind), "name": caller.name],
      "destination": .text("\(group.destination.namespace)/\(group.destination.name)"), "answer": json(group.answer, snapshot),
      "after": .optional(after), "count": .count(group.count), "refused_then": .count(group.refusedThen),
      "example": ["line": .count(group.firstLine), "request": .bytes(group.example)],
    ]
  }

  private func json(_ answer: ReplayAnswer, _ snapshot: Snapshot) -> JSONValue {
    [
      "decision": .text("\(answer.verdict.name)"), "reason": .text("\(answer.reason.code)"),
      "policy": .text(snapshot.name(of: answer.rule).string),
      "at": .optional(snapshot.origin(of: answer.rule).map { JSONValue.place($0.location) }),
    ]
  }

  private static func json(_ counts: VerdictCounts) -> JSONValue {
    ["allow": .count(counts.allow), "deny": .count(counts.deny), "undecided": .count(counts.undecided)]
  }

  private static func json(_ skipped: SkippedLines) -> JSONValue {
    [
      "kind": .text("\(skipped.kind.code)"), "bad": .bool(skipped.kind.isBad), "leaves_gap": .bool(skipped.kind.leavesGap),
      "count": .count(skipped.count),
      "first_line": .count(skipped.firstLine), "column": skipped.column > 0 ? .count(skipped.column) : .null,
      "example": .bytes(skipped.example),
    ]
  }
}

/// Which field of a log makes an attribute known.
enum LogFieldHelp {
  /// The help for a reason; `nil` when no field helps.
  static func field(for reason: Reason) -> String? {
    switch reason {
    case .unknownPeer: "log `downstream_peer_uri_san`, and `downstream_tls_version` for those that have no certificate"
    case .unknownPort, .unknownDestinationIP: "log `downstream_local_address`"
    case .unknownSourceIP: "log `downstream_direct_remote_address`"
    case .unknownRemoteIP: "log `downstream_remote_address`"
    case .unknownSNI: "log `requested_server_name`"
    case .unknownMethod: "log `method`"
    case .unknownHost: "log `authority`"
    case .unknownPath: "log `path`"
    case .unknownHeaders: "an access log cannot show all lines of a header"
    case .unknownClaims: "an access log does not show the claims of a token"
    case .pathNotNormalized: "`--path-normalization` or `--mesh-config` must say what the proxies that wrote the log did to paths"
    default: nil
    }
  }
}
