// What is left of a target's rules on one connection.
// Enters: a target, a request of the connection. Leaves: the rules that are still possible, without those of their tests that are settled,
// and the parts of the indexes that each request still has to ask.
// Never here: anything that another request of the connection could say otherwise.

internal import PolicyModel

/// One thing that a request on the connection still has to ask.
struct ResidualStep: BitwiseCopyable {
  enum Kind: UInt8 {
    /// A rule.
    case rule
    /// A rule of which one source holds.
    case ruleOfHoldingSource
    /// A dimension of an index.
    case dimension
  }

  var tables: FlatValue<CompiledPolicies>
  var base: UInt32
  /// The rule's number in the tables, or the dimension's.
  var number: UInt32
  var effect: Target.Effect
  var kind: Kind
}

/// The residual of one connection; its steps are in the table that made it.
struct Residual: BitwiseCopyable {
  var gate = Gate.unknown(.internalError)
  /// For each effect, the least number of a rule that matches whatever the request is, or `.max`.
  var settled = InlineArray<7, UInt32>(repeating: .max)
  /// How many steps there are, and where those of ALLOW rules begin.
  var count: UInt16 = 0
  var firstAllow: UInt16 = 0
  /// Whether everything that is left has room.
  var isUsable = false
  /// Whether another connection came to its place since it was built.
  var isChallenged = false

  init() {}

  init(gate: Gate) { self.gate = gate }

  /// Collects what is left; false when it is too much.
  mutating func fill(from target: Target, _ request: borrowing Request, _ steps: inout [ResidualStep], at start: Int) -> Bool {
    for index in target.steps.indices {
      if index == target.firstAllow { firstAllow = count }
      let step = target.steps[index]
      if step.isHTTP, request.isTCP { continue }
      guard fill(from: step, request, &steps, at: start) else { return false }
    }
    if target.firstAllow == target.steps.count { firstAllow = count }
    return true
  }

  private mutating func fill(from step: Target.Step, _ request: borrowing Request, _ steps: inout [ResidualStep], at start: Int) -> Bool {
    let tables = step.tables
    let number = request.isTCP ? step.rules.tcpIndex : step.rules.index
    guard number != .max else { return add(rules: step.rules.rules, of: step, request, &steps, at: start) }
    let index = tables.value.indexes[Int(number)]
    guard add(rules: index.always, of: step, request, &steps, at: start) else { return false }
    for place in index.dimensions.range {
      let dimension = tables.value.dimensions[place]
      if dimension.dimension.text.isOfConnection {
        var hasRoom = true
        tables.value.nominate(dimension, request) { rules, _, request in
          hasRoom = add(rules: rules, of: step, request, &steps, at: start)
          return hasRoom
        }
        guard hasRoom else { return false }
      } else {
        guard append(step, UInt32(truncatingIfNeeded: place), .dimension, &steps, at: start) else { return false }
      }
    }
    return true
  }

  private mutating func add(
    rules: Stretch, of step: Target.Step, _ request: borrowing Request, _ steps: inout [ResidualStep], at start: Int
  ) -> Bool {
    for place in rules.range {
      let number = step.tables.value.postings[place]
      switch step.tables.value.onConnection(number, request) {
      case .impossible: continue
      case .matches:
        let effect = Int(step.effect.rawValue)
        settled[effect] = min(settled[effect], number &+ step.base)
      case .possible(let kind):
        guard append(step, number, kind, &steps, at: start) else { return false }
      }
    }
    return true
  }

  private mutating func append(
    _ step: Target.Step, _ number: UInt32, _ kind: ResidualStep.Kind, _ steps: inout [ResidualStep], at start: Int
  ) -> Bool {
    guard Int(count) < ResidualTable.stepCapacity else { return false }
    steps[start + Int(count)] = ResidualStep(tables: step.tables, base: step.base, number: number, effect: step.effect, kind: kind)
    count += 1
    return true
  }
}

/// What a connection makes of a rule.
private enum RuleOnConnection {
  case impossible
  case matches
  case possible(ResidualStep.Kind)
}

