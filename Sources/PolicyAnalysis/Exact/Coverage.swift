// What a comparison of two sets does not see, so that nobody takes "nothing changes" for more than it is.
// Enters: what two sets say differently, and the workloads that are compared. Leaves: sentences, each a reason why the report is not complete.
// Never here: a sentence about sets that are the same.

internal import PolicyEngine
internal import PolicyModel

extension ChangeAnalysis {
  /// Why a workload cannot be asked about as the proxy that the question is about; `nil` when it can.
  static func mismatch(_ workload: Workload, _ finder: ProxyFinder, _ profile: Profile) -> String? {
    let finding = finder.proxy(of: workload)
    guard !finding.isAssumed else { return nil }
    let key = workload.metadata.key
    let name = "\(key.namespace)/\(key.kind.string.lowercased())/\(key.name)"
    switch (finding.kind, profile) {
    case (.sidecar, .sidecar), (.gateway, .gateway), (.ambient, .ztunnel): return nil
    case (.sidecar, _): return "\(name) has a sidecar (\(finding.because)): ask with `--profile sidecar`"
    case (.gateway, _): return "\(name) is a gateway (\(finding.because)): ask with `--profile gateway`"
    case (.ambient, _): return "\(name) is in ambient mode (\(finding.because)): ask with `--profile ztunnel`"
    case (.waypoint, _): return "\(name) is a waypoint's pod; its services were not compared"
    case (.none, _): return "\(name) has no proxy (\(finding.because)): nothing enforces policies there"
    }
  }

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
    var seen: Set<String> = []
    return gaps.filter { seen.insert($0).inserted }
  }

  /// Whether all targets are Gateways whose pods are among what is compared.
  private func isCompared(
    _ policy: AuthorizationPolicy, _ targets: [AuthorizationPolicy.TargetReference], _ destinations: [AnalyzedDestination]
  ) -> Bool {
    profile == .gateway
      && targets.allSatisfy { target in
        target.kind == "Gateway"
          && destinations.contains {
            $0.namespace == policy.metadata.key.namespace && $0.labels["gateway.networking.k8s.io/gateway-name"] == target.name
          }
      }
  }
}
