// Rules about tokens where nobody reads tokens, issuers that nobody accepts, and tokens that nobody demands.
// Enters: the loaded mesh. Leaves: findings at the constraint or the object. Never here: a token.

internal import PolicyEngine
internal import PolicyModel

let checkTokens: LintCheck = { world, report in
  let tokens = TokenReaders(world)
  world.eachRule { policy, rule in
    for constraint in rule.allConstraints where constraint.attribute.isToken && !constraint.demandsNothing {
      check(constraint, policy, tokens, &report)
    }
  }
  for object in world.set.requestAuthentications where !object.jwtRules.isEmpty { checkRequired(object, world, &report) }
}

/// Which RequestAuthentications read the tokens of a policy's workloads.
private struct TokenReaders {
  let world: LintWorld
  private let active: [RequestAuthentication]

  init(_ world: LintWorld) {
    self.world = world
    active = world.set.requestAuthentications.filter { !$0.jwtRules.isEmpty }
  }

  /// Those of the policy's workloads or targets, and the first workload that has none.
  func readers(of policy: AttachedPolicy) -> (readers: [RequestAuthentication], without: LintWorkload?, isWithout: Bool) {
    switch policy.policy.attachment {
    case .targets(let targets):
      let found = active.filter { object in
        guard object.metadata.key.namespace == policy.namespace, case .targets(let own) = object.attachment else {
          // A Gateway's pods may also be selected.
          return targets.contains { $0.kind == "Gateway" } && object.metadata.key.namespace == policy.namespace
        }
        // A Service's waypoint may also be named by its Gateway.
        return own.contains { targets.contains($0) || $0.kind == "Gateway" || $0.kind == "GatewayClass" }
      }
      return (found, nil, found.isEmpty)
    case .selector:
      var found: [RequestAuthentication] = []
      var without: LintWorkload?
      for workload in policy.workloads {
        let own = active.filter { world.attaches($0.attachment, from: $0.metadata.key.namespace, to: workload) }
        if own.isEmpty, without == nil { without = workload }
        found += own
      }
      return (found, without, without != nil)
    }
  }
}

private func check(_ constraint: Constraint, _ policy: AttachedPolicy, _ tokens: TokenReaders, _ report: inout LintReport) {
  let (readers, without, isWithout) = tokens.readers(of: policy)
  if isWithout {
    let effect =
      switch (policy.policy.action, constraint.values.isEmpty) {
      case (.allow, false): "the rule allows nothing"
      case (.allow, true): "the rule holds for every request"
      case (.deny, false): "the rule denies nothing"
      case (.deny, true): "the rule holds for every request"
      default: "no token is ever seen"
      }
    let place = without?.name.map { " at `\($0)`" } ?? ""
    let field = constraint.values.isEmpty ? constraint.attribute.negatedFieldName : constraint.attribute.fieldName
    return report.add(
      .tokenWithoutAuthentication, at: policy.location(constraint.span),
      "no RequestAuthentication reads tokens\(place), so `\(field)` sees none: \(effect)")
  }
  guard constraint.attribute == .requestPrincipal else { return }
  let issuers = Set(readers.flatMap { $0.jwtRules.compactMap(\.issuer) })
  // A rule without an issuer accepts any.
  if readers.contains(where: { $0.jwtRules.contains { $0.issuer == nil } }) { return }
  for value in constraint.values + constraint.notValues {
    guard let issuer = issuer(of: value.value), !issuers.contains(issuer) else { continue }
    let list = issuers.sorted().map { "`\($0)`" }.joined(separator: ", ")
    let slash = issuers.first { $0 == ExactText("\(issuer)/") || ExactText("\($0)/") == issuer }
    let near = slash ?? nearName(issuer, among: issuers)
    report.add(
      .issuerUnknown, at: policy.location(value.span),
      "no RequestAuthentication accepts the issuer \(Message.quoted(issuer.string)); accepted is \(list)",
      help: near.map { "did you mean `\($0)/…`?" })
  }
}

/// The issuer that a request principal names exactly; nil when it names none, or the value never matches.
private func issuer(of value: ExactText) -> ExactText? {
  let bytes = value.bytes
  guard bytes.first != UInt8(ascii: "*"), let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return nil }
  let issuer = bytes[..<slash]
  if issuer.elementsEqual("https:/".utf8) || issuer.elementsEqual("http:/".utf8) { return nil }
  return ExactText(String(decoding: issuer, as: UTF8.self))
}

/// Whether something at the object's workloads refuses requests without a token.
private func checkRequired(_ object: RequestAuthentication, _ world: LintWorld, _ report: inout LintReport) {
  if object.jwtRules.contains(where: \.isRequired) { return }
  let open = world.workloads.filter { workload in
    guard world.attaches(object.attachment, from: object.metadata.key.namespace, to: workload) else { return false }
    return !world.policies.contains { policy in
      policy.isEnforced && policy.workloads.contains { $0.index == workload.index } && demandsToken(policy.policy)
    }
  }
  guard !open.isEmpty else { return }
  report.add(
    .tokenNotRequired, at: object.metadata.location,
    "\(object.metadata.key.description) verifies tokens at \(LintWorld.list(open)), and a request without any token passes")
}

private func demandsToken(_ policy: AuthorizationPolicy) -> Bool {
  switch policy.action {
  case .allow:
    // Without rules it allows nothing, with or without a token.
    policy.rules.allSatisfy { rule in rule?.allConstraints.contains { $0.attribute.isToken && !$0.values.isEmpty } ?? true }
  case .deny: policy.rules.contains { rule in rule?.allConstraints.contains { $0.attribute.isToken && !$0.notValues.isEmpty } ?? false }
  default: false
  }
}
