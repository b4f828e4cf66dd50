// Values that older releases of Istio put into regular expressions without quoting them.
// Enters: a policy set and the mesh's settings. Leaves: the same set, without policies whose values were then more than dots and stars: nobody
// here evaluates regular expressions, so such a policy is unusable and denies.
// Never here: a guess at what an expression matches.

public import PolicyModel

extension MeshSettings {
  /// Whether dots in some values match any character.
  var hasWildDots: Bool { olderBehaviors.contains(.unquotedDots) }
}

extension PolicySet {
  /// The set without policies that cannot be decided as older releases did; those are unusable.
  func refusingUndecidable(_ mesh: MeshSettings) -> PolicySet {
    guard mesh.hasWildDots, policies.contains(where: \.hasExpression) else { return self }
    var set = self
    set.policies.removeAll(where: \.hasExpression)
    // What is only recorded denies nothing when it cannot be decided; it is left out.
    for policy in policies where policy.hasExpression && policy.isEnforced {
      var selector = LabelSelector()
      if case .selector(let own) = policy.attachment { selector = own }
      set.unusable.append(
        UnusablePolicy(
          key: policy.metadata.key, location: policy.metadata.location, reach: .namespace(policy.metadata.key.namespace, selector)))
    }
    return set
  }

  /// The policies that `unquoted-dots` makes unusable, for whoever reports them.
  public func undecidablePolicies(_ mesh: MeshSettings) -> [AuthorizationPolicy] {
    mesh.hasWildDots ? policies.filter(\.hasExpression) : []
  }
}

extension AuthorizationPolicy {
  /// Whether a match can change the decision.
  fileprivate var isEnforced: Bool { action != .audit && (!isDryRun || action == .custom) }

  /// Whether a value that was put into an expression holds anything with a meaning there but dots, and stars where Istio translated them.
  fileprivate var hasExpression: Bool {
    rules.compactMap { $0 }.contains { rule in
      ((rule.sources + rule.operations).flatMap(\.constraints) + rule.conditions).contains { constraint in
        (constraint.values + constraint.notValues).contains { Self.isExpression($0.value, constraint.attribute) }
      }
    }
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
