// Which changes are applied at once and which settle first. Classified events and the time enter; a deadline, and what must not be
// looked at before it, leave. Pure: no file, no clock.
//
// A rename is one step of the file system, so it is applied at once. Everything else may be one of several steps: those wait together
// until nothing happened for a while and every file that was written is closed (one that was just cut is empty, and an empty file
// says that its policies are gone). A file that is written without end holds the others up for the ceiling and no longer; it itself
// is never looked at before it is closed, because half of a policy is as dangerous as none.

internal import PolicyModel

/// Changes on their way.
struct Settling: Sendable {
  /// What has changed and not settled, without the files that are only held because they are open.
  private(set) var pending = Deferral()
  /// Whether a rename waits to be applied.
  private(set) var wantsNow = false
  private var first: Int64?
  private var last: Int64 = 0
  private var writers: [FileID: Writer] = [:]
  private var departures: [UInt32: [ExactText]] = [:]

  private let time: Int64
  private let ceiling: Int64

  /// A file that was written and not closed.
  private struct Writer: Sendable {
    var names: Set<ExactText>
    /// Whether it has been open for longer than the ceiling, so that it holds nobody else up any more.
    var isLate = false
  }

  /// Both in milliseconds.
  init(time: Int, ceiling: Int) {
    self.time = Int64(clamping: max(time, 0))
    self.ceiling = Int64(clamping: max(ceiling, time))
  }

  /// Whether something settles.
  var isPending: Bool { first != nil }

  /// When what is pending is to be looked at, in milliseconds.
  var deadline: Int64? {
    first.map { first in
      let latest = first.addingReportingOverflow(ceiling).partialValue
      let isOpen = writers.contains { !$0.value.isLate }
      return isOpen ? latest : min(latest, last.addingReportingOverflow(time).partialValue)
    }
  }

  /// The files that were written and not closed.
  var openFiles: [FileID] { Array(writers.keys) }

  /// Whether a file was written and not closed.
  func isOpen(_ file: FileID) -> Bool { writers[file] != nil }

  /// What must not be looked at now, although `overdue` has waited long enough: an open file is held all the same.
  func deferral(without overdue: Deferral) -> Deferral {
    var deferral = pending
    deferral.files.subtract(overdue.files)
    deferral.names.subtract(overdue.names)
    for (file, writer) in writers {
      deferral.files.insert(file)
      if writer.isLate { deferral.late.insert(file) }
    }
    return deferral
  }

  /// Something was made, written or removed.
  mutating func edited(_ names: [ExactText], file: FileID?, now: Int64) {
    forgetOthers(names, than: file)
    settle(names, file: file, now: now)
  }

  /// Something was written and is still open.
  mutating func written(_ names: [ExactText], file: FileID?, now: Int64) {
    forgetOthers(names, than: file)
    if let file {
      writers[file, default: Writer(names: [])].names.formUnion(names)
      if writers[file]?.isLate == true { return }
    }
    settle(names, file: file, now: now)
  }

  /// Something that may have been written was closed.
  mutating func closed(_ names: [ExactText], file: FileID?, now: Int64) {
    forgetOthers(names, than: file)
    if let file { writers[file] = nil }
    settle(names, file: file, now: now)
  }

  /// Something was renamed away. If it arrives under a name that matters, that is one step; otherwise it is a removal.
  mutating func left(_ names: [ExactText], cookie: UInt32, now: Int64) {
    departures[cookie, default: []] += names
    settle(names, file: nil, now: now)
  }

  /// Something was renamed to a name that matters. A rename does not close a file.
  mutating func arrived(_ names: [ExactText], file: FileID?, cookie: UInt32) {
    wantsNow = true
    forgetOthers(names, than: file)
    if let file {
      pending.files.remove(file)
      if writers[file] != nil { writers[file]?.names = Set(names) }
    }
    for name in names + (departures.removeValue(forKey: cookie) ?? []) {
      pending.names.remove(name)
    }
  }

  /// The rename is being applied.
  mutating func takeNow() { wantsNow = false }

  /// What was pending is being applied, but for the files that are open.
  mutating func flush() -> Deferral {
    var released = pending
    for file in writers.keys {
      writers[file]?.isLate = true
      released.files.remove(file)
    }
    pending = Deferral()
    first = nil
    departures = [:]
    return released
  }

  /// Only these files are there: what is said of others would be said of a new file that gets the same number.
  mutating func keep(only files: Set<FileID>) {
    for file in writers.keys where !files.contains(file) { writers[file] = nil }
  }

  private mutating func settle(_ names: [ExactText], file: FileID?, now: Int64) {
    pending.names.formUnion(names)
    if let file { pending.files.insert(file) }
    if first == nil { first = now }
    last = now
  }

  /// An open file whose name is gone or means another file now is out of sight.
  private mutating func forgetOthers(_ names: [ExactText], than file: FileID?) {
    for (other, writer) in writers where other != file && !writer.names.isDisjoint(with: names) {
      writers[other]?.names.subtract(names)
      if writers[other]?.names.isEmpty == true { writers[other] = nil }
    }
  }
}
