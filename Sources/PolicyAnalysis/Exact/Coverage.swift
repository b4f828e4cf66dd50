// What a comparison of two sets does not see, so that nobody takes "nothing changes" for more than it is.
// Enters: what two sets say differently, and the workloads that are compared. Leaves: sentences, each a reason why the report is not complete.
// Never here: a sentence about sets that are the same.

internal import PolicyEngine
internal import PolicyModel

extension ChangeAnalysis {
  /// What of a difference the comparison of these workloads, and of stand-ins, does not cover.
  ///
  /// - Parameter onlyThese: whether nothing else was asked about: then what concerns others is no gap.
  func uncovered(_ difference: SetDifference, _ destinations: [AnalyzedDestination], onlyThese: Bool) -> [String] {
    var gaps: [String] = []
    if hasOtherTokens(difference) {
      gaps.append("RequestAuthentications differ; which tokens count then was not compared")
    }
    gaps += delegatedChanges(difference)
    for policy in onlyThese ? [] : concerned(difference) as [AuthorizationPolicy] {
      if case .targets(let targets) = policy.attachment, !isCompared(policy, targets, destinations) {
        gaps.append("\(policy.metadata.key.description) is for gateways or waypoints that were not compared")
      }
    }
    for object in movedModes(difference) where object.mode == .disable || object.portModes.values.contains(.some(.disable)) {
      gaps.append(
        "\(object.metadata.key.description) switches mutual TLS off on one side; who still shows an identity then was not compared")
    }
    gaps += disabledOnOneSide(destinations)
    var seen: Set<String> = []
    return gaps.filter { seen.insert($0).inserted }
  }

  /// Workloads whose mutual TLS is off on one side, on some port, whoever says so.
  private func disabledOnOneSide(_ destinations: [AnalyzedDestination]) -> [String] {
    let modes = (ServerModes(before.policies, mesh: before.mesh), ServerModes(after.policies, mesh: after.mesh))
    func disabled(_ modes: ServerModes, _ proxy: AnalyzedProxy) -> [UInt16?] {
      let found = modes.effective(namespace: proxy.namespace, labels: proxy.labels)
      let ports = found.portModes.filter { ($0.value ?? found.mode) == .disable }.keys.sorted()
      return ports.map { Optional($0) } + (found.mode == .disable ? [nil] : [])
    }
    return destinations.filter { destination in
      destination.profile == .sidecar && disabled(modes.0, destination.before) != disabled(modes.1, destination.after)
    }.map { "\($0.name): a PeerAuthentication switches mutual TLS off on one side; who still shows an identity then was not compared" }
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
