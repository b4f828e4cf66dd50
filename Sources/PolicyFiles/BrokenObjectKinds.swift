// What a broken object could have been meant to be. What could be read of it enters; whether it could be a certain object, a policy or a
// workload leaves. When in doubt it could: a policy that silently disappears may be the one that denies.

internal import PolicyLoading
internal import PolicyModel

extension BrokenObject {
  /// Whether this text could be the object `key`: what could be read of it does not say otherwise. A namespace that is `default`
  /// may be one that was lost with a misspelt field, a kind that nobody knows may be a misspelt one.
  func could(be key: ObjectKey) -> Bool {
    let isKind = kind.map { $0 == key.kind || !$0.isKnownKind } ?? true
    let isNamespace = namespace.map { $0 == key.namespace || $0 == "default" } ?? true
    return isKind && isNamespace && (name.map { $0 == key.name } ?? true)
  }

  /// Whether this text could be a workload.
  var couldBeWorkload: Bool {
    guard let kind, kind.isKnownKind else { return group != "security.istio.io" }
    return kind.isWorkloadKind
  }
}

extension ExactText {
  /// Whether objects of this kind can deny a request.
  var isDecidingKind: Bool { deciding.contains(self) }

  /// Whether objects of this kind are what policies are attached to.
  var isWorkloadKind: Bool { workloads.contains(self) }

  /// Whether objects of this kind are part of the inventory and nothing is attached to them.
  var isInventoryKind: Bool { !isDecidingKind && !isWorkloadKind }

  /// Whether the kind is recognized; another one may be a misspelling of these.
  var isKnownKind: Bool { isDecidingKind || isWorkloadKind || others.contains(self) }
}

private let deciding: Set<ExactText> = ["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"]

private let workloads: Set<ExactText> = [
  "Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "WorkloadEntry", "WorkloadGroup",
]

private let others: Set<ExactText> = ["ServiceAccount", "Service", "Namespace", "ServiceEntry", "Gateway", "DestinationRule"]
