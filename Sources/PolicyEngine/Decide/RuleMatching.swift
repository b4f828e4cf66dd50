// The first rule of a set that matches.
// Enters: a rule set, a request. Leaves: the least rule number that matches, and the least that may.
// Never here: which rules are looked at; where they are many, an index nominates them (`Nomination.swift`).

internal import PolicyModel

/// What has been found so far for one action.
struct MatchState: BitwiseCopyable {
  /// What is added to the numbers of the tables that are being asked.
  var base: UInt32 = 0
  /// The least number of a rule that matches, or `.max`.
  var match: UInt32 = .max
  /// The least number of a rule that may match, or `.max`.
  var possible: UInt32 = .max
  /// Why that one is not known.
  var reason = Reason.internalError

  var isMatched: Bool { match != .max }
  var isPossible: Bool { possible != .max }
}

extension CompiledPolicies {
  /// Tests a set's rules until no smaller number can match; `base` makes their numbers those of the snapshot.
  func match(_ set: RuleSet, _ request: borrowing Request, base: UInt32, _ state: inout MatchState) {
    state.base = base
    let number = request.isTCP ? set.tcpIndex : set.index
    guard number != .max else { return consider(set.rules, request, &state) }
    let index = indexes[Int(number)]
    consider(index.always, request, &state)
    for dimension in index.dimensions.range { match(dimensions[dimension], request, &state) }
  }

  /// Tests the rules that one dimension nominates.
  func match(_ dimension: IndexDimension, _ request: borrowing Request, _ state: inout MatchState) {
    nominate(dimension, request) { rules, isUnknown, request in
      if isUnknown { considerPossible(rules, request, &state) } else { consider(rules, request, &state) }
      return true
    }
  }

  /// Tests rules in ascending order; one that cannot beat what was found ends the walk.
  func consider(_ rules: Stretch, _ request: borrowing Request, _ state: inout MatchState) {
    for index in rules.range {
      let number = postings[index] &+ state.base
      if number >= state.match { return }
      consider(number, evaluate(self.rules[Int(postings[index])], request), &state)
    }
  }

  /// The same for rules that cannot match by the key that nominated them, because its text is not known: the first that may match is
  /// enough.
  private func considerPossible(_ rules: Stretch, _ request: borrowing Request, _ state: inout MatchState) {
    for index in rules.range {
      let number = postings[index] &+ state.base
      if number >= state.match || number >= state.possible { return }
      consider(number, evaluate(self.rules[Int(postings[index])], request), &state)
    }
  }

  @inline(__always)
  func consider(_ number: UInt32, _ outcome: Outcome, _ state: inout MatchState) {
    if outcome == .no { return }
    if outcome == .yes {
      if number < state.match { state.match = number }
    } else if number < state.possible {
      state.possible = number
      state.reason = outcome.reason
    }
  }

  /// Tests one rule, unless it cannot beat what was found.
  @inline(__always)
  func match(rule own: UInt32, hasSource: Bool, _ request: borrowing Request, _ state: inout MatchState) {
    let number = own &+ state.base
    guard number < state.match else { return }
    let rule = rules[Int(own)]
    consider(number, hasSource ? rest(rule, request) : evaluate(rule, request), &state)
  }

  /// One of the sources, one of the operations, all conditions.
  private func evaluate(_ rule: CompiledRule, _ request: borrowing Request) -> Outcome {
    if request.isTCP, rule.isAbsentOnTCP { return .no }
    let source = sources(rule, request)
    if source == .no { return .no }
    return source.and(rest(rule, request))
  }

  /// Whether one of the rule's sources holds.
  func sources(_ rule: CompiledRule, _ request: borrowing Request) -> Outcome {
    any(rule.sources, index: request.isTCP && rule.needsHTTP ? .max : rule.sourceIndex, request)
  }

  /// Whether one of the rule's operations and all its conditions hold.
  func rest(_ rule: CompiledRule, _ request: borrowing Request) -> Outcome {
    let operation = any(rule.operations, index: request.isTCP && rule.needsHTTP ? .max : rule.operationIndex, request)
    if operation == .no { return .no }
    return operation.and(all(rule.conditions, request))
  }

  /// `number` is that of an index over the clauses, or `.max`.
  private func any(_ clauses: Stretch, index number: UInt32, _ request: borrowing Request) -> Outcome {
    if clauses.isEmpty { return .yes }
    guard number == .max else { return any(indexed: indexes[Int(number)], request) }
    var result = Outcome.no
    for index in clauses.range {
      let outcome = all(self.clauses[index].tests, request)
      if outcome == .yes { return .yes }
      if outcome.isUnknown, result == .no { result = outcome }
    }
    return result
  }

  private func any(indexed index: RuleIndex, _ request: borrowing Request) -> Outcome {
    var result = Outcome.no
    guard consider(index.always, isUnknown: false, request, &result) else { return .yes }
    for dimension in index.dimensions.range {
      nominate(dimensions[dimension], request) { clauses, isUnknown, request in
        consider(clauses, isUnknown: isUnknown, request, &result)
      }
      if result == .yes { return .yes }
    }
    return result
  }

  /// Whether the walk goes on: it ends with the first clause that holds. One whose key is not known cannot hold, it only may.
  private func consider(_ numbers: Stretch, isUnknown: Bool, _ request: borrowing Request, _ result: inout Outcome) -> Bool {
    if isUnknown, result.isUnknown { return true }
    for place in numbers.range {
      let outcome = all(clauses[Int(postings[place])].tests, request)
      if outcome == .yes {
        result = .yes
        return false
      }
      if outcome.isUnknown, result == .no {
        result = outcome
        if isUnknown { return true }
      }
    }
    return true
  }

  private func all(_ tests: Stretch, _ request: borrowing Request) -> Outcome {
    var result = Outcome.yes
    for index in tests.range {
      let test = self.tests[index]
      if request.isTCP, test.subject.isHTTP { continue }
      let outcome = evaluate(test, request)
      if outcome == .no { return .no }
      if outcome.isUnknown, result == .yes { result = outcome }
    }
    return result
  }
}

extension Outcome {
  /// Both; of two that are not known, the first says why.
  @inline(__always)
  func and(_ other: Outcome) -> Outcome {
    if self == .no || other == .no { return .no }
    return isUnknown ? self : other
  }
}
