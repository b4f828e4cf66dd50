// Istio's AuthorizationPolicy, as it means, not as it is spelt.
// Enters: decoded objects of security.istio.io v1 and v1beta1. Leaves: rules in one normal form for evaluator, compiler and validator.
// Never here: an object that failed validation, unless it was asked for (lenient decisions).
//
// Normal form (Istio, pilot/pkg/security/authz/model): a source or operation is a list of constraints, one per attribute, each
// "one of values and none of notValues"; a `when` entry is the same kind of constraint. So `principals` and
// `when: source.principal` are one attribute, and everything behind this file knows only attributes.

/// One AuthorizationPolicy.
///
/// A value of one word: what it says stands elsewhere and is shared by all copies, because a hundred thousand policies are in the content
/// of their files, in the set in force and in the set that replaces it. A change makes a new place: O(1), one allocation.
public struct AuthorizationPolicy: Sendable {
  @usableFromInline var body: Body

  /// Name, namespace and place.
  @inlinable public var metadata: ObjectMetadata {
    _read { yield body.fields.metadata }
    _modify {
      var fields = body.fields
      yield &fields.metadata
      body = Body(fields)
    }
  }
  /// Which workloads it attaches to.
  @inlinable public var attachment: Attachment {
    _read { yield body.fields.attachment }
    _modify {
      var fields = body.fields
      yield &fields.attachment
      body = Body(fields)
    }
  }
  /// What a matching rule does.
  @inlinable public var action: Action {
    _read { yield body.fields.action }
    _modify {
      var fields = body.fields
      yield &fields.action
      body = Body(fields)
    }
  }
  /// `spec.provider.name`, with `CUSTOM`.
  @inlinable public var provider: ExactText? {
    _read { yield body.fields.provider }
    _modify {
      var fields = body.fields
      yield &fields.provider
      body = Body(fields)
    }
  }
  /// The rules; a policy without rules never matches. A null rule keeps its index and is `nil`.
  @inlinable public var rules: [Rule?] {
    _read { yield body.fields.rules }
    _modify {
      var fields = body.fields
      yield &fields.rules
      body = Body(fields)
    }
  }
  /// `istio.io/dry-run`: the policy is evaluated but not enforced.
  @inlinable public var isDryRun: Bool {
    _read { yield body.fields.isDryRun }
    _modify {
      var fields = body.fields
      yield &fields.isDryRun
      body = Body(fields)
    }
  }

  @usableFromInline struct Fields: Sendable {
    @usableFromInline var metadata: ObjectMetadata
    @usableFromInline var attachment: Attachment
    @usableFromInline var action: Action
    @usableFromInline var provider: ExactText?
    @usableFromInline var rules: [Rule?]
    @usableFromInline var isDryRun: Bool

    @usableFromInline init(
      metadata: ObjectMetadata, attachment: Attachment, action: Action, provider: ExactText?, rules: [Rule?], isDryRun: Bool
    ) {
      self.metadata = metadata
      self.attachment = attachment
      self.action = action
      self.provider = provider
      self.rules = rules
      self.isDryRun = isDryRun
    }
  }

  @usableFromInline final class Body: Sendable {
    @usableFromInline let fields: Fields

    @usableFromInline init(_ fields: Fields) { self.fields = fields }
  }

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
    body = Body(
      Fields(metadata: metadata, attachment: attachment, action: action, provider: provider, rules: rules, isDryRun: isDryRun))
  }
}
