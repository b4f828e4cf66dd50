// Two sides that do not fit: what DestinationRules make clients send, and what PeerAuthentications make servers accept; and clients
// without a proxy before servers that demand one. Enters: the loaded mesh. Leaves: findings where the client's side is written.
// Never here: the chain of one connection; `tls-check` shows that.

internal import PolicyEngine
internal import PolicyModel

let checkTLS: LintCheck = { world, report in
  let services = world.services()
  for rule in world.set.destinationRules {
    let host = ServiceHost(rule)
    for service in services where host.covers(service) {
      for case let (tls, port) in settings(of: rule) { compare(tls, port, service, rule, world, &report) }
    }
  }
  checkClients(world, &report)
}

/// The `tls` of a rule, each with the service port that it is for; nil for all.
private func settings(of rule: DestinationRule) -> [(DestinationRule.ClientTLS, UInt32?)] {
  var found: [(DestinationRule.ClientTLS, UInt32?)] = []
  for policy in [rule.trafficPolicy] + rule.subsets.map(\.trafficPolicy) {
    guard let policy else { continue }
    if let tls = policy.tls { found.append((tls, nil)) }
    for port in policy.portLevelSettings {
      if let tls = port.tls { found.append((tls, port.port)) }
    }
  }
  return found
}

private func compare(
  _ tls: DestinationRule.ClientTLS, _ number: UInt32?, _ service: LintService, _ rule: DestinationRule, _ world: LintWorld,
  _ report: inout LintReport
) {
  // A port with settings of its own is not the whole rule's.
  let own = Set(rule.trafficPolicy?.portLevelSettings.map(\.port) ?? [])
  let ports = service.ports.filter { number == nil ? !own.contains($0.number) : $0.number == number }
  let place = SourceLocation(file: rule.metadata.location.file, span: tls.span.line == 0 ? rule.metadata.location.span : tls.span)
  for workload in service.workloads where workload.proxy != .ambient && workload.proxy != .gateway && workload.proxy != .waypoint {
    let mode = world.serverMode(of: workload)
    for port in ports {
      let (server, decider) = mode.mode(port: port.target)
      let at = "port \(port.number) of \(service.metadata.key.namespace)/\(service.metadata.key.name)"
      let by = decider.map { " (\($0.key.description))" } ?? ""
      switch (tls.mode, server) {
      case (.istioMutual, _) where workload.proxy == .outside:
        report.add(
          .tlsConflict, at: place, "clients send mutual TLS to \(at), and `\(workload.name ?? "")` has no proxy that would take it",
          help: "remove `tls`, so that it is automatic, or give the workload a proxy")
      case (.disable, .strict), (.simple, .strict):
        report.add(
          .tlsConflict, at: place,
          "clients send \(tls.mode == .disable ? "plaintext" : "TLS without the mesh's certificate") to \(at), which is STRICT\(by) and refuses it"
        )
      case (.istioMutual, .disable):
        report.add(.tlsConflict, at: place, "clients send mutual TLS to \(at), which is DISABLE\(by) and takes plaintext only")
      case (.disable, .permissive) where world.allowsByIdentity(workload):
        report.add(
          .tlsPlaintextDenied, at: place,
          "clients send plaintext to \(at), and `\(workload.name ?? "")` allows by identity, which plaintext has not")
      default: break
      }
    }
  }
}

extension LintWorld {
  /// Whether an ALLOW rule at the workload wants an identity.
  fileprivate func allowsByIdentity(_ workload: LintWorkload) -> Bool {
    policies.contains { policy in
      guard policy.policy.action == .allow, policy.isEnforced, !policy.isStandIn else { return false }
      guard policy.workloads.contains(where: { $0.index == workload.index }) else { return false }
      return policy.policy.rules.contains { rule in
        rule?.allConstraints.contains { $0.attribute.isPeerIdentity && !$0.values.isEmpty } ?? false
      }
    }
  }
}

/// Clients without a proxy that a STRICT workload's rules allow, and such neighbours of a STRICT namespace.
private func checkClients(_ world: LintWorld, _ report: inout LintReport) {
  let outside = world.workloads.filter { $0.proxy == .outside }
  guard !outside.isEmpty else { return }
  world.eachRule { policy, rule in
    guard policy.policy.action == .allow, !policy.isStandIn else { return }
    let strict = policy.workloads.filter {
      $0.proxy != .outside && !world.acceptsPlaintext($0) && $0.proxy != .gateway && $0.proxy != .waypoint
    }
    guard !strict.isEmpty else { return }
    for constraint in rule.allConstraints where constraint.attribute.isPeerIdentity {
      for value in constraint.values where value.value != "*" {
        let client = outside.first { client in
          client.identity.map { world.mesh.admits($0, value.value, constraint.attribute, policyNamespace: policy.namespace) } ?? false
        }
        guard let client, let name = client.name else { continue }
        report.add(
          .strictWithoutClientProxy, at: policy.location(value.span),
          "`\(name)` is allowed here and has no proxy, so it cannot connect to \(LintWorld.list(strict)), which is STRICT")
      }
    }
  }
  for object in world.set.peerAuthentications where object.mode == .strict && object.selector.isEmpty {
    let namespace = object.metadata.key.namespace
    let neighbours = outside.filter { $0.namespace == namespace }
    let hasServers = world.workloads.contains { $0.namespace == namespace && $0.proxy == .sidecar || $0.proxy == .ambient }
    guard hasServers, !neighbours.isEmpty else { continue }
    report.add(
      .strictWithoutClientProxy, at: object.metadata.location,
      "\(object.metadata.key.description) is STRICT, and \(LintWorld.list(neighbours)) of its namespace has no proxy to speak mutual TLS")
  }
}

/// The host of a DestinationRule.
struct ServiceHost {
  /// As written, completed where Istio completes it.
  let full: ExactText
  let written: ExactText

  init(_ rule: DestinationRule) {
    written = rule.host.value
    full =
      written.bytes.contains(UInt8(ascii: ".")) || written == "*"
      ? written : ExactText("\(written).\(rule.metadata.key.namespace).svc.cluster.local")
  }

  /// Whether the rule is for a Service.
  func covers(_ service: LintService) -> Bool {
    let bytes = full.bytes
    guard bytes.first == UInt8(ascii: "*") else { return full == service.host }
    return service.host.bytes.count >= bytes.count - 1 && service.host.bytes.suffix(bytes.count - 1).elementsEqual(bytes.dropFirst())
  }
}
