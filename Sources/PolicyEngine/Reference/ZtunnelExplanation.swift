// Why ztunnel decides what it does, and what it leaves out of the policies.
// Enters: a connection and its workload. Leaves: the attached policies with what became of each rule, and those that are never enforced.
// Never here: another opinion; the rules are judged by the reference.

internal import PolicyModel

extension ZtunnelReference {
  /// Explains the decision about one connection. O(all policies).
  func explain(_ request: Request, namespace: ExactText, labels: [ExactText: ExactText]) -> Explanation {
    let attached = policies.policies.filter { attaches($0, to: namespace, labels: labels) }
    let withheld = withheld(namespace: namespace, labels: labels)
    var explanation = Explanation(
      finding: decide(request, namespace: namespace, labels: labels), dryRunRule: "none", auditRule: "none",
      peer: request.isPeerKnown ? request.identities.map { request.copy($0.slice) }.filter { !$0.isEmpty } : nil,
      serverMode: serverMode(request, namespace: namespace, labels: labels),
      unusable: policies.unusable.filter { reaches($0.reach, namespace, labels) }, policies: [],
      unattachedCount: policies.policies.count - attached.count - withheld.count, withheld: withheld)
    var reach = explanation.unusable.isEmpty ? Explanation.Reach.yes : .no
    switch explanation.serverMode.outcome {
    case .denied: reach = .no
    case .unknown where reach == .yes: reach = .depends
    default: break
    }
    for action in [AuthorizationPolicy.Action.deny, .allow] {
      let (found, outcome) = Explanation.walk(attached.filter { $0.action == action }, reach: reach) { rule, policy, index in
        explain(rule, of: policy, index, request)
      }
      explanation.policies += found
      switch (action, outcome) {
      case (.deny, .yes): reach = .no
      case (.deny, .unknown) where reach == .yes: reach = .depends
      default: break
      }
    }
    return explanation
  }

  /// The policies that would apply to the workload but for ztunnel.
  private func withheld(namespace: ExactText, labels: [ExactText: ExactText]) -> [Explanation.Withheld] {
    policies.policies.sorted { $0.metadata.key < $1.metadata.key }.compactMap { policy in
      guard let cause = Self.whyWithheld(policy), case .selector(let selector) = policy.attachment else { return nil }
      let own = policy.metadata.key.namespace
      guard own == mesh.rootNamespace || own == namespace, selector.selects(labels) else { return nil }
      return Explanation.Withheld(key: policy.metadata.key, location: policy.metadata.location, cause: cause)
    }
  }

  private func serverMode(_ request: Request, namespace: ExactText, labels: [ExactText: ExactText]) -> Explanation.ServerMode {
    let outcome: Explanation.ServerMode.Outcome
    switch (handshakeFails(request), Truth.any(plaintextRules(namespace: namespace, labels: labels).map { matches($0, request) })) {
    case (.yes, _): outcome = .denied(.untrustedDomain)
    case (_, .yes): outcome = .denied(.mtlsRequired)
    case (.unknown(let reason), _), (_, .unknown(let reason)): outcome = .unknown(reason)
    case (.no, .no): outcome = .passes
    }
    return Explanation.ServerMode(mode: nil, origin: nil, outcome: outcome)
  }

  // MARK: Rules

  private func explain(
    _ rule: AuthorizationPolicy.Rule?, of policy: AuthorizationPolicy, _ index: Int, _ request: Request
  ) -> (outcome: Explanation.Outcome, ignored: [Explanation.Omission]) {
    guard let rule else { return (.dropped(.init(cause: .nullRule, values: [], location: policy.metadata.location)), []) }
    let file = policy.metadata.location.file
    let omissions = omissions(rule, of: policy, index)
    guard let sent = sent(rule, of: policy, index) else {
      // Only what ztunnel does not see makes Istio omit a rule.
      let unseen = omissions.first { $0.cause == .notInZtunnel }
      let place = SourceLocation(file: file, span: rule.span)
      return (.dropped(unseen ?? .init(cause: .notInZtunnel, values: [], location: place)), [])
    }
    if let empty = sent.clauses.first(where: { $0.allSatisfy(\.fields.isEmpty) }), let name = empty.first?.name {
      let part = Explanation.Part(name: name)
      let place = omissions.first { $0.part == part }?.location ?? SourceLocation(file: file, span: rule.span)
      return (.dropped(.init(cause: .emptyInZtunnel, part: part, values: [], location: place)), [])
    }
    switch matches(sent, request) {
    case .yes: return (.matches, omissions)
    case .unknown(let reason): return (.unknown(reason, questions(sent, file: file, request)), omissions)
    case .no: return (.fails(sent.clauses.flatMap { failures($0, of: policy, request) }), omissions)
    }
  }

