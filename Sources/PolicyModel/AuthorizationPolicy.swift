// Istio's AuthorizationPolicy, as it means, not as it is spelt.
// Enters: decoded objects of security.istio.io v1 and v1beta1. Leaves: rules in one normal form for evaluator, compiler and validator.
// Never here: an object that failed validation, unless it was asked for (lenient decisions).
//
// Normal form (Istio, pilot/pkg/security/authz/model): a source or operation is a list of constraints, one per attribute, each
// "one of values and none of notValues"; a `when` entry is the same kind of constraint. So `principals` and
// `when: source.principal` are one attribute, and everything behind this file knows only attributes.

/// One AuthorizationPolicy.
public struct AuthorizationPolicy: Sendable {
  /// Name, namespace and place.
  public var metadata: ObjectMetadata
  /// Which workloads it attaches to.
  public var attachment: Attachment
  /// What a matching rule does.
  public var action: Action
  /// `spec.provider.name`, with `CUSTOM`.
  public var provider: ExactText?
  /// The rules; a policy without rules never matches. A null rule keeps its index and is `nil`.
  public var rules: [Rule?]
  /// `istio.io/dry-run`: the policy is evaluated but not enforced.
  public var isDryRun: Bool

  /// What a matching rule does.
  public enum Action: String, Sendable, CaseIterable {
    /// The request is allowed unless another policy denies it.
    case allow = "ALLOW"
    /// The request is denied.
    case deny = "DENY"
    /// The request is marked; the decision does not change.
    case audit = "AUDIT"
    /// An external provider is asked first.
    case custom = "CUSTOM"
  }

  /// Which workloads a policy attaches to.
  public enum Attachment: Sendable, Hashable {
    /// Workloads of the policy's scope whose labels are selected; an absent selector selects all.
    case selector(LabelSelector)
    /// Gateways, services and waypoints by name.
    case targets([TargetReference])
  }

  /// One entry of `spec.targetRefs`.
  public struct TargetReference: Sendable, Hashable {
    /// The API group; empty means core.
    public var group: ExactText
    /// The kind in that group.
    public var kind: ExactText
    /// The object's name, in the policy's own namespace.
    public var name: ExactText

    /// Names a target.
    public init(group: ExactText, kind: ExactText, name: ExactText) {
      self.group = group
      self.kind = kind
      self.name = name
    }
  }

  /// One entry of `spec.rules`: matches when one of the sources, one of the operations and all conditions match.
  public struct Rule: Sendable {
    /// `from`: any source when empty.
    public var sources: [Clause]
    /// `to`: any operation when empty.
    public var operations: [Clause]
    /// `when`: all must hold.
    public var conditions: [Constraint]
    /// Where the rule is written.
    public var span: SourceSpan

    /// Makes a rule.
    public init(sources: [Clause] = [], operations: [Clause] = [], conditions: [Constraint] = [], span: SourceSpan = .nowhere) {
      self.sources = sources
      self.operations = operations
      self.conditions = conditions
      self.span = span
    }
  }

  /// One source or one operation: all its constraints must hold; one without constraints always holds.
  public struct Clause: Sendable {
    /// The constraints, at most one per attribute.
    public var constraints: [Constraint]
    /// Where it is written.
    public var span: SourceSpan

    /// Makes a clause.
    public init(_ constraints: [Constraint], span: SourceSpan = .nowhere) {
      self.constraints = constraints
      self.span = span
    }
  }

  /// Makes a policy.
  public init(
    metadata: ObjectMetadata, attachment: Attachment = .selector(LabelSelector()), action: Action = .allow, provider: ExactText? = nil,
    rules: [Rule?] = [], isDryRun: Bool = false
  ) {
    self.metadata = metadata
    self.attachment = attachment
    self.action = action
    self.provider = provider
    self.rules = rules
    self.isDryRun = isDryRun
  }
}
