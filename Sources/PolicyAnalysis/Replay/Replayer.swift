// Decisions for the records of an access log.
// Enters: bytes of a log, in stretches. Leaves: how many records were decided how, and groups of those that matter: what is denied or
// undecided; with a second snapshot, what gets another answer there.
// Never here: memory that grows with the log, an allocation for a line that opens no group, a guess: what a record does not say is unknown.

public import PolicyEngine
public import PolicyModel

/// Decides the records of a log, one after the other.
public struct Replayer: ~Copyable {
  /// Longer lines are skipped.
  public static let longestLine = 1 << 20
  /// More groups than this are counted in `furtherCount`.
  public static let mostGroups = 100_000

  private let snapshot: Snapshot
  private let other: Snapshot?
  private let profile: Profile
  private let workloads: [ObjectKey]
  private var table = ResidualTable()
  private var otherTable = ResidualTable()
  private var request = Request()
  private var scanner = LogScanner()
  private var callers = CallerTable()
  private var skippedLines: [SkippedLines] = SkippedLine.allCases.map { SkippedLines(kind: $0) }
  private var places: [GroupKey: Int] = [:]
  private var isInLongLine = false

  /// How many lines were read, blank ones included.
  public private(set) var lineCount = 0
  /// What was decided.
  public private(set) var counts = VerdictCounts()
  /// What the other policies decide.
  public private(set) var otherCounts = VerdictCounts()
  /// How many decided records a policy refused when they were recorded.
  public private(set) var refusedThen = 0
  /// How many records got another verdict.
  public private(set) var changedCount = 0
  /// Records that are in no group, because there were too many groups.
  public private(set) var furtherCount = 0
  private var groupList: [(key: GroupKey, group: ReplayGroup)] = []

  private struct GroupKey: Hashable {
    var caller: UInt32
    var destination: UInt32
    var rule: UInt32
    var otherRule: UInt32
    var verdict: Verdict
    var reason: Reason
    var otherVerdict: Verdict
    var otherReason: Reason
  }

  /// Prepares a replay.
  ///
  /// - Parameters:
  ///   - snapshot: the policies in question.
  ///   - other: policies to compare with, under the same mesh settings.
  ///   - profile: the kind of proxy that wrote the log; not a waypoint, and not ztunnel, which writes another format.
  ///   - workloads: the inventory that the snapshot was compiled from.
  public init(_ snapshot: Snapshot, against other: Snapshot? = nil, profile: Profile = .sidecar, workloads: [Workload]) {
    self.snapshot = snapshot
    self.other = other
    self.profile = profile
    self.workloads = workloads.map(\.metadata.key)
  }

  /// Decides all complete lines of `bytes`, and with `isLast` what stands behind the last line break too.
  ///
  /// - Returns: how many bytes were read; the rest is the beginning of a line, to be handed over again with what follows it. It is never
  ///   longer than `longestLine`.
  public mutating func read(_ bytes: Span<UInt8>, isLast: Bool) -> Int {
    var start = 0
    while start < bytes.count {
      var end = LineBreak.next(in: bytes, from: start)
      if end == bytes.count, !isLast {
        guard isInLongLine || end - start > Self.longestLine else { return start }
        if !isInLongLine { beginLongLine(bytes.extracting(start..<end)) }
        return bytes.count
      }
      if isInLongLine {
        isInLongLine = false
      } else if end - start > Self.longestLine {
        beginLongLine(bytes.extracting(start..<end))
        isInLongLine = false
      } else {
        line(bytes.extracting(start..<end))
      }
      end += 1
      start = min(end, bytes.count)
    }
    return start
  }

  private mutating func beginLongLine(_ line: Span<UInt8>) {
    lineCount += 1
    isInLongLine = true
    skip(.tooLong, line)
  }

  /// Decides one line.
  private mutating func line(_ line: Span<UInt8>) {
    lineCount += 1
    if Self.isBlank(line) { return }
    if let problem = scanner.scan(line) { return skip(problem, line, column: scanner.column) }
    // All that a gateway forwards goes to such a cluster, and it is the gateway that decides.
    if profile != .gateway, scanner.isOutbound(line) { return skip(.outbound, line) }
    guard let isTCP = scanner.isTCP else { return skip(.noProtocol, line) }
    let place: Int
    switch destination(of: line, in: snapshot) {
    case .found(let found): place = found
    case .unknown: return skip(hasDestination(line) ? .unknownDestination : .noDestination, line)
    case .ambiguous: return skip(.ambiguousDestination, line)
    }
    request.reset()
    scanner.fill(&request, from: line, isTCP: isTCP, mesh: snapshot.mesh)
    let decision = snapshot.decide(&request, on: snapshot.targets[place], profile: profile, remembering: &table)
    guard let other else {
      count(decision, line)
      if decision.verdict != .allow { add(decision, nil, place, line, isTCP) }
      return
    }
    guard case .found(let otherPlace) = destination(of: line, in: other) else { return skip(.missingAfter, line) }
    let otherDecision = other.decide(&request, on: other.targets[otherPlace], profile: profile, remembering: &otherTable)
    count(decision, line)
    otherCounts.count(otherDecision.verdict)
    if decision.verdict != otherDecision.verdict {
      changedCount += 1
      add(decision, otherDecision, place, line, isTCP)
    }
  }

