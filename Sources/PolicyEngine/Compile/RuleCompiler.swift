// From rules to the flat tables, and the keys under which each rule can be indexed.
// Enters: policies in byte order of their rules' names. Leaves: tests, clauses and rules, and for each rule what an index may use.
// Never here: a rule that became wider than Istio makes it. What cannot be expressed is treated as Istio's generator does: an ALLOW rule
// disappears, another rule loses the value, and a rule with an unknown key disappears whatever its action.

internal import PolicyModel

/// What an index may use to find one rule: keys of positive tests. A request that matches the rule satisfies one key of some test of
/// *every* clause list, so the keys of one test a clause, over one list, are enough.
struct RuleKeys {
  /// For each clause, the keys of each positive test.
  var sources: [[[IndexKey]]] = []
  var operations: [[[IndexKey]]] = []
  var conditions: [[IndexKey]] = []
}

struct RuleCompiler {
  /// The compiler of values; it holds the tables.
  var values: PatternCompiler
  private let dataPlane: DataPlane
  private let names: FixedNames
  /// A test with more patterns than this looks them up.
  private static let lookupThreshold = 8

  var tables: TableDraft {
    _read { yield values.tables }
    _modify { yield &values.tables }
  }

  init(mesh: MeshSettings, dataPlane: DataPlane, hash: ByteHash) {
    self.dataPlane = dataPlane
    values = PatternCompiler(mesh: mesh, tables: TableDraft(hash: hash))
    var names = FixedNames()
    names.issuerPath = values.claimPath(["iss"])
    names.subjectPath = values.claimPath(["sub"])
    names.scheme = values.tables.pool.intern(Array("spiffe://".utf8))
    names.namespace = values.tables.pool.intern(Array("/ns/".utf8))
    names.account = values.tables.pool.intern(Array("sa/".utf8))
    names.schemeHeader = values.tables.pool.intern(Array(":scheme".utf8))
    self.names = names
  }

  /// The finished tables.
  consuming func finish(in storage: FlatStorage) -> CompiledPolicies { values.tables.sealed(names: names, in: storage) }

  /// Compiles one rule; `nil` when Istio's generator would drop it.
  mutating func compile(_ rule: AuthorizationPolicy.Rule, of policy: AuthorizationPolicy) -> (rule: CompiledRule, keys: RuleKeys)? {
    if dataPlane == .ztunnel { return compileForZtunnel(rule, of: policy) }
    var keys = RuleKeys()
    var needsHTTP = false
    var sources: [[Test]] = []
    var operations: [[Test]] = []
    var conditions: [Test] = []
    for clause in rule.sources {
      guard let (tests, clauseKeys) = compile(clause.constraints, of: policy, needsHTTP: &needsHTTP) else { return nil }
      sources.append(tests)
      keys.sources.append(clauseKeys)
    }
    for clause in rule.operations {
      guard let (tests, clauseKeys) = compile(clause.constraints, of: policy, needsHTTP: &needsHTTP) else { return nil }
      operations.append(tests)
      keys.operations.append(clauseKeys)
    }
    guard let (tests, conditionKeys) = compile(rule.conditions, of: policy, needsHTTP: &needsHTTP) else { return nil }
    conditions = tests
    keys.conditions = conditionKeys
    var compiled = CompiledRule(
      sources: append(sources), operations: append(operations), conditions: append(conditions), needsHTTP: needsHTTP,
      isAbsentOnTCP: needsHTTP && policy.action == .allow)
    compiled.sourceIndex = index(over: compiled.sources, keys.sources)
    compiled.operationIndex = index(over: compiled.operations, keys.operations)
    return (compiled, keys)
  }

  /// Gives a rule its number, the next one.
  mutating func append(_ rule: CompiledRule) -> UInt32 {
    tables.rules.append(rule)
    return UInt32(truncatingIfNeeded: tables.rules.count - 1)
  }

  /// Adds a group.
  mutating func append(_ group: Group) -> UInt32 {
    tables.groups.append(group)
    return UInt32(truncatingIfNeeded: tables.groups.count - 1)
  }

  /// Stores the sets of CUSTOM rules of a group, in an order that does not depend on chance.
  mutating func append(customs: [(CustomHandling, Bool, [(number: UInt32, keys: RuleKeys)])]) -> Stretch {
    let sorted = customs.sorted { ($0.2.first?.number ?? 0) < ($1.2.first?.number ?? 0) }
    let sets = sorted.map { CustomSet(rules: ruleSet($0.2), handling: $0.0, speaksHTTP: $0.1) }
    let stretch = Stretch(start: UInt32(truncatingIfNeeded: tables.customSets.count), count: UInt32(truncatingIfNeeded: sets.count))
    tables.customSets.append(contentsOf: sets)
    return stretch
  }

  /// An index over the clauses of one rule, where they are many.
  private mutating func index(over clauses: Stretch, _ keys: [[[IndexKey]]]) -> UInt32 {
    guard clauses.range.count > IndexBuilder.threshold else { return .max }
    let items = zip(clauses.range, keys).map { (number: UInt32(truncatingIfNeeded: $0), keys: RuleKeys(conditions: $1)) }
    return IndexBuilder(items).build(into: &tables)
  }

  /// Stores the rule numbers of a set and, where they are many, an index over them.
  mutating func ruleSet(_ rules: [(number: UInt32, keys: RuleKeys)]) -> RuleSet {
    var set = RuleSet(rules: IndexBuilder.append(rules.map(\.number), to: &tables))
    guard rules.count > IndexBuilder.threshold else { return set }
    set.index = IndexBuilder(rules, isTCP: false, tables: tables).build(into: &tables)
    set.tcpIndex = set.index
    if rules.contains(where: { tables.rules[Int($0.number)].needsHTTP }) {
      set.tcpIndex = IndexBuilder(rules, isTCP: true, tables: tables).build(into: &tables)
    }
    return set
  }