  /// What ztunnel leaves out of a rule.
  private func omissions(_ rule: AuthorizationPolicy.Rule, of policy: AuthorizationPolicy, _ index: Int) -> [Explanation.Omission] {
    let sentMatches = sent(rule, of: policy, index).map { $0.clauses.flatMap { $0 } } ?? []
    let empty = sentMatches.filter(\.fields.isEmpty).compactMap { Explanation.Part(name: $0.name) }
    let unseen = Self.unseen(rule)
    return rule.constraints.compactMap { part, constraint in
      let location = SourceLocation(file: policy.metadata.location.file, span: constraint.span)
      if unseen.contains(where: { Explanation.Part(name: $0.clause) == part && $0.constraint.attribute == constraint.attribute }) {
        let cause: Explanation.Omission.Cause = empty.contains(part) ? .emptyInZtunnel : .notInZtunnel
        return .init(cause: cause, part: part, attribute: constraint.attribute, values: [], location: location)
      }
      let unreadable = (constraint.values + constraint.notValues).map(\.value).filter { !Self.isReadable($0, constraint.attribute) }
      guard !unreadable.isEmpty else { return nil }
      return .init(cause: .unusableValue, part: part, attribute: constraint.attribute, values: unreadable, location: location)
    }
  }

  private static func isReadable(_ value: ExactText, _ attribute: Attribute) -> Bool {
    switch attribute {
    case .sourceIP, .destinationIP: block(value.bytes) != nil
    case .destinationPort: port(value.bytes) != nil
    default: true
    }
  }

  private func questions(_ rule: Rule, file: ExactText, _ request: Request) -> [Explanation.Question] {
    rule.clauses.flatMap { $0 }.flatMap { match in
      match.fields.compactMap { field in
        guard case .unknown(let reason) = holds(field, request), let constraint = field.constraint,
          let part = Explanation.Part(name: match.name)
        else { return nil }
        return Explanation.Question(
          part: part, attribute: constraint.attribute, reason: reason, location: SourceLocation(file: file, span: constraint.span))
      }
    }
  }

  /// The first failure of each match, unless one of them can hold.
  private func failures(_ clause: [Match], of policy: AuthorizationPolicy, _ request: Request) -> [Explanation.Failure] {
    let failing = clause.compactMap { match in match.fields.first { holds($0, request) == .no }.map { (match.name, $0) } }
    guard failing.count == clause.filter({ !$0.fields.isEmpty }).count else { return [] }
    let file = policy.metadata.location.file
    return failing.compactMap { name, field in
      guard let constraint = field.constraint, let part = Explanation.Part(name: name) else { return nil }
      var positive = field
      positive.notValues = []
      let isNegative = field.values.isEmpty || holds(positive, request) != .no
      let matching = ReferenceMatching(attribute: constraint.attribute, policyNamespace: policy.metadata.key.namespace, mesh: mesh)
      var (actual, absence) = matching.actual(request)
      if [.principal, .namespace, .serviceAccount].contains(field.field) {
        // ztunnel sees one name of the peer.
        actual = peers(request).first.map { [Array("spiffe://".utf8) + $0.text] } ?? []
        absence = actual.isEmpty ? .anonymous : nil
      }
      let wanted = (isNegative ? constraint.notValues : constraint.values).map { value in
        var one = constraint
        (one.values, one.notValues) = ([value], [])
        let near = isNegative ? nil : matching.nearMiss(value.value, actual)
        let isMatched = isNegative && sent(one, of: name, policy).map { holds($0, request) == .yes } == true
        return Explanation.Wanted(
          value: value.value, location: SourceLocation(file: file, span: value.span), isMatched: isMatched, nearMiss: near?.kind,
          nearest: near?.actual)
      }
      return Explanation.Failure(
        part: part, attribute: constraint.attribute, isNegative: isNegative, wanted: wanted, actual: actual, absence: absence,
        location: SourceLocation(file: file, span: constraint.span))
    }
  }

  /// One constraint of a clause as it is sent.
  private func sent(_ constraint: Constraint, of clause: String, _ policy: AuthorizationPolicy) -> FieldMatch? {
    sent(constraint, isCondition: clause.hasPrefix("when"), policyNamespace: policy.metadata.key.namespace)
  }

  private func reaches(_ reach: UnusablePolicy.Reach, _ namespace: ExactText, _ labels: [ExactText: ExactText]) -> Bool {
    switch reach {
    case .everywhere: true
    case .namespace(let scope, let selector): (scope == mesh.rootNamespace || scope == namespace) && selector.selects(labels)
    }
  }
}

extension Explanation.Part {
  /// The part of `from[0]`, `to[1]` or `when[0]`; nil for any other text.
  init?(name: String) {
    let parts = name.split(whereSeparator: { $0 == "[" || $0 == "]" })
    guard parts.count == 2, let index = Int(parts[1]) else { return nil }
    switch ExactText(String(parts[0])) {
    case "from": self = .from(index)
    case "to": self = .to(index)
    case "when": self = .when(index)
    default: return nil
    }
  }
}
