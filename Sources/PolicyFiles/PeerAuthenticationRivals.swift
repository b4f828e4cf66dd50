// PeerAuthentications that say something about the same workloads, of which only one counts. The objects in force enter, of whatever files;
// a warning for each that has no effect leaves. Nothing is taken out here: the engine makes the same choice. Selectors that overlap without
// being equal are not compared, because which workloads they share may depend on manifests that nobody gave.

internal import PolicyLoading
internal import PolicyModel

/// Namespace and labels; without labels there is one scope in a namespace, however the selector is written (Istio).
private struct Scope: Hashable {
  var namespace: ExactText
  var labels: [LabelSelector.Pair]
}

/// Warns of every PeerAuthentication that another one of its namespace with the same selector outdoes (Istio: the oldest, then the first
/// name). O(n log n).
func warningsOfOutdoneModes(_ objects: some Sequence<LoadedObject>) -> [Diagnostic] {
  var rivals: [Scope: [ObjectMetadata]] = [:]
  for case .peerAuthentication(let policy) in objects {
    let scope = Scope(namespace: policy.metadata.key.namespace, labels: policy.selector.matchLabels)
    rivals[scope, default: []].append(policy.metadata)
  }
  var found: [Diagnostic] = []
  for objects in rivals.values where objects.count > 1 {
    let sorted = objects.sorted { ($0.creationTime, $0.key.name) < ($1.creationTime, $1.key.name) }
    for loser in sorted.dropFirst() {
      let message = Message.peerAuthenticationOutdone(loser.key.description, by: sorted[0].key.description)
      found.append(Diagnostic(.warning, code: message.code.rawValue, message.text, at: loser.location, help: message.help))
    }
  }
  return found
}
