// The rules of the last good version. One pass over the files meets what was in force before; what is in force now leaves.
//
// - What is written once and usable is in force.
// - What is broken, or written twice, keeps the version that was in force; the newcomer among duplicates is reported.
// - Text that cannot be identified keeps every object of its file that it could be and that is not readable elsewhere.
// - A file that cannot be read keeps all of its objects that are not readable elsewhere.
// - A broken policy that was never in force denies every workload that it could attach to; so does what nobody can look into.
// - A workload that is broken or written twice and was never in force is not there, and its place is marked.
// - Everything else that is no longer written is gone.

internal import PolicyLoading
internal import PolicyModel

/// One step; made for one call of `run`.
struct LastGoodStep {
  private let before: Holdings
  private let reading: SourceReading
  private let now: Int64

  private var live: [ObjectKey: LiveObject] = [:]
  private var files: [ExactText: FileMemory] = [:]
  private var unusable: [UnusableEntry] = []
  private var unusableWorkloads: [UnusableWorkloadEntry] = []
  private(set) var diagnostics: [Diagnostic] = []

  /// The usable objects of keys that are written more than once.
  private var rivals: [ObjectKey: [LiveObject]] = [:]
  /// The broken objects whose key is known.
  private var brokenClaims: [ObjectKey: [Broken]] = [:]

  /// A broken object and its file.
  private struct Broken {
    var file: ExactText
    var object: BrokenObject
  }

  init(before: Holdings, reading: SourceReading, now: Int64) {
    self.before = before
    self.reading = reading
    self.now = now
  }

  mutating func run() {
    live.reserveCapacity(reading.files.reduce(0) { $0 + $1.content.loaded.objects.count })
    for file in reading.files { claim(file) }
    for key in Set(rivals.keys).union(brokenClaims.keys).sorted() { settle(key) }
    for file in reading.files { keepUnidentified(file) }
    keepUnreadable()
  }

  /// What is in force after `run`.
  func holdings() -> Holdings {
    var after = Holdings(live: live, order: order(), files: files)
    after.unusable = unusable.sorted { $0.policy.location.isBefore($1.policy.location) }
    after.unusableWorkloads = unusableWorkloads.sorted { $0.workload.location.isBefore($1.workload.location) }
    return after
  }

  /// The objects in force by file and text, then the stale ones by key.
  private func order() -> [LiveObject] {
    var order: [LiveObject] = []
    order.reserveCapacity(live.count)
    var kept = Set<ObjectKey>()
    if live.contains(where: { $0.value.trouble != nil }) { kept = Set(live.lazy.filter { $0.value.trouble != nil }.map(\.key)) }
    for file in reading.files {
      for (index, object) in file.content.loaded.objects.enumerated() {
        let key = object.key
        guard let entry = live[key], entry.trouble == nil, entry.index == index, entry.content === file.content else { continue }
        order.append(entry)
      }
    }
    return order + kept.sorted().compactMap { live[$0] }
  }

  /// Collects who claims which key. A key with one usable claim is settled by that.
  private mutating func claim(_ file: SourceReading.File) {
    for (index, object) in file.content.loaded.objects.enumerated() {
      let key = object.key
      let claim = LiveObject(file: file.name, content: file.content, index: index, trouble: nil)
      guard let first = live.updateValue(claim, forKey: key) else { continue }
      live[key] = first
      rivals[key, default: [first]].append(claim)
    }
    for broken in file.content.loaded.broken {
      if let key = broken.key { brokenClaims[key, default: []].append(Broken(file: file.name, object: broken)) }
    }
    diagnostics += file.content.loaded.diagnostics
  }

  // MARK: Keys that are broken or written twice

  private mutating func settle(_ key: ObjectKey) {
    let usable = rivals[key] ?? live[key].map { [$0] } ?? []
    let broken = brokenClaims[key] ?? []
    let previous = before.live[key]
    let isClear = usable.count == 1 && !broken.contains { $0.file == usable[0].file }
    live[key] = nil
    if let previous {
      let own = usable.filter { $0.file == previous.file }
      let ownBroken = broken.first { $0.file == previous.file }
      if own.count == 1, ownBroken == nil {
        live[key] = own[0]
      } else if own.isEmpty, ownBroken == nil, isClear {
        live[key] = usable[0]
      } else if let trouble = ownBroken ?? (usable.count < 2 ? broken.first : nil) {
        var entry = kept(previous, at: trouble.object.location, reason: trouble.object.reason)
        if own.isEmpty { entry.file = trouble.file }
        live[key] = entry
      } else {
        let place = usable.first { $0.file != previous.file } ?? usable[usable.count - 1]
        live[key] = kept(previous, at: place.object.metadata.location, reason: "\(quoted(key)) is defined more than once")
      }
    } else if isClear || key.kind.isInventoryKind {
      live[key] = usable.first
    } else {
      for claim in usable { addUnusable(claim, key) }
    }
    for claim in broken where previous == nil || wasUnusable(claim) { addUnusable(claim) }
    reportDuplicates(key, usable, broken)
  }

