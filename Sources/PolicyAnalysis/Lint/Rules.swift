// Rules that change nothing, and ALLOW policies that allow nothing. Enters: the loaded mesh. Leaves: findings at the rule or the policy.
// Never here: rules of workloads that policies reach by targets of different lists; they are not compared.

internal import PolicyEngine
internal import PolicyModel

let checkRules: LintCheck = { world, report in
  compareRules(world, &report)
  checkContradictions(world, &report)
  checkDeadSets(world, &report)
}

/// Rules that stand for the same workloads are compared up to this many of them.
private let mostRules = 600

/// The selectors that reach every workload of another one are looked for up to this many labels: they are as many as sets of its labels.
private let mostLabels = 8

private struct PlacedRule {
  let policy: AttachedPolicy
  let rule: AuthorizationPolicy.Rule
  let index: Int
  /// Whether it has an HTTP part: an ALLOW rule with one does not exist on TCP.
  let isHTTP: Bool
}

/// Where a policy is attached, so that one place can be told to be inside another.
private struct Scope: Hashable {
  let namespace: ExactText
  let labels: [LabelSelector.Pair]
  let targets: [AuthorizationPolicy.TargetReference]
}

private func compareRules(_ world: LintWorld, _ report: inout LintReport) {
  var scopes: [Scope: [PlacedRule]] = [:]
  var order: [Scope] = []
  for policy in world.policies where policy.isEnforced && (policy.policy.action == .allow || policy.policy.action == .deny) {
    let scope: Scope =
      switch policy.policy.attachment {
      case .selector(let selector): Scope(namespace: policy.namespace, labels: selector.matchLabels, targets: [])
      case .targets(let targets): Scope(namespace: policy.namespace, labels: [], targets: targets)
      }
    for (index, rule) in policy.policy.rules.enumerated() {
      guard let rule else { continue }
      if scopes[scope] == nil { order.append(scope) }
      let isHTTP = rule.allConstraints.contains { $0.attribute.isHTTP && !$0.demandsNothing }
      scopes[scope, default: []].append(PlacedRule(policy: policy, rule: rule, index: index, isHTTP: isHTTP))
    }
  }
  for scope in order {
    let own = scopes[scope] ?? []
    if scope.labels.count > mostLabels, scopes.count > 1, let first = own.first {
      report.add(
        .comparisonLimit, at: first.policy.policy.metadata.location,
        "\(first.policy.policy.metadata.key.description) selects by \(scope.labels.count) labels; its rules were compared with those of the same selector only",
        help: "select by at most \(mostLabels) labels")
    }
    let around = outer(scope, root: world.mesh.rootNamespace).flatMap { scopes[$0] ?? [] }
    guard own.count + around.count <= mostRules else {
      if let first = own.first {
        report.add(
          .comparisonLimit, at: first.policy.policy.metadata.location,
          "\(own.count + around.count) rules stand for the workloads of \(first.policy.policy.metadata.key.description); they were not compared"
        )
      }
      continue
    }
    for (place, narrow) in own.enumerated() {
      compare(
        narrow, with: around + own[..<place] + own[(place + 1)...],
        isEarlier: { wide in !own[(place + 1)...].contains { isSame($0, wide) } }, world, &report)
    }
  }
}

private func isSame(_ one: PlacedRule, _ other: PlacedRule) -> Bool {
  one.index == other.index && one.policy.policy.metadata.key == other.policy.policy.metadata.key
}

/// The scopes that reach every workload of a scope: fewer labels, in the same namespace or the root namespace.
private func outer(_ scope: Scope, root: ExactText) -> [Scope] {
  guard scope.targets.isEmpty, scope.labels.count <= mostLabels else { return [] }
  var found: [Scope] = []
  for mask in 0..<(1 << scope.labels.count) {
    let labels = scope.labels.enumerated().filter { mask & (1 << $0.offset) != 0 }.map(\.element)
    for namespace in Set([scope.namespace, root]) {
      let other = Scope(namespace: namespace, labels: labels, targets: [])
      if other != scope { found.append(other) }
    }
  }
  return found.sorted { ($0.namespace, $0.labels.count) < ($1.namespace, $1.labels.count) }
}

