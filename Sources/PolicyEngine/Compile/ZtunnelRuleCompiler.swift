// From rules to the flat tables as ztunnel reads them: connections only, one identity, no aliases, no globs.
// Enters: a rule of a policy that ztunnel is given. Leaves: a compiled rule of tests that every connection can answer.
// Never here: HTTP. An ALLOW rule that mentions it is omitted. Another loses it, and where a clause is left with nothing, the rule never
// matches: to ztunnel an empty match is no match (istio/istio issue 61126).

internal import PolicyModel

extension RuleCompiler {
  /// Compiles one rule; `nil` when Istio omits it or it can never match.
  mutating func compileForZtunnel(
    _ rule: AuthorizationPolicy.Rule, of policy: AuthorizationPolicy
  ) -> (rule: CompiledRule, keys: RuleKeys)? {
    if policy.action == .allow, rule.exceedsZtunnel { return nil }
    guard let sources = ztunnelClause(rule.sources, of: policy), let operations = ztunnelClause(rule.operations, of: policy) else {
      return nil
    }
    var conditions: [Test] = []
    var keys = RuleKeys(sources: sources.keys, operations: operations.keys, conditions: [])
    for condition in rule.conditions {
      let (tests, conditionKeys) = ztunnelMatch([condition], isCondition: true, of: policy)
      guard !tests.isEmpty else { return nil }
      conditions += tests
      keys.conditions += conditionKeys
    }
    let compiled = CompiledRule(
      sources: append(sources.tests), operations: append(operations.tests), conditions: append(conditions), needsHTTP: false,
      isAbsentOnTCP: false)
    return (compiled, keys)
  }

  /// The matches of one clause that hold anything; `nil` when there are matches and none does.
  private mutating func ztunnelClause(
    _ clauses: [AuthorizationPolicy.Clause], of policy: AuthorizationPolicy
  ) -> (tests: [[Test]], keys: [[[IndexKey]]])? {
    var tests: [[Test]] = []
    var keys: [[[IndexKey]]] = []
    for clause in clauses {
      let (matchTests, matchKeys) = ztunnelMatch(clause.constraints, isCondition: false, of: policy)
      guard !matchTests.isEmpty else { continue }
      tests.append(matchTests)
      keys.append(matchKeys)
    }
    return tests.isEmpty && !clauses.isEmpty ? nil : (tests, keys)
  }

  /// What is left of one source, operation or condition.
  private mutating func ztunnelMatch(
    _ constraints: [Constraint], isCondition: Bool, of policy: AuthorizationPolicy
  ) -> (tests: [Test], keys: [[IndexKey]]) {
    var tests: [Test] = []
    var keys: [[IndexKey]] = []
    for constraint in constraints {
      guard let subject = constraint.attribute.ztunnelSubject(isCondition: isCondition) else { continue }
      for (list, isNegated) in [(constraint.values, false), (constraint.notValues, true)] {
        let compiled = list.compactMap { value in
          values.compile(value.value, subject: subject, name: Literal(), policyNamespace: policy.metadata.key.namespace)
        }
        guard !compiled.isEmpty else { continue }
        tests.append(test(compiled, subject: subject, name: Literal(), isNegated: isNegated))
        // A value without a key can be satisfied where no key leads.
        if !isNegated, compiled.allSatisfy({ !$0.keys.isEmpty }) { keys.append(compiled.flatMap(\.keys)) }
      }
    }
    return (tests, keys)
  }
}

extension AuthorizationPolicy.Rule {
  /// Whether it asks for anything that ztunnel does not see.
  fileprivate var exceedsZtunnel: Bool {
    (sources + operations).contains { clause in
      clause.constraints.contains {
        $0.attribute.ztunnelSubject(isCondition: false) == nil && !($0.values.isEmpty && $0.notValues.isEmpty)
      }
    } || conditions.contains { $0.attribute.ztunnelSubject(isCondition: true) == nil }
  }
}

extension Attribute {
  /// What ztunnel compares; `nil` for all that counts as HTTP there, which `remoteIpBlocks`, trust domains, the SNI and the condition
  /// `source.serviceAccount` do.
  fileprivate func ztunnelSubject(isCondition: Bool) -> Subject? {
    switch self {
    case .sourcePrincipal: .ztunnelPrincipal
    case .sourceNamespace: .ztunnelNamespace
    case .sourceServiceAccount: isCondition ? nil : .ztunnelServiceAccount
    case .sourceIP: .sourceIP
    case .destinationIP: .destinationIP
    case .destinationPort: .port
    default: nil
    }
  }
}

extension PatternCompiler {
  /// A value about the peer's one identity. Principals are matched against the whole identity, namespaces against its namespace, accounts
  /// against `NAMESPACE/sa/ACCOUNT`.
  mutating func ztunnelValue(_ text: [UInt8], subject: Subject, policyNamespace: ExactText) -> Value {
    switch subject {
    case .ztunnelServiceAccount:
      let slash = text.firstIndex(of: UInt8(ascii: "/"))
      let namespace = slash.map { Array(text[..<$0]) } ?? policyNamespace.bytes
      let path = namespace + Array("/sa/".utf8) + text[(slash.map { $0 + 1 } ?? 0)...]
      return Value(patterns: [Pattern(kind: .exact, first: tables.pool.intern(path))], keys: [workloadKey(.exact(path))], isExactKey: true)
    case .ztunnelNamespace:
      let (pattern, index) = stringPattern(text, star: .nonEmpty)
      let key: [IndexKey] =
        switch index {
        // The empty namespace is that of a peer without identity, for whom there is nothing to look up.
        case .exact(let name): name.isEmpty ? [] : [workloadKey(.prefix(name + [UInt8(ascii: "/")]))]
        case .prefix(let head): [workloadKey(.prefix(head))]
        default: [workloadKey(.always)]
        }
      return Value(patterns: [pattern], keys: key, isExactKey: false)
    default:
      let scheme = Array("spiffe://".utf8)
      let (pattern, index) = stringPattern(text, star: .nonEmpty)
      switch index {
      case .exact(let name):
        let whole = scheme + name
        return Value(
          patterns: [Pattern(kind: .exact, first: tables.pool.intern(whole))], keys: [identityKey(.exact(whole))], isExactKey: true)
      case .prefix(let head):
        let whole = scheme + head
        return Value(
          patterns: [Pattern(kind: .prefix, first: tables.pool.intern(whole))], keys: [identityKey(.prefix(whole))], isExactKey: true)
      case .suffix(let tail):
        let between = Pattern(kind: .between, first: tables.pool.intern(scheme), second: tables.pool.intern(tail))
        return Value(patterns: [between], keys: [identityKey(.suffix(tail))], isExactKey: false)
      default:
        return Value(patterns: [pattern], keys: [identityKey(.always)], isExactKey: false)
      }
    }
  }
}
