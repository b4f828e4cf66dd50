// How an explanation is found: the reference evaluator's own tests, one rule after the other, with what each saw.
// Enters: a request and its workload. Leaves: findings in the order in which the proxy evaluates, with places in files.
// Never here: another opinion. The rules are judged by the reference evaluator, whose decision the engine must share; whoever explains
// compares the two and says so when they differ.

public import PolicyModel

extension ReferenceEvaluator {
  /// Explains the decision about one request. O(all policies).
  public func explain(
    _ request: Request, namespace: ExactText, labels: [ExactText: ExactText], profile: Profile = .sidecar, service: ServiceName? = nil
  ) -> Explanation {
    if profile == .ztunnel {
      return ZtunnelReference(policies: written, mesh: mesh).explain(request, namespace: namespace, labels: labels)
    }
    let scope = AttachmentScope(
      namespace: namespace, labels: labels, isWaypoint: profile == .waypoint, service: service, root: mesh.rootNamespace)
    let attached = policies.policies.filter { $0.attachment.attaches(from: $0.metadata.key.namespace, to: scope) }
    let token = token(
      seen(request, by: profile),
      policies.requestAuthentications.filter { $0.attachment.attaches(from: $0.metadata.key.namespace, to: scope) })
    var explanation = Explanation(
      finding: decide(request, namespace: namespace, labels: labels, profile: profile, service: service), dryRunRule: "none",
      auditRule: "none",
      peer: request.isPeerKnown ? names(request).map(\.text).filter { !$0.isEmpty } : nil,
      serverMode: serverMode(request, scope, profile), token: request.honorsRequestAuthentication ? outcome(token) : nil,
      unusable: policies.unusable.filter { reaches($0.reach, scope) }, policies: [],
      unattachedCount: policies.policies.count - attached.count)
    var reach = Explanation.Reach.yes
    if !explanation.unusable.isEmpty { reach = .no }
    switch explanation.serverMode.outcome {
    case .denied: reach = .no
    case .unknown where reach == .yes: reach = .depends
    default: break
    }
    for action in [AuthorizationPolicy.Action.custom, .audit, .deny, .allow] {
      var (found, outcome) = Explanation.walk(attached.filter { $0.action == action }, reach: reach) { rule, policy, _ in
        explain(rule, of: policy, token.request)
      }
      if action == .custom {
        for index in found.indices {
          guard let policy = attached.first(where: { $0.metadata.key == found[index].key }) else { continue }
          found[index].effect = effect(of: policy, among: attached, token.request)
        }
        outcome = found.customOutcome
      }
      explanation.policies += found
      switch (action, outcome) {
      case (.custom, .yes), (.deny, .yes): reach = .no
      case (.custom, .unknown), (.deny, .unknown): if reach == .yes { reach = .depends }
      default: break
      }
      guard action == .custom, let token = explanation.token else { continue }
      switch token {
      case .denied: reach = .no
      case .unknown: if reach == .yes { reach = .depends }
      case .passes, .doesNotApply: break
      }
    }
    if explanation.unusable.isEmpty {
      explanation.dryRunRule = dryRunRule(explanation)
      explanation.auditRule = explanation.policies.first(.audit) { _ in true } ?? "none"
    }
    return explanation
  }

  private func dryRunRule(_ explanation: Explanation) -> ExactText {
    switch explanation.finding.dryRun {
    case .deny: explanation.policies.first(.deny, where: \.isDryRun) ?? "none"
    case .allow: explanation.policies.first(.allow, where: \.isDryRun) ?? "none"
    default: "none"
    }
  }

  private func outcome(_ token: (gate: Truth, reason: Reason, request: Request)) -> Explanation.ServerMode.Outcome {
    switch token.gate {
    case .yes: .passes
    case .no: .denied(token.reason)
    case .unknown(let reason): .unknown(reason)
    }
  }

  private func serverMode(_ request: Request, _ scope: AttachmentScope, _ profile: Profile) -> Explanation.ServerMode {
    let (meshWide, namespaceWide, workload) = peerAuthentications(namespace: scope.namespace, labels: scope.labels)
    let inherited = [workload, namespaceWide, meshWide].compactMap { $0 }.first { $0.mode != nil }
    var result = Explanation.ServerMode(mode: inherited?.mode ?? .permissive, origin: inherited?.metadata, outcome: .passes)
    if let workload, request.isPortKnown, let portMode = workload.portModes[request.port], let mode = portMode {
      (result.mode, result.origin) = (mode, workload.metadata)
    } else if let workload, !request.isPortKnown, workload.portModes.values.contains(where: { ($0 ?? result.mode) != result.mode }) {
      (result.mode, result.origin) = (nil, workload.metadata)
    }
    if profile == .waypoint { result = Explanation.ServerMode(mode: nil, origin: nil, outcome: .passes, isHBONE: true) }
    if profile == .gateway {
      result.outcome = .doesNotApply
      return result
    }
    let gate = peerGate(request, scope, profile)
    switch gate.truth {
    case .yes: result.outcome = .denied(gate.reason)
    case .no: break
    case .unknown(let reason): result.outcome = .unknown(reason)
    }
    return result
  }

