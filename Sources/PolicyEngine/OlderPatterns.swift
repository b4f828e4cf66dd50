// Values that older releases of Istio put into regular expressions without quoting them.
// Enters: a policy set and the mesh's settings. Leaves: the same set, without policies whose values were then more than dots and stars: nobody
// here evaluates regular expressions, so such a policy is unusable and denies.
// Never here: a guess at what an expression matches.

public import PolicyModel

extension MeshSettings {
  /// Whether dots in some values match any character.
  package var hasWildDots: Bool { olderBehaviors.contains(.unquotedDots) }
}

/// A policy that nobody here can decide as older releases did.
public struct UndecidablePolicy: Sendable {
  /// What stands for it: everything that it could apply to is denied.
  public var policy: UnusablePolicy
  /// The first of its values that was a regular expression.
  public var value: Located<ExactText>
  /// What the value is compared with.
  public var attribute: Attribute
}

extension PolicySet {
  /// The set without policies that cannot be decided as older releases did; those are unusable.
  func refusingUndecidable(_ mesh: MeshSettings) -> PolicySet {
    let undecidable = undecidablePolicies(mesh)
    guard !undecidable.isEmpty else { return self }
    var set = self
    set.policies.removeAll { $0.expression != nil }
    // What is only recorded denies nothing when it cannot be decided; it is left out.
    let enforced = Set(policies.filter(\.isEnforced).map(\.metadata.key))
    set.unusable += undecidable.map(\.policy).filter { enforced.contains($0.key) }
    return set
  }

  /// The policies that `unquoted-dots` makes unusable for Envoy, for whoever reports them. O(values).
  public func undecidablePolicies(_ mesh: MeshSettings) -> [UndecidablePolicy] {
    guard mesh.hasWildDots else { return [] }
    return policies.compactMap { policy in
      guard let (value, attribute) = policy.expression else { return nil }
      var selector = LabelSelector()
      if case .selector(let own) = policy.attachment { selector = own }
      let key = policy.metadata.key
      let unusable = UnusablePolicy(key: key, location: policy.metadata.location, reach: .namespace(key.namespace, selector))
      return UndecidablePolicy(policy: unusable, value: value, attribute: attribute)
    }
  }
}

extension AuthorizationPolicy {
  /// Whether a match can change the decision.
  fileprivate var isEnforced: Bool { action != .audit && (!isDryRun || action == .custom) }

  /// The first value that was put into an expression and holds anything with a meaning there but dots, and stars where Istio translated them.
  fileprivate var expression: (Located<ExactText>, Attribute)? {
    for rule in rules.compactMap({ $0 }) {
      for constraint in (rule.sources + rule.operations).flatMap(\.constraints) + rule.conditions {
        let value = (constraint.values + constraint.notValues).first { Self.isExpression($0.value, constraint.attribute) }
        if let value { return (value, constraint.attribute) }
      }
    }
    return nil
  }

  private static func isExpression(_ value: ExactText, _ attribute: Attribute) -> Bool {
    let operators = Set("\\+?()[]{}|^$".utf8)
    let bytes = value.bytes
    let star = UInt8(ascii: "*")
    switch attribute {
    case .sourcePrincipal: return bytes.first == star && bytes.dropFirst().contains { operators.contains($0) || $0 == star }
    case .sourceNamespace: return bytes.contains { operators.contains($0) }
    case .sourceServiceAccount: return bytes.contains { operators.contains($0) || $0 == star }
    default: return false
    }
  }
}
