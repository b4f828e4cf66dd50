// The decision: the fast path, which must agree with the reference.
// Enters: a request and what is attached to its workload. Leaves: a decision.
// Order (Istio on Envoy): unusable policies, server mode, CUSTOM, token, DENY, ALLOW, default. A denial by any of them stands whatever is
// not known elsewhere; an allow needs all of them to be known.
// Never here: allocation (but for what stands in `Admission.swift` and `TokenRules.swift`), locks, text.

internal import PolicyModel

extension Snapshot {
  /// Decides one request. Safe on any thread; cost depends on the request and on the rules that could match, not on how many there are.
  /// The request is changed to what the proxy sees of it (names joined at a waypoint, claims split); deciding it again gives the same.
  /// The target is one of this snapshot.
  public func decide(_ request: inout Request, on target: Target, profile: Profile = .sidecar) -> Decision {
    guard let token = admit(&request, on: target, profile: profile) else { return Decision(.deny, .unsupportedProfile) }
    if target.isUnusable { return Decision(.deny, .policyUnusable) }
    return decide(admitted: request, on: target, profile: profile, token: token)
  }

  /// Asks every rule set of the target.
  func decide(admitted request: borrowing Request, on target: Target, profile: Profile, token: Gate) -> Decision {
    var found = Matches()
    match(target, request, &found)
    return decision(found, gate: gate(request, target, profile), token: token, on: target)
  }

  /// Makes of the request what this kind of proxy sees; `nil` when no such proxy asks about the target.
  func admit(_ request: inout Request, on target: Target, profile: Profile) -> Gate? {
    guard profile.dataPlane == dataPlane, target.isWaypoint == (profile == .waypoint),
      target.isWaypoint || !target.isWaypointPod || dataPlane == .ztunnel
    else { return nil }
    if profile == .waypoint { request.joinNames() } else { request.nameView = .each }
    if joinsHeaderLines { request.joinHeaderLines() }
    guard request.honorsRequestAuthentication || !target.tokenRules.isEmpty else { return .open }
    return request.read(target.tokenRules)
  }

  /// Asks every rule set.
  private func match(_ target: Target, _ request: borrowing Request, _ found: inout Matches) {
    for index in 0..<target.firstAllow {
      let step = target.steps[index]
      if step.isHTTP, request.isTCP { continue }
      step.tables.value.match(step.rules, request, base: step.base, &found.states[step.effect.place])
    }
    // Which ALLOW rule matches does not matter any more once a DENY rule does.
    guard !found[.deny].isMatched else { return }
    for index in target.firstAllow..<target.steps.count {
      let step = target.steps[index]
      step.tables.value.match(step.rules, request, base: step.base, &found.states[Target.Effect.allow.place])
    }
  }

  /// What follows from all that was found.
  func decision(_ found: Matches, gate: Gate, token: Gate, on target: Target) -> Decision {
    var decision = found.combined(gate: gate, token: token, hasAllow: target.hasAllow)
    decision.audit = RuleReference(number: found[.audit].match)
    decision.dryRun = found.dryRun(hasAllow: target.hasDryRunAllow, hasDeny: target.hasDryRunDeny)
    return decision
  }
}

/// What has been found, by what a match does.
struct Matches: BitwiseCopyable {
  /// At the place of each effect.
  var states = InlineArray<7, MatchState>(repeating: MatchState())

  init() {}

  /// With rules that match whatever the request is: for each effect the least number.
  init(settled: InlineArray<7, UInt32>) {
    for effect in settled.indices { states[effect].match = settled[effect] }
  }

  @inline(__always)
  subscript(_ effect: Target.Effect) -> MatchState { states[effect.place] }

  func combined(gate: Gate, token: Gate, hasAllow: Bool) -> Decision {
    let (allow, deny, custom, customDeny) = (self[.allow], self[.deny], self[.custom], self[.customDeny])
    if case .closed(let reason) = gate { return Decision(.deny, reason) }
    if customDeny.isMatched { return Decision(.deny, .customProviderUnusable, rule: RuleReference(number: customDeny.match)) }
    if case .closed(let reason) = token { return Decision(.deny, reason) }
    if deny.isMatched { return Decision(.deny, .deniedByPolicy, rule: RuleReference(number: deny.match)) }
    if hasAllow, !allow.isMatched, !allow.isPossible { return Decision(.deny, .noAllowMatched) }
    if case .unknown(let reason) = gate { return Decision(.undecided, reason) }
    if custom.isMatched { return Decision(.undecided, .customProvider, rule: RuleReference(number: custom.match)) }
    if customDeny.isPossible { return Self.undecided(customDeny) }
    if custom.isPossible { return Self.undecided(custom) }
    if case .unknown(let reason) = token { return Decision(.undecided, reason) }
    if deny.isPossible { return Self.undecided(deny) }
    guard hasAllow else { return Decision(.allow, .allowedByDefault) }
    guard allow.isMatched else { return Self.undecided(allow) }
    return Decision(.allow, .allowedByPolicy, rule: RuleReference(number: allow.match))
  }

  private static func undecided(_ state: MatchState) -> Decision {
    Decision(.undecided, state.reason, rule: RuleReference(number: state.possible))
  }

  /// What the policies in dry run would have done.
  func dryRun(hasAllow: Bool, hasDeny: Bool) -> Decision.DryRun {
    var result = Decision.DryRun()
    guard hasAllow || hasDeny else { return result }
    let (deny, allow) = (self[.dryRunDeny], self[.dryRunAllow])
    if deny.isMatched {
      (result.verdict, result.rule) = (.deny, RuleReference(number: deny.match))
    } else if hasAllow, !allow.isMatched, !allow.isPossible {
      result.verdict = .deny
    } else if deny.isPossible || (hasAllow && !allow.isMatched) {
      result.verdict = .undecided
    } else {
      (result.verdict, result.rule) = (.allow, RuleReference(number: allow.match))
    }
    return result
  }
}
