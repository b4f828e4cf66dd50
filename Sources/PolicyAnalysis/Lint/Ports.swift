// What a rule becomes on ports that do not speak HTTP, and ports that are the Service's and not the container's.
// Enters: the loaded mesh. Leaves: findings at the rule or the port. Never here: ambient mode, where another proxy reads the rules.

internal import PolicyModel

let checkPorts: LintCheck = { world, report in
  let services = world.services()
  guard !services.isEmpty else { return }
  var behind: [Int: [(LintService, LintService.Port)]] = [:]
  for service in services {
    for workload in service.workloads {
      guard let index = workload.index else { continue }
      behind[index, default: []] += service.ports.map { (service, $0) }
    }
  }
  world.eachRule { policy, rule in
    guard !policy.isStandIn else { return }
    let ports = policy.workloads.filter { $0.proxy != .ambient && $0.proxy != .outside }.compactMap(\.index).flatMap { behind[$0] ?? [] }
    checkServicePorts(policy, rule, ports, &report)
    if policy.isEnforced { checkTCP(policy, rule, ports, &report) }
  }
}

private func checkServicePorts(
  _ policy: AttachedPolicy, _ rule: AuthorizationPolicy.Rule, _ ports: [(LintService, LintService.Port)], _ report: inout LintReport
) {
  for constraint in rule.allConstraints where constraint.attribute == .destinationPort {
    for value in constraint.values + constraint.notValues {
      guard let number = portNumber(value.value), !ports.contains(where: { $0.1.target == number }) else { continue }
      guard let (service, port) = ports.first(where: { $0.1.number == UInt32(number) }), let target = port.target else { continue }
      report.add(
        .portIsServicePort, at: policy.location(value.span),
        "\(number) is a port of \(service.metadata.key.description), which leads to port \(target) of the workload; the rule means the latter",
        help: "write \"\(target)\"")
    }
  }
}

private func checkTCP(
  _ policy: AttachedPolicy, _ rule: AuthorizationPolicy.Rule, _ ports: [(LintService, LintService.Port)], _ report: inout LintReport
) {
  let http = rule.allConstraints.filter { $0.attribute.isHTTP && !$0.demandsNothing }
  guard let first = http.first else { return }
  let touched = ports.filter { $0.1.isTCP && $0.1.target.map { reaches(rule, $0) } == true }
  guard let (service, port) = touched.first, let target = port.target else { return }
  // For an ALLOW rule that names HTTP ports and other ones, too, nothing is lost where HTTP is spoken.
  let place =
    "port \(target) (\(service.metadata.key.namespace)/\(service.metadata.key.name)\(port.name.isEmpty ? "" : ", `\(port.name)`"))"
  let fields = Set(http.map { $0.values.isEmpty ? $0.attribute.negatedFieldName : $0.attribute.fieldName }).sorted()
  let named = fields.map { "`\($0)`" }.joined(separator: ", ")
  switch policy.policy.action {
  case .deny:
    let rest = rule.allConstraints.contains { !$0.attribute.isHTTP && $0.attribute != .destinationPort && !$0.demandsNothing }
    report.add(
      .tcpDenyWidens, at: policy.location(rule.span),
      "on TCP \(place) this DENY rule loses \(named) and denies every connection\(rest ? " that the rest of it matches" : "")",
      help: "add `ports` with the HTTP ports to its operations")
  case .allow:
    report.add(
      .tcpAllowVanishes, at: policy.location(first.span),
      "on TCP \(place) this ALLOW rule does not exist, because it tests \(named)",
      help: "write a rule of its own, without \(named), for the port")
  default: break
  }
}

/// The container ports that a rule is for; nil for all, or all but some.
func namedPorts(_ rule: AuthorizationPolicy.Rule) -> [UInt16]? {
  func named(_ constraints: [Constraint]) -> [UInt16]? {
    let own = constraints.filter { $0.attribute == .destinationPort && !$0.values.isEmpty }
    return own.isEmpty ? nil : own.flatMap { $0.values.compactMap { portNumber($0.value) } }
  }
  if let ports = named(rule.conditions) { return ports }
  let ports = rule.operations.map { named($0.constraints) }
  return ports.isEmpty || ports.contains(nil) ? nil : ports.flatMap { $0 ?? [] }
}

/// Whether the rule's ports let it reach a container port. An ALLOW or DENY rule without ports is for all.
func reaches(_ rule: AuthorizationPolicy.Rule, _ port: UInt16) -> Bool {
  func admits(_ constraints: [Constraint]) -> Bool {
    constraints.allSatisfy { constraint in
      guard constraint.attribute == .destinationPort else { return true }
      let isWanted = constraint.values.isEmpty || constraint.values.contains { portNumber($0.value) == port }
      return isWanted && !constraint.notValues.contains { portNumber($0.value) == port }
    }
  }
  guard admits(rule.conditions) else { return false }
  return rule.operations.isEmpty || rule.operations.contains { admits($0.constraints) }
}
