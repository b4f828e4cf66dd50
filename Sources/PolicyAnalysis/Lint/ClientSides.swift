// Clients without a proxy before servers that demand one; and the hosts that DestinationRules are for.
// Enters: the loaded mesh. Leaves: findings at the rule that lets the client in, or at the PeerAuthentication. Never here: clients with a
// proxy; what they send is the matter of `TLSConflicts.swift`.

internal import PolicyEngine
internal import PolicyModel

/// Clients without a proxy that a STRICT workload's rules allow, and such neighbours of a STRICT namespace.
let checkClients: LintCheck = { world, report in
  let outside = world.workloads.filter { $0.proxy == .outside }
  guard !outside.isEmpty else { return }
  world.eachRule { policy, rule in
    guard policy.policy.action == .allow, !policy.isStandIn else { return }
    let ports = namedPorts(rule) ?? []
    let strict = policy.workloads.filter { workload in
      guard workload.proxy != .outside, workload.proxy != .gateway, workload.proxy != .waypoint else { return false }
      // Around the sidecar, as to its own pages, plaintext gets in.
      if !ports.isEmpty, ports.allSatisfy({ world.bypasses(workload, $0) }) { return false }
      return !world.acceptsPlaintext(workload)
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
  checkNeighbours(outside, world, &report)
}

/// Clients without a proxy in the namespaces of workloads that a PeerAuthentication makes STRICT.
private func checkNeighbours(_ outside: [LintWorkload], _ world: LintWorld, _ report: inout LintReport) {
  let meshed = world.workloads.filter { $0.proxy == .sidecar || $0.proxy == .ambient }
  let servers = Dictionary(grouping: meshed) { workload -> ObjectKey? in
    let mode = world.serverMode(of: workload)
    return mode.mode == .strict ? mode.decider?.key : nil
  }
  for object in world.set.peerAuthentications where object.mode == .strict {
    let strict = servers[object.metadata.key] ?? []
    let namespaces = Set(strict.map(\.namespace))
    let neighbours = outside.filter { namespaces.contains($0.namespace) }
    guard let first = neighbours.first else { continue }
    let isWholeNamespace = object.selector.isEmpty && object.metadata.key.namespace != world.mesh.rootNamespace
    let place = isWholeNamespace ? "" : " at \(LintWorld.list(strict.filter { $0.namespace == first.namespace }))"
    report.add(
      .strictWithoutClientProxy, at: object.metadata.location,
      "\(object.metadata.key.description) is STRICT\(place), and \(LintWorld.list(neighbours)) of \(isWholeNamespace ? "its" : "the same") namespace has no proxy to speak mutual TLS"
    )
  }
}

/// The host of a DestinationRule.
struct ServiceHost {
  /// As written, completed where Istio completes it.
  let full: ExactText
  let written: ExactText

  init(_ rule: DestinationRule, clusterDomain: ExactText) {
    written = rule.host.value
    full = ClientRules.host(of: rule, clusterDomain: clusterDomain)
  }

  /// Whether the rule is for a Service.
  func covers(_ service: LintService) -> Bool {
    let bytes = full.bytes
    guard bytes.first == UInt8(ascii: "*") else { return full == service.host }
    return service.host.bytes.count >= bytes.count - 1 && service.host.bytes.suffix(bytes.count - 1).elementsEqual(bytes.dropFirst())
  }
}
