// From policies to groups that attach together.
// Enters: a policy set. Leaves: groups in the compiler's tables, each with the namespace and selector under which it attaches.
// Never here: a policy that disappears: one that cannot be read makes a group that denies.

internal import PolicyModel

/// Under what a group attaches.
struct GroupKey: Hashable, Sendable {
  /// The namespace of the policies; `nil` reaches every workload (a policy whose namespace cannot be read).
  var namespace: ExactText?
  var attachment: AuthorizationPolicy.Attachment
}

struct GroupCompiler {
  private let set: PolicySet
  private let mesh: MeshSettings

  init(_ set: PolicySet, mesh: MeshSettings, dataPlane: DataPlane) {
    self.set = dataPlane == .ztunnel ? set.attachedByZtunnel : set.withCustomDryRunAsDeny
    self.mesh = mesh
  }

  /// The rule sets of a group while they are collected.
  private struct Draft {
    var group = Group()
    var custom: [(number: UInt32, keys: RuleKeys)] = []
    var deny: [(number: UInt32, keys: RuleKeys)] = []
    var allow: [(number: UInt32, keys: RuleKeys)] = []
    var audit: [(number: UInt32, keys: RuleKeys)] = []
    var dryRunDeny: [(number: UInt32, keys: RuleKeys)] = []
    var dryRunAllow: [(number: UInt32, keys: RuleKeys)] = []
  }

  /// Compiles all policies. The key at an index is that of the group with this number.
  func compile(with compiler: inout RuleCompiler) -> (keys: [GroupKey], origins: [RuleOrigin]) {
    var numbers: [GroupKey: Int] = [:]
    var keys: [GroupKey] = []
    var drafts: [Draft] = []
    func draft(_ key: GroupKey) -> Int {
      if let number = numbers[key] { return number }
      numbers[key] = keys.count
      keys.append(key)
      drafts.append(Draft())
      return keys.count - 1
    }
    // Groups exist for policies without rules, too: an ALLOW policy without rules denies.
    for policy in set.policies {
      let number = draft(GroupKey(namespace: policy.metadata.key.namespace, attachment: policy.attachment))
      switch (policy.action, policy.isDryRun) {
      case (.allow, false): drafts[number].group.hasAllow = true
      case (.allow, true): drafts[number].group.hasDryRunAllow = true
      case (.deny, true): drafts[number].group.hasDryRunDeny = true
      default: break
      }
    }
    for policy in set.unusable {
      let key =
        switch policy.reach {
        case .everywhere: GroupKey(namespace: nil, attachment: .selector(LabelSelector()))
        case .namespace(let namespace, let selector): GroupKey(namespace: namespace, attachment: .selector(selector))
        }
      drafts[draft(key)].group.isUnusable = true
    }
    var origins: [RuleOrigin] = []
    for entry in sortedRules() {
      let policy = set.policies[entry.policy]
      guard let (rule, ruleKeys) = compiler.compile(entry.rule, of: policy) else { continue }
      let number = compiler.append(rule)
      origins.append(
        RuleOrigin(
          name: entry.name, location: SourceLocation(file: policy.metadata.location.file, span: entry.rule.span), action: policy.action))
      let group = draft(GroupKey(namespace: policy.metadata.key.namespace, attachment: policy.attachment))
      let element = (number: number, keys: ruleKeys)
      switch (policy.action, policy.isDryRun) {
      case (.custom, _): drafts[group].custom.append(element)
      case (.deny, false): drafts[group].deny.append(element)
      case (.deny, true): drafts[group].dryRunDeny.append(element)
      case (.allow, false): drafts[group].allow.append(element)
      case (.allow, true): drafts[group].dryRunAllow.append(element)
      case (.audit, _): drafts[group].audit.append(element)
      }
    }
    for draft in drafts {
      var group = draft.group
      group.custom = compiler.ruleSet(draft.custom)
      group.deny = compiler.ruleSet(draft.deny)
      group.allow = compiler.ruleSet(draft.allow)
      group.audit = compiler.ruleSet(draft.audit)
      group.dryRunDeny = compiler.ruleSet(draft.dryRunDeny)
      group.dryRunAllow = compiler.ruleSet(draft.dryRunAllow)
      _ = compiler.append(group)
    }
    return (keys, origins)
  }

  /// All rules in the byte order of the names under which Envoy knows them, which is the order in which it reports the first match.
  private func sortedRules() -> [(name: ExactText, policy: Int, rule: AuthorizationPolicy.Rule)] {
    var named: [(name: ExactText, policy: Int, rule: AuthorizationPolicy.Rule)] = []
    for (number, policy) in set.policies.enumerated() {
      if policy.action == .custom, let provider = policy.provider, mesh.delegatedProviders.contains(provider) { continue }
      let key = policy.metadata.key
      for (index, rule) in policy.rules.enumerated() {
        guard let rule else { continue }
        named.append((ExactText("ns[\(key.namespace)]-policy[\(key.name)]-rule[\(index)]"), number, rule))
      }
    }
    named.sort { $0.name < $1.name }
    return named
  }
}
