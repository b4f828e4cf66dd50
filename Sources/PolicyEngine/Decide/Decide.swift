// The decision: the fast path, which must agree with the reference.
// Enters: a request and what is attached to its workload. Leaves: a decision.
// Order (Istio on Envoy): unusable policies, server mode, CUSTOM, DENY, ALLOW, default. A denial by any of them stands whatever is not known
// elsewhere; an allow needs all of them to be known.
// Never here: allocation, locks, text.

internal import PolicyModel

extension Snapshot {
  /// Decides one request. Safe on any thread; cost depends on the request and on the rules that could match, not on how many there are.
  public func decide(_ request: borrowing Request, on target: Target, profile: Profile = .sidecar) -> Decision {
    guard profile.dataPlane == dataPlane else { return Decision(.deny, .unsupportedProfile) }
    return tables.decide(request, on: target, profile: profile, trustDomainPrefixes: trustDomainPrefixes)
  }
}

extension CompiledPolicies {
  func decide(_ request: borrowing Request, on target: Target, profile: Profile, trustDomainPrefixes: [Literal]) -> Decision {
    var hasAllow = false
    var deny = MatchState()
    var allow = MatchState()
    var custom = MatchState()
    var audit = MatchState()
    for number in target.groups {
      let group = groups[Int(number)]
      if group.isUnusable { return Decision(.deny, .policyUnusable) }
      match(group.deny, request, &deny)
      match(group.custom, request, &custom)
      match(group.audit, request, &audit)
      hasAllow = hasAllow || group.hasAllow
    }
    if hasAllow, !deny.isMatched {
      for number in target.groups { match(groups[Int(number)].allow, request, &allow) }
    }
    let gate =
      switch profile {
      case .sidecar: peerGate(request, target, trustDomainPrefixes)
      case .gateway: Gate.open
      case .ztunnel: ztunnelGate(request, target, trustDomainPrefixes)
      }
    var decision = combine(gate: gate, custom: custom, deny: deny, allow: allow, hasAllow: hasAllow)
    decision.audit = RuleReference(number: audit.match)
    decision.dryRun = dryRun(request, on: target)
    return decision
  }

  private func combine(gate: Gate, custom: MatchState, deny: MatchState, allow: MatchState, hasAllow: Bool) -> Decision {
    if case .closed(let reason) = gate { return Decision(.deny, reason) }
    if deny.isMatched { return Decision(.deny, .deniedByPolicy, rule: RuleReference(number: deny.match)) }
    if hasAllow, !allow.isMatched, !allow.isPossible { return Decision(.deny, .noAllowMatched) }
    if case .unknown(let reason) = gate { return Decision(.undecided, reason) }
    if custom.isMatched { return Decision(.undecided, .customProvider, rule: RuleReference(number: custom.match)) }
    if custom.isPossible { return Decision(.undecided, custom.reason, rule: RuleReference(number: custom.possible)) }
    if deny.isPossible { return Decision(.undecided, deny.reason, rule: RuleReference(number: deny.possible)) }
    guard hasAllow else { return Decision(.allow, .allowedByDefault) }
    guard allow.isMatched else { return Decision(.undecided, allow.reason, rule: RuleReference(number: allow.possible)) }
    return Decision(.allow, .allowedByPolicy, rule: RuleReference(number: allow.match))
  }

  /// What the policies in dry run would have done.
  private func dryRun(_ request: borrowing Request, on target: Target) -> Decision.DryRun {
    var result = Decision.DryRun()
    var deny = MatchState()
    var allow = MatchState()
    var hasAllow = false
    var hasDeny = false
    for number in target.groups {
      let group = groups[Int(number)]
      hasAllow = hasAllow || group.hasDryRunAllow
      hasDeny = hasDeny || group.hasDryRunDeny
      if group.hasDryRunDeny { match(group.dryRunDeny, request, &deny) }
      if group.hasDryRunAllow { match(group.dryRunAllow, request, &allow) }
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

  /// What the server mode says.
  enum Gate {
    case open
    case closed(Reason)
    case unknown(Reason)
  }

  /// Under STRICT the peer must have a SPIFFE identity in one of the mesh's trust domains (Istio: what the server does with a connection).
  private func peerGate(_ request: borrowing Request, _ target: Target, _ trustDomainPrefixes: [Literal]) -> Gate {
    var isStrict = target.isStrict
    var isModeKnown = true
    if !target.strictExceptions.isEmpty {
      if !request.isPortKnown {
        isModeKnown = false
      } else if target.strictExceptions.contains(request.port) {
        isStrict.toggle()
      }
    }
    if isModeKnown, !isStrict { return .open }
    guard request.isPeerKnown else { return .unknown(.unknownPeer) }
    var hasSPIFFE = false
    for index in request.identities.indices {
      let identity = request.bytes(request.identities[index].slice)
      guard hasPrefix(identity, literal(schemeLiteral)) else { continue }
      hasSPIFFE = true
      for prefix in trustDomainPrefixes where hasPrefix(identity, literal(prefix)) { return .open }
    }
    if !isModeKnown { return .unknown(.unknownPort) }
    return .closed(hasSPIFFE ? .untrustedDomain : .mtlsRequired)
  }
}