private func compare(
  _ narrow: PlacedRule, with others: [PlacedRule], isEarlier: (PlacedRule) -> Bool, _ world: LintWorld, _ report: inout LintReport
) {
  let cover = RuleCover(mesh: world.mesh)
  let action = narrow.policy.policy.action
  for wide in others {
    let isShadow = wide.policy.policy.action == .deny && action == .allow
    guard isShadow || wide.policy.policy.action == action else { continue }
    // An ALLOW rule with an HTTP part is not there on TCP, where the narrow one may be needed.
    if !isShadow, action == .allow, wide.isHTTP, !narrow.isHTTP { continue }
    guard cover.covers(wide.rule, in: wide.policy.namespace, narrow.rule, in: narrow.policy.namespace) else { continue }
    // Of two that cover each other the later one is redundant.
    if !isShadow, !isEarlier(wide), cover.covers(narrow.rule, in: narrow.policy.namespace, wide.rule, in: wide.policy.namespace) {
      continue
    }
    let name = "rule \(wide.index) of \(wide.policy.policy.metadata.key.description) (\(wide.policy.location(wide.rule.span).description))"
    let place = narrow.policy.location(narrow.rule.span)
    if isShadow {
      report.add(.ruleShadowed, at: place, "this ALLOW rule has no effect: \(name) denies whatever it matches")
    } else {
      report.add(.ruleRedundant, at: place, "this \(action.rawValue) rule has no effect: \(name) matches whatever it matches")
    }
    return
  }
}

// MARK: Rules that match nothing

private func checkContradictions(_ world: LintWorld, _ report: inout LintReport) {
  world.eachRule { policy, rule in
    for clause in rule.clauses {
      guard let constraint = contradiction(clause + rule.conditions, world.mesh) else { continue }
      report.add(
        .ruleNeverMatches, at: policy.location(constraint.span),
        "`\(constraint.attribute.fieldName)` demands what `\(constraint.attribute.negatedFieldName)` forbids, so nothing matches")
    }
  }
}

extension AuthorizationPolicy.Rule {
  /// The constraints of each source and each operation; none of a rule with conditions alone.
  fileprivate var clauses: [[Constraint]] { sources.isEmpty && operations.isEmpty ? [[]] : (sources + operations).map(\.constraints) }
}

/// Of constraints that must all hold, one of which each value is forbidden by others.
private func contradiction(_ constraints: [Constraint], _ mesh: MeshSettings) -> Constraint? {
  let cover = RuleCover(mesh: mesh)
  return constraints.first { one in
    !one.values.isEmpty
      && one.values.allSatisfy { value in
        constraints.contains { other in
          other.attribute == one.attribute && other.notValues.contains { cover.covers($0.value, value.value, one.attribute) }
        }
      }
  }
}

// MARK: Sets that allow nothing

private func checkDeadSets(_ world: LintWorld, _ report: inout LintReport) {
  for workload in world.workloads {
    let policies = world.policies(of: workload).filter { $0.isEnforced && $0.policy.action == .allow }
    guard policies.allSatisfy({ isDead($0.policy, world.mesh) }) else { continue }
    // A policy of a whole namespace without rules is how "deny what nobody allows" is written; alone it is meant.
    guard let meant = policies.first(where: { !isDefaultDeny($0.policy) }) else { continue }
    report.add(
      .allowDeniesEverything, at: meant.policy.metadata.location,
      "no rule of the ALLOW policies of `\(workload.name ?? "")` can match, so every request to it is denied")
  }
}

private func isDefaultDeny(_ policy: AuthorizationPolicy) -> Bool {
  guard policy.rules.isEmpty, case .selector(let selector) = policy.attachment else { return false }
  return selector.isEmpty
}

private func isDead(_ policy: AuthorizationPolicy, _ mesh: MeshSettings) -> Bool {
  policy.rules.allSatisfy { $0.map { isDead($0, mesh) } ?? true }
}

/// Whether a rule matches nothing: a condition, or all sources, or all operations, have a list of which no value ever matches.
private func isDead(_ rule: AuthorizationPolicy.Rule, _ mesh: MeshSettings) -> Bool {
  func isDead(_ constraint: Constraint) -> Bool {
    if case .requestHeader = constraint.attribute { return false }
    return !constraint.values.isEmpty && constraint.values.allSatisfy { valueRefusal($0.value, constraint.attribute, mesh) != nil }
  }
  func areDead(_ clauses: [AuthorizationPolicy.Clause]) -> Bool {
    !clauses.isEmpty
      && clauses.allSatisfy { $0.constraints.contains(where: isDead) || contradiction($0.constraints + rule.conditions, mesh) != nil }
  }
  if contradiction(rule.conditions, mesh) != nil { return true }
  return rule.conditions.contains(where: isDead) || areDead(rule.sources) || areDead(rule.operations)
}
