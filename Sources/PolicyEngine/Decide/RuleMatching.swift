// The first rule of a set that matches.
// Enters: a rule set, a request. Leaves: the least rule number that matches, and the least that may.
// Never here: a rule that is skipped because something about the request is not known: an index that cannot be asked nominates all its rules.

internal import PolicyModel

/// What has been found so far for one action.
struct MatchState {
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
    for dimension in index.dimensions.range { nominate(dimensions[dimension], request, &state) }
  }

  private func nominate(_ dimension: IndexDimension, _ request: borrowing Request, _ state: inout MatchState) {
    switch dimension.dimension.text {
    case .identity:
      guard request.isPeerKnown else { return consider(dimension.rules, request, &state) }
      for index in request.identities.indices where request.isTested(request.identities[index]) {
        look(dimension, request.identities[index].slice, request, &state)
      }
    case .workloadPath:
      guard request.isPeerKnown else { return consider(dimension.rules, request, &state) }
      for index in request.identities.indices where request.isTested(request.identities[index]) {
        let identity = request.identities[index]
        switch identity.form {
        case .plain: break
        case .istio: look(dimension, identity.workloadPath, request, &state)
        case .irregular: consider(dimension.rules, request, &state)
        }
      }
    case .host:
      let isPresent = request.host.knowledge == .present
      look(
        dimension, isPresent ? Request.TextField(knowledge: .present, reason: .unknownHost, slice: request.foldedHost) : request.host,
        request, &state)
    case .authority: look(dimension, request.host, request, &state)
    case .method: look(dimension, request.method, request, &state)
    case .path: look(dimension, request.path, request, &state)
    case .target: look(dimension, request.target, request, &state)
    case .sni: look(dimension, request.sni, request, &state)
    case .header: header(dimension, request, &state)
    case .claim:
      guard request.areClaimsKnown, !request.areClaimsHidden else { return consider(dimension.rules, request, &state) }
      entries(request.claims, dimension, request, &state)
    case .metadata:
      guard request.isMetadataComplete else { return consider(dimension.rules, request, &state) }
      entries(request.metadata, dimension, request, &state)
    case .sourceIP: address(dimension, request.sourceIP, request, &state)
    case .remoteIP: address(dimension, request.remoteIP, request, &state)
    case .destinationIP: address(dimension, request.destinationIP, request, &state)
    case .port:
      guard request.isPortKnown else { return consider(dimension.rules, request, &state) }
      _ = search.forEachMatch(lookups[Int(dimension.lookup)], number: UInt64(request.port)) { postings in
        consider(postings, request, &state)
        return true
      }
    }
  }

  private func look(_ dimension: IndexDimension, _ field: Request.TextField, _ request: borrowing Request, _ state: inout MatchState) {
    switch field.knowledge {
    case .unknown: consider(dimension.rules, request, &state)
    case .absent: break
    case .present: look(dimension, field.slice, request, &state)
    }
  }

  private func look(_ dimension: IndexDimension, _ slice: Request.Slice, _ request: borrowing Request, _ state: inout MatchState) {
    _ = search.forEachMatch(lookups[Int(dimension.lookup)], text: request.bytes(slice), in: literals.span) { postings in
      consider(postings, request, &state)
      return true
    }
  }

  private func address(_ dimension: IndexDimension, _ field: Request.AddressField, _ request: borrowing Request, _ state: inout MatchState)
  {
    switch field.knowledge {
    case .unknown: consider(dimension.rules, request, &state)
    case .absent: break
    case .present:
      _ = search.forEachMatch(lookups[Int(dimension.lookup)], address: field.address) { postings in
        consider(postings, request, &state)
        return true
      }
    }
  }

  private func header(_ dimension: IndexDimension, _ request: borrowing Request, _ state: inout MatchState) {
    guard request.areHeadersKnown else { return consider(dimension.rules, request, &state) }
    var isThere = false
    for index in request.headers.indices {
      let line = request.headers[index]
      guard equal(request.bytes(line.name), literal(dimension.dimension.name)) else { continue }
      isThere = true
      if line.isAmbiguous {
        consider(dimension.rules, request, &state)
      } else {
        look(dimension, line.value, request, &state)
      }
    }
    if !isThere, dimension.dimension.name == names.schemeHeader { consider(dimension.rules, request, &state) }
  }

  private func entries(_ entries: [Request.TreeEntry], _ dimension: IndexDimension, _ request: borrowing Request, _ state: inout MatchState)
  {
    for index in entries.indices {
      let entry = entries[index]
      if equal(request.bytes(entry.path), literal(dimension.dimension.name)) { look(dimension, entry.value, request, &state) }
    }
  }

  /// Tests rules in ascending order; one that cannot beat what was found ends the walk.
  private func consider(_ rules: Stretch, _ request: borrowing Request, _ state: inout MatchState) {
    for index in rules.range {
      let own = postings[index]
      let number = own &+ state.base
      if number >= state.match { return }
      let outcome = evaluate(rule: self.rules[Int(own)], request)
      if outcome == .yes {
        state.match = number
        return
      }
      if outcome.isUnknown, number < state.possible {
        state.possible = number
        state.reason = outcome.reason
      }
    }
  }

  /// One of the sources, one of the operations, all conditions.
  private func evaluate(rule: CompiledRule, _ request: borrowing Request) -> Outcome {
    if request.isTCP, rule.isAbsentOnTCP { return .no }
    let source = any(rule.sources, request)
    if source == .no { return .no }
    let operation = any(rule.operations, request)
    if operation == .no { return .no }
    let condition = all(rule.conditions, request)
    if condition == .no { return .no }
    return source.isUnknown ? source : operation.isUnknown ? operation : condition
  }

  private func any(_ clauses: Stretch, _ request: borrowing Request) -> Outcome {
    if clauses.isEmpty { return .yes }
    var result = Outcome.no
    for index in clauses.range {
      let outcome = all(self.clauses[index].tests, request)
      if outcome == .yes { return .yes }
      if outcome.isUnknown, result == .no { result = outcome }
    }
    return result
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