  /// Reports each claim of a key but the one in force, or but the first; a broken one has its own finding already.
  private mutating func reportDuplicates(_ key: ObjectKey, _ usable: [LiveObject], _ broken: [Broken]) {
    guard usable.count + broken.count > 1 else { return }
    let inForce = live[key].flatMap { winner in usable.first { $0.isSameVersion(as: winner) } }
    let incumbent = broken.first { $0.file == before.live[key]?.file }?.object.location
    let first =
      inForce?.object.metadata.location ?? incumbent ?? usable.first?.object.metadata.location ?? broken[0].object.location
    let places = usable.map { $0.object.metadata.location } + broken.map { $0.object.location }
    for place in places where place != first {
      let message = Message.duplicateObject(key.description, first: first.description)
      diagnostics.append(
        Diagnostic(.error, code: message.code.rawValue, message.text, at: place, help: message.help))
    }
  }

  // MARK: Text that cannot be identified

  private mutating func keepUnidentified(_ file: SourceReading.File) {
    let loaded = file.content.loaded
    let memory = before.files[file.name]
    let written = Set(loaded.objects.map(\.key) + loaded.broken.compactMap(\.key))
    let unidentified = loaded.broken.filter { isUnidentified(Broken(file: file.name, object: $0)) }
    // What was never in force has no version to fall back on.
    var held = written.filter { live[$0] != nil }
    if !unidentified.isEmpty {
      // Only what the file held and no longer shows can hide in the text that cannot be identified.
      let hidden = (memory?.held ?? []).subtracting(written)
      for broken in unidentified {
        let candidates = hidden.filter { broken.could(be: $0) }
        for key in candidates where live[key] == nil {
          guard let previous = owned(key, by: file.name) else { continue }
          live[key] = kept(previous, at: broken.location, reason: broken.reason)
        }
        let isNew = broken.key == nil || !(broken.kind?.isKnownKind ?? false)
        if candidates.isEmpty, broken.key == nil { addUnusable(Broken(file: file.name, object: broken)) }
        if !candidates.isEmpty, isNew, broken.key != nil { removeUnusable(Broken(file: file.name, object: broken)) }
      }
      held.formUnion(memory?.held ?? [])
    }
    files[file.name] = FileMemory(content: file.content, held: held)
  }

  /// Whether nobody knows which object this was meant to be.
  private func isUnidentified(_ broken: Broken) -> Bool {
    guard let key = broken.object.key else { return true }
    return before.live[key] == nil || wasUnusable(broken)
  }

  /// The version in force before, unless another file really wrote it then. A stale one belongs to every file that held it.
  private func owned(_ key: ObjectKey, by file: ExactText) -> LiveObject? {
    guard let previous = before.live[key], previous.file == file || previous.trouble != nil else { return nil }
    return previous
  }

  // MARK: What cannot be read

  private mutating func keepUnreadable() {
    for path in reading.unreadable {
      diagnostics.append(
        Diagnostic(.error, code: "source-unreadable", path.reason, at: SourceLocation(file: path.path, span: .nowhere)))
      // What was there before has its last content; what is new may hold anything.
      if path.isHiding, !before.files.contains(where: { $0.key.isAtOrBelow(path.path) }) { addUnusable(path) }
    }
    guard !reading.unreadable.isEmpty else { return }
    var hidden = Set<ExactText>()
    for (name, memory) in before.files where files[name] == nil {
      guard let path = reading.unreadable.first(where: { name.isAtOrBelow($0.path) }) else { continue }
      hidden.insert(name)
      files[name] = memory
      for key in memory.held where live[key] == nil {
        guard let previous = owned(key, by: name) else { continue }
        live[key] = kept(previous, at: SourceLocation(file: path.path, span: .nowhere), reason: path.reason)
      }
    }
    unusable += before.unusable.filter { hidden.contains($0.file) }
    unusableWorkloads += before.unusableWorkloads.filter { hidden.contains($0.file) }
  }