  private mutating func count(_ decision: Decision, _ line: Span<UInt8>) {
    counts.count(decision.verdict)
    if scanner.wasRefused(line) { refusedThen += 1 }
  }

  /// The workload that a record is about, by its name, else by its address.
  private func destination(of line: Span<UInt8>, in snapshot: Snapshot) -> TargetLookup {
    if let found = scanner.with(.workload, of: line, { snapshot.target(workload: $0) }) { return found }
    guard let address = scanner.localAddress(of: line) else { return .unknown }
    return snapshot.target(address: address)
  }

  private func hasDestination(_ line: Span<UInt8>) -> Bool {
    scanner[.workload].state == .text || scanner.localAddress(of: line) != nil
  }

  // MARK: Groups

  private mutating func add(_ decision: Decision, _ other: Decision?, _ place: Int, _ line: Span<UInt8>, _ isTCP: Bool) {
    // Who called says nothing about why an answer is missing.
    let isOpen = other == nil && decision.verdict == .undecided
    let caller = isOpen ? CallerTable.unknown : self.caller(line)
    let key = GroupKey(
      caller: caller, destination: UInt32(truncatingIfNeeded: place), rule: decision.rule.number,
      otherRule: other?.rule.number ?? RuleReference.none.number, verdict: decision.verdict, reason: decision.reason,
      otherVerdict: other?.verdict ?? decision.verdict, otherReason: other?.reason ?? decision.reason)
    let refused = scanner.wasRefused(line) ? 1 : 0
    if let known = places[key] {
      groupList[known].group.count += 1
      groupList[known].group.refusedThen += refused
      return
    }
    guard groupList.count < Self.mostGroups else {
      furtherCount += 1
      return
    }
    places[key] = groupList.count
    let group = ReplayGroup(
      caller: callers.caller(caller), destination: workloads[place], answer: ReplayAnswer(decision), after: other.map { ReplayAnswer($0) },
      count: 1, refusedThen: refused, firstLine: lineCount, example: example(line, isTCP))
    groupList.append((key, group))
  }

  private mutating func caller(_ line: Span<UInt8>) -> UInt32 {
    if let number = Self.number(.peerURI, scanner, line, &callers) { return number }
    if let number = Self.number(.peerDNS, scanner, line, &callers) { return number }
    if let number = Self.number(.peerSubject, scanner, line, &callers) { return number }
    let isNone = scanner[.peerURI].state == .none && scanner[.peerDNS].state == .none && scanner[.peerSubject].state == .none
    return isNone || scanner[.tlsVersion].state == .none ? CallerTable.anonymous : CallerTable.unknown
  }

  private static func number(_ field: LogField, _ scanner: LogScanner, _ line: Span<UInt8>, _ callers: inout CallerTable) -> UInt32? {
    scanner.with(field, of: line) { callers.number($0) }
  }

  /// The request in a few words, as it stands in the log.
  private func example(_ line: Span<UInt8>, _ isTCP: Bool) -> [UInt8] {
    var words: [UInt8] = []
    func append(_ field: LogField) -> Bool {
      let isThere: Void? = scanner.with(field, of: line) { text in
        for index in 0..<min(text.count, 300) { words.append(text[index]) }
      }
      return isThere != nil
    }
    if isTCP {
      words += Array("TCP to ".utf8)
      if !append(.localAddress) { words += Array("an address that is not known".utf8) }
      return words
    }
    if !append(.method) { words += Array("HTTP".utf8) }
    words.append(0x20)
    _ = append(.authority)
    if !append(.path) { words += Array(" (path not known)".utf8) }
    return words
  }

  private mutating func skip(_ kind: SkippedLine, _ line: Span<UInt8>, column: Int = 0) {
    let place = Int(kind.rawValue)
    skippedLines[place].count += 1
    guard skippedLines[place].count == 1 else { return }
    skippedLines[place].firstLine = lineCount
    skippedLines[place].column = column
    for index in 0..<min(line.count, 120) { skippedLines[place].example.append(line[index]) }
  }

  private static func isBlank(_ line: Span<UInt8>) -> Bool {
    for index in line.indices where line[index] != 0x20 && line[index] != 0x09 && line[index] != 0x0d { return false }
    return true
  }

  // MARK: Outcome

  /// The kinds of lines that were not decided, of which there was at least one.
  public var skipped: [SkippedLines] { skippedLines.filter { $0.count > 0 } }

  /// The groups, the largest first.
  public var groups: [ReplayGroup] {
    groupList.map(\.group).sorted { ($1.count, $0.firstLine) < ($0.count, $1.firstLine) }
  }
}

/// Finds the ends of lines.
enum LineBreak {
  /// Where the next line break stands, or the end. Eight bytes at once.
  @inline(__always)
  static func next(in text: Span<UInt8>, from start: Int) -> Int {
    var position = start
    let (low, high): (UInt64, UInt64) = (0x0101_0101_0101_0101, 0x8080_8080_8080_8080)
    let bytes = unsafe text.bytes
    while text.count - position >= 8 {
      let word = unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: position, as: UInt64.self)) ^ (low &* 0x0a)
      let found = (word &- low) & ~word & high
      if found != 0 { return position + found.trailingZeroBitCount >> 3 }
      position += 8
    }
    while position < text.count, text[position] != 0x0a { position += 1 }
    return position
  }
}
