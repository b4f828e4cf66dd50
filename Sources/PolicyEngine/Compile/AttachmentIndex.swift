// From a workload's namespace and labels to what is attached to it: the selector half of the index.
// Enters: the groups' keys, once; a namespace and labels. Leaves: group numbers and the server mode.
// Never here: rules.

internal import PolicyModel

struct AttachmentIndex: Sendable {
  /// The groups of one namespace.
  private struct Scope: Sendable {
    /// Without a selector, or with targets.
    var unselected: [Int] = []
    /// By the first label that the selector demands.
    var byLabel: [LabelSelector.Pair: [Int]] = [:]
  }

  private let keys: [GroupKey]
  private let scopes: [ExactText: Scope]
  /// Groups that reach every workload.
  private let everywhere: [Int]
  let root: ExactText
  private let dataPlane: DataPlane
  /// Oldest first (Istio: creation time, then name, then namespace).
  let peerAuthentications: [ExactText: [PeerAuthentication]]

  init(groups keys: [GroupKey], peerAuthentications: [PeerAuthentication], mesh: MeshSettings, dataPlane: DataPlane) {
    self.keys = keys
    self.dataPlane = dataPlane
    root = mesh.rootNamespace
    var scopes: [ExactText: Scope] = [:]
    var everywhere: [Int] = []
    for (number, key) in keys.enumerated() {
      guard let namespace = key.namespace else {
        everywhere.append(number)
        continue
      }
      if case .selector(let selector) = key.attachment, let first = selector.matchLabels.first {
        scopes[namespace, default: Scope()].byLabel[first, default: []].append(number)
      } else {
        scopes[namespace, default: Scope()].unselected.append(number)
      }
    }
    self.scopes = scopes
    self.everywhere = everywhere
    let sorted = peerAuthentications.sorted {
      ($0.metadata.creationTime, $0.metadata.key.name, $0.metadata.key.namespace)
        < ($1.metadata.creationTime, $1.metadata.key.name, $1.metadata.key.namespace)
    }
    self.peerAuthentications = Dictionary(grouping: sorted) { $0.metadata.key.namespace }
  }

  /// What is attached to a workload.
  func target(namespace: ExactText, labels: [ExactText: ExactText]) -> Target {
    var groups = everywhere
    for name in namespace == root ? [root] : [root, namespace] {
      guard let scope = scopes[name] else { continue }
      var candidates = scope.unselected
      for (key, value) in labels { candidates += scope.byLabel[LabelSelector.Pair(key: key, value: value)] ?? [] }
      groups += candidates.filter {
        dataPlane == .ztunnel
          ? keys[$0].attachment.selectsForZtunnel(labels)
          : keys[$0].attachment.attaches(from: name, to: namespace, labels: labels, root: root)
      }
    }
    let (isStrict, exceptions) =
      dataPlane == .ztunnel
      ? ztunnelServerMode(namespace: namespace, labels: labels) : serverMode(namespace: namespace, labels: labels)
    return Target(groups: groups.sorted().map { UInt32(truncatingIfNeeded: $0) }, isStrict: isStrict, strictExceptions: exceptions)
  }

  /// The effective server mode (Istio: mesh, namespace, workload, port; the oldest object of each scope; UNSET inherits).
  private func serverMode(namespace: ExactText, labels: [ExactText: ExactText]) -> (isStrict: Bool, exceptions: [UInt16]) {
    var mode = PeerAuthentication.Mode.permissive
    if let meshWide = peerAuthentications[root]?.first(where: \.selector.isEmpty)?.mode { mode = meshWide }
    guard namespace != root, let objects = peerAuthentications[namespace] else { return (mode == .strict, []) }
    if let namespaceWide = objects.first(where: \.selector.isEmpty)?.mode { mode = namespaceWide }
    guard let workload = objects.first(where: { !$0.selector.isEmpty && $0.selector.selects(labels) }) else { return (mode == .strict, []) }
    if let own = workload.mode { mode = own }
    let isStrict = mode == .strict
    let exceptions = workload.portModes.filter { (($0.value ?? mode) == .strict) != isStrict }.keys.sorted()
    return (isStrict, exceptions)
  }
}
