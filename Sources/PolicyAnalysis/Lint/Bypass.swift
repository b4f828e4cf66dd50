// Ports that go around the sidecar by an annotation: no mutual TLS and no policy holds there (Istio: traffic.sidecar.istio.io/…).
// Enters: the loaded mesh. Leaves: findings at the port that a rule names, and at the workload. Never here: the ports of the proxy's own
// pages, unless a rule names one.

internal import PolicyEngine
internal import PolicyModel

let checkBypass: LintCheck = { world, report in
  checkNamedPorts(world, &report)
  checkWorkloads(world, &report)
}

extension LintWorkload {
  /// Whether it has a sidecar, as far as anything tells.
  fileprivate var maySidecar: Bool { proxy == .sidecar || proxy == .unknown }
}

extension LintWorld {
  /// How a workload runs.
  private func runtime(_ workload: LintWorkload) -> WorkloadRuntime? { workload.index.map { set.workloads[$0].runtime } }

  /// Whether connections to a port go around the workload's sidecar.
  func bypasses(_ workload: LintWorkload, _ port: UInt16) -> Bool {
    workload.maySidecar && runtime(workload)?.bypassesSidecar(port) ?? false
  }

  /// By what they do, in words.
  func bypass(_ workload: Int?, _ port: UInt16?) -> String {
    guard let workload, let port else { return "by an annotation" }
    let runtime = set.workloads[workload].runtime
    if WorkloadRuntime.proxyPorts.contains(port) { return "a port of the proxy itself" }
    var without = runtime
    without.excludedInboundPorts = nil
    return without.bypassesSidecar(port) ? "`includeInboundPorts` leaves it out" : "`excludeInboundPorts`"
  }
}

private func checkNamedPorts(_ world: LintWorld, _ report: inout LintReport) {
  world.eachRule { policy, rule in
    guard policy.isEnforced, !policy.isStandIn else { return }
    for constraint in rule.allConstraints where constraint.attribute == .destinationPort {
      for value in constraint.values {
        guard let port = portNumber(value.value) else { continue }
        let around = policy.workloads.filter { world.bypasses($0, port) }
        guard let first = around.first else { continue }
        report.add(
          .portBypassesSidecar, at: policy.location(value.span),
          "port \(port) goes around the sidecar of \(LintWorld.list(around)) (\(world.bypass(first.index, port))), so this \(policy.policy.action.rawValue) rule does not hold there"
        )
      }
    }
  }
  for object in world.set.peerAuthentications where object.metadata.key.namespace != world.mesh.rootNamespace {
    let selected = world.workloads.filter { $0.namespace == object.metadata.key.namespace && object.selector.selects($0.labels) }
    for (port, mode) in object.portModes.sorted(by: { $0.key < $1.key }) where (mode ?? object.mode) == .strict {
      let around = selected.filter { world.bypasses($0, port) }
      guard let first = around.first else { continue }
      report.add(
        .portBypassesSidecar, at: object.metadata.location,
        "port \(port) goes around the sidecar of \(LintWorld.list(around)) (\(world.bypass(first.index, port))), so it is not STRICT there")
    }
  }
}

/// Ports of a workload that something should protect.
private func checkWorkloads(_ world: LintWorld, _ report: inout LintReport) {
  var ports: [Int: Set<UInt16>] = [:]
  for service in world.services() {
    for case let index? in service.workloads.map(\.index) {
      ports[index, default: []].formUnion(service.ports.filter { !$0.isUDP }.compactMap(\.target))
    }
  }
  for workload in world.workloads {
    guard workload.maySidecar, let index = workload.index else { continue }
    let object = world.set.workloads[index]
    let known = (ports[index] ?? []).union(object.runtime.containerPorts).subtracting(WorkloadRuntime.proxyPorts)
    let around = known.filter { object.runtime.bypassesSidecar($0) }.sorted()
    guard let port = around.first(where: { !guards(workload, $0, world).isEmpty }) else { continue }
    let list = around.filter { !guards(workload, $0, world).isEmpty }.map(String.init).joined(separator: ", ")
    report.add(
      .portBypassesSidecar, at: object.metadata.location,
      "port\(list.contains(",") ? "s" : "") \(list) of `\(workload.name ?? "")` go\(list.contains(",") ? "" : "es") around its sidecar (\(world.bypass(index, port))), past \(guards(workload, port, world).joined(separator: " and "))"
    )
  }
}

/// What stands before the port for whoever reads the policies: at most one policy and the server's mode.
private func guards(_ workload: LintWorkload, _ port: UInt16, _ world: LintWorld) -> [String] {
  let policy = world.policies(of: workload).first { policy in
    guard policy.isEnforced else { return false }
    switch policy.policy.action {
    // What no ALLOW policy allows is denied, on every port.
    case .allow: return true
    case .deny, .custom: return policy.policy.rules.contains { $0.map { reaches($0, port) } ?? false }
    case .audit: return false
    }
  }
  let (mode, decider) = world.serverMode(of: workload).mode(port: port)
  let strict = mode == .strict ? decider.map { "STRICT of \($0.key.description)" } : nil
  return [policy?.policy.metadata.key.description, strict].compactMap { $0 }
}
