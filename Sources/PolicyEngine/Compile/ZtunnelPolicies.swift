// Which policies reach ztunnel, and what a workload's PeerAuthentications become there.
// Enters: the policy set; a workload's namespace and labels. Leaves: policies that can attach; the server mode in closed form.
// Never here: a correction of what Istio's control plane does. Some of it surprises (docs/istio.md tells); a what-if that is kinder or
// stricter than the cluster would be wrong about the cluster.

internal import PolicyModel

extension PolicySet {
  /// The policies that ztunnel is given and can attach: ALLOW and DENY, not in dry run, without target references. A policy with
  /// `selector: {}` is given to it and attached to nothing.
  var attachedByZtunnel: PolicySet {
    var set = self
    set.policies.removeAll { !$0.canAttachInZtunnel }
    return set
  }
}

extension AuthorizationPolicy {
  fileprivate var canAttachInZtunnel: Bool {
    guard !isDryRun, action == .allow || action == .deny, case .selector(let selector) = attachment else { return false }
    return selector.form != .empty
  }
}

extension AuthorizationPolicy.Attachment {
  /// Whether a policy of the right scope attaches. The label that makes a pod a gateway means nothing here.
  func selectsForZtunnel(_ labels: [ExactText: ExactText]) -> Bool {
    if case .selector(let selector) = self { selector.selects(labels) } else { false }
  }
}

extension ServerModes {
  /// Who is refused plaintext. Istio attaches a policy that denies peers without principal, or one made from the workload's own
  /// PeerAuthentication; the latter is made under conditions of its own, and where it is not made nothing is refused.
  func ztunnelServerMode(namespace: ExactText, labels: [ExactText: ExactText]) -> (isStrict: Bool, exceptions: [UInt16]) {
    let ours = peerAuthentications(namespace) ?? []
    // In the root namespace itself an empty selector counts as none; from elsewhere only an absent one is found.
    guard namespace != root else { return (ours.first(where: \.selector.isEmpty)?.mode == .strict, []) }
    let meshWide = peerAuthentications(root)?.first { $0.selector.form == .absent }
    let isMeshStrict = meshWide?.mode == .strict
    let isInheritedStrict = ours.first(where: \.selector.isEmpty)?.mode.map { $0 == .strict } ?? isMeshStrict
    guard let workload = ours.first(where: { !$0.selector.isEmpty && $0.selector.selects(labels) }) else { return (isInheritedStrict, []) }

    // The parent as the conversion sees it: only an object without any selector.
    let parent = ours.first { $0.selector.form == .absent }
    let strictPorts = workload.portModes.filter { $0.value == .strict }.keys.sorted()
    let openPorts = workload.portModes.filter { $0.value == .permissive || $0.value == .disable }.keys.sorted()
    let isSilentParentStrict = parent?.mode == nil && isMeshStrict
    switch workload.mode {
    case .strict:
      return (true, openPorts)
    case .permissive, .disable:
      return (false, isSilentParentStrict ? [] : strictPorts)
    case nil:
      let hasPermissivePort = workload.portModes.contains { $0.value == .permissive }
      if isInheritedStrict ? !hasPermissivePort : strictPorts.isEmpty { return (isInheritedStrict, []) }
      let excusesPorts = parent.map { $0.mode == .strict } ?? isMeshStrict
      if excusesPorts, !openPorts.isEmpty { return (true, openPorts) }
      return (false, parent?.mode == .strict || isSilentParentStrict ? [] : strictPorts)
    }
  }
}
