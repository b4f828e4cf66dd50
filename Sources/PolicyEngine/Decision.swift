// The answer, as a value.
// Enters: what the engine found. Leaves: a few bytes that every door translates. Its zero value is a denial.
// Never here: text; names of policies are looked up in the snapshot that decided.

/// A rule of the snapshot that decided, or none.
public struct RuleReference: Sendable, Hashable {
  /// The rule's number in the snapshot: rules are numbered in the byte order of their names, the order in which Envoy tries them.
  public var number: UInt32

  /// Refers to a rule by number.
  @inlinable
  public init(number: UInt32) { self.number = number }

  /// No rule.
  public static let none = RuleReference(number: .max)
}

/// What was decided, and by which rule.
public struct Decision: Sendable, Hashable {
  /// The outcome.
  public var verdict: Verdict = .deny
  /// Why.
  public var reason: Reason = .internalError
  /// The first rule that matched, in the byte order of rule names; `none` when no rule decided.
  public var rule: RuleReference = .none
  /// What the policies in dry run would have done.
  public var dryRun = DryRun()
  /// The first AUDIT rule that matched.
  public var audit: RuleReference = .none

  /// The outcome of the policies that carry `istio.io/dry-run`.
  public struct DryRun: Sendable, Hashable {
    /// What they would have done: `nil` when there are none for this workload.
    public var verdict: Verdict?
    /// The rule of theirs that matched.
    public var rule: RuleReference = .none

    /// No policies in dry run.
    public init() {}
  }

  /// A denial without a reason.
  public init() {}

  /// A decision that no policy made.
  public init(_ verdict: Verdict, _ reason: Reason, rule: RuleReference = .none) {
    self.verdict = verdict
    self.reason = reason
    self.rule = rule
  }
}
