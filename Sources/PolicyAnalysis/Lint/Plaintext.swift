// Rules by identity where a peer need not have one: who sends plaintext has no identity, and every "not" holds for it.
// Enters: the loaded mesh. Leaves: findings at the constraint. Never here: gateways and waypoints, whose listeners have other settings.

internal import PolicyEngine
internal import PolicyModel

let checkPlaintext: LintCheck = { world, report in
  let others = world.workloads.map { AnonymousPeers(world.policies(of: $0)) }
  world.eachRule { policy, rule in
    guard policy.isEnforced else { return }
    let named = namedPorts(rule)
    let open = policy.workloads.filter { world.acceptsPlaintext($0, named, rule) }
    func isOpen(_ workload: LintWorkload, _ isSafe: (AnonymousPeers) -> Bool) -> Bool {
      !(workload.index.map { isSafe(others[$0]) } ?? false)
    }
    switch policy.policy.action {
    case .deny:
      let evaded = open.filter { isOpen($0) { $0.areDenied || $0.areAllowedNothing } }
      if !evaded.isEmpty { checkDeny(policy, rule, evaded, world, &report) }
    case .allow:
      let open = open.filter { isOpen($0) { $0.areDenied } }
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

/// What becomes of peers without identity at a workload, whatever one rule says.
private struct AnonymousPeers {
  /// A DENY rule denies them all.
  let areDenied: Bool
  /// There are ALLOW policies, and all of their rules demand an identity.
  let areAllowedNothing: Bool

  init(_ policies: [AttachedPolicy]) {
    let enforced = policies.filter(\.isEnforced).map(\.policy)
    areDenied = enforced.contains { policy in policy.action == .deny && policy.rules.contains { $0.map(Self.denies) ?? false } }
    let allowing = enforced.filter { $0.action == .allow }
    areAllowedNothing = !allowing.isEmpty && allowing.allSatisfy { $0.rules.allSatisfy { $0.map(Self.demandsIdentity) ?? true } }
  }

  private static func denies(_ rule: AuthorizationPolicy.Rule) -> Bool {
    guard rule.operations.isEmpty || rule.operations.contains(where: { $0.constraints.allSatisfy(\.demandsNothing) }) else { return false }
    return rule.sourceCases.contains { $0.allSatisfy { $0.attribute.isPeerIdentity && $0.values.isEmpty } }
  }

  private static func demandsIdentity(_ rule: AuthorizationPolicy.Rule) -> Bool {
    rule.sourceCases.allSatisfy { $0.contains { $0.attribute.isPeerIdentity && !$0.values.isEmpty } }
  }
}

extension LintWorld {
  /// Whether a workload accepts plaintext where a rule holds. `named`: the ports of the rule, nil for all or all but some.
  fileprivate func acceptsPlaintext(_ workload: LintWorkload, _ named: [UInt16]?, _ rule: AuthorizationPolicy.Rule) -> Bool {
    switch plaintext(at: workload) {
    case .nowhere: return false
    case .ports(let ports): return ports.contains { reaches(rule, $0) }
    case .everywhere:
      let mode = serverMode(of: workload)
      return named?.contains { reaches(rule, $0) && mode.mode(port: $0).mode != .strict } ?? true
    }
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
