// Rules by identity where a peer need not have one: who sends plaintext has no identity, and every "not" holds for it.
// Enters: the loaded mesh. Leaves: findings at the constraint. Never here: gateways and waypoints, whose listeners have other settings.

internal import PolicyEngine
internal import PolicyModel

let checkPlaintext: LintCheck = { world, report in
  world.eachRule { policy, rule in
    guard policy.isEnforced else { return }
    let open = policy.workloads.filter { world.acceptsPlaintext($0) }
    switch policy.policy.action {
    case .deny where !open.isEmpty: checkDeny(policy, rule, open, world, &report)
    case .allow:
      if !open.isEmpty { checkAllow(policy, rule, open, world, &report) }
      checkWithoutTLS(policy, rule, world, &report)
    default: break
    }
  }
  checkShadowed(world, &report)
  for object in world.set.peerAuthentications where object.metadata.key.namespace == world.mesh.rootNamespace && !object.selector.isEmpty {
    report.add(
      .peerAuthenticationIgnored, at: object.metadata.location,
      "PeerAuthentication `\(object.metadata.key.name)` has a selector and is in the root namespace, where selectors are ignored")
  }
}

/// Of several PeerAuthentications that select a workload the oldest counts alone. Of those with one selector loading tells.
private func checkShadowed(_ world: LintWorld, _ report: inout LintReport) {
  let selecting = world.set.peerAuthentications.filter { $0.metadata.key.namespace != world.mesh.rootNamespace && !$0.selector.isEmpty }
  for (namespace, objects) in Dictionary(grouping: selecting, by: \.metadata.key.namespace) where objects.count > 1 {
    let sorted = ServerModes.oldestFirst(objects)
    for workload in world.workloads where workload.namespace == namespace {
      let own = sorted.filter { $0.selector.selects(workload.labels) }
      guard let first = own.first else { continue }
      for other in own.dropFirst() where other.selector != first.selector && (other.mode, other.portModes) != (first.mode, first.portModes)
      {
        report.add(
          .peerAuthenticationShadowed, at: other.metadata.location,
          "\(other.metadata.key.description) has no effect at `\(workload.name ?? "")`, which \(first.metadata.key.description) (\(first.metadata.location.description)) selects, too, and comes first"
        )
      }
    }
  }
}

/// Where plaintext is accepted, in words.
private func place(_ open: [LintWorkload], _ world: LintWorld) -> String {
  if let first = open.first, case .ports(let ports) = world.plaintext(at: first) {
    let list = ports.map(String.init).joined(separator: ", ")
    return "\(LintWorld.list(open)), which accepts plaintext on port\(ports.count == 1 ? "" : "s") \(list)"
  }
  return "\(LintWorld.list(open)), which accepts plaintext"
}

private func checkDeny(
  _ policy: AttachedPolicy, _ rule: AuthorizationPolicy.Rule, _ open: [LintWorkload], _ world: LintWorld, _ report: inout LintReport
) {
  // A source that denies whoever has no identity as well makes the others safe.
  if rule.sourceCases.contains(where: { $0.allSatisfy { $0.attribute.isPeerIdentity && $0.values.isEmpty } }) { return }
  for constraint in rule.allConstraints where constraint.attribute.isPeerIdentity && !constraint.values.isEmpty {
    report.add(
      .denyEvadedByPlaintext, at: policy.location(constraint.span),
      "this DENY rule by `\(constraint.attribute.fieldName)` does not stop a caller without mutual TLS at \(place(open, world))")
  }
}

private func checkAllow(
  _ policy: AttachedPolicy, _ rule: AuthorizationPolicy.Rule, _ open: [LintWorkload], _ world: LintWorld, _ report: inout LintReport
) {
  for constraints in rule.sourceCases {
    let identity = constraints.filter { $0.attribute.isPeerIdentity && !$0.demandsNothing }
    // A token, too, is an identity that somebody must have.
    let isPositive = constraints.contains { ($0.attribute.isPeerIdentity || $0.attribute.isToken) && !$0.values.isEmpty }
    guard let first = identity.first, !isPositive else { continue }
    report.add(
      .allowAdmitsAnonymous, at: policy.location(first.span),
      "this ALLOW rule by `\(first.attribute.negatedFieldName)` admits callers without any identity at \(place(open, world))")
  }
}

private func checkWithoutTLS(_ policy: AttachedPolicy, _ rule: AuthorizationPolicy.Rule, _ world: LintWorld, _ report: inout LintReport) {
  let plain = policy.workloads.filter { workload in
    guard workload.proxy != .ambient, workload.proxy != .gateway, workload.proxy != .waypoint else { return false }
    let mode = world.serverMode(of: workload)
    return mode.mode == .disable && mode.portModes.allSatisfy { ($0.value ?? .disable) == .disable }
  }
  guard !plain.isEmpty else { return }
  for constraint in rule.allConstraints where constraint.attribute.isPeerIdentity && !constraint.values.isEmpty {
    report.add(
      .identityWithoutTLS, at: policy.location(constraint.span),
      "`\(constraint.attribute.fieldName)` never matches at \(LintWorld.list(plain)), which takes no mutual TLS (DISABLE)")
  }
}