  // MARK: One rule

  private func explain(
    _ rule: AuthorizationPolicy.Rule?, of policy: AuthorizationPolicy, _ request: Request
  ) -> (outcome: Explanation.Outcome, ignored: [Explanation.Omission]) {
    guard let rule else {
      return (.dropped(.init(cause: .nullRule, values: [], location: policy.metadata.location)), [])
    }
    let omissions = rule.constraints.compactMap { omission($0.constraint, $0.part, of: policy, request) }
    if let unknown = omissions.first(where: { $0.cause == .unknownKey }) { return (.dropped(unknown), []) }
    if policy.action == .allow, let first = omissions.first { return (.dropped(first), []) }
    switch matches(rule, of: policy, request) {
    case .yes: return (.matches, omissions)
    case .unknown(let reason): return (.unknown(reason, questions(rule, of: policy, request)), omissions)
    case .no:
      let conditions = rule.conditions.enumerated().lazy.compactMap { failure([$1], .when($0), of: policy, request) }
      return (
        .fails(
          failures(rule.sources, Explanation.Part.from, of: policy, request)
            + failures(rule.operations, Explanation.Part.to, of: policy, request) + conditions.prefix(1)), omissions
      )
    }
  }

  /// What of a constraint the proxy does not have.
  private func omission(
    _ constraint: Constraint, _ part: Explanation.Part, of policy: AuthorizationPolicy, _ request: Request
  ) -> Explanation.Omission? {
    let unusable = (constraint.values + constraint.notValues).map(\.value).filter {
      !ReferenceMatching.isExpressible($0, constraint.attribute)
    }
    let cause: Explanation.Omission.Cause
    switch constraint.attribute {
    case .unknownKey: cause = .unknownKey
    case _ where constraint.demandsNothing: return nil
    case .malformedKey: cause = .malformedKey
    case let attribute where isInexpressible(attribute, request): cause = .needsHTTP
    default:
      guard !unusable.isEmpty else { return nil }
      cause = .unusableValue
    }
    return Explanation.Omission(
      cause: cause, part: part, attribute: constraint.attribute, values: cause == .unusableValue ? unusable : [],
      location: location(constraint.span, policy))
  }

  /// The first failure of each clause, unless one of the clauses can hold.
  private func failures(
    _ clauses: [AuthorizationPolicy.Clause], _ part: (Int) -> Explanation.Part, of policy: AuthorizationPolicy, _ request: Request
  ) -> [Explanation.Failure] {
    let found = clauses.enumerated().map { failure($1.constraints, part($0), of: policy, request) }
    return found.contains { $0 == nil } ? [] : found.compactMap { $0 }
  }

  private func failure(
    _ constraints: [Constraint], _ part: Explanation.Part, of policy: AuthorizationPolicy, _ request: Request
  ) -> Explanation.Failure? {
    for constraint in constraints where !isInexpressible(constraint.attribute, request) {
      guard holds(constraint, of: policy, request) == .no else { continue }
      let matching = ReferenceMatching(attribute: constraint.attribute, policyNamespace: policy.metadata.key.namespace, mesh: mesh)
      var positive = constraint
      positive.notValues = []
      // Of the two halves the one that fails; the positive one first, as the proxy tests it.
      let isNegative = holds(positive, of: policy, request) != .no
      let (actual, absence) = matching.actual(request)
      let wanted = (isNegative ? constraint.notValues : constraint.values).map { value in
        let near = isNegative ? nil : matching.nearMiss(value.value, actual)
        return Explanation.Wanted(
          value: value.value, location: location(value.span, policy),
          isMatched: isNegative && matching.matches(value.value, request) == .yes,
          nearMiss: near?.kind, nearest: near?.actual)
      }
      return Explanation.Failure(
        part: part, attribute: constraint.attribute, isNegative: isNegative, wanted: wanted, actual: actual, absence: absence,
        location: location(constraint.span, policy))
    }
    return nil
  }

