// From a proxy to its target, over all namespaces of a mesh.
// Enters: compiled namespaces and the numbers that their rules have in a snapshot. Leaves: targets.
// Never here: a rule that is compiled again.

internal import PolicyModel

struct Attachments: Sendable {
  let mesh: MeshSettings
  let dataPlane: DataPlane
  let namespaces: [ExactText: CompiledNamespace]
  let bases: [ExactText: UInt32]
  /// Whether something is loaded that cannot be read and reaches every workload.
  let isUnusable: Bool

  /// What is attached to a proxy.
  func target(namespace: ExactText, labels: [ExactText: ExactText], isWaypoint: Bool = false, service: ServiceName? = nil) -> Target {
    let scope = AttachmentScope(
      namespace: namespace, labels: labels, isWaypoint: isWaypoint, service: service, root: mesh.rootNamespace)
    var parts: [Target.Part] = []
    var providers: Set<ExactText> = []
    var tokenRules: [TokenRule] = []
    for name in scope.namespaces {
      guard let compiled = namespaces[name], let base = bases[name] else { continue }
      let (groups, named, tokens) = compiled.attached(to: scope)
      providers.formUnion(named)
      tokenRules += tokens
      if !groups.isEmpty { parts.append(Target.Part(compiled: compiled, base: base, groups: groups)) }
    }
    let modes = ServerModes(root: mesh.rootNamespace) { namespaces[$0]?.peerAuthentications }
    let (isStrict, exceptions) =
      dataPlane == .ztunnel
      ? modes.ztunnelServerMode(namespace: namespace, labels: labels) : modes.serverMode(namespace: namespace, labels: labels)
    return Target(
      parts,
      Target.Place(
        isStrict: isStrict, strictExceptions: exceptions, isWaypoint: scope.isWaypoint, isWaypointPod: scope.isWaypointPod,
        isUnusable: isUnusable, hasSeveralProviders: providers.count > 1 && !mesh.allowsSeveralCustomProviders, tokenRules: tokenRules))
  }
}

/// Which numbers the rules of each namespace have in a snapshot: in the byte order of their names, so that of two rules that match the one
/// with the smaller number is the one that Envoy reports.
struct RuleNumbering: Sendable {
  /// By first number.
  private(set) var order: [(base: UInt32, namespace: CompiledNamespace)] = []
  private(set) var bases: [ExactText: UInt32] = [:]

  /// Numbers rules. Namespaces keep their numbers where all of them can, so that targets that name them can be kept.
  init(_ namespaces: [CompiledNamespace], keeping before: RuleNumbering?) {
    // `ns[N]-policy[P]-rule[i]`
    let bracket = UInt8(ascii: "]")
    let keyed = namespaces.map { ($0.namespace.bytes + [bracket], $0) }.sorted { $0.0.lexicographicallyPrecedes($1.0) }
    let sorted = keyed.map(\.1)
    if let before, let kept = Self.kept(sorted, before) {
      order = kept
    } else {
      var next = 0
      for namespace in sorted {
        order.append((UInt32(truncatingIfNeeded: next), namespace))
        // Room to grow.
        next += namespace.names.count + namespace.names.count / 4 + 64
      }
    }
    for (base, namespace) in order { bases[namespace.namespace] = base }
  }

  private static func kept(_ sorted: [CompiledNamespace], _ before: RuleNumbering) -> [(base: UInt32, namespace: CompiledNamespace)]? {
    var order: [(base: UInt32, namespace: CompiledNamespace)] = []
    var next = 0
    for namespace in sorted {
      guard let base = before.bases[namespace.namespace], Int(base) >= next else { return nil }
      order.append((base, namespace))
      next = Int(base) + namespace.names.count
    }
    return order
  }

  /// The namespace of a rule and its number there; `nil` for a number that no rule has. O(log namespaces), without allocation.
  func find(_ rule: RuleReference) -> (namespace: CompiledNamespace, number: Int)? {
    var (low, high) = (0, order.count)
    while low < high {
      let middle = (low + high) / 2
      if order[middle].base <= rule.number { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    let (base, namespace) = order[low - 1]
    let number = Int(rule.number - base)
    return number < namespace.names.count ? (namespace, number) : nil
  }
}
