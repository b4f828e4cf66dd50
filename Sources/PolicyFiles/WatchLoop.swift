// Watches the sources and reloads them: waits for the kernel's reports or compares files, lets edits settle, reads, applies the rules of
// the last good version, and hands each result on. Runs on a thread of its own, because it waits and reads files.
// Never here: a change that is half visible (SourceReader), a judgement about an object (LastGoodStep).

internal import Glibc
internal import PolicyModel

/// The watching of one set of sources, from start to end on one thread.
final class WatchLoop {
  private let options: PolicySourceOptions
  private let bell: Bell
  private let tidy: () -> Bool
  private let deliver: (PolicyUpdate) -> Void
  private let inotify: Inotify?

  private var reader: SourceReader
  private var state: LastGoodState
  private var policies: PolicySet
  private var watching: PolicyFilesStatus.Watching

  private var settling: Settling
  /// What is looked at although events about it keep coming, because it has waited for the ceiling.
  private var overdue = Deferral()
  private var retry: Int64?
  private var nextComparison: Int64
  /// How much had been parsed when free memory was given back.
  private var returnedAt = 0
  private var lastCompared: SourceScan?
  /// Files whose change no event told, and the version seen last: each counts as open until two comparisons agree.
  private var unreported: [FileID: FileStamp?] = [:]
  /// Whether files may have changed that no event tells of.
  private var isBlind = true

  private var watches: [Int32: [ExactText]] = [:]
  private var interests: [ExactText: SourceScan.Interest] = [:]

  init(continuing loaded: LoadedPolicies, bell: Bell, tidy: @escaping () -> Bool, deliver: @escaping (PolicyUpdate) -> Void) {
    options = loaded.sources.options
    self.bell = bell
    self.tidy = tidy
    self.deliver = deliver
    reader = loaded.reader
    state = loaded.state
    policies = loaded.policies
    settling = Settling(time: options.settleTime, ceiling: options.settleCeiling)
    nextComparison = Clock.milliseconds()
    if options.isPolling {
      inotify = nil
      watching = .polled(reason: nil)
    } else {
      do throws(SystemError) {
        inotify = try Inotify()
        watching = .notified
      } catch {
        inotify = nil
        watching = .polled(reason: "the kernel gives no notifications: \(error.text)")
      }
    }
  }

  /// Watches until the bell rings.
  func run() {
    reload()
    nextComparison = Clock.milliseconds() + interval
    while !bell.isRung {
      wait(isBrief: tidy())
      if bell.isRung { return }
      drain()
      let now = Clock.milliseconds()
      if now >= nextComparison { compare(now) }
      if let deadline = settling.deadline, now >= deadline {
        let settled = settling.flush()
        overdue.files.formUnion(settled.files)
        overdue.names.formUnion(settled.names)
        reload()
      } else if settling.wantsNow || retry.map({ now >= $0 }) ?? false {
        reload()
      }
    }
  }

  // MARK: Waiting

  private static let retryTime: Int64 = 10
  private static let briefTime: Int64 = 1_000

  private var isPolling: Bool { if case .polled = watching { true } else { false } }

  private var interval: Int64 {
    guard isPolling else { return unreported.isEmpty ? Int64(clamping: max(options.comparisonInterval, 10)) : confirmationTime }
    return Int64(clamping: max(settling.isPending ? min(options.settleTime, options.pollInterval) : options.pollInterval, 10))
  }

  /// How soon a second comparison follows.
  private var confirmationTime: Int64 { Int64(clamping: max(options.settleTime, 10)) }

  private func wait(isBrief: Bool) {
    var until = nextComparison
    if isBrief { until = min(until, Clock.milliseconds() + Self.briefTime) }
    if let deadline = settling.deadline { until = min(until, deadline) }
    if let retry { until = min(until, retry) }
    if settling.wantsNow { until = 0 }
    let milliseconds = Int32(clamping: max(until - Clock.milliseconds(), 0))
    if let inotify, !isPolling {
      inotify.wait(bell, milliseconds: milliseconds)
    } else {
      bell.wait(milliseconds: milliseconds)
    }
  }

  /// Compares all files with those of the last reading. Names that the kernel did not report are applied at once, because nobody knows
  /// when it happened; when polling, they settle. What was written counts as open until it stands still.
  private func compare(_ now: Int64) {
    let scan = reader.scan()
    confirm(scan, now)
    if isPolling {
      let before = lastCompared ?? reader.lastScan
      if !before.isSame(as: scan) { settling.edited([], file: nil, now: now) }
      noteUnreported(scan, before, now)
      lastCompared = scan
      if reader.hasFreshFiles, !settling.isPending { reload() }
    } else {
      noteUnreported(scan, reader.lastScan, now)
      if !reader.lastScan.isSame(as: scan) || reader.hasFreshFiles { reload() }
    }
    nextComparison = now + interval
  }

