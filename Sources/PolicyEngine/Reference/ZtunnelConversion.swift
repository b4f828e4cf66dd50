// What Istio's control plane makes of policies and PeerAuthentications for ztunnel, step by step as it does it.
// Enters: objects as they are written. Leaves: rules of clauses of matches. Never here: a step that Istio does not take.

internal import PolicyModel

extension ZtunnelReference {
  // MARK: AuthorizationPolicy

  /// Why a policy is never sent, or sent and attached to nothing.
  static func whyWithheld(_ policy: AuthorizationPolicy) -> Explanation.Withheld.Cause? {
    switch policy.attachment {
    case .targets: return .targetReferences
    case .selector(let selector) where selector.form == .empty: return .emptySelector
    case .selector: break
    }
    if policy.action == .custom || policy.action == .audit { return .action }
    return policy.isDryRun ? .dryRun : nil
  }

  func attaches(_ policy: AuthorizationPolicy, to namespace: ExactText, labels: [ExactText: ExactText]) -> Bool {
    guard Self.whyWithheld(policy) == nil, case .selector(let selector) = policy.attachment else { return false }
    let own = policy.metadata.key.namespace
    guard own == mesh.rootNamespace || own == namespace else { return false }
    return selector.form == .absent || selector.selects(labels)
  }

  /// The rules of a policy as they are sent.
  func sent(_ policy: AuthorizationPolicy) -> [Rule] {
    policy.rules.enumerated().compactMap { index, rule in rule.flatMap { sent($0, of: policy, index) } }
  }

  func sent(_ rule: AuthorizationPolicy.Rule, of policy: AuthorizationPolicy, _ index: Int) -> Rule? {
    if policy.action == .allow, !Self.unseen(rule).isEmpty { return nil }
    let key = policy.metadata.key
    func match(_ constraints: [Constraint], _ name: String, isCondition: Bool) -> Match {
      Match(fields: constraints.compactMap { sent($0, isCondition: isCondition, policyNamespace: key.namespace) }, name: name)
    }
    var clauses: [[Match]] = []
    if !rule.operations.isEmpty {
      clauses.append(rule.operations.enumerated().map { match($1.constraints, "to[\($0)]", isCondition: false) })
    }
    if !rule.sources.isEmpty {
      clauses.append(rule.sources.enumerated().map { match($1.constraints, "from[\($0)]", isCondition: false) })
    }
    for (number, condition) in rule.conditions.enumerated() { clauses.append([match([condition], "when[\(number)]", isCondition: true)]) }
    return Rule(clauses: clauses, name: ExactText("ns[\(key.namespace)]-policy[\(key.name)]-rule[\(index)]"))
  }

  /// The attributes of a rule that count as HTTP, with the clause in which they stand.
  static func unseen(_ rule: AuthorizationPolicy.Rule) -> [(clause: String, constraint: Constraint)] {
    var found: [(clause: String, constraint: Constraint)] = []
    for (name, clauses) in [("from", rule.sources), ("to", rule.operations)] {
      for (index, clause) in clauses.enumerated() {
        for constraint in clause.constraints where !constraint.values.isEmpty || !constraint.notValues.isEmpty {
          if field(constraint.attribute, isCondition: false) == nil { found.append(("\(name)[\(index)]", constraint)) }
        }
      }
    }
    for (index, condition) in rule.conditions.enumerated() where field(condition.attribute, isCondition: true) == nil {
      found.append(("when[\(index)]", condition))
    }
    return found
  }

  private static func field(_ attribute: Attribute, isCondition: Bool) -> Field? {
    switch attribute {
    case .sourcePrincipal: .principal
    case .sourceNamespace: .namespace
    case .sourceIP: .sourceIP
    case .destinationIP: .destinationIP
    case .destinationPort: .destinationPort
    case .sourceServiceAccount: isCondition ? nil : .serviceAccount
    default: nil
    }
  }

  /// The values that can be read; `nil` when none is left.
  func sent(_ constraint: Constraint, isCondition: Bool, policyNamespace: ExactText) -> FieldMatch? {
    guard let field = Self.field(constraint.attribute, isCondition: isCondition) else { return nil }
    func sent(_ value: Located<ExactText>) -> ExactText? {
      switch field {
      case .principal, .namespace: value.value
      case .serviceAccount: value.value.bytes.contains(UInt8(ascii: "/")) ? value.value : ExactText("\(policyNamespace)/\(value.value)")
      case .sourceIP, .destinationIP: Self.block(value.value.bytes) == nil ? nil : value.value
      case .destinationPort: Self.port(value.value.bytes) == nil ? nil : value.value
      }
    }
    let match = FieldMatch(
      field: field, values: constraint.values.compactMap(sent), notValues: constraint.notValues.compactMap(sent), constraint: constraint)
    return match.values.isEmpty && match.notValues.isEmpty ? nil : match
  }

