// Which changes are applied at once and which settle first. Classified events and the time enter; a deadline, and what must not be
// looked at before it, leave. Pure: no file, no clock.
//
// A rename is one step of the file system, so it is applied at once. Everything else may be one of several steps: those wait together
// until nothing happened for a while and every file that was written is closed (one that was just cut is empty, and an empty file
// says that its policies are gone), and at most for the ceiling, so that a file written without end holds nobody up for ever.

internal import PolicyModel

/// Changes on their way.
struct Settling: Sendable {
  /// What has changed and not settled.
  private(set) var pending = Deferral()
  /// Whether a rename waits to be applied.
  private(set) var wantsNow = false
  private var first: Int64?
  private var last: Int64 = 0
  private var open: Set<FileID> = []
  private var departures: [UInt32: [ExactText]] = [:]

  private let time: Int64
  private let ceiling: Int64

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
      return open.isEmpty ? min(latest, last.addingReportingOverflow(time).partialValue) : latest
    }
  }

  /// Something was made, written or removed.
  mutating func edited(_ names: [ExactText], file: FileID?, now: Int64) {
    pending.names.formUnion(names)
    if let file { pending.files.insert(file) }
    if first == nil { first = now }
    last = now
  }

  /// Something was written and is still open.
  mutating func written(_ names: [ExactText], file: FileID?, now: Int64) {
    if let file { open.insert(file) }
    edited(names, file: file, now: now)
  }

  /// Something that may have been written was closed.
  mutating func closed(_ names: [ExactText], file: FileID?, now: Int64) {
    if let file { open.remove(file) }
    edited(names, file: file, now: now)
  }

  /// Something was renamed away. If it arrives under a name that matters, that is one step; otherwise it is a removal.
  mutating func left(_ names: [ExactText], cookie: UInt32, now: Int64) {
    departures[cookie, default: []] += names
    edited(names, file: nil, now: now)
  }

  /// Something was renamed to a name that matters.
  mutating func arrived(_ names: [ExactText], file: FileID?, cookie: UInt32) {
    wantsNow = true
    if let file {
      pending.files.remove(file)
      open.remove(file)
    }
    for name in names + (departures.removeValue(forKey: cookie) ?? []) {
      pending.names.remove(name)
    }
  }

  /// The rename is being applied.
  mutating func takeNow() { wantsNow = false }

  /// What was pending is being applied.
  mutating func flush() -> Deferral {
    defer {
      pending = Deferral()
      first = nil
      open = []
      departures = [:]
    }
    return pending
  }
}