  /// The constraints that could decide, in the clauses that do not fail.
  private func questions(_ rule: AuthorizationPolicy.Rule, of policy: AuthorizationPolicy, _ request: Request) -> [Explanation.Question] {
    func open(_ constraints: [Constraint], _ part: Explanation.Part) -> [Explanation.Question] {
      let truths = constraints.map { isInexpressible($0.attribute, request) ? Truth.yes : holds($0, of: policy, request) }
      guard !truths.contains(.no) else { return [] }
      return zip(constraints, truths).compactMap { constraint, truth in
        guard case .unknown(let reason) = truth else { return nil }
        return Explanation.Question(
          part: part, attribute: constraint.attribute, reason: reason, location: location(constraint.span, policy))
      }
    }
    /// The questions of all clauses, or none when one of the clauses holds.
    func open(_ clauses: [AuthorizationPolicy.Clause], _ part: (Int) -> Explanation.Part) -> [Explanation.Question] {
      let found = clauses.enumerated().map { (failure($1.constraints, part($0), of: policy, request), open($1.constraints, part($0))) }
      return found.contains { $0.0 == nil && $0.1.isEmpty } ? [] : found.flatMap { $0.1 }
    }
    return open(rule.sources, Explanation.Part.from) + open(rule.operations, Explanation.Part.to)
      + rule.conditions.enumerated().flatMap { open([$1], .when($0)) }
  }

  private func location(_ span: SourceSpan, _ policy: AuthorizationPolicy) -> SourceLocation {
    SourceLocation(file: policy.metadata.location.file, span: span)
  }
}

extension [Explanation.Policy] {
  /// Whether a CUSTOM policy denies by itself (yes), or may, or its provider may (unknown).
  fileprivate var customOutcome: Truth {
    var outcome = Truth.no
    for policy in self {
      guard let effect = policy.effect, [.asked, .unusable, .several, .enforcedDryRun].contains(effect) else { continue }
      for rule in policy.rules {
        switch rule.outcome {
        case .matches where effect != .asked: return .yes
        case .matches, .unknown: outcome = .unknown(.customProvider)
        case .fails, .dropped: break
        }
      }
    }
    return outcome
  }

  /// The first rule of an action that matches.
  func first(_ action: AuthorizationPolicy.Action, where isMeant: (Explanation.Policy) -> Bool) -> ExactText? {
    for policy in self where policy.action == action && isMeant(policy) {
      for rule in policy.rules { if case .matches = rule.outcome { return rule.name } }
    }
    return nil
  }
}

extension Explanation {
  /// The policies of one action in order, and whether an enforced one matches. Envoy tries rules until one matches, the enforced and those
  /// in dry run each for themselves.
  static func walk(
    _ policies: [AuthorizationPolicy], reach: Explanation.Reach,
    explain: (AuthorizationPolicy.Rule?, AuthorizationPolicy, Int) -> (outcome: Explanation.Outcome, ignored: [Explanation.Omission])
  ) -> (policies: [Explanation.Policy], outcome: Truth) {
    var reaches = [true: reach, false: reach]
    var outcome = Truth.no
    let found = policies.sorted { ruleName($0, "") < ruleName($1, "") }.map { policy in
      var result = Explanation.Policy(
        key: policy.metadata.key, action: policy.action, isDryRun: policy.isDryRun, provider: policy.provider,
        reach: reaches[policy.isDryRun] ?? reach, location: policy.metadata.location, rules: [])
      let rules = policy.rules.enumerated().map { (name: ruleName(policy, "\($0)]"), index: $0, rule: $1) }.sorted { $0.name < $1.name }
      for (name, index, rule) in rules {
        let (ruleOutcome, ignored) = explain(rule, policy, index)
        result.rules.append(
          Explanation.Rule(
            name: name, index: index, reach: reaches[policy.isDryRun] ?? reach,
            location: SourceLocation(file: policy.metadata.location.file, span: rule?.span ?? policy.metadata.location.span),
            outcome: ruleOutcome, ignored: ignored))
        switch ruleOutcome {
        case .matches:
          reaches[policy.isDryRun] = .no
          if !policy.isDryRun { outcome = .yes }
        case .unknown(let reason, _):
          if reaches[policy.isDryRun] == .yes { reaches[policy.isDryRun] = .depends }
          if !policy.isDryRun, outcome == .no { outcome = .unknown(reason) }
        case .fails, .dropped: break
        }
      }
      return result
    }
    return (found, outcome)
  }

  /// The name under which Envoy knows a rule, up to `rule[`, and what follows.
  private static func ruleName(_ policy: AuthorizationPolicy, _ rest: String) -> ExactText {
    ExactText("ns[\(policy.metadata.key.namespace)]-policy[\(policy.metadata.key.name)]-rule[\(rest)")
  }
}

extension AuthorizationPolicy.Rule {
  /// All constraints, each with its part of the rule.
  var constraints: [(part: Explanation.Part, constraint: Constraint)] {
    func all(_ clauses: [AuthorizationPolicy.Clause], _ part: (Int) -> Explanation.Part) -> [(
      part: Explanation.Part, constraint: Constraint
    )] {
      clauses.enumerated().flatMap { index, clause in clause.constraints.map { (part(index), $0) } }
    }
    return all(sources, Explanation.Part.from) + all(operations, Explanation.Part.to)
      + conditions.enumerated().map { (.when($0), $1) }
  }
}
