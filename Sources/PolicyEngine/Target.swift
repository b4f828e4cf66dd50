// What is attached to one workload's proxy, ready to be walked.
// Enters: the groups of each namespace that attach, once. Leaves: the rule sets in the order in which a decision asks them.
// Never here: a rule, or a copy of the tables; a target is valid with the snapshot that made it.

internal import PolicyModel
internal import Synchronization

/// What is attached to one workload's proxy. Compared by what is attached.
public final class Target: Sendable {
  /// Rule sets: those that deny, mark or only record first, ALLOW rules last.
  let steps: FlatArray<Step>
  /// Where the steps of ALLOW rules begin.
  let firstAllow: Int
  /// What its rules test.
  let interest: TestedFacts
  /// Whether so many rules are tested one by one that it is worth remembering which of them a peer leaves.
  let rewardsMemory: Bool
  /// Whether a policy is attached that cannot be read and has no last good version.
  let isUnusable: Bool
  let hasAllow: Bool
  let hasDryRunAllow: Bool
  let hasDryRunDeny: Bool
  /// The server mode for ports that are not in `strictExceptions`.
  let isStrict: Bool
  /// The ports with the other server mode, ascending.
  let strictExceptions: [UInt16]
  /// Whether the proxy is a waypoint.
  let isWaypoint: Bool
  /// Whether the pod's labels say that it is one.
  let isWaypointPod: Bool
  /// What its RequestAuthentications say.
  let tokenRules: [TokenRule]
  /// A number that no other target of the process has.
  let serial = Target.serials.add(1, ordering: .relaxed).newValue
  private static let serials = Atomic<UInt64>(0)
  private let identity: Identity
  private let storage: FlatStorage
  private let namespaces: [CompiledNamespace]

  /// What makes two targets the same.
  private struct Identity: Hashable {
    var groups: [[UInt32]]
    var tables: [UInt]
    var bases: [UInt32]
    var isStrict: Bool
    var strictExceptions: [UInt16]
    var isWaypoint: Bool
    var isWaypointPod: Bool
    var isUnusable: Bool
    var hasSeveralProviders: Bool
    var tokenRules: [TokenRule]
  }

  /// One rule set to be asked.
  struct Step: BitwiseCopyable {
    var tables: FlatValue<CompiledPolicies>
    /// What is added to the numbers of the tables' rules to make those of the snapshot.
    var base: UInt32
    var rules: RuleSet
    var effect: Effect
    /// Whether the rules do not exist on TCP chains.
    var isHTTP = false
  }

  /// What a match does.
  enum Effect: UInt8 {
    case deny, audit, dryRunDeny, dryRunAllow
    /// The provider's answer is not known here.
    case custom
    /// The provider cannot be asked, so the rules deny.
    case customDeny
    case allow

    /// Where its state stands.
    @inline(__always)
    var place: Int { Int(rawValue) }
  }

  /// One namespace's part.
  struct Part {
    var compiled: CompiledNamespace
    var base: UInt32
    var groups: [UInt32]
  }

  /// How the proxy stands to the mesh.
  struct Place {
    var isStrict: Bool
    var strictExceptions: [UInt16]
    var isWaypoint: Bool
    var isWaypointPod: Bool
    /// Whether something is loaded that cannot be read and reaches every workload.
    var isUnusable: Bool
    /// Whether its CUSTOM policies name more than one provider, where Istio allows one.
    var hasSeveralProviders: Bool
    var tokenRules: [TokenRule]
  }

  init(_ parts: [Part], _ place: Place) {
    var steps: [Step] = []
    var interest = TestedFacts()
    var isUnusable = place.isUnusable
    var (hasAllow, hasDryRunAllow, hasDryRunDeny) = (false, false, false)
    for part in parts {
      let tables = part.compiled.tables
      func add(_ rules: RuleSet, _ effect: Effect, isHTTP: Bool = false) {
        guard !rules.rules.isEmpty else { return }
        steps.append(Step(tables: tables, base: part.base, rules: rules, effect: effect, isHTTP: isHTTP))
      }
      for number in part.groups {
        let group = tables.value.groups[Int(number)]
        isUnusable = isUnusable || group.isUnusable
        hasAllow = hasAllow || group.hasAllow
        hasDryRunAllow = hasDryRunAllow || group.hasDryRunAllow
        hasDryRunDeny = hasDryRunDeny || group.hasDryRunDeny
        interest.formUnion(group.interest)
        add(group.deny, .deny)
        for index in group.customs.range {
          let set = tables.value.customSets[index]
          if let (effect, isHTTP) = Self.effect(of: set, severalProviders: place.hasSeveralProviders) {
            add(set.rules, effect, isHTTP: isHTTP)
          }
        }
        add(group.audit, .audit)
        add(group.dryRunDeny, .dryRunDeny)
        add(group.dryRunAllow, .dryRunAllow)
        add(group.allow, .allow)
      }
    }
    let allow = steps.filter { $0.effect == .allow }
    steps.removeAll { $0.effect == .allow }
    firstAllow = steps.count
    rewardsMemory = (steps + allow).reduce(0) { $0 + $1.tables.value.walkedCount(of: $1.rules) } > Self.rewardingCount
    let storage = FlatStorage()
    self.steps = storage.store(steps + allow)
    self.storage = storage
    self.interest = interest
    self.isUnusable = isUnusable
    self.hasAllow = hasAllow
    self.hasDryRunAllow = hasDryRunAllow
    self.hasDryRunDeny = hasDryRunDeny
    isStrict = place.isStrict
    strictExceptions = place.strictExceptions
    isWaypoint = place.isWaypoint
    isWaypointPod = place.isWaypointPod
    tokenRules = place.tokenRules
    namespaces = parts.map(\.compiled)
    identity = Identity(
      groups: parts.map(\.groups), tables: parts.map(\.compiled.tables.address), bases: parts.map(\.base), isStrict: place.isStrict,
      strictExceptions: place.strictExceptions, isWaypoint: place.isWaypoint, isWaypointPod: place.isWaypointPod, isUnusable: isUnusable,
      hasSeveralProviders: place.hasSeveralProviders, tokenRules: place.tokenRules)
  }

  /// Measured: what comparing a connection's key costs is about what testing this many rules does.
  private static let rewardingCount = 12

  /// What CUSTOM rules do; `nil` when they add nothing. Several providers on one workload make DENY rules of all CUSTOM rules (Istio, unless
  /// a feature flag is set).
  private static func effect(of set: CustomSet, severalProviders: Bool) -> (Effect, isHTTP: Bool)? {
    if severalProviders { return set.handling == .dryRun ? nil : (.customDeny, false) }
    return switch set.handling {
    case .unknown: (.custom, set.speaksHTTP)
    case .unusable: (.customDeny, false)
    case .dryRun: (.deny, set.speaksHTTP)
    case .delegated: nil
    }
  }
}

extension Target: Hashable {
  /// Whether the same is attached to both.
  public static func == (left: Target, right: Target) -> Bool { left === right || left.identity == right.identity }

  /// Hashes what is attached.
  public func hash(into hasher: inout Hasher) { hasher.combine(identity) }
}

extension CompiledPolicies {
  /// How many rules of a set are tested whatever the request is, and for each index about as much as two.
  fileprivate func walkedCount(of rules: RuleSet) -> Int {
    guard rules.index != .max else { return Int(rules.rules.count) }
    let index = indexes[Int(rules.index)]
    return Int(index.always.count) + 2
  }
}
