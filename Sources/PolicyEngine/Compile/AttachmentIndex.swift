// From a proxy to what is attached to it: the selector half of the index.
// Enters: the groups' keys, once; a namespace, labels, and at a waypoint a service. Leaves: group numbers and the server mode.
// Never here: rules.

internal import PolicyModel

struct AttachmentIndex: Sendable {
  /// What stands in one namespace.
  private struct Scope: Sendable {
    /// Without a selector, or unreadable.
    var unselected: [Int] = []
    /// By the first label that the selector demands.
    var byLabel: [LabelSelector.Pair: [Int]] = [:]
    /// By each target reference.
    var byTarget: [AuthorizationPolicy.TargetReference: [Int]] = [:]
  }

  /// The groups of policies, and behind them the groups of token rules.
  private let keys: [GroupKey]
  private let groupCount: Int
  private let tokenRules: [[TokenRule]]
  private let providers: [Set<ExactText>]
  private let scopes: [ExactText: Scope]
  /// Groups that reach every workload.
  private let everywhere: [Int]
  let mesh: MeshSettings
  private let dataPlane: DataPlane
  /// The mesh's root namespace.
  var root: ExactText { mesh.rootNamespace }
  /// Oldest first (Istio: creation time, then name, then namespace).
  let peerAuthentications: [ExactText: [PeerAuthentication]]

  init(_ groups: GroupCompiler.Result, _ set: PolicySet, mesh: MeshSettings, dataPlane: DataPlane) {
    // ztunnel reads no tokens.
    let tokens = dataPlane == .envoy ? set.requestAuthentications.filter { !$0.jwtRules.isEmpty } : []
    keys = groups.keys + tokens.map { GroupKey(namespace: $0.metadata.key.namespace, attachment: $0.attachment) }
    groupCount = groups.keys.count
    tokenRules = tokens.map { $0.jwtRules.map { TokenRule($0) } }
    providers = groups.providers
    self.mesh = mesh
    self.dataPlane = dataPlane
    var scopes: [ExactText: Scope] = [:]
    var everywhere: [Int] = []
    for (number, key) in keys.enumerated() {
      guard let namespace = key.namespace else {
        everywhere.append(number)
        continue
      }
      switch key.attachment {
      case .selector(let selector):
        // A selector that could not be read well says nothing at a waypoint.
        if let first = selector.matchLabels.first, !key.isUnusable {
          scopes[namespace, default: Scope()].byLabel[first, default: []].append(number)
        } else {
          scopes[namespace, default: Scope()].unselected.append(number)
        }
      case .targets(let references):
        for reference in Set(references) { scopes[namespace, default: Scope()].byTarget[reference, default: []].append(number) }
      }
    }
    self.scopes = scopes
    self.everywhere = everywhere
    let sorted = set.peerAuthentications.sorted {
      ($0.metadata.creationTime, $0.metadata.key.name, $0.metadata.key.namespace)
        < ($1.metadata.creationTime, $1.metadata.key.name, $1.metadata.key.namespace)
    }
    self.peerAuthentications = Dictionary(grouping: sorted) { $0.metadata.key.namespace }
  }

  /// What is attached to a proxy.
  func target(
    namespace: ExactText, labels: [ExactText: ExactText], isWaypoint: Bool = false, service: ServiceName? = nil
  ) -> Target {
    let scope = AttachmentScope(
      namespace: namespace, labels: labels, isWaypoint: isWaypoint, service: service, root: mesh.rootNamespace)
    var numbers = everywhere
    for name in scope.namespaces {
      guard let here = scopes[name] else { continue }
      var candidates = here.unselected
      for (key, value) in scope.labels { candidates += here.byLabel[LabelSelector.Pair(key: key, value: value)] ?? [] }
      for reference in scope.references { candidates += here.byTarget[reference] ?? [] }
      numbers += Set(candidates).filter {
        dataPlane == .ztunnel ? keys[$0].attachment.selectsForZtunnel(labels) : keys[$0].attaches(to: scope)
      }
    }
    numbers.sort()
    let groups = numbers.filter { $0 < groupCount }
    let (isStrict, exceptions) =
      dataPlane == .ztunnel
      ? ztunnelServerMode(namespace: namespace, labels: labels) : serverMode(namespace: namespace, labels: labels)
    var named: Set<ExactText> = []
    for group in groups { named.formUnion(providers[group]) }
    return Target(
      groups: groups.map { UInt32(truncatingIfNeeded: $0) }, isStrict: isStrict, strictExceptions: exceptions,
      isWaypoint: scope.isWaypoint, isWaypointPod: scope.isWaypointPod,
      hasSeveralProviders: named.count > 1 && !mesh.allowsSeveralCustomProviders,
      tokenRules: numbers.filter { $0 >= groupCount }.flatMap { tokenRules[$0 - groupCount] })
  }

  /// The effective server mode (Istio: mesh, namespace, workload, port; the oldest object of each scope; UNSET inherits).
  private func serverMode(namespace: ExactText, labels: [ExactText: ExactText]) -> (isStrict: Bool, exceptions: [UInt16]) {
    var mode = PeerAuthentication.Mode.permissive
    if let meshWide = peerAuthentications[mesh.rootNamespace]?.first(where: \.selector.isEmpty)?.mode { mode = meshWide }
    guard namespace != mesh.rootNamespace, let objects = peerAuthentications[namespace] else { return (mode == .strict, []) }
    if let namespaceWide = objects.first(where: \.selector.isEmpty)?.mode { mode = namespaceWide }
    guard let workload = objects.first(where: { !$0.selector.isEmpty && $0.selector.selects(labels) }) else { return (mode == .strict, []) }
    if let own = workload.mode { mode = own }
    let isStrict = mode == .strict
    let exceptions = workload.portModes.filter { (($0.value ?? mode) == .strict) != isStrict }.keys.sorted()
    return (isStrict, exceptions)
  }
}
