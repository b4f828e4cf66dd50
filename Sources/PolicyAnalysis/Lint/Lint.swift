// The door of lint: everything that works as written and probably not as meant.
// Enters: a policy set without errors, and the mesh's settings. Leaves: findings in the order of the files.
// Never here: what loading refuses; that is found there. A finding that silences another one, or a change of the set.

public import PolicyModel

/// Looks for pitfalls. The same set gives the same findings. `clusterDomain`: the suffix of service names.
///
/// O(policies × workloads of their namespaces), and for rules that stand for the same workloads O(rules²), bounded; connections are O(services × ports × workloads behind them ×
/// DestinationRules for their host).
public func lint(_ set: PolicySet, mesh: MeshSettings, clusterDomain: ExactText = "cluster.local") -> [LintFinding] {
  let world = LintWorld(set, mesh: mesh, clusterDomain: clusterDomain)
  var report = LintReport()
  for check in checks { check(world, &report) }
  return report.sorted
}

/// One family of checks.
typealias LintCheck = @Sendable (LintWorld, inout LintReport) -> Void

private let checks: [LintCheck] = [
  checkIdentities, checkValues, checkSelection, checkPlaintext, checkTLS, checkClients, checkDestinations, checkPorts, checkBypass,
  checkTokens, checkRules, checkAmbient,
]
