// The door for everyone who loads policies once, and the beginning of watching them. Paths enter; a policy set, its diagnostics and
// its counts leave. A wrong file is never an exception: the answer says what is wrong with all of them.

public import PolicyLoading
public import PolicyModel

/// How files are read and watched.
public struct PolicySourceOptions: Sendable {
  /// How much of a file is read.
  public var limits = LoadingLimits()
  /// Whether objects that Istio's webhook would refuse are decided as Istio would at run time.
  public var isLenient = false
  /// Whether a set without any AuthorizationPolicy is meant (no policy means allow).
  public var allowEmpty = false
  /// Whether to compare all files every `pollInterval` instead of asking the kernel for changes.
  public var isPolling = false
  /// How often files are compared when polling, in milliseconds; at least 10.
  public var pollInterval = 1_000
  /// How often files are compared beside the kernel's notifications, which some network file systems do not give, in milliseconds.
  public var comparisonInterval = 30_000
  /// How long edits that are not one rename settle, in milliseconds after the last of them.
  public var settleTime = 50
  /// How long edits without end may hold up others, in milliseconds after the first of them.
  public var settleCeiling = 2_000

  /// How many threads may share the reading; a process that does other things may not want so many as there are processors. At least 1.
  public var mostThreads = Int.max
  /// Whether free memory of the whole process goes back to the system after much was read.
  public var givesMemoryBack = false

  /// The defaults.
  public init() {}
}

/// Files and directories with policies.
public struct PolicySources: Sendable {
  /// Files and directories as the user named them. Directories are read with all below them: `*.yaml`, `*.yml`, `*.json`; entries
  /// that begin with a dot are skipped, symbolic links are followed.
  public let paths: [ExactText]
  /// How they are read and watched.
  public let options: PolicySourceOptions

  /// Names the sources.
  public init(paths: [String], options: PolicySourceOptions = PolicySourceOptions()) {
    self.paths = paths.map { ExactText($0) }
    self.options = options
  }

  /// Reads everything once. Where a file was written within the settle time, waits until that has passed: it may be half of what it is to be.
  ///
  /// All problems of all files are found in one run; files that keep changing for longer than the settle ceiling are one. Blocks the calling
  /// thread; O(bytes).
  public func load() -> LoadedPolicies {
    var reader = SourceReader(roots: paths, options)
    let found =
      settled(&reader)
      ?? SourceReading(unreadable: paths.map { .init(path: $0, reason: "cannot be read: files kept changing while they were read") })
    let state = LastGoodState().next(found, allowEmpty: options.allowEmpty, now: Clock.secondsSince1970())
    return LoadedPolicies(sources: self, policies: state.policySet(), status: state.status, state: state, reader: reader)
  }

  /// A reading of files that stood still for the settle time, by their times or from one reading to the next; nil when there is none.
  private func settled(_ reader: inout SourceReader) -> SourceReading? {
    let patience = Patience(options)
    var before: SourceScan?
    while true {
      var reading: SourceReading?
      for _ in 0..<Self.attempts where reading == nil { reading = reader.read { _ in Deferral() } }
      guard let reading, let scan = reader.lastScan else { return nil }
      let rest = patience.remaining(since: scan.files.map(\.stamp.latest).max())
      if rest == 0 || before.isSame(as: scan) { return reading }
      guard patience.wait(rest, isFirst: before == nil) else { return nil }
      before = scan
    }
  }

  private static let attempts = 20
}

/// How long somebody who loads once waits for files to stand still.
struct Patience {
  private let settleTime: Int64
  private let end: Int64

  init(_ options: PolicySourceOptions) {
    settleTime = Int64(clamping: max(options.settleTime, 0))
    end = Clock.milliseconds().addingReportingOverflow(Int64(clamping: max(options.settleCeiling, 0))).partialValue
  }

  /// How much of the settle time is left after a change, in milliseconds. The whole of it where the change has yet to come: another clock made
  /// its time.
  func remaining(since change: Int64?) -> Int64 {
    guard let change else { return 0 }
    let age = Clock.nanosecondsSince1970().subtractingReportingOverflow(change).partialValue / 1_000_000
    return age < 0 ? settleTime : max(0, settleTime - age)
  }

  /// Waits; false once the ceiling is reached, but never before the first wait.
  func wait(_ milliseconds: Int64, isFirst: Bool) -> Bool {
    guard isFirst || Clock.milliseconds() < end else { return false }
    Clock.sleep(milliseconds: milliseconds)
    return true
  }
}

/// What the sources hold at first.
public struct LoadedPolicies: Sendable {
  /// Where it comes from.
  public let sources: PolicySources
  /// The set; what has errors is not in it, or is among its unusable policies.
  public let policies: PolicySet
  /// Counts and findings.
  public let status: PolicyFilesStatus

  let state: LastGoodState
  let reader: SourceReader

  /// All findings, by file, line and column.
  public var diagnostics: [Diagnostic] { status.diagnostics }
  /// Whether there is an error, so that the set must not be used at first start.
  public var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }
}

/// What the sources hold after a change.
public struct PolicyUpdate: Sendable {
  /// The whole set that is in force now.
  public let policies: PolicySet
  /// Whether the set differs from the one before; otherwise only the status does.
  public let isNewSet: Bool
  /// What is stale, unusable or unreadable, and all findings.
  public let status: PolicyFilesStatus
}
