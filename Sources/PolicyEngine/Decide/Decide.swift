// The decision: the fast path, which must agree with the reference.
// Enters: a request and what is attached to its workload. Leaves: a decision.
// Order (Istio on Envoy): unusable policies, server mode, CUSTOM, token, DENY, ALLOW, default. A denial by any of them stands whatever is
// not known elsewhere; an allow needs all of them to be known.
// Never here: allocation (but for what stands in `Admission.swift` and `TokenRules.swift`), locks, text.

internal import PolicyModel

extension Snapshot {
  /// Decides one request. Safe on any thread; cost depends on the request and on the rules that could match, not on how many there are.
  /// The request is changed to what the proxy sees of it (names joined at a waypoint, claims split); deciding it again gives the same.
  public func decide(_ request: inout Request, on target: Target, profile: Profile = .sidecar) -> Decision {
    guard profile.dataPlane == dataPlane, target.isWaypoint == (profile == .waypoint),
      target.isWaypoint || !target.isWaypointPod || dataPlane == .ztunnel
    else {
      return Decision(.deny, .unsupportedProfile)
    }
    if profile == .waypoint { request.joinNames() } else { request.nameView = .each }
    if joinsHeaderLines { request.joinHeaderLines() }
    var token = Gate.open
    if request.honorsRequestAuthentication || !target.tokenRules.isEmpty { token = request.read(target.tokenRules) }
    return tables.decide(request, on: target, profile: profile, token: token, trustDomainPrefixes: trustDomainPrefixes)
  }
}

extension CompiledPolicies {
  func decide(
    _ request: borrowing Request, on target: Target, profile: Profile, token: Gate, trustDomainPrefixes: [Literal]
  ) -> Decision {
    var hasAllow = false
    var found = Matches()
    for number in target.groups {
      let number = Int(number)
      if groups[number].isUnusable { return Decision(.deny, .policyUnusable) }
      match(groups[number].deny, request, &found.deny)
      if !groups[number].customs.isEmpty { match(customs: groups[number].customs, request, target, &found) }
      match(groups[number].audit, request, &found.audit)
      hasAllow = hasAllow || groups[number].hasAllow
    }
    if hasAllow, !found.deny.isMatched {
      for number in target.groups { match(groups[Int(number)].allow, request, &found.allow) }
    }
    let gate =
      profile == .ztunnel
      ? ztunnelGate(request, target, trustDomainPrefixes) : peerGate(request, target, profile, trustDomainPrefixes)
    var decision = combine(found, gate: gate, token: token, hasAllow: hasAllow)
    decision.audit = RuleReference(number: found.audit.match)
    decision.dryRun = dryRun(request, on: target)
    return decision
  }

  /// What has been found, by what a match does.
  private struct Matches {
    var deny = MatchState()
    var allow = MatchState()
    /// CUSTOM rules whose provider's answer is not known here.
    var custom = MatchState()
    /// CUSTOM rules that deny, because their provider cannot be asked.
    var customDeny = MatchState()
    var audit = MatchState()
  }

  /// Several providers on one workload make DENY rules of all CUSTOM rules (Istio, unless a feature flag is set).
  private func match(customs: Stretch, _ request: borrowing Request, _ target: Target, _ found: inout Matches) {
    for index in customs.range {
      let set = customSets[index]
      if target.hasSeveralProviders {
        if set.handling != .dryRun { match(set.rules, request, &found.customDeny) }
        continue
      }
      if request.isTCP, set.speaksHTTP, set.handling != .unusable { continue }
      switch set.handling {
      case .unknown: match(set.rules, request, &found.custom)
      case .unusable: match(set.rules, request, &found.customDeny)
      case .dryRun: match(set.rules, request, &found.deny)
      case .delegated: break
      }
    }
  }

  private func combine(_ found: Matches, gate: Gate, token: Gate, hasAllow: Bool) -> Decision {
    if case .closed(let reason) = gate { return Decision(.deny, reason) }
    if found.customDeny.isMatched {
      return Decision(.deny, .customProviderUnusable, rule: RuleReference(number: found.customDeny.match))
    }
    if case .closed(let reason) = token { return Decision(.deny, reason) }
    if found.deny.isMatched { return Decision(.deny, .deniedByPolicy, rule: RuleReference(number: found.deny.match)) }
    if hasAllow, !found.allow.isMatched, !found.allow.isPossible { return Decision(.deny, .noAllowMatched) }
    if case .unknown(let reason) = gate { return Decision(.undecided, reason) }
    if found.custom.isMatched { return Decision(.undecided, .customProvider, rule: RuleReference(number: found.custom.match)) }
    if found.customDeny.isPossible { return Self.undecided(found.customDeny) }
    if found.custom.isPossible { return Self.undecided(found.custom) }
    if case .unknown(let reason) = token { return Decision(.undecided, reason) }
    if found.deny.isPossible { return Self.undecided(found.deny) }
    guard hasAllow else { return Decision(.allow, .allowedByDefault) }
    guard found.allow.isMatched else { return Self.undecided(found.allow) }
    return Decision(.allow, .allowedByPolicy, rule: RuleReference(number: found.allow.match))
  }

  private static func undecided(_ state: MatchState) -> Decision {
    Decision(.undecided, state.reason, rule: RuleReference(number: state.possible))
  }

  /// What the policies in dry run would have done.
  private func dryRun(_ request: borrowing Request, on target: Target) -> Decision.DryRun {
    var result = Decision.DryRun()
    var deny = MatchState()
    var allow = MatchState()
    var hasAllow = false
    var hasDeny = false
    for number in target.groups {
      let number = Int(number)
      hasAllow = hasAllow || groups[number].hasDryRunAllow
      hasDeny = hasDeny || groups[number].hasDryRunDeny
      if groups[number].hasDryRunDeny { match(groups[number].dryRunDeny, request, &deny) }
      if groups[number].hasDryRunAllow { match(groups[number].dryRunAllow, request, &allow) }
    }
    guard hasAllow || hasDeny else { return result }
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

  /// What the server does with a connection (Istio). Mutual TLS takes a peer with SPIFFE names only when one is of an accepted trust domain,
  /// in every mode. Peers without such a name pass, but for STRICT and HBONE, which a waypoint terminates. A gateway's servers have settings
  /// of their own.
  private func peerGate(_ request: borrowing Request, _ target: Target, _ profile: Profile, _ trustDomainPrefixes: [Literal]) -> Gate {
    if profile == .gateway { return .open }
    var isStrict = profile == .waypoint || target.isStrict
    var isModeKnown = true
    if profile == .sidecar, !target.strictExceptions.isEmpty {
      if !request.isPortKnown {
        isModeKnown = false
      } else if target.strictExceptions.contains(request.port) {
        isStrict.toggle()
      }
    }
    guard request.isPeerKnown else { return isModeKnown && !isStrict ? .open : .unknown(.unknownPeer) }
    var hasSPIFFE = false
    for index in request.identities.indices {
      guard request.identities[index].kind == .uri else { continue }
      let identity = request.bytes(request.identities[index].slice)
      guard hasPrefix(identity, literal(schemeLiteral)) else { continue }
      hasSPIFFE = true
      for prefix in trustDomainPrefixes where hasPrefix(identity, literal(prefix)) { return .open }
    }
    if hasSPIFFE { return .closed(.untrustedDomain) }
    if !isModeKnown { return .unknown(.unknownPort) }
    return isStrict ? .closed(.mtlsRequired) : .open
  }
}
