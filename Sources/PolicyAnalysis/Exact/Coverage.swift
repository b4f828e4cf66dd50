// What a comparison of two sets does not see, so that nobody takes "nothing changes" for more than it is.
// Enters: what two sets say differently, and the workloads that are compared. Leaves: sentences, each a reason why the report is not complete.
// Never here: a sentence about sets that are the same.

internal import PolicyEngine
internal import PolicyModel

extension ChangeAnalysis {
  /// What of a difference the comparison of these workloads does not cover.
  ///
  /// - Parameter onlyThese: whether nothing else was asked about: then what concerns others is no gap.
  func uncovered(_ difference: SetDifference, _ destinations: [AnalyzedDestination], onlyThese: Bool) -> [String] {
    var gaps: [String] = []
    if destinations.isEmpty, difference.isSome { gaps.append("no workload was compared, and the two sets differ") }
    if difference.hasOtherRequestAuthentications {
      gaps.append("RequestAuthentications differ; which tokens count then was not compared")
    }
    for policy in onlyThese ? [] : difference.policies {
      if case .targets(let targets) = policy.attachment, !isCompared(policy, targets, destinations) {
        gaps.append("\(policy.metadata.key) is for gateways or waypoints that were not compared")
      }
    }
    for object in difference.peerAuthentications {
      let key = object.metadata.key
      if object.mode == .disable || object.portModes.values.contains(.some(.disable)) {
        gaps.append("\(key) switches mutual TLS off on one side; who still shows an identity then was not compared")
      }
      let isRoot = key.namespace == after.mesh.rootNamespace || key.namespace == before.mesh.rootNamespace
      let isCompared = destinations.contains { destination in
        [destination.before, destination.after].contains { proxy in
          (isRoot || proxy.namespace == key.namespace) && object.selector.selects(proxy.labels)
        }
      }
      if !isCompared, !onlyThese { gaps.append("\(key) applies to no workload of the files") }
    }
    var seen: Set<String> = []
    return gaps.filter { seen.insert($0).inserted }
  }

  /// Whether the proxies of all targets are among what is compared.
  private func isCompared(
    _ policy: AuthorizationPolicy, _ targets: [AuthorizationPolicy.TargetReference], _ destinations: [AnalyzedDestination]
  ) -> Bool {
    let namespace = policy.metadata.key.namespace
    let proxies = destinations.flatMap { [$0.before, $0.after] }
    return targets.allSatisfy { target in
      proxies.contains { proxy in
        switch target.kind {
        case "Gateway":
          (proxy.profile == .gateway || proxy.profile == .waypoint) && proxy.namespace == namespace
            && proxy.labels["gateway.networking.k8s.io/gateway-name"] == target.name
        case "GatewayClass": proxy.profile == .waypoint
        case "Service": proxy.service == ServiceName(namespace: namespace, name: target.name)
        case "ServiceEntry": proxy.service == ServiceName(kind: .serviceEntry, namespace: namespace, name: target.name)
        default: false
        }
      }
    }
  }
}
