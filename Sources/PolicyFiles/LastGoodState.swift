// The last good version of each object: the state before and one pass over the files enter; the state after leaves.
// Pure: no file, no clock. The rules are in LastGoodStep; this file holds what they work on and turns it into a policy set.
//
// Why per object: an emergency DENY must not wait for somebody else's typo, and a typo must not take a DENY away.

internal import PolicyLoading
internal import PolicyModel

/// Everything that the next step needs to know.
struct LastGoodState: Sendable {
  /// What is in force: what all files say, or what the rules of the last good version made of it.
  private enum Content: Sendable {
    case plain(PlainFiles)
    case held(Holdings)
  }

  private var content = Content.plain(PlainFiles())
  /// Since when files are held back, in Unix seconds.
  private var heldBack: [ExactText: Int64] = [:]
  private(set) var status = PolicyFilesStatus()
  /// Which parts of the set are as they were.
  private var revisions = Revisions.ofNewSource()

  /// Whether nothing was ever loaded.
  var isFirst: Bool { status.reloads == 0 }

  /// Applies one pass over the files. O(files + objects of changed files) where nothing is and was unusual, else O(objects).
  /// - Parameter now: Unix seconds.
  func next(_ reading: SourceReading, allowEmpty: Bool, now: Int64) -> LastGoodState {
    if case .plain(let plain) = content, let step = plain.step(to: reading), allowEmpty || step.plain.policies > 0 {
      return next(step, now: now)
    }
    return nextByRules(reading, allowEmpty: allowEmpty, now: now)
  }

  /// The step when nothing is and was unusual.
  private func next(_ step: PlainFiles.Step, now: Int64) -> LastGoodState {
    var after = LastGoodState()
    after.content = .plain(step.plain)
    after.revisions = revisions.changed(step.touched) { step.plain.namespaces[$0] != nil }
    after.status = status
    after.status.reloads += 1
    after.status.lastReload = now
    after.status.unreadable = []
    after.status.stale = []
    after.status.unusable = []
    after.status.counts = step.plain.counts
    after.status.diagnostics = step.plain.diagnostics.sorted { $0.location.isBefore($1.location) }
    after.conclude(isSame: !isFirst && step.isSame, now)
    return after
  }

  /// The step by the rules of the last good version, whatever the files hold. O(objects).
  func nextByRules(_ reading: SourceReading, allowEmpty: Bool, now: Int64) -> LastGoodState {
    let before = holdings
    var step = LastGoodStep(before: before, reading: reading, now: now)
    step.run()
    let holdings = step.holdings()
    var after = LastGoodState()
    after.content = PlainFiles().step(to: reading).map { .plain($0.plain) } ?? .held(holdings)
    after.revisions = RevisionParts(holdings).revisions(after: RevisionParts(before), revisions)
    for file in reading.heldBack { after.heldBack[file.path] = heldBack[file.path] ?? now }
    after.status = status
    after.status.reloads += 1
    after.status.lastReload = now
    after.status.unreadable = Self.unreadable(reading, before: status.unreadable, now: now)
    after.status.diagnostics = step.diagnostics + warningsOfOutdoneModes(holdings.order.lazy.map(\.object))

    let isEmpty = !holdings.order.contains { if case .policy = $0.object { true } else { false } }
    // At first, errors say why there is none, and are enough to stop.
    let isExplained = isFirst && after.status.diagnostics.contains { $0.severity == .error }
    if isEmpty, !allowEmpty, !isExplained { return refuseEmpty(after, holdings, reading) }

    after.status.diagnostics.sort { $0.location.isBefore($1.location) }
    after.describe(holdings, reading)
    after.conclude(isSame: !isFirst && before.isSame(as: holdings), now)
    return after
  }

  private mutating func conclude(isSame: Bool, _ now: Int64) {
    status.outcome = isSame ? .unchanged : .applied
    guard !isSame else { return }
    status.generation += 1
    status.lastChange = now
  }

  private var holdings: Holdings {
    switch content {
    case .plain(let plain): plain.holdings
    case .held(let holdings): holdings
    }
  }

  /// The set that decisions are made from. O(objects).
  func policySet() -> PolicySet {
    var set = PolicySet()
    switch content {
    case .plain(let plain):
      set.policies.reserveCapacity(plain.policies)
      for file in plain.files {
        for object in file.content.loaded.objects { set.append(object) }
      }
    case .held(let holdings):
      for entry in holdings.order { set.append(entry.object) }
      set.unusable = holdings.unusable.map(\.policy)
      set.unusableWorkloads = holdings.unusableWorkloads.map(\.workload)
    }
    // Last: a set that is changed forgets its revisions.
    set.revisions = revisions
    return set
  }

  /// Notes how changes are noticed from now on.
  mutating func setWatching(_ watching: PolicyFilesStatus.Watching) { status.watching = watching }

  /// No policy means allow, so the step is not taken: everything but the report stays as it was.
  private func refuseEmpty(_ after: LastGoodState, _ holdings: Holdings, _ reading: SourceReading) -> LastGoodState {
    var kept = isFirst ? after : self
    kept.status = after.status
    if isFirst {
      kept.describe(holdings, reading)
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
    kept.status.diagnostics.sort { $0.location.isBefore($1.location) }
    return kept
  }

  private mutating func describe(_ holdings: Holdings, _ reading: SourceReading) {
    status.stale = holdings.order.compactMap { entry in
      entry.trouble.map { StaleObject(key: entry.object.key, since: $0.since, location: $0.location, reason: $0.reason) }
    }
    describeHeldBack(holdings, reading)
    status.stale.sort { $0.key < $1.key }
    status.unusable = holdings.unusable.map { UnusableObject(policy: $0.policy, since: $0.since, reason: $0.reason) }
    var counts = PolicyCounts()
    counts.files = reading.files.count
    for entry in holdings.order { counts.objects[entry.object.key.kind, default: 0] += 1 }
    for file in reading.files {
      for (kind, number) in file.content.loaded.skipped { counts.skipped[kind, default: 0] += number }
    }
    status.counts = counts
  }

  /// What a file holds that nobody can look into now is stale; one that holds nothing yet is only unreadable.
  private mutating func describeHeldBack(_ holdings: Holdings, _ reading: SourceReading) {
    for file in reading.heldBack {
      let since = heldBack[file.path] ?? status.lastReload
      let location = SourceLocation(file: file.path, span: .nowhere)
      let held = holdings.order.filter { $0.file == file.path && $0.trouble == nil }
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
}

extension PolicySet {
  fileprivate mutating func append(_ object: LoadedObject) {
    switch object {
    case .policy(let policy): policies.append(policy)
    case .peerAuthentication(let policy): peerAuthentications.append(policy)
    case .requestAuthentication(let policy): requestAuthentications.append(policy)
    case .destinationRule(let rule): destinationRules.append(rule)
    case .workload(let workload): workloads.append(workload)
    case .inventory(let object): inventory.append(object)
    }
  }
}
