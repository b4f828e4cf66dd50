// What a replay found.
// Enters: nothing. Leaves: values that a report is made of. Never here: words for people beyond one line a kind.

public import PolicyEngine
public import PolicyModel

/// Why a line of a log was not decided.
public enum SkippedLine: UInt8, Sendable, CaseIterable {
  case notJSON, notObject, fieldTwice, wrongType, tooLong, noProtocol
  case outbound, noDestination, unknownDestination, ambiguousDestination, missingAfter

  /// Whether the line itself is wrong; the others say something that nothing can be decided about.
  public var isBad: Bool { rawValue <= Self.noProtocol.rawValue }

  /// Whether a proxy may have decided what the line is about, so that an answer without it is not complete. Of a line that the caller's
  /// proxy wrote it is known that nothing was decided there: the other side's line is the one that counts.
  public var leavesGap: Bool { self != .outbound }

  /// A stable name.
  public var code: StaticString {
    switch self {
    case .notJSON: "not-json"
    case .notObject: "not-object"
    case .fieldTwice: "field-twice"
    case .wrongType: "wrong-type"
    case .tooLong: "too-long"
    case .noProtocol: "no-protocol"
    case .outbound: "outbound"
    case .noDestination: "no-destination"
    case .unknownDestination: "unknown-destination"
    case .ambiguousDestination: "ambiguous-destination"
    case .missingAfter: "missing-against"
    }
  }

  /// What is wrong, in one sentence.
  public var text: String {
    switch self {
    case .notJSON: "not JSON"
    case .notObject: "not a JSON object"
    case .fieldTwice: "a field is written twice"
    case .wrongType: "a field holds neither text nor `null`"
    case .tooLong: "longer than \(Replayer.longestLine) bytes"
    case .noProtocol: "neither `method` nor `protocol`, so that nobody knows whether it is HTTP or TCP"
    case .outbound: "written by the caller's proxy, which does not enforce"
    case .noDestination: "neither `workload` nor an address in `downstream_local_address`"
    case .unknownDestination: "about a workload that is not in the given files"
    case .ambiguousDestination: "about several workloads of one name or address to which different policies apply"
    case .missingAfter: "about a workload that is not in the files of `--against`"
    }
  }
}

/// Lines of one kind that were not decided.
public struct SkippedLines: Sendable {
  /// Which kind.
  public var kind: SkippedLine
  /// How many.
  public var count = 0
  /// The number of the first of them, from 1.
  public var firstLine = 0
  /// Where it is wrong, in bytes from 1; 0 when the whole line is meant.
  public var column = 0
  /// The beginning of the first of them.
  public var example: [UInt8] = []
}

/// Who called.
public enum ReplayCaller: Sendable, Hashable {
  /// The names that the peer proved to have, as the log shows them.
  case named([UInt8])
  case anonymous
  /// The log does not say.
  case unknown
  /// One of those for whom a table of its own would have been too large.
  case other
}

/// One answer of a snapshot.
public struct ReplayAnswer: Sendable, Hashable {
  /// The decision.
  public var verdict: Verdict
  /// Why.
  public var reason: Reason
  /// The rule of that snapshot which decided, or none.
  public var rule: RuleReference

  init(_ decision: Decision) {
    (verdict, reason, rule) = (decision.verdict, decision.reason, decision.rule)
  }
}

/// Records of one pair that got the same answers.
public struct ReplayGroup: Sendable {
  /// Who called.
  public var caller: ReplayCaller
  /// The workload that was called.
  public var destination: ObjectKey
  /// What the policies in question say.
  public var answer: ReplayAnswer
  /// What the other policies say, when there are any.
  public var after: ReplayAnswer?
  /// How many records.
  public var count = 0
  /// How many of them the proxy refused when they were recorded.
  public var refusedThen = 0
  /// The line of the first of them.
  public var firstLine = 0
  /// The first of them, for people.
  public var example: [UInt8] = []
}

/// How many records were decided how.
public struct VerdictCounts: Sendable, Hashable {
  /// Allowed.
  public var allow = 0
  /// Denied.
  public var deny = 0
  /// Not decided, for want of something that the log does not have.
  public var undecided = 0

  mutating func count(_ verdict: Verdict) {
    switch verdict {
    case .allow: allow += 1
    case .deny: deny += 1
    case .undecided: undecided += 1
    }
  }

  /// All of them.
  public var total: Int { allow + deny + undecided }
}
