// The last good version of each object: the state before and one pass over the files enter; the state after leaves.
// Pure: no file, no clock. The rules are in LastGoodStep; this file holds what they work on and turns it into a policy set.
//
// Why per object: an emergency DENY must not wait for somebody else's typo, and a typo must not take a DENY away.

internal import PolicyLoading
internal import PolicyModel

/// Everything that the next step needs to know.
struct LastGoodState: Sendable {
  /// The objects in force.
  private(set) var live: [ObjectKey: LiveObject] = [:]
  /// The objects in force in the order in which a set lists them: by file and text, then the stale ones by key.
  private(set) var order: [LiveObject] = []
  private(set) var unusable: [UnusableEntry] = []
  private(set) var unusableWorkloads: [UnusableWorkloadEntry] = []
  private(set) var files: [ExactText: FileMemory] = [:]
  /// Since when files are held back, in Unix seconds.
  private(set) var heldBack: [ExactText: Int64] = [:]
  private(set) var status = PolicyFilesStatus()
  /// Which parts of the set are as they were.
  private(set) var revisions = Revisions.ofNewSource()

  /// Whether nothing was ever loaded.
  var isFirst: Bool { status.reloads == 0 }

  /// Applies one pass over the files. O(objects).
  /// - Parameter now: Unix seconds.
  func next(_ reading: SourceReading, allowEmpty: Bool, now: Int64) -> LastGoodState {
    var step = LastGoodStep(before: self, reading: reading, now: now)
    step.run()
    var after = LastGoodState()
    after.live = step.live
    after.files = step.files
    after.unusable = step.unusable.sorted { Self.isBefore($0.policy.location, $1.policy.location) }
    after.unusableWorkloads = step.unusableWorkloads.sorted { Self.isBefore($0.workload.location, $1.workload.location) }
    after.order = step.order()
    after.revisions = RevisionParts(after.order, after.unusable, after.unusableWorkloads)
      .revisions(after: RevisionParts(order, unusable, unusableWorkloads), revisions)
    for file in reading.heldBack { after.heldBack[file.path] = heldBack[file.path] ?? now }
    after.status = status
    after.status.reloads += 1
    after.status.lastReload = now
    after.status.unreadable = Self.unreadable(reading, before: status.unreadable, now: now)
    after.status.diagnostics = step.diagnostics + warningsOfOutdoneModes(after.order)

    let isEmpty = !after.order.contains { if case .policy = $0.object { true } else { false } }
    // At first, errors say why there is none, and are enough to stop.
    let isExplained = isFirst && after.status.diagnostics.contains { $0.severity == .error }
    if isEmpty, !allowEmpty, !isExplained { return refuseEmpty(after, reading) }

    after.status.diagnostics.sort { Self.isBefore($0.location, $1.location) }
    after.describe(reading)
    let isSame =
      !isFirst && order.count == after.order.count && zip(order, after.order).allSatisfy { $0.isSameVersion(as: $1) }
      && unusable.count == after.unusable.count && zip(unusable, after.unusable).allSatisfy { $0.isSameObject(as: $1) }
      && unusableWorkloads.count == after.unusableWorkloads.count
      && zip(unusableWorkloads, after.unusableWorkloads).allSatisfy { $0.isSameObject(as: $1) }
    after.status.outcome = isSame ? .unchanged : .applied
    if !isSame {
      after.status.generation += 1
      after.status.lastChange = now
    }
    return after
  }

  /// The set that decisions are made from. O(objects).
  func policySet() -> PolicySet {
    var set = PolicySet()
    for entry in order {
      switch entry.object {
      case .policy(let policy): set.policies.append(policy)
      case .peerAuthentication(let policy): set.peerAuthentications.append(policy)
      case .requestAuthentication(let policy): set.requestAuthentications.append(policy)
      case .destinationRule(let rule): set.destinationRules.append(rule)
      case .workload(let workload): set.workloads.append(workload)
      case .inventory(let object): set.inventory.append(object)
      }
    }
    set.unusable = unusable.map(\.policy)
    set.unusableWorkloads = unusableWorkloads.map(\.workload)
    set.revisions = revisions
    return set
  }

  /// Notes how changes are noticed from now on.
  mutating func setWatching(_ watching: PolicyFilesStatus.Watching) { status.watching = watching }

  /// No policy means allow, so the step is not taken: everything but the report stays as it was.
  private func refuseEmpty(_ after: LastGoodState, _ reading: SourceReading) -> LastGoodState {
    var kept = isFirst ? after : self
    kept.status = after.status
    if isFirst {
      kept.describe(reading)
      kept.status.generation = 1
    } else {
      kept.status.stale = status.stale
      kept.status.unusable = status.unusable
      kept.status.counts = status.counts
    }
    kept.status.outcome = .refusedEmpty
    let kind = isFirst ? "there is no AuthorizationPolicy" : "the last AuthorizationPolicy is gone; the last good set stays in force"
    kept.status.diagnostics.append(
      Diagnostic(
        .error, code: "no-policies", kind, at: SourceLocation(file: reading.files.first?.name ?? "policies", span: .nowhere),
        help: "without a policy every request is allowed; `--allow-empty` says that this is meant"))
    kept.status.diagnostics.sort { Self.isBefore($0.location, $1.location) }
    return kept
  }

  private mutating func describe(_ reading: SourceReading) {
    status.stale = order.compactMap { entry in
      entry.trouble.map { StaleObject(key: entry.object.key, since: $0.since, location: $0.location, reason: $0.reason) }
    }
    describeHeldBack(reading)
    status.stale.sort { $0.key < $1.key }
    status.unusable = unusable.map { UnusableObject(policy: $0.policy, since: $0.since, reason: $0.reason) }
    var counts = PolicyCounts()
    counts.files = reading.files.count
    for entry in order { counts.objects[entry.object.key.kind, default: 0] += 1 }
    for file in reading.files {
      for (kind, number) in file.content.loaded.skipped { counts.skipped[kind, default: 0] += number }
    }
    status.counts = counts
  }

  /// What a file holds that nobody can look into now is stale; one that holds nothing yet is only unreadable.
  private mutating func describeHeldBack(_ reading: SourceReading) {
    for file in reading.heldBack {
      let since = heldBack[file.path] ?? status.lastReload
      let location = SourceLocation(file: file.path, span: .nowhere)
      let held = order.filter { $0.file == file.path && $0.trouble == nil }
      status.stale += held.map { StaleObject(key: $0.object.key, since: since, location: location, reason: file.reason) }
      if held.isEmpty { status.unreadable.append(UnreadableSource(path: file.path, since: since, reason: file.reason)) }
    }
    status.unreadable.sort { $0.path < $1.path }
  }

  private static func unreadable(_ reading: SourceReading, before: [UnreadableSource], now: Int64) -> [UnreadableSource] {
    let since = Dictionary(before.map { ($0.path, $0.since) }, uniquingKeysWith: min)
    return reading.unreadable
      .map { UnreadableSource(path: $0.path, since: since[$0.path] ?? now, reason: $0.reason) }
      .sorted { $0.path < $1.path }
  }

  static func isBefore(_ left: SourceLocation, _ right: SourceLocation) -> Bool {
    if left.file != right.file { return left.file < right.file }
    return (left.span.line, left.span.column) < (right.span.line, right.span.column)
  }
}
