// From policies to groups that attach together.
// Enters: the policies of one namespace. Leaves: groups in the compiler's tables, each with the selector under which it attaches.
// Never here: a policy that disappears: one that cannot be read makes a group that denies.

internal import PolicyModel

/// Under what a group attaches.
struct GroupKey: Hashable, Sendable {
  /// The namespace of the policies.
  var namespace: ExactText
  var attachment: AuthorizationPolicy.Attachment
  /// Whether the group stands for policies that cannot be read; nobody knows whether they name a service.
  var isUnusable = false

  /// Whether it concerns a proxy.
  func attaches(to scope: AttachmentScope) -> Bool {
    guard isUnusable else { return attachment.attaches(from: namespace, to: scope) }
    guard scope.namespaces.contains(namespace), case .selector(let selector) = attachment else { return false }
    return scope.isWaypoint || selector.selects(scope.labels)
  }
}

struct GroupCompiler {
  private let source: NamespaceSource
  private let mesh: MeshSettings

  init(_ source: NamespaceSource, mesh: MeshSettings) {
    self.source = source
    self.mesh = mesh
  }

  /// What comes out: the key at an index is that of the group with this number.
  struct Result {
    var keys: [GroupKey] = []
    /// The providers that the CUSTOM policies of each group name; an empty name for policies without one.
    var providers: [Set<ExactText>] = []
    var origins = RuleNames()
  }

  private typealias Numbered = (number: UInt32, keys: RuleKeys)

  private struct CustomKey: Hashable {
    var handling: CustomHandling
    var speaksHTTP: Bool
  }

  /// The rule sets of a group while they are collected.
  private struct Draft {
    var group = Group()
    var customs: [CustomKey: [Numbered]] = [:]
    var deny: [Numbered] = []
    var allow: [Numbered] = []
    var audit: [Numbered] = []
    var dryRunDeny: [Numbered] = []
    var dryRunAllow: [Numbered] = []
  }

  /// Compiles all policies.
  func compile(with compiler: inout RuleCompiler) -> Result {
    var numbers: [GroupKey: Int] = [:]
    var result = Result()
    var drafts: [Draft] = []
    func draft(_ key: GroupKey) -> Int {
      if let number = numbers[key] { return number }
      numbers[key] = drafts.count
      result.keys.append(key)
      result.providers.append([])
      drafts.append(Draft())
      return drafts.count - 1
    }
    // Groups exist for policies without rules, too: an ALLOW policy without rules denies.
    for policy in source.policies {
      let number = draft(GroupKey(namespace: source.namespace, attachment: policy.attachment))
      switch (policy.action, policy.isDryRun) {
      case (.allow, false): drafts[number].group.hasAllow = true
      case (.allow, true): drafts[number].group.hasDryRunAllow = true
      case (.deny, true): drafts[number].group.hasDryRunDeny = true
      case (.custom, _): result.providers[number].insert(policy.provider ?? "")
      default: break
      }
    }
    for selector in source.unusable {
      drafts[draft(GroupKey(namespace: source.namespace, attachment: .selector(selector), isUnusable: true))].group.isUnusable = true
    }
    forEachRule { policy, index, rule in
      guard let (compiled, ruleKeys) = compiler.compile(rule, of: policy) else { return }
      let number = compiler.append(compiled)
      result.origins.append(policy, index, rule.span, to: &compiler.tables.pool)
      let group = draft(GroupKey(namespace: source.namespace, attachment: policy.attachment))
      drafts[group].group.interest.formUnion(compiler.tables.interest(of: compiled))
      let element = (number: number, keys: ruleKeys)
      switch (policy.action, policy.isDryRun) {
      case (.custom, _): if let key = handling(of: policy) { drafts[group].customs[key, default: []].append(element) }
      case (.deny, false): drafts[group].deny.append(element)
      case (.deny, true): drafts[group].dryRunDeny.append(element)
      case (.allow, false): drafts[group].allow.append(element)
      case (.allow, true): drafts[group].dryRunAllow.append(element)
      case (.audit, _): drafts[group].audit.append(element)
      }
    }
    for draft in drafts {
      var group = draft.group
      group.customs = compiler.append(customs: draft.customs.map { ($0.key.handling, $0.key.speaksHTTP, $0.value) })
      group.deny = compiler.ruleSet(draft.deny)
      group.allow = compiler.ruleSet(draft.allow)
      group.audit = compiler.ruleSet(draft.audit)
      group.dryRunDeny = compiler.ruleSet(draft.dryRunDeny)
      group.dryRunAllow = compiler.ruleSet(draft.dryRunAllow)
      _ = compiler.append(group)
    }
    return result
  }

  /// How a CUSTOM policy's provider is asked (Istio, pilot/pkg/security/authz/builder: a provider that is missing or broken makes DENY
  /// rules; dry run lands among the enforced rules); `nil` when the policy has no effect at all.
  private func handling(of policy: AuthorizationPolicy) -> CustomKey? {
    let name = policy.provider ?? ""
    var speaksHTTP = false
    if let providers = mesh.extensionProviders {
      guard let provider = providers[name], provider.isUsable, provider.kind.isAuthorization else {
        return policy.isDryRun ? nil : CustomKey(handling: .unusable, speaksHTTP: false)
      }
      speaksHTTP = provider.kind == .extAuthzHTTP
    } else if name.isEmpty {
      return policy.isDryRun ? nil : CustomKey(handling: .unusable, speaksHTTP: false)
    }
    if policy.isDryRun { return CustomKey(handling: .dryRun, speaksHTTP: speaksHTTP) }
    return CustomKey(handling: mesh.delegatedProviders.contains(name) ? .delegated : .unknown, speaksHTTP: speaksHTTP)
  }

  /// All rules in the byte order of the names under which Envoy knows them, which is the order in which it reports the first match:
  /// `ns[N]-policy[P]-rule[i]`, in one namespace that of `P]` and then of `i]`.
  private func forEachRule(_ body: (AuthorizationPolicy, Int, AuthorizationPolicy.Rule) -> Void) {
    let bracket = UInt8(ascii: "]")
    let names = source.policies.map { $0.metadata.key.name.bytes + [bracket] }
    for number in names.indices.sorted(by: { names[$0].lexicographicallyPrecedes(names[$1]) }) {
      let policy = source.policies[number]
      var indices = Array(policy.rules.indices)
      if indices.count > 10 { indices.sort { "\($0)]".utf8.lexicographicallyPrecedes("\($1)]".utf8) } }
      for index in indices {
        if let rule = policy.rules[index] { body(policy, index, rule) }
      }
    }
  }
}