extension CompiledPolicies {
  fileprivate func onConnection(_ number: UInt32, _ request: borrowing Request) -> RuleOnConnection {
    let rule = rules[Int(number)]
    if request.isTCP, rule.isAbsentOnTCP { return .impossible }
    let source = anyOnConnection(rule.sources, isIndexed: rule.sourceIndex != .max, request)
    if source == .no { return .impossible }
    let rest = anyOnConnection(rule.operations, isIndexed: rule.operationIndex != .max, request)
      .and(allOnConnection(rule.conditions, request))
    if rest == .no { return .impossible }
    if source == .yes, rest == .yes { return .matches }
    return .possible(source == .yes ? .ruleOfHoldingSource : .rule)
  }

  /// Many clauses are left to the request: their index finds the one that holds.
  private func anyOnConnection(_ clauses: Stretch, isIndexed: Bool, _ request: borrowing Request) -> Outcome {
    if clauses.isEmpty { return .yes }
    if isIndexed { return .unknown(.internalError) }
    var result = Outcome.no
    for index in clauses.range {
      let outcome = allOnConnection(self.clauses[index].tests, request)
      if outcome == .yes { return .yes }
      if outcome.isUnknown { result = outcome }
    }
    return result
  }

  /// Tests of what only the request says are not known here.
  private func allOnConnection(_ tests: Stretch, _ request: borrowing Request) -> Outcome {
    var result = Outcome.yes
    for index in tests.range {
      let test = self.tests[index]
      if request.isTCP, test.subject.isHTTP { continue }
      guard test.subject.isOfConnection else {
        result = .unknown(.internalError)
        continue
      }
      let outcome = evaluate(test, request)
      if outcome == .no { return .no }
      if outcome.isUnknown { result = outcome }
    }
    return result
  }
}

extension Subject {
  /// Whether it stays the same on a connection.
  fileprivate var isOfConnection: Bool {
    switch self {
    case .principal, .namespace, .serviceAccount, .trustDomain, .ztunnelPrincipal, .ztunnelNamespace, .ztunnelServiceAccount, .sourceIP,
      .destinationIP, .port, .sni:
      true
    case .remoteIP, .host, .method, .path, .target, .authority, .header, .claim, .requestPrincipal, .metadata: false
    }
  }
}

extension Snapshot {
  /// Decides one request as `decide(_:on:profile:)` does, and remembers in `table` what is left of the rules on its connection: the next
  /// request of the same peer to the same target asks only that. The answer is the same.
  public func decide(
    _ request: inout Request, on target: Target, profile: Profile = .sidecar, remembering table: inout ResidualTable
  ) -> Decision {
    guard let token = admit(&request, on: target, profile: profile) else { return Decision(.deny, .unsupportedProfile) }
    if target.isUnusable { return Decision(.deny, .policyUnusable) }
    guard let place = table.residual(of: request, on: target, profile: profile, gate: gate) else {
      return decide(admitted: request, on: target, profile: profile, token: token)
    }
    var found = Matches(settled: table.residual(at: place).settled)
    let start = ResidualTable.firstStep(of: place)
    let firstAllow = start + Int(table.residual(at: place).firstAllow)
    for index in start..<firstAllow { ask(table.step(index), request, &found) }
    if !found[.deny].isMatched {
      for index in firstAllow..<start + Int(table.residual(at: place).count) { ask(table.step(index), request, &found) }
    }
    return decision(found, gate: table.residual(at: place).gate, token: token, on: target)
  }

  @inline(__always)
  private func ask(_ step: ResidualStep, _ request: borrowing Request, _ found: inout Matches) {
    found.states[step.effect.place].base = step.base
    switch step.kind {
    case .dimension: step.tables.value.match(step.tables.value.dimensions[Int(step.number)], request, &found.states[step.effect.place])
    case .rule, .ruleOfHoldingSource:
      step.tables.value.match(
        rule: step.number, hasSource: step.kind == .ruleOfHoldingSource, request, &found.states[step.effect.place])
    }
  }
}