  // MARK: Common

  private func kept(_ previous: LiveObject, at location: SourceLocation, reason: String) -> LiveObject {
    var entry = previous
    entry.trouble = LiveObject.Trouble(since: previous.trouble?.since ?? now, location: location, reason: reason)
    return entry
  }

  private mutating func addUnusable(_ broken: Broken) {
    let object = broken.object
    if object.couldBeWorkload {
      let workload = UnusableWorkload(kind: object.kind, namespace: object.namespace, name: object.name, location: object.location)
      unusableWorkloads.append(.init(file: broken.file, workload: workload))
    }
    guard object.couldDecide || object.kind?.isDecidingKind ?? false else { return }
    addUnusable(unusablePolicy(object), file: broken.file, reason: object.reason)
  }

  private mutating func addUnusable(_ claim: LiveObject, _ key: ObjectKey) {
    let selector: LabelSelector
    switch claim.object {
    case .policy(let policy): selector = Self.selector(policy.attachment)
    case .peerAuthentication(let policy): selector = policy.selector
    case .requestAuthentication(let policy): selector = Self.selector(policy.attachment)
    case .workload:
      let place = claim.object.metadata.location
      let workload = UnusableWorkload(kind: key.kind, namespace: key.namespace, name: key.name, location: place)
      return unusableWorkloads.append(.init(file: claim.file, workload: workload))
    case .destinationRule, .inventory: return
    }
    let policy = UnusablePolicy(key: key, location: claim.object.metadata.location, reach: .namespace(key.namespace, selector))
    addUnusable(policy, file: claim.file, reason: "\(quoted(key)) is defined more than once")
  }

  private mutating func addUnusable(_ path: SourceReading.Unreadable) {
    let place = SourceLocation(file: path.path, span: .nowhere)
    let policy = UnusablePolicy(key: ObjectKey(kind: "", namespace: "", name: ""), location: place, reach: .everywhere)
    addUnusable(policy, file: path.path, reason: path.reason)
    let workload = UnusableWorkload(kind: nil, namespace: nil, name: nil, location: place)
    unusableWorkloads.append(.init(file: path.path, workload: workload))
  }

  /// Named targets can be any workload of the namespace.
  private static func selector(_ attachment: AuthorizationPolicy.Attachment) -> LabelSelector {
    if case .selector(let own) = attachment { own } else { LabelSelector() }
  }

  private mutating func addUnusable(_ policy: UnusablePolicy, file: ExactText, reason: String) {
    var entry = UnusableEntry(file: file, policy: policy, since: now, reason: reason)
    if let known = before.unusable.first(where: { $0.isSameObject(as: entry) }) { entry.since = known.since }
    unusable.append(entry)
  }

  private mutating func removeUnusable(_ broken: Broken) {
    let policy = unusablePolicy(broken.object)
    unusable.removeAll { $0.file == broken.file && $0.policy.key == policy.key && $0.policy.location == policy.location }
    unusableWorkloads.removeAll { $0.file == broken.file && $0.workload.location == policy.location }
  }

  private func wasUnusable(_ broken: Broken) -> Bool {
    broken.object.key.map { key in before.unusable.contains { $0.file == broken.file && $0.policy.key == key } } ?? false
  }

  private func unusablePolicy(_ object: BrokenObject) -> UnusablePolicy {
    let key = ObjectKey(kind: object.kind ?? "", namespace: object.namespace ?? "", name: object.name ?? "")
    let reach: UnusablePolicy.Reach = object.namespace.map { .namespace($0, object.selector ?? LabelSelector()) } ?? .everywhere
    return UnusablePolicy(key: key, location: object.location, reach: reach)
  }

  private func quoted(_ key: ObjectKey) -> String { "`\(key.description)`" }
}

extension ExactText {
  /// Whether this path is `path` or lies below it.
  func isAtOrBelow(_ path: ExactText) -> Bool {
    guard !path.isEmpty else { return false }
    let own = string.utf8
    guard own.starts(with: path.string.utf8) else { return false }
    let rest = own.dropFirst(path.string.utf8.count)
    return rest.isEmpty || rest.first == UInt8(ascii: "/") || path.string.utf8.last == UInt8(ascii: "/")
  }
}