  mutating func append(_ clauses: [[Test]]) -> Stretch {
    let stretch = Stretch(start: UInt32(truncatingIfNeeded: tables.clauses.count), count: UInt32(truncatingIfNeeded: clauses.count))
    // Clauses first, so that they stand together; their tests follow in `tests`.
    for tests in clauses { tables.clauses.append(CompiledClause(tests: append(tests))) }
    return stretch
  }

  mutating func append(_ tests: [Test]) -> Stretch {
    let stretch = Stretch(start: UInt32(truncatingIfNeeded: tables.tests.count), count: UInt32(truncatingIfNeeded: tests.count))
    tables.tests.append(contentsOf: tests)
    return stretch
  }

  /// The tests of one clause and the keys of its positive tests; `nil` when the rule is to be dropped.
  private mutating func compile(
    _ constraints: [Constraint], of policy: AuthorizationPolicy, needsHTTP: inout Bool
  ) -> (tests: [Test], keys: [[IndexKey]])? {
    var tests: [Test] = []
    var keys: [[IndexKey]] = []
    for constraint in constraints {
      switch constraint.attribute {
      case .unknownKey: return nil
      // Not one of an attribute that is only HTTP's, either: Istio generates nothing that could fail.
      case _ where constraint.demandsNothing: continue
      case .malformedKey:
        if policy.action == .allow { return nil }
        continue
      default: break
      }
      guard let (subject, name) = subject(of: constraint.attribute) else { return nil }
      if subject.isHTTP { needsHTTP = true }
      for (list, isNegated) in [(constraint.values, false), (constraint.notValues, true)] where !list.isEmpty {
        var compiled: [PatternCompiler.Value] = []
        for value in list {
          if let one = values.compile(value.value, subject: subject, name: name, policyNamespace: policy.metadata.key.namespace) {
            compiled.append(one)
          } else if policy.action == .allow {
            return nil
          }
        }
        guard !compiled.isEmpty else { continue }
        tests.append(test(compiled, subject: subject, name: name, isNegated: isNegated))
        guard !isNegated else { continue }
        keys.append(compiled.flatMap(\.keys))
        if compiled.contains(where: { $0.otherKeys != nil }) { keys.append(compiled.flatMap { $0.otherKeys ?? $0.keys }) }
      }
    }
    return (tests, keys)
  }

  mutating func test(_ compiled: [PatternCompiler.Value], subject: Subject, name: Literal, isNegated: Bool) -> Test {
    let count = compiled.reduce(0) { $0 + $1.patterns.count }
    let usesLookup = count > Self.lookupThreshold && compiled.contains(where: \.isExactKey)
    // What a lookup does not cover comes first.
    let ordered = usesLookup ? compiled.filter { !$0.isExactKey } + compiled.filter(\.isExactKey) : compiled
    var test = Test(
      subject: subject, isNegated: isNegated, name: name,
      patterns: Stretch(start: UInt32(truncatingIfNeeded: tables.patterns.count), count: UInt32(truncatingIfNeeded: count)))
    for value in ordered { tables.patterns.append(contentsOf: value.patterns) }
    guard usesLookup else { return test }
    var patterns: [IndexPattern: Stretch] = [:]
    for value in compiled where value.isExactKey {
      for key in value.keys { patterns[key.pattern] = Stretch(start: 0, count: 1) }
    }
    test.uncovered = UInt32(truncatingIfNeeded: compiled.reduce(0) { $0 + ($1.isExactKey ? 0 : $1.patterns.count) })
    test.lookup = tables.appendLookup(patterns)
    return test
  }

  /// What an attribute is compared by; `nil` only for keys that name no attribute.
  private mutating func subject(of attribute: Attribute) -> (Subject, Literal)? {
    switch attribute {
    case .sourcePrincipal: (.principal, Literal())
    case .sourceNamespace: (.namespace, Literal())
    case .sourceServiceAccount: (.serviceAccount, Literal())
    case .sourceTrustDomain: (.trustDomain, Literal())
    case .sourceIP: (.sourceIP, Literal())
    case .remoteIP: (.remoteIP, Literal())
    case .destinationIP: (.destinationIP, Literal())
    case .destinationPort: (.port, Literal())
    case .host: (.host, Literal())
    case .method: (.method, Literal())
    case .path: (.path, Literal())
    case .sni: (.sni, Literal())
    case .requestPrincipal: (.requestPrincipal, Literal())
    case .requestAudiences: (.claim, values.claimPath(["aud"]))
    case .requestPresenter: (.claim, values.claimPath(["azp"]))
    case .requestClaim(let path): (.claim, values.claimPath(path))
    case .requestHeader(let name): header(name)
    case .envoyMetadata(let filter, let key): (.metadata, values.claimPath([filter, key]))
    case .malformedKey, .unknownKey: nil
    }
  }

  /// Header names are compared without case; Envoy keeps method, path and authority as pseudo headers, and `host` names the authority.
  private mutating func header(_ name: ExactText) -> (Subject, Literal) {
    let folded = name.bytes.map(Request.lowercased)
    if folded == Array(":method".utf8) { return (.method, Literal()) }
    if folded == Array(":path".utf8) { return (.target, Literal()) }
    if folded == Array(":authority".utf8) || folded == Array("host".utf8) { return (.authority, Literal()) }
    return (.header, tables.pool.intern(folded))
  }
}
