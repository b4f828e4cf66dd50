// Why ztunnel decides what it does, and what it leaves out of the policies.
// Enters: a connection and its workload. Leaves: the attached policies with what became of each rule, and those that are never enforced.
// Never here: another opinion; the rules are judged by the reference.

internal import PolicyModel

extension ZtunnelReference {
  /// Explains the decision about one connection. O(all policies).
  func explain(_ request: Request, namespace: ExactText, labels: [ExactText: ExactText]) -> Explanation {
    let order: [AuthorizationPolicy.Action] = [.deny, .allow]
    let attached = policies.policies.filter { attaches($0, to: namespace, labels: labels) }.sorted {
      let (left, right) = (order.firstIndex(of: $0.action) ?? 0, order.firstIndex(of: $1.action) ?? 0)
      return left != right ? left < right : $0.metadata.key < $1.metadata.key
    }
    var explanation = Explanation(
      finding: decide(request, namespace: namespace, labels: labels),
      serverMode: serverMode(request, namespace: namespace, labels: labels),
      policies: attached.map { policy in
        Explanation.Policy(
          key: policy.metadata.key, action: policy.action, isDryRun: false, isDelegated: false, location: policy.metadata.location,
          rules: policy.rules.indices.map { explain(policy.rules[$0], of: policy, $0, request) })
      },
      unattachedCount: policies.policies.count - attached.count)
    explanation.withheld = withheld(namespace: namespace, labels: labels)
    explanation.unattachedCount -= explanation.withheld.count
    return explanation
  }

  /// The policies that would apply to the workload but for ztunnel.
  private func withheld(namespace: ExactText, labels: [ExactText: ExactText]) -> [Explanation.Withheld] {
    policies.policies.sorted { $0.metadata.key < $1.metadata.key }.compactMap { policy in
      guard let reason = Self.whyWithheld(policy), case .selector(let selector) = policy.attachment else { return nil }
      let own = policy.metadata.key.namespace
      guard own == mesh.rootNamespace || own == namespace, selector.selects(labels) else { return nil }
      return Explanation.Withheld(key: policy.metadata.key, location: policy.metadata.location, reason: reason)
    }
  }

  private func serverMode(_ request: Request, namespace: ExactText, labels: [ExactText: ExactText]) -> String {
    switch handshakeFails(request) {
    case .yes: return "the peer has no identity in the trust domain `\(mesh.trustDomain)`, and ztunnel accepts no other"
    case .unknown(let reason): return "\(reason.explanation)"
    case .no: break
    }
    return switch Truth.any(plaintextRules(namespace: namespace, labels: labels).map { matches($0, request) }) {
    case .yes: "\(Reason.mtlsRequired.explanation)"
    case .no: "PeerAuthentication lets the peer pass"
    case .unknown(let reason): "\(reason.explanation)"
    }
  }

  // MARK: Rules

  private func explain(
    _ rule: AuthorizationPolicy.Rule?, of policy: AuthorizationPolicy, _ index: Int, _ request: Request
  ) -> Explanation.Rule {
    let (key, file) = (policy.metadata.key, policy.metadata.location.file)
    let result = rule.map { outcome($0, of: policy, index, request) } ?? .dropped("the rule is null")
    let isDropped = if case .dropped = result { true } else { false }
    return Explanation.Rule(
      name: ExactText("ns[\(key.namespace)]-policy[\(key.name)]-rule[\(index)]"),
      location: SourceLocation(file: file, span: rule?.span ?? policy.metadata.location.span),
      outcome: result, notes: isDropped ? [] : rule.map { notes($0, of: policy, index) } ?? [])
  }

  private func outcome(
    _ rule: AuthorizationPolicy.Rule, of policy: AuthorizationPolicy, _ index: Int, _ request: Request
  ) -> Explanation.Outcome {
    guard let sent = sent(rule, of: policy, index) else {
      let names = Self.unseen(rule).map { "`\($0.constraint.attribute.description)` in \($0.clause)" }.joined(separator: ", ")
      return .dropped("ztunnel does not see \(names), so Istio omits this ALLOW rule")
    }
    if let empty = sent.clauses.first(where: { $0.allSatisfy(\.fields.isEmpty) }) {
      let name = empty.count == 1 ? empty[0].name : String(empty[0].name.prefix { $0 != "[" })
      return .dropped("nothing is left of \(name) for ztunnel, and what is empty never matches, so the rule has no effect")
    }
    switch matches(sent, request) {
    case .yes: return .matches
    case .unknown(let reason): return .unknown(reason)
    case .no: return .fails(sent.clauses.flatMap { failures($0, file: policy.metadata.location.file, request) })
    }
  }

  /// What ztunnel leaves out of a rule that it is given.
  private func notes(_ rule: AuthorizationPolicy.Rule, of policy: AuthorizationPolicy, _ index: Int) -> [String] {
    let matches = sent(rule, of: policy, index).map { $0.clauses.flatMap { $0 } } ?? []
    let empty = matches.filter(\.fields.isEmpty).map(\.name)
    var notes = Self.unseen(rule).map { clause, constraint in
      "\(clause): ztunnel does not see `\(constraint.attribute.description)`, "
        + (empty.contains(clause) ? "and what is left is empty and never matches" : "so the rule is wider than written")
    }
    for constraint in (rule.sources + rule.operations).flatMap(\.constraints) + rule.conditions {
      for value in (constraint.values + constraint.notValues).map(\.value) {
        let isReadable =
          switch constraint.attribute {
          case .sourceIP, .destinationIP: Self.block(value.bytes) != nil
          case .destinationPort: Self.port(value.bytes) != nil
          default: true
          }
        if !isReadable { notes.append("`\(value)` cannot be read and is left out") }
      }
    }
    return notes
  }

  /// The first failure of each match, unless one of them can hold.
  private func failures(_ clause: [Match], file: ExactText, _ request: Request) -> [Explanation.Failure] {
    let failing = clause.compactMap { match in match.fields.first { holds($0, request) == .no }.map { (match.name, $0) } }
    guard failing.count == clause.filter({ !$0.fields.isEmpty }).count else { return [] }
    return failing.map { name, field in
      func list(_ values: [ExactText]) -> String {
        values.prefix(8).map { "`\($0)`" }.joined(separator: ", ") + (values.count > 8 ? ", …" : "")
      }
      var demands: [String] = []
      if !field.values.isEmpty { demands.append("one of \(list(field.values))") }
      if !field.notValues.isEmpty { demands.append("none of \(list(field.notValues))") }
      return Explanation.Failure(
        clause: name, attribute: field.constraint?.attribute.description ?? "", demand: demands.joined(separator: " and "),
        actual: actual(field.field, request), location: SourceLocation(file: file, span: field.constraint?.span ?? .nowhere))
    }
  }

  private func actual(_ field: Field, _ request: Request) -> String {
    func address(_ field: Request.AddressField) -> String {
      field.knowledge == .present ? field.address.description : field.knowledge == .absent ? "not an IP address" : "not known"
    }
    switch field {
    case .sourceIP: return address(request.sourceIP)
    case .destinationIP: return address(request.destinationIP)
    case .destinationPort: return request.isPortKnown ? "\(request.port)" : "not known"
    case .principal, .namespace, .serviceAccount:
      return peers(request).first.map { "`spiffe://\(String(decoding: $0.text, as: UTF8.self))`" } ?? "anonymous"
    }
  }
}
