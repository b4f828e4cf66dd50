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
