// From a proxy to what is attached to it: the selector half of the index.
// Enters: the groups' keys of each namespace, once; a namespace, labels, and at a waypoint a service. Leaves: what a target is made of.
// Never here: rules.

internal import PolicyModel

/// What of one namespace attaches to which proxies.
struct NamespaceAttachments: Sendable {
  /// The groups of policies, and behind them the groups of token rules.
  private let keys: [GroupKey]
  private let groupCount: Int
  private let tokenRules: [[TokenRule]]
  private let providers: [Set<ExactText>]
  /// Without a selector, or unreadable.
  private var unselected: [Int] = []
  /// By the first label that the selector demands.
  private var byLabel: [LabelSelector.Pair: [Int]] = [:]
  /// By each target reference.
  private var byTarget: [AuthorizationPolicy.TargetReference: [Int]] = [:]
  private let dataPlane: DataPlane
  /// Oldest first.
  let peerAuthentications: [PeerAuthentication]

  init(_ groups: GroupCompiler.Result, _ source: NamespaceSource, dataPlane: DataPlane) {
    // ztunnel reads no tokens.
    let tokens = dataPlane == .envoy ? source.requestAuthentications.filter { !$0.jwtRules.isEmpty } : []
    keys = groups.keys + tokens.map { GroupKey(namespace: source.namespace, attachment: $0.attachment) }
    groupCount = groups.keys.count
    tokenRules = tokens.map { $0.jwtRules.map { TokenRule($0) } }
    providers = groups.providers
    self.dataPlane = dataPlane
    peerAuthentications = ServerModes.oldestFirst(source.peerAuthentications)
    for (number, key) in keys.enumerated() {
      switch key.attachment {
      case .selector(let selector):
        // A selector that could not be read well says nothing at a waypoint.
        if let first = selector.matchLabels.first, !key.isUnusable {
          byLabel[first, default: []].append(number)
        } else {
          unselected.append(number)
        }
      case .targets(let references):
        for reference in Set(references) { byTarget[reference, default: []].append(number) }
      }
    }
  }

  /// The groups that attach to a proxy, ascending, the providers that they name, and the token rules. O(labels, what could attach).
  func attached(to scope: AttachmentScope) -> (groups: [UInt32], providers: Set<ExactText>, tokenRules: [TokenRule]) {
    var candidates = unselected
    if !byLabel.isEmpty {
      for (key, value) in scope.labels { candidates += byLabel[LabelSelector.Pair(key: key, value: value)] ?? [] }
    }
    if !byTarget.isEmpty {
      for reference in scope.references { candidates += byTarget[reference] ?? [] }
    }
    var groups: [UInt32] = []
    var named: Set<ExactText> = []
    var tokens: [TokenRule] = []
    for number in Set(candidates).sorted() {
      let attaches =
        dataPlane == .ztunnel ? keys[number].attachment.selectsForZtunnel(scope.labels) : keys[number].attaches(to: scope)
      guard attaches else { continue }
      if number < groupCount {
        groups.append(UInt32(truncatingIfNeeded: number))
        named.formUnion(providers[number])
      } else {
        tokens += tokenRules[number - groupCount]
      }
    }
    return (groups, named, tokens)
  }
}
