// Policies that a sidecar would enforce and ztunnel does not. Enters: the loaded mesh. Leaves: findings at the rule or the policy.
// Never here: workloads whose mode nothing loaded tells.

internal import PolicyModel

let checkAmbient: LintCheck = { world, report in
  for policy in world.policies {
    guard case .selector(let selector) = policy.policy.attachment, !policy.policy.isDryRun else { continue }
    let ambient = policy.workloads.filter { $0.proxy == .ambient }
    guard !ambient.isEmpty else { continue }
    let object = policy.policy.metadata
    switch policy.policy.action {
    case .audit, .custom:
      report.add(
        .ambientActionIgnored, at: object.location,
        "ztunnel ignores \(policy.policy.action.rawValue) policies, so \(object.key.description) does nothing at \(LintWorld.list(ambient))"
      )
      continue
    case .allow, .deny: break
    }
    if selector.form == .empty {
      report.add(
        .ambientEmptySelector, at: object.location,
        "\(object.key.description) has an empty selector, which ztunnel attaches to nothing, not to \(LintWorld.list(ambient))")
      continue
    }
    for case let rule? in policy.policy.rules { check(rule, policy, ambient, &report) }
  }
}

private func check(_ rule: AuthorizationPolicy.Rule, _ policy: AttachedPolicy, _ ambient: [LintWorkload], _ report: inout LintReport) {
  let unseen =
    (rule.sources + rule.operations).flatMap(\.constraints).filter {
      $0.attribute.isHTTP || $0.attribute == .remoteIP || $0.attribute == .sourceTrustDomain
    }
    + rule.conditions.filter { !$0.attribute.isKnownToZtunnel }
  guard let first = unseen.first(where: { !$0.demandsNothing }) else { return }
  let field = first.values.isEmpty ? first.attribute.negatedFieldName : first.attribute.fieldName
  // ztunnel does not know the field: the rest of the source decides, whatever the action.
  let isForgotten = first.attribute == .sourceTrustDomain
  let effect =
    switch (policy.policy.action, isLost(rule)) {
    case (.allow, _) where isForgotten: "reads this ALLOW rule without it, which then allows more"
    case (.deny, true) where isForgotten: "reads this DENY rule without it, which then denies nothing"
    case (.allow, _): "leaves this ALLOW rule out, which then allows nothing"
    case (_, true): "drops it, so that this DENY rule denies nothing"
    case (_, false): "drops it, so that this DENY rule denies more"
    }
  report.add(
    .ambientNeedsWaypoint, at: policy.location(first.span), "ztunnel at \(LintWorld.list(ambient)) does not see `\(field)` and \(effect)")
}

/// Whether ztunnel makes a DENY rule match nothing: a part of it of which nothing is left does not match.
private func isLost(_ rule: AuthorizationPolicy.Rule) -> Bool {
  func isEmpty(_ clause: AuthorizationPolicy.Clause) -> Bool {
    clause.constraints.allSatisfy {
      $0.attribute.isHTTP || $0.attribute == .remoteIP || $0.attribute == .sourceTrustDomain || $0.demandsNothing
    }
  }
  func areEmpty(_ clauses: [AuthorizationPolicy.Clause]) -> Bool { !clauses.isEmpty && clauses.allSatisfy(isEmpty) }
  return areEmpty(rule.sources) || areEmpty(rule.operations) || rule.conditions.contains { !$0.attribute.isKnownToZtunnel }
}

extension Attribute {
  /// The `when` keys that ztunnel has (Istio, ambient/authorization.go).
  fileprivate var isKnownToZtunnel: Bool {
    switch self {
    case .sourceIP, .sourceNamespace, .sourcePrincipal, .destinationIP, .destinationPort: true
    default: false
    }
  }
}