  /// An address or a block; an address may have a zone, which is lost.
  static func block(_ text: [UInt8]) -> AddressBlock? {
    let parts = text.split(separator: UInt8(ascii: "%"), maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !text.contains(UInt8(ascii: "/")) else { return AddressBlock(String(decoding: text, as: UTF8.self)) }
    guard let address = IPAddress(Array(parts[0]).span), !address.isIPv4, !parts[1].isEmpty else { return nil }
    return AddressBlock(address, length: 128)
  }

  static func port(_ text: [UInt8]) -> UInt16? {
    text.allSatisfy { (0x30...0x39).contains($0) } ? UInt16(String(decoding: text, as: UTF8.self)) : nil
  }

  // MARK: PeerAuthentication

  /// The rules of the DENY policies that PeerAuthentication becomes for a workload.
  func plaintextRules(namespace: ExactText, labels: [ExactText: ExactText]) -> [Rule] {
    let root = mesh.rootNamespace
    let objects = policies.peerAuthentications.sorted {
      ($0.metadata.creationTime, $0.metadata.key.name, $0.metadata.key.namespace)
        < ($1.metadata.creationTime, $1.metadata.key.name, $1.metadata.key.namespace)
    }
    func isUnset(_ object: PeerAuthentication?) -> Bool { object?.mode == nil }
    func isStrict(_ object: PeerAuthentication?) -> Bool { object?.mode == .strict }

    // Which objects the workload sees.
    let seen = objects.filter {
      let own = $0.metadata.key.namespace
      if own == root, $0.selector.form == .absent { return true }
      return own == namespace && ($0.selector.form == .absent || $0.selector.selects(labels))
    }
    let meshWide = seen.first { $0.metadata.key.namespace == root && $0.selector.isEmpty }
    let namespaceWide = seen.first { $0.metadata.key.namespace != root && $0.selector.isEmpty }
    let own = seen.first { $0.metadata.key.namespace != root && !$0.selector.isEmpty }

    // Whether the static policy is attached, and whether one made from the workload's own object is.
    var isStaticAttached = isStrict(meshWide)
    if !isUnset(namespaceWide) { isStaticAttached = isStrict(namespaceWide) }
    let modes = (own?.portModes ?? [:]).values
    var isOwnAttached = false
    switch own?.mode {
    case .strict:
      isStaticAttached = true
      if modes.contains(where: { $0 == .permissive || $0 == .disable }) { (isOwnAttached, isStaticAttached) = (true, false) }
    case .permissive, .disable:
      isStaticAttached = false
      isOwnAttached = modes.contains(.strict)
    case nil where isStaticAttached:
      if modes.contains(.permissive) { (isOwnAttached, isStaticAttached) = (true, false) }
    case nil:
      isOwnAttached = modes.contains(.strict)
    }

    let noPrincipal = FieldMatch(field: .principal, values: [], notValues: ["*"])
    var rules = isStaticAttached ? [Rule(clauses: [[Match(fields: [noPrincipal], name: "")]], name: "static")] : []
    guard isOwnAttached, let own else { return rules }

    // The policy made from the workload's own object. Its parents are only objects without any selector.
    let parents = objects.filter { $0.selector.form == .absent }
    let parent = parents.first { $0.metadata.key.namespace == namespace }
    let grandparent = parents.first { $0.metadata.key.namespace == root }
    var clauses: [[Match]] = []
    if own.mode == .strict { clauses.append([Match(fields: [noPrincipal], name: "")]) }
    var hasOpenPort = false
    for (port, mode) in own.portModes.sorted(by: { $0.key < $1.key }) {
      switch mode {
      case .strict:
        if own.mode == .strict || (own.mode == nil && isStrict(parent)) || (isUnset(parent) && isStrict(grandparent)) { continue }
        let match = Match(
          fields: [noPrincipal, FieldMatch(field: .destinationPort, values: [ExactText("\(port)")], notValues: [])], name: "")
        rules.append(Rule(clauses: [[match]], name: "port"))
      case .permissive, .disable:
        if own.mode == .permissive || own.mode == .disable { continue }
        if own.mode == nil {
          if parent != nil, !isStrict(parent) { continue }
          if parent == nil, !isStrict(grandparent) { continue }
        }
        hasOpenPort = true
        clauses.append([Match(fields: [FieldMatch(field: .destinationPort, values: [], notValues: [ExactText("\(port)")])], name: "")])
      case nil: continue
      }
    }
    let mergesStrict = (isStrict(grandparent) && (isUnset(parent) || isStrict(parent))) || isStrict(parent)
    if mergesStrict, hasOpenPort { clauses.append([Match(fields: [noPrincipal], name: "")]) }
    if !clauses.isEmpty { rules.append(Rule(clauses: clauses, name: "own")) }
    return rules
  }
}
