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

  /// Reads everything once.
  ///
  /// All problems of all files are found in one run. Blocks the calling thread; O(bytes).
  public func load() -> LoadedPolicies {
    var reader = SourceReader(roots: paths, options)
    var reading: SourceReading?
    for _ in 0..<Self.attempts where reading == nil { reading = reader.read { _ in Deferral() } }
    let found =
      reading
      ?? SourceReading(unreadable: paths.map { .init(path: $0, reason: "cannot be read: files kept changing while they were read") })
    let state = LastGoodState().next(found, allowEmpty: options.allowEmpty, now: Clock.secondsSince1970())
    return LoadedPolicies(sources: self, policies: state.policySet(), status: state.status, state: state, reader: reader)
  }

  private static let attempts = 20
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
