// A decision in words, for whoever debugs a host.
// Enters: a decision, its connection, the policies it was made by. Leaves: text. The engine decides, the reference evaluator explains, and where
// the two differ, that is said. Never here: another decision than the one that a check gives.

internal import DecisionText
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel

enum ExplanationPage {
  /// The page about one decision. O(all policies).
  static func text(_ decision: Decision, _ desk: ConnectionDesk, _ published: SnapshotPublisher.Published) -> String {
    let report = DecisionReport(decision, published.snapshot)
    let name = desk.workload.isEmpty ? "the workload" : Printable.text(desk.workload)
    let title = "the peer -> \(name)"
    guard desk.hasTarget, desk.peerRefusal == nil, let pods = desk.pods(in: published.snapshot, published.policies)
    else { return report.text(question: title, help: help) }
    let explanation = ReferenceEvaluator(policies: published.policies, mesh: published.mesh)
      .explain(desk.request, namespace: pods.namespace, labels: pods.labels, profile: desk.profile, service: desk.service)
    return ExplanationReport(report, explanation).text(question: title, help: help)
  }

  /// Which field of the header makes an attribute known.
  private static func help(_ reason: Reason) -> String? {
    let field: String? =
      switch reason {
      case .unknownPeer: "`peer_kind` of the connection"
      case .unknownPort: "`port` of the connection"
      case .unknownSourceIP: "`source` of the connection"
      case .unknownRemoteIP: "`remote` of the request or the connection"
      case .unknownDestinationIP: "`destination` of the connection"
      case .unknownSNI: "`sni` of the connection"
      case .unknownMethod: "`method`"
      case .unknownHost: "`host`"
      case .unknownPath: "`path`"
      case .unknownHeaders: "`headers` and `header_form`"
      case .unknownClaims: "`token` and `claims`"
      case .unknownMetadata: "`metadata_form` and `metadata`"
      case .customProvider: "`delegated_providers` of the options, if the host asks the provider itself"
      default: nil
      }
    return field.map { "set \($0); nothing is assumed" }
  }
}