  /// Takes note of files that were written in place although no event said so. Whoever wrote may not be done.
  private func noteUnreported(_ scan: SourceScan, _ before: SourceScan?, _ now: Int64) {
    guard let before else { return }
    let known = Dictionary(before.files.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    for file in scan.files where !settling.isOpen(file.stamp.id) {
      guard let old = known[file.name], old.path == file.path, old.stamp != file.stamp else { continue }
      unreported[file.stamp.id] = .some(file.stamp)
      settling.written([file.name], file: file.stamp.id, now: now)
    }
    if !unreported.isEmpty { nextComparison = min(nextComparison, now + confirmationTime) }
  }

  /// Closes the files that stand still since the last comparison.
  private func confirm(_ scan: SourceScan, _ now: Int64) {
    guard !unreported.isEmpty else { return }
    var present: [FileID: FileStamp?] = [:]
    for file in scan.files {
      guard let seen = unreported[file.stamp.id] else { continue }
      if seen == file.stamp {
        settling.closed([file.name], file: file.stamp.id, now: now)
      } else {
        present[file.stamp.id] = .some(file.stamp)
        settling.written([file.name], file: file.stamp.id, now: now)
      }
    }
    unreported = present
  }

  // MARK: Reading

  private func reload() {
    settling.takeNow()
    retry = nil
    let (last, compared) = (reader.lastScan, lastCompared ?? reader.lastScan)
    let reading = reader.read { scan in
      var mustCompare = isBlind
      isBlind = false
      let isNew = watch(scan.directories)
      drain()
      // What changed before there was a watch, or while events were lost, shows in the files alone; also in those of the next scan.
      mustCompare = mustCompare || isBlind || isNew
      isBlind = isBlind || isNew
      if isPolling {
        noteUnreported(scan, compared, Clock.milliseconds())
      } else if mustCompare {
        noteUnreported(scan, last, Clock.milliseconds())
      }
      if scan.unreadable.isEmpty { settling.keep(only: Set(scan.files.map(\.stamp.id))) }
      return settling.deferral(without: overdue)
    }
    guard let reading else {
      retry = Clock.milliseconds() + Self.retryTime
      return
    }
    overdue = Deferral()
    let generation = state.status.generation
    state = state.next(reading, allowEmpty: options.allowEmpty, now: Clock.secondsSince1970())
    state.setWatching(watching)
    let isNewSet = state.status.generation != generation
    if isNewSet { policies = state.policySet() }
    deliver(PolicyUpdate(policies: policies, isNewSet: isNewSet, status: state.status))
    if options.givesMemoryBack, reader.parsedBytes - returnedAt > Self.bytesWorthReturning {
      returnedAt = reader.parsedBytes
      Memory.giveBack()
    }
  }

  /// Whoever parses much leaves much free memory, and whoever was called compiled it.
  private static let bytesWorthReturning = 1 << 22

  // MARK: The kernel's reports

  /// Watches exactly these directories; whether one is watched that was not. One that is gone is no trouble: the next scan will differ.
  private func watch(_ directories: [ExactText: SourceScan.Interest]) -> Bool {
    interests = directories
    guard let inotify else { return false }
    var now: [Int32: [ExactText]] = [:]
    for (path, interest) in directories {
      do throws(SystemError) {
        let writes = !interest.names.isEmpty || interest.hasFiles
        now[try inotify.add(path.isEmpty ? "/" : path, writes: writes), default: []].append(path)
      } catch {
        let isLimit = error.code == ENOSPC || error.code == ENOMEM
        if isLimit, !isPolling {
          watching = .polled(reason: "the kernel watches no more directories: \(error.text)")
          nextComparison = min(nextComparison, Clock.milliseconds() + interval)
        }
      }
    }
    for watch in watches.keys where now[watch] == nil { inotify.remove(watch) }
    let isNew = !now.keys.allSatisfy { watches[$0] != nil }
    watches = now
    return isNew
  }

  private func drain() {
    guard let inotify else { return }
    let now = Clock.milliseconds()
    for event in inotify.events() {
      if event.kind == .overflow { lose(now) }
      for directory in watches[event.watch] ?? [] { note(event, in: directory, now: now) }
    }
  }

  /// Events are lost: that a file was closed may be among them, so that only its times can tell from now on.
  private func lose(_ now: Int64) {
    isBlind = true
    for file in settling.openFiles where unreported[file] == nil { unreported.updateValue(nil, forKey: file) }
    settling.edited([], file: nil, now: now)
    nextComparison = min(nextComparison, now + confirmationTime)
  }

  private func note(_ event: DirectoryEvent, in directory: ExactText, now: Int64) {
    guard let interest = interests[directory] else { return }
    if event.entry.isEmpty {
      if !interest.names.isEmpty { settling.edited([], file: nil, now: now) }
      return
    }
    let path = directory.appending(event.entry)
    guard matters(event, path, interest) else { return }
    let names = interest.names.map { $0.appending(event.entry) }
    switch event.kind {
    case .arrived: settling.arrived(names, file: fileID(path), cookie: event.cookie)
    case .left: settling.left(names, cookie: event.cookie, now: now)
    case .edited, .overflow: settling.edited(names, file: fileID(path), now: now)
    case .written, .closed:
      let file = fileID(path)
      if let file { unreported.removeValue(forKey: file) }
      if event.kind == .written {
        settling.written(names, file: file, now: now)
      } else {
        settling.closed(names, file: file, now: now)
      }
    }
  }

  private func matters(_ event: DirectoryEvent, _ path: ExactText, _ interest: SourceScan.Interest) -> Bool {
    if interest.entries.contains(event.entry) { return true }
    guard !interest.names.isEmpty, event.entry.string.utf8.first != UInt8(ascii: ".") else { return false }
    if event.isDirectory || SourceScan.isPolicyFile(event.entry) { return true }
    // A link of any name may lead to a directory.
    do throws(SystemError) {
      return try FileSystem.describe(path, follow: false).kind == .link
    } catch {
      return false
    }
  }

  /// Which regular file a path leads to; nil when it is gone or a directory, which is known by its name.
  private func fileID(_ path: ExactText) -> FileID? {
    do throws(SystemError) {
      let description = try FileSystem.describe(path, follow: true)
      return description.kind == .regular ? description.stamp.id : nil
    } catch {
      return nil
    }
  }
}
