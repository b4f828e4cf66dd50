// Which Kubernetes kinds mean something here. A group, a version and a kind enter; what to do with the object leaves.
// A kind that might be a misspelt policy is never skipped: a policy that silently disappears may be the one that denies.

internal import PolicyModel

/// What to do with an object.
enum ObjectKind {
  case authorizationPolicy
  case peerAuthentication
  case requestAuthentication
  case destinationRule
  /// Labels and service account are in the object itself, or in the pod template below these fields of the spec.
  case pod, podTemplate, cronJob, workloadEntry, workloadGroup
  /// Only the metadata counts.
  case inventory
  /// Has nothing to do with policies.
  case unrelated
  /// A list of objects of one kind, or of any kind for `List`.
  case list
  case refused(Message)

  static let securityGroup: ExactText = "security.istio.io"
  static let networkingGroup: ExactText = "networking.istio.io"
  static let gatewayGroup: ExactText = "gateway.networking.k8s.io"

  private static let security: [ExactText: ObjectKind] = [
    "AuthorizationPolicy": .authorizationPolicy, "PeerAuthentication": .peerAuthentication, "RequestAuthentication": .requestAuthentication,
  ]
  private static let networking: [ExactText: ObjectKind] = [
    "WorkloadEntry": .workloadEntry, "WorkloadGroup": .workloadGroup, "ServiceEntry": .inventory, "Gateway": .inventory,
    "DestinationRule": .destinationRule, "VirtualService": .unrelated, "Sidecar": .unrelated, "EnvoyFilter": .unrelated,
    "ProxyConfig": .unrelated,
  ]
  private static let core: [ExactText: ObjectKind] = [
    "Pod": .pod, "ServiceAccount": .inventory, "Service": .inventory, "Namespace": .inventory,
  ]
  private static let apps: [ExactText: ObjectKind] = [
    "Deployment": .podTemplate, "ReplicaSet": .podTemplate, "StatefulSet": .podTemplate, "DaemonSet": .podTemplate,
  ]
  private static let batch: [ExactText: ObjectKind] = ["Job": .podTemplate, "CronJob": .cronJob]

  /// Decides by group, version and kind. `hasItems` says whether the object has a list `items`.
  init(group: ExactText, version: ExactText, kind: ExactText, hasItems: Bool) {
    let suffix = "List"
    if hasItems, kind.string.utf8.count >= suffix.utf8.count, kind.string.utf8.suffix(4).elementsEqual(suffix.utf8) {
      self = .list
      return
    }
    switch group {
    case Self.securityGroup:
      self = Self.istio(Self.security, group: group, version: version, kind: kind, versions: ["v1", "v1beta1"])
    case Self.networkingGroup:
      self = Self.istio(Self.networking, group: group, version: version, kind: kind, versions: ["v1", "v1beta1", "v1alpha3"])
    case Self.gatewayGroup: self = kind == "Gateway" ? .inventory : .unrelated
    case "apps": self = Self.apps[kind] ?? Self.elsewhere(group, kind)
    case "batch": self = Self.batch[kind] ?? Self.elsewhere(group, kind)
    case "": self = Self.core[kind] ?? Self.elsewhere(group, kind)
    default: self = Self.elsewhere(group, kind)
    }
  }

  private static func istio(
    _ kinds: [ExactText: ObjectKind], group: ExactText, version: ExactText, kind: ExactText, versions: [ExactText]
  ) -> ObjectKind {
    guard let known = kinds[kind] else {
      let names = kinds.keys.sorted().map(\.string)
      return .refused(.kindUnknown(kind.string, group: group.string, suggestion: suggestion(for: kind.string, among: names)))
    }
    guard versions.contains(version) else {
      return .refused(.versionUnknown("\(group)/\(version)", kind: kind.string, known: "\(group)/v1"))
    }
    return known
  }

  /// An object outside Istio's groups; refused when its group is a misspelling, or missing on a kind that only Istio has.
  private static func elsewhere(_ group: ExactText, _ kind: ExactText) -> ObjectKind {
    let groups = [securityGroup.string, networkingGroup.string]
    let isIstioKind = security[kind] != nil
    if group.isEmpty || group == "apps" || group == "batch" {
      return isIstioKind ? .refused(.groupUnknown(group.string, kind: kind.string, suggestion: securityGroup.string)) : .unrelated
    }
    guard let near = suggestion(for: group.string, among: groups), isIstioKind || networking[kind] != nil else { return .unrelated }
    return .refused(.groupUnknown(group.string, kind: kind.string, suggestion: near))
  }

  /// Whether Istio's webhook sees objects of this group, and with them the checks of annotations.
  static func isIstio(_ group: ExactText) -> Bool { group == securityGroup || group == networkingGroup }
}
