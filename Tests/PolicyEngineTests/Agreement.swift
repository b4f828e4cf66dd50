// What the reference and the compiled index have to agree about, for one request.
//
// Enters: both evaluators, a request and its workload. Leaves: what differs, or nothing. Of an undecided request both must name the same
// rule, the first that may match; where several constraints of that rule are not known, either may be the reason.

import PolicyModel

@testable import PolicyEngine

/// A policy set in both forms.
struct Agreement {
  let reference: ReferenceEvaluator
  let snapshot: Snapshot

  init(_ set: PolicySet, _ mesh: MeshSettings) {
    reference = ReferenceEvaluator(policies: set, mesh: mesh)
    snapshot = Snapshot(set, mesh: mesh)
  }

  /// What both sides found about one request.
  struct Comparison {
    var decision: Decision
    var rule: ExactText
    var expected: ReferenceEvaluator.Finding
    /// In words; empty when the sides agree.
    var differences: [String] = []
  }

  func compare(_ request: Request, namespace: ExactText, labels: [ExactText: ExactText], profile: Profile) -> Comparison {
    let expected = reference.decide(request, namespace: namespace, labels: labels, profile: profile)
    var request = request
    let decision = snapshot.decide(&request, on: snapshot.target(namespace: namespace, labels: labels), profile: profile)
    var result = Comparison(decision: decision, rule: snapshot.name(of: decision.rule), expected: expected)
    func demand(_ isSame: Bool, _ what: String, _ reference: @autoclosure () -> Any, _ index: @autoclosure () -> Any) {
      if !isSame { result.differences.append("\(what): reference \(reference()), index \(index())") }
    }
    demand(decision.verdict == expected.verdict, "verdict", expected.verdict, decision.verdict)
    demand(result.rule == expected.rule, "rule", expected.rule, result.rule)
    demand(decision.dryRun.verdict == expected.dryRun, "dry run", String(describing: expected.dryRun), String(describing: decision.dryRun))
    let reasons = possibleReasons(expected, request)
    demand(reasons.contains(decision.reason), "reason", reasons, decision.reason)
    // Nothing is evaluated when a policy cannot be used.
    guard expected.reason != .policyUnusable else { return result }
    let scope = AttachmentScope(
      namespace: namespace, labels: labels, isWaypoint: false, service: nil, root: reference.mesh.rootNamespace)
    let attached = reference.policies.policies.filter {
      $0.attachment.attaches(from: $0.metadata.key.namespace, to: scope)
    }
    // Istio has no dry run for AUDIT: such a policy marks as any other.
    let audit = first(.audit, attached, request)
    demand(snapshot.name(of: decision.audit) == audit, "audit", audit, snapshot.name(of: decision.audit))
    let dryRun = dryRunRule(expected.dryRun, attached.filter(\.isDryRun), request)
    demand(snapshot.name(of: decision.dryRun.rule) == dryRun, "dry run's rule", dryRun, snapshot.name(of: decision.dryRun.rule))
    return result
  }

  /// The reference's reason, and of an undecided request every reason that a constraint of its rule gives.
  private func possibleReasons(_ finding: ReferenceEvaluator.Finding, _ request: Request) -> Set<Reason> {
    var reasons: Set<Reason> = [finding.reason]
    guard finding.verdict == .undecided, finding.reason != .customProvider else { return reasons }
    for policy in reference.policies.policies {
      let key = policy.metadata.key
      for (index, rule) in policy.rules.enumerated() {
        guard let rule, finding.rule == ExactText("ns[\(key.namespace)]-policy[\(key.name)]-rule[\(index)]") else { continue }
        for constraint in rule.conditions + (rule.sources + rule.operations).flatMap(\.constraints) {
          // Each value by itself: one that matches hides another that is not known, but not in every order.
          for value in constraint.values + constraint.notValues {
            let one = Constraint(constraint.attribute, values: [value])
            if case .unknown(let reason) = reference.holds(one, of: policy, request) { reasons.insert(reason) }
          }
        }
      }
    }
    return reasons
  }

  /// The first rule of an action that matches, in the byte order of names.
  private func first(_ action: AuthorizationPolicy.Action, _ policies: [AuthorizationPolicy], _ request: Request) -> ExactText {
    var least: ExactText?
    for policy in policies where policy.action == action {
      let key = policy.metadata.key
      for (index, rule) in policy.rules.enumerated() {
        let name = ExactText("ns[\(key.namespace)]-policy[\(key.name)]-rule[\(index)]")
        guard let rule, least.map({ name < $0 }) ?? true, reference.matches(rule, of: policy, request) == .yes else { continue }
        least = name
      }
    }
    return least ?? "none"
  }

  private func dryRunRule(_ verdict: Verdict?, _ policies: [AuthorizationPolicy], _ request: Request) -> ExactText {
    switch verdict {
    case .deny: first(.deny, policies, request)
    case .allow: first(.allow, policies, request)
    default: "none"
    }
  }
}
