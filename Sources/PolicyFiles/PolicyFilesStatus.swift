// What an operator must know about the files behind a policy set: what is stale and since when, what is unusable, what cannot be read.
// Enters: the outcome of each reload. Leaves: plain values for the log, the health detail and the counters.
// Never here: a decision about any of it.

public import PolicyModel

/// An object whose text is broken or unreadable now, so that its last good version is in force.
public struct StaleObject: Sendable {
  /// Which object.
  public var key: ObjectKey
  /// Since when the version in force is not what the files say, in Unix seconds.
  public var since: Int64
  /// Where the trouble is; the file alone when no line is known.
  public var location: SourceLocation
  /// What is wrong, as one sentence.
  public var reason: String

  /// How long the object has been stale at `now` (Unix seconds), in seconds; never negative.
  public func age(at now: Int64) -> Int64 { now > since ? now.subtractingReportingOverflow(since).partialValue : 0 }
}

/// A broken policy without a last good version: every workload that it could attach to is denied.
public struct UnusableObject: Sendable {
  /// What the policy set says about it.
  public var policy: UnusablePolicy
  /// Since when, in Unix seconds.
  public var since: Int64
  /// What is wrong, as one sentence.
  public var reason: String

  /// Makes an entry.
  public init(policy: UnusablePolicy, since: Int64, reason: String) {
    self.policy = policy
    self.since = since
    self.reason = reason
  }
}

/// A file, directory or root that cannot be read; what it held stays in force.
public struct UnreadableSource: Sendable {
  /// The path as the user named it.
  public var path: ExactText
  /// Since when, in Unix seconds.
  public var since: Int64
  /// What is wrong, as one sentence.
  public var reason: String
}

/// How many things the files hold.
public struct PolicyCounts: Sendable, Equatable {
  /// Files that were read.
  public var files = 0
  /// Objects in force by kind.
  public var objects: [ExactText: Int] = [:]
  /// Objects of kinds that have nothing to do with policies.
  public var skipped: [ExactText: Int] = [:]
}

/// The state of the files behind a policy set.
public struct PolicyFilesStatus: Sendable {
  /// What came of the last reload.
  public enum Outcome: String, Sendable {
    /// A new set is in force; objects may be stale all the same.
    case applied
    /// The set is as before.
    case unchanged
    /// The files hold no AuthorizationPolicy any more and that was not allowed: the whole last set stays in force.
    case refusedEmpty = "refused-empty"
  }

  /// How changes are noticed.
  public enum Watching: Sendable, Equatable {
    /// Nobody watches: the set was loaded once.
    case off
    /// The kernel reports changes; a slow comparison of all files runs beside it.
    case notified
    /// All files are compared again and again; the reason, when this was not asked for.
    case polled(reason: String?)
  }

  /// Counts the sets: 1 for the first, one more for each that differs from the one before.
  public var generation: UInt64 = 0
  /// How often the files were read.
  public var reloads: UInt64 = 0
  /// What came of the last reload.
  public var outcome: Outcome = .unchanged
  /// When the last reload was, in Unix seconds.
  public var lastReload: Int64 = 0
  /// When the set in force was made, in Unix seconds.
  public var lastChange: Int64 = 0
  /// How changes are noticed.
  public var watching: Watching = .off
  /// Objects whose last good version is in force, by key.
  public var stale: [StaleObject] = []
  /// Broken policies without a last good version, by file and line.
  public var unusable: [UnusableObject] = []
  /// What cannot be read, by path.
  public var unreadable: [UnreadableSource] = []
  /// All findings of the last reload, by file, line and column.
  public var diagnostics: [Diagnostic] = []
  /// What the files hold.
  public var counts = PolicyCounts()

  /// Whether the set in force is exactly what the files say.
  public var isCurrent: Bool { stale.isEmpty && unusable.isEmpty && unreadable.isEmpty && outcome != .refusedEmpty }
}
