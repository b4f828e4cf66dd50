// What Istio's webhook demands of a whole AuthorizationPolicy, beyond its single values (istio: validation of action, rules, sources).
// A decoded policy enters; messages and places leave. Shapes that the model cannot hold, such as null entries, are the decoder's matter.

extension AuthorizationPolicy {
  /// Everything that Istio refuses or warns of. `actionSpan` and `providerSpan` are where the two fields are written. O(size).
  package func refusals(actionSpan: SourceSpan, providerSpan: SourceSpan?) -> [(Message, SourceSpan)] {
    var found: [(Message, SourceSpan)] = []
    switch action {
    case .custom:
      if rules.isEmpty {
        found.append((.customNeverTriggered(), actionSpan))
      } else if provider?.isEmpty ?? true {
        found.append((.providerMissing(), providerSpan ?? actionSpan))
      }
    case .deny:
      if rules.isEmpty { found.append((.denyNeverTriggered(), actionSpan)) }
    case .allow, .audit: break
    }
    if action != .custom, let providerSpan { found.append((.providerUnexpected(action.rawValue), providerSpan)) }
    for case let rule? in rules {
      for source in rule.sources {
        if let span = source.serviceAccountConflict { found.append((.serviceAccountConflict(), span)) }
      }
      if action == .custom {
        for constraint in rule.sources.flatMap(\.constraints) + rule.conditions where constraint.attribute.needsIdentity {
          found.append((.customIdentity(constraint.attribute.description, isToken: constraint.attribute.isToken), constraint.span))
        }
      }
      if action == .deny, rule.deniesWholeTCP { found.append((.denyWholeTCP(), rule.span)) }
    }
    return found
  }
}

extension AuthorizationPolicy.Clause {
  /// Where `serviceAccounts` stands when the source also names principals or namespaces (Istio refuses that).
  fileprivate var serviceAccountConflict: SourceSpan? {
    guard let accounts = constraints.first(where: { $0.attribute == .sourceServiceAccount }),
      constraints.contains(where: { $0.attribute == .sourcePrincipal || $0.attribute == .sourceNamespace })
    else { return nil }
    return accounts.span
  }
}

extension AuthorizationPolicy.Rule {
  /// Istio's warning: on a TCP chain the HTTP parts of a DENY rule are dropped, and what is left denies everything.
  fileprivate var deniesWholeTCP: Bool {
    if operations.isEmpty {
      return !sources.isEmpty && !sources.contains { source in source.constraints.contains { !$0.attribute.isHTTP } }
    }
    return !operations.contains { operation in operation.constraints.contains { $0.attribute == .destinationPort } }
  }
}

extension Attribute {
  /// Whether it is about a token.
  fileprivate var isToken: Bool {
    switch self {
    case .requestPrincipal, .requestAudiences, .requestPresenter, .requestClaim: true
    default: false
    }
  }

  /// Whether CUSTOM rules cannot use it: they run before identities and tokens are known to policies.
  fileprivate var needsIdentity: Bool {
    switch self {
    case .sourcePrincipal, .sourceNamespace, .sourceServiceAccount, .sourceTrustDomain, .requestPrincipal, .requestAudiences,
      .requestPresenter, .requestClaim:
      true
    case .malformedKey(let key), .unknownKey(let key): key.string.utf8.starts(with: "request.auth.".utf8)
    default: false
    }
  }
}
