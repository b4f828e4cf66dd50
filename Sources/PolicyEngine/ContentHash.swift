// A hash of what was loaded, equal in every replica that loaded the same, however it was spread over files and formatted.
// Enters: a policy set. Leaves: 16 hexadecimal digits. Never here: places in files, and security: it names a set, it does not protect one.

internal import PolicyModel

struct ContentHash {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  /// The hash of a set under settings, from those of its namespaces.
  static func text(
    mesh: MeshSettings, namespaces: [CompiledNamespace], everywhere: [UnusablePolicy]
  ) -> ExactText {
    var hash = ContentHash()
    hash.add(mesh)
    for part in namespaces.sorted(by: { $0.namespace < $1.namespace }) {
      hash.add(part.namespace)
      hash.add(Int(truncatingIfNeeded: part.contentHash))
    }
    for policy in everywhere.sorted(by: { $0.key < $1.key }) { hash.add(policy) }
    let digits = String(hash.state, radix: 16)
    return ExactText(String(repeating: "0", count: 16 - digits.utf8.count) + digits)
  }

  /// The hash of what a namespace holds.
  static func number(of source: NamespaceSource) -> UInt64 {
    var hash = ContentHash()
    for policy in source.policies.sorted(by: { $0.metadata.key < $1.metadata.key }) { hash.add(policy) }
    for object in source.peerAuthentications.sorted(by: { $0.metadata.key < $1.metadata.key }) { hash.add(object) }
    for object in source.requestAuthentications.sorted(by: { $0.metadata.key < $1.metadata.key }) { hash.add(object) }
    for workload in source.workloads.sorted(by: { $0.metadata.key < $1.metadata.key }) { hash.add(workload) }
    for policy in source.unusablePolicies.sorted(by: { $0.key < $1.key }) { hash.add(policy) }
    // Waypoints are found by their Gateways, services and namespaces by being there.
    for key in source.inventory.sorted() { hash.add(key) }
    return hash.state
  }

  /// FNV-1a.
  private mutating func add(_ byte: UInt8) {
    state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
  }

  private mutating func add(_ number: Int) {
    for shift in stride(from: 0, to: 64, by: 8) { add(UInt8(truncatingIfNeeded: number >> shift)) }
  }

  private mutating func add(_ text: ExactText) {
    add(text.string.utf8.count)
    for byte in text.string.utf8 { add(byte) }
  }

  private mutating func add(_ text: String) { add(ExactText(text)) }

  private mutating func add(_ key: ObjectKey) {
    add(key.kind)
    add(key.namespace)
    add(key.name)
  }

  private mutating func add(_ policy: UnusablePolicy) {
    add(policy.key)
    switch policy.reach {
    case .everywhere: add(-1)
    case .namespace(let namespace, let selector):
      add(namespace)
      add(selector)
    }
  }

  private mutating func add(_ mesh: MeshSettings) {
    add(mesh.trustDomain)
    add(mesh.trustDomainAliases.count)
    for alias in mesh.trustDomainAliases { add(alias) }
    add(mesh.acceptedTrustDomains.count)
    for domain in mesh.acceptedTrustDomains { add(domain) }
    add(mesh.rootNamespace)
    add(mesh.pathNormalization.rawValue)
    add(mesh.delegatedProviders.count)
    for provider in mesh.delegatedProviders.sorted() { add(provider) }
    add(mesh.extensionProviders?.count ?? -1)
    for (name, provider) in (mesh.extensionProviders ?? [:]).sorted(by: { $0.key < $1.key }) {
      add(name)
      add(provider.isUsable && provider.kind.isAuthorization ? 1 : 0)
      add(provider.kind == .extAuthzHTTP ? 1 : 0)
    }
    add(mesh.allowsSeveralCustomProviders ? 1 : 0)
    for behavior in MeshSettings.OlderBehavior.allCases { add(mesh.olderBehaviors.contains(behavior) ? 1 : 0) }
  }

  private mutating func add(_ labels: [ExactText: ExactText]) {
    add(LabelSelector(matchLabels: labels))
  }

  private mutating func add(_ selector: LabelSelector) {
    add(selector.matchLabels.count)
    if selector.isEmpty, selector.form != .absent { add(selector.form.rawValue) }
    for pair in selector.matchLabels {
      add(pair.key)
      add(pair.value)
    }
  }

  private mutating func add(_ policy: AuthorizationPolicy) {
    add(policy.metadata.key)
    add(policy.attachment)
    add(policy.action.rawValue)
    add(policy.provider ?? "")
    add(policy.isDryRun ? 1 : 0)
    add(policy.rules.count)
    for rule in policy.rules {
      guard let rule else {
        add(-1)
        continue
      }
      for clauses in [rule.sources, rule.operations, [AuthorizationPolicy.Clause(rule.conditions)]] {
        add(clauses.count)
        for clause in clauses { add(clause.constraints) }
      }
    }
  }

  private mutating func add(_ attachment: AuthorizationPolicy.Attachment) {
    switch attachment {
    case .selector(let selector): add(selector)
    case .targets(let targets):
      add(-targets.count)
      for target in targets {
        add(target.group)
        add(target.kind)
        add(target.name)
      }
    }
  }

  private mutating func add(_ object: RequestAuthentication) {
    add(object.metadata.key)
    add(object.attachment)
    add(object.jwtRules.count)
    for rule in object.jwtRules {
      add(rule.issuer == nil ? 0 : 1)
      add(rule.issuer ?? "")
      add(rule.isRequired ? 1 : 0)
      for list in [rule.audiences, rule.spaceDelimitedClaims] {
        add(list.count)
        for text in list { add(text) }
      }
    }
  }

  private mutating func add(_ constraints: [Constraint]) {
    add(constraints.count)
    for constraint in constraints {
      add(constraint.attribute.description)
      for list in [constraint.values, constraint.notValues] {
        add(list.count)
        for value in list { add(value.value) }
      }
    }
  }

  private mutating func add(_ object: PeerAuthentication) {
    add(object.metadata.key)
    add(Int(truncatingIfNeeded: object.metadata.creationTime))
    add(object.selector)
    add(object.mode?.rawValue ?? "UNSET")
    add(object.portModes.count)
    for (port, mode) in object.portModes.sorted(by: { $0.key < $1.key }) {
      add(Int(port))
      add(mode?.rawValue ?? "UNSET")
    }
  }

  private mutating func add(_ workload: Workload) {
    add(workload.metadata.key)
    add(workload.labels)
    add(workload.serviceAccount)
    add(workload.addresses.count)
    for address in workload.addresses {
      add(address.isIPv4 ? 4 : 6)
      add(Int(truncatingIfNeeded: address.high))
      add(Int(truncatingIfNeeded: address.low))
    }
  }
}
