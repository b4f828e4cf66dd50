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
    let isList = kind.string.utf8.suffix(4).elementsEqual("List".utf8)
    if isList, hasItems {
      self = .list
      return
    }
    // A custom resource may be an `AllowList`; where only Kubernetes' and Istio's kinds are, a list without items has lost them.
    if isList, !group.string.utf8.contains(UInt8(ascii: ".")) || Self.isBelowIstio(group) {
      self = .refused(.listWithoutItems(kind.string))
      return
    }
    if hasItems, group.isEmpty {
      self = .refused(.kindUnknown(kind.string, group: version.string, suggestion: "List"))
      return
    }
    switch group {
    case Self.securityGroup:
      self = Self.istio(Self.security, group: group, version: version, kind: kind, versions: ["v1", "v1beta1"])
    case Self.networkingGroup:
      self = Self.istio(Self.networking, group: group, version: version, kind: kind, versions: ["v1", "v1beta1", "v1alpha3"])
    case Self.gatewayGroup: self = kind == "Gateway" ? .inventory : .unrelated
    case "apps": self = Self.apps[kind] ?? Self.elsewhere(group, version, kind)
    case "batch": self = Self.batch[kind] ?? Self.elsewhere(group, version, kind)
    case "": self = Self.core[kind] ?? Self.elsewhere(group, version, kind)
    default: self = Self.elsewhere(group, version, kind)
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

  /// An object outside the groups that are read; refused when it might be meant for one of them.
  private static func elsewhere(_ group: ExactText, _ version: ExactText, _ kind: ExactText) -> ObjectKind {
    // `apiVersion: security.istio.io`, without a version, is the version of a core kind.
    let isVersionMissing = group.isEmpty && nearGroup(version) != nil
    let place = isVersionMissing ? version : group
    let near = nearGroup(place)
    if isVersionMissing || isBelowIstio(place) {
      guard !otherIstio.contains(place) || nearKind(kind) != nil else { return .unrelated }
      return refusal(group, kind, near: near)
    }
    // A custom resource's group has a dot; groups without one are Kubernetes' own, where no product can have such a kind.
    let isCore = !place.string.utf8.contains(UInt8(ascii: "."))
    guard isCore || near != nil, nearKind(kind) != nil || (near != nil && networking[kind] != nil) else { return .unrelated }
    return refusal(group, kind, near: near)
  }

  private static func refusal(_ group: ExactText, _ kind: ExactText, near: ExactText?) -> ObjectKind {
    guard let meant = nearKind(kind) ?? (networking[kind] != nil ? kind : nil) else {
      return .refused(.kindUnknown(kind.string, group: group.isEmpty ? (near ?? securityGroup).string : group.string, suggestion: nil))
    }
    let owner = networking[meant] != nil ? networkingGroup : securityGroup
    return .refused(
      .groupUnknown(group.string, kind: kind.string, suggestion: owner.string, kindSuggestion: meant == kind ? nil : meant.string))
  }

  /// Istio's groups that hold nothing that decides.
  private static let otherIstio: Set<ExactText> = [
    "telemetry.istio.io", "extensions.istio.io", "install.istio.io", "operator.istio.io",
  ]

  private static func isBelowIstio(_ group: ExactText) -> Bool {
    let name = Array("istio.io".utf8)
    let own = group.string.utf8.suffix(name.count + 1).map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    return own == name || own == [UInt8(ascii: ".")] + name
  }

  /// The group of Istio that `group` is, or could be a misspelling of.
  private static func nearGroup(_ group: ExactText) -> ExactText? {
    if isBelowIstio(group) { return group }
    guard group.string.utf8.count <= 64 else { return nil }
    if let near = suggestion(for: group.string, among: [securityGroup.string, networkingGroup.string, "istio.io"]) {
      return ExactText(near)
    }
    // As in `auth.istio` or `istio.security.io`.
    let labels = group.string.utf8.split { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
    return labels.contains { $0.elementsEqual("istio".utf8) } ? group : nil
  }

  /// The kind that decides requests and that `kind` is, or could be a misspelling of.
  private static func nearKind(_ kind: ExactText) -> ExactText? {
    let names = ["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication", "DestinationRule"]
    return suggestion(for: kind.string, among: names).map { ExactText($0) }
  }

  /// What is certain of an object of this kind. Of one in a group that does not exist, the group is not; of a list nothing is, because
  /// it may hold anything.
  func certain(_ header: ObjectHeader) -> ObjectHeader {
    guard case .refused(let message) = self else { return header }
    var header = header
    if message.code == .fieldRequired {
      (header.group, header.kind, header.namespace, header.name) = (nil, nil, nil, nil)
    } else if header.group != Self.securityGroup, header.group != Self.networkingGroup {
      header.group = nil
    }
    return header
  }

  /// Whether Istio's webhook sees objects of this group, and with them the checks of annotations.
  static func isIstio(_ group: ExactText) -> Bool { group == securityGroup || group == networkingGroup }
}
