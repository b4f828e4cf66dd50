// The semantics on one page: slow, obvious, and written from the rules of Istio and Envoy alone.
// Enters: policies as they are written, and one request. Leaves: the decision. It exists to hold the compiled engine to account, so it
// shares nothing with it but the types and the trust domain expansion. How one value matches stands in `ReferenceMatching.swift`.
// Never here: an index, a cache, or an answer that depends on the order of policies.

public import PolicyModel

/// Kleene's truth values: `unknown` only where the answer really depends on what is not known.
enum Truth: Equatable {
  case no, unknown(Reason), yes

  static func any(_ truths: some Sequence<Truth>) -> Truth {
    var result = Truth.no
    for truth in truths {
      if truth == .yes { return .yes }
      if truth != .no, result == .no { result = truth }
    }
    return result
  }

  static func all(_ truths: some Sequence<Truth>) -> Truth {
    var result = Truth.yes
    for truth in truths {
      if truth == .no { return .no }
      if truth != .yes, result == .yes { result = truth }
    }
    return result
  }

  static prefix func ! (truth: Truth) -> Truth {
    switch truth {
    case .no: .yes
    case .yes: .no
    case .unknown: truth
    }
  }
}

/// Decides by walking every policy.
public struct ReferenceEvaluator: Sendable {
  let policies: PolicySet
  /// The same as they were given.
  let written: PolicySet
  let mesh: MeshSettings

  /// What the reference finds: the decision, with the rule by name.
  public struct Finding: Sendable {
    /// The outcome.
    public var verdict: Verdict
    /// Why.
    public var reason: Reason
    /// `ns[N]-policy[P]-rule[i]`, or `none`.
    public var rule: ExactText
    /// The outcome of the policies in dry run.
    public var dryRun: Verdict?
  }

  /// Evaluates these policies under these settings.
  public init(policies: PolicySet, mesh: MeshSettings) {
    self.policies = policies.refusingUndecidable(mesh)
    written = policies
    self.mesh = mesh
  }

  /// Decides one request to a workload; at a waypoint, to a service behind it (`nil`: to a workload's own address). O(all policies).
  public func decide(
    _ request: Request, namespace: ExactText, labels: [ExactText: ExactText], profile: Profile = .sidecar, service: ServiceName? = nil
  ) -> Finding {
    if profile == .ztunnel {
      return ZtunnelReference(policies: written, mesh: mesh).decide(request, namespace: namespace, labels: labels)
    }
    let scope = AttachmentScope(
      namespace: namespace, labels: labels, isWaypoint: profile == .waypoint, service: service, root: mesh.rootNamespace)
    // A waypoint's pod is no sidecar and no gateway.
    if scope.isWaypointPod, profile != .waypoint { return finding(.deny, .unsupportedProfile) }
    if policies.unusable.contains(where: { reaches($0.reach, scope) }) { return finding(.deny, .policyUnusable) }
    let attached = policies.policies.filter { $0.attachment.attaches(from: $0.metadata.key.namespace, to: scope) }
    let enforced = attached.filter { !$0.isDryRun }
    let gate = peerGate(request, scope, profile)
    let token = token(
      seen(request, by: profile),
      policies.requestAuthentications.filter { $0.attachment.attaches(from: $0.metadata.key.namespace, to: scope) })
    let seen = token.request
    let custom = custom(attached.filter { $0.action == .custom }, seen)
    let denied = first(enforced.filter { $0.action == .deny } + custom.enforcedDryRun, seen)
    let allowed = first(enforced.filter { $0.action == .allow }, seen)
    let hasAllow = enforced.contains { $0.action == .allow }

    var result: Finding
    if case .yes = gate.truth {
      result = finding(.deny, gate.reason)
    } else if case .yes = custom.denied.truth {
      result = finding(.deny, .customProviderUnusable, custom.denied.rule)
    } else if case .no = token.gate {
      result = finding(.deny, token.reason)
    } else if case .yes = denied.truth {
      result = finding(.deny, .deniedByPolicy, denied.rule)
    } else if hasAllow, case .no = allowed.truth {
      result = finding(.deny, .noAllowMatched)
    } else if case .unknown(let reason) = gate.truth {
      result = finding(.undecided, reason)
    } else if case .yes = custom.asked.truth {
      result = finding(.undecided, .customProvider, custom.asked.rule)
    } else if case .unknown(let reason) = custom.denied.truth {
      result = finding(.undecided, reason, custom.denied.rule)
    } else if case .unknown(let reason) = custom.asked.truth {
      result = finding(.undecided, reason, custom.asked.rule)
    } else if case .unknown(let reason) = token.gate {
      result = finding(.undecided, reason)
    } else if case .unknown(let reason) = denied.truth {
      result = finding(.undecided, reason, denied.rule)
    } else if case .unknown(let reason) = allowed.truth {
      result = finding(.undecided, reason, allowed.rule)
    } else {
      result = hasAllow ? finding(.allow, .allowedByPolicy, allowed.rule) : finding(.allow, .allowedByDefault)
    }
    result.dryRun = dryRun(attached.filter(\.isDryRun), seen)
    return result
  }

  private func finding(_ verdict: Verdict, _ reason: Reason, _ rule: ExactText = "none") -> Finding {
    Finding(verdict: verdict, reason: reason, rule: rule, dryRun: nil)
  }

  private func dryRun(_ policies: [AuthorizationPolicy], _ request: Request) -> Verdict? {
    let denied = first(policies.filter { $0.action == .deny }, request).truth
    let hasAllow = policies.contains { $0.action == .allow }
    let allowed = hasAllow ? first(policies.filter { $0.action == .allow }, request).truth : .yes
    guard hasAllow || policies.contains(where: { $0.action == .deny }) else { return nil }
    switch (denied, allowed) {
    case (.yes, _), (_, .no): return .deny
    case (.no, .yes): return .allow
    default: return .undecided
    }
  }

  /// The first rule of these policies that matches, in the byte order of rule names; else the first that may match.
  private func first(_ policies: [AuthorizationPolicy], _ request: Request) -> (truth: Truth, rule: ExactText) {
    var named: [(ExactText, Truth)] = []
    for policy in policies {
      for (index, rule) in policy.rules.enumerated() {
        guard let rule else { continue }
        let key = policy.metadata.key
        named.append((ExactText("ns[\(key.namespace)]-policy[\(key.name)]-rule[\(index)]"), matches(rule, of: policy, request)))
      }
    }
    named.sort { $0.0 < $1.0 }
    if let match = named.first(where: { $0.1 == .yes }) { return (.yes, match.0) }
    if let match = named.first(where: { $0.1 != .no }) { return (match.1, match.0) }
    return (.no, "none")
  }

  /// What CUSTOM policies do: those whose provider somebody must ask, those that deny because it cannot be asked, and those in dry run, which
  /// Istio puts among the enforced DENY rules (Istio: CUSTOM details).
  private func custom(
    _ policies: [AuthorizationPolicy], _ request: Request
  ) -> (asked: (truth: Truth, rule: ExactText), denied: (truth: Truth, rule: ExactText), enforcedDryRun: [AuthorizationPolicy]) {
    func having(_ effects: Explanation.CustomEffect...) -> [AuthorizationPolicy] {
      policies.filter { effects.contains(effect(of: $0, among: policies, request)) }
    }
    return (first(having(.asked), request), first(having(.unusable, .several), request), having(.enforcedDryRun))
  }

  /// What a match of a CUSTOM policy does, beside the other CUSTOM policies of the workload.
  func effect(of policy: AuthorizationPolicy, among policies: [AuthorizationPolicy], _ request: Request) -> Explanation.CustomEffect {
    let providers = Set(policies.filter { $0.action == .custom }.map { $0.provider ?? "" })
    if providers.count > 1, !mesh.allowsSeveralCustomProviders { return policy.isDryRun ? .none : .several }
    if !isProviderUsable(policy) { return policy.isDryRun ? .none : .unusable }
    if request.isTCP, provider(of: policy)?.kind == .extAuthzHTTP { return .skipped }
    if policy.isDryRun { return .enforcedDryRun }
    return isDelegated(policy) ? .delegated : .asked
  }

  private func provider(of policy: AuthorizationPolicy) -> ExtensionProvider? {
    policy.provider.flatMap { mesh.extensionProviders?[$0] }
  }

  /// Whether the policy's provider can be asked; when nobody said which there are, any that has a name.
  func isProviderUsable(_ policy: AuthorizationPolicy) -> Bool {
    guard mesh.extensionProviders != nil else { return policy.provider.map { !$0.isEmpty } ?? false }
    return provider(of: policy).map { $0.isUsable && $0.kind.isAuthorization } ?? false
  }

  func isDelegated(_ policy: AuthorizationPolicy) -> Bool {
    policy.action == .custom && policy.provider.map { mesh.delegatedProviders.contains($0) } ?? false
  }

  /// One of the sources, one of the operations, all conditions (Istio: combination inside a rule).
  func matches(_ rule: AuthorizationPolicy.Rule, of policy: AuthorizationPolicy, _ request: Request) -> Truth {
    let clauses = rule.sources + rule.operations + [AuthorizationPolicy.Clause(rule.conditions)]
    let constraints = clauses.flatMap(\.constraints)
    // What cannot be expressed on this chain: an unknown key drops the rule; else ALLOW loses the rule, all others the constraint.
    if constraints.contains(where: { if case .unknownKey = $0.attribute { true } else { false } }) { return .no }
    if policy.action == .allow, constraints.contains(where: { isInexpressible($0, request) }) { return .no }
    func all(_ constraints: [Constraint]) -> Truth {
      .all(constraints.filter { !isInexpressible($0.attribute, request) }.map { holds($0, of: policy, request) })
    }
    let source = rule.sources.isEmpty ? Truth.yes : .any(rule.sources.map { all($0.constraints) })
    let operation = rule.operations.isEmpty ? Truth.yes : .any(rule.operations.map { all($0.constraints) })
    return .all([source, operation, all(rule.conditions)])
  }

  func isInexpressible(_ attribute: Attribute, _ request: Request) -> Bool {
    if case .malformedKey = attribute { return true }
    return request.isTCP && attribute.isHTTP
  }

  /// The attribute, or one of the values (an address or a port that is none).
  func isInexpressible(_ constraint: Constraint, _ request: Request) -> Bool {
    // Without values nothing has to be expressed.
    if constraint.demandsNothing { return false }
    return isInexpressible(constraint.attribute, request)
      || (constraint.values + constraint.notValues).contains { !ReferenceMatching.isExpressible($0.value, constraint.attribute) }
  }

  /// One of the values and none of the others; each half is dropped when its list is empty.
  func holds(_ constraint: Constraint, of policy: AuthorizationPolicy, _ request: Request) -> Truth {
    let matching = ReferenceMatching(attribute: constraint.attribute, policyNamespace: policy.metadata.key.namespace, mesh: mesh)
    let values = constraint.values.map(\.value).filter { ReferenceMatching.isExpressible($0, constraint.attribute) }
    let notValues = constraint.notValues.map(\.value).filter { ReferenceMatching.isExpressible($0, constraint.attribute) }
    let positive = values.isEmpty ? Truth.yes : .any(values.map { matching.matches($0, request) })
    let negative = notValues.isEmpty ? Truth.yes : !.any(notValues.map { matching.matches($0, request) })
    return .all([positive, negative])
  }

  func reaches(_ reach: UnusablePolicy.Reach, _ proxy: AttachmentScope) -> Bool {
    switch reach {
    case .everywhere: true
    case .namespace(let scope, let selector):
      proxy.isWaypoint ? proxy.namespaces.contains(scope) : reachesWorkload(scope, selector, proxy)
    }
  }

  private func reachesWorkload(_ namespace: ExactText, _ selector: LabelSelector, _ proxy: AttachmentScope) -> Bool {
    (namespace == mesh.rootNamespace || namespace == proxy.namespace) && selector.selects(proxy.labels)
  }

  /// Whether the proxy refuses the peer before any policy, and why. Under STRICT, and at a waypoint, it refuses whoever has no SPIFFE name;
  /// in all modes of a sidecar, whoever has some, of which none is of a trust domain that its mutual TLS takes. A gateway refuses nobody.
  func peerGate(_ request: Request, _ scope: AttachmentScope, _ profile: Profile) -> (truth: Truth, reason: Reason) {
    let withoutName: Truth
    switch profile {
    case .gateway, .ztunnel: return (.no, .mtlsRequired)
    case .waypoint: withoutName = .yes
    case .sidecar: withoutName = strict(request, namespace: scope.namespace, labels: scope.labels)
    }
    guard request.isPeerKnown else {
      return withoutName == .no ? (.no, .mtlsRequired) : (.unknown(.unknownPeer), .unknownPeer)
    }
    let scheme = Array("spiffe://".utf8)
    let behindScheme = names(request).filter { $0.kind == .uri && $0.text.starts(with: scheme) }.map { $0.text.dropFirst(scheme.count) }
    if behindScheme.isEmpty { return (withoutName, .mtlsRequired) }
    // A name without a slash has no domain that ends.
    let domains = behindScheme.compactMap { name in name.firstIndex(of: UInt8(ascii: "/")).map { Array(name[..<$0]) } }
    let accepted = Set((mesh.allTrustDomains + mesh.acceptedTrustDomains).map(\.bytes))
    return (accepted.isDisjoint(with: domains) ? .yes : .no, .untrustedDomain)
  }

  /// The objects that set the server mode: of the mesh, the namespace and the workload, each the oldest of its scope (Istio).
  func peerAuthentications(
    namespace: ExactText, labels: [ExactText: ExactText]
  ) -> (meshWide: PeerAuthentication?, namespaceWide: PeerAuthentication?, workload: PeerAuthentication?) {
    let objects = policies.peerAuthentications.sorted {
      ($0.metadata.creationTime, $0.metadata.key.name, $0.metadata.key.namespace)
        < ($1.metadata.creationTime, $1.metadata.key.name, $1.metadata.key.namespace)
    }
    let root = mesh.rootNamespace
    let meshWide = objects.first { $0.metadata.key.namespace == root && $0.selector.isEmpty }
    let namespaceWide = objects.first { $0.metadata.key.namespace == namespace && namespace != root && $0.selector.isEmpty }
    let workload = objects.first {
      $0.metadata.key.namespace == namespace && namespace != root && !$0.selector.isEmpty && $0.selector.selects(labels)
    }
    return (meshWide, namespaceWide, workload)
  }

  /// Whether the effective server mode is STRICT (Istio: mesh, then namespace, then workload, then port).
  private func strict(_ request: Request, namespace: ExactText, labels: [ExactText: ExactText]) -> Truth {
    let (meshWide, namespaceWide, workload) = peerAuthentications(namespace: namespace, labels: labels)
    let mode = workload?.mode ?? namespaceWide?.mode ?? meshWide?.mode ?? .permissive
    let portModes = (workload?.portModes ?? [:]).mapValues { ($0 ?? mode) == .strict }
    if request.isPortKnown { return (portModes[request.port] ?? (mode == .strict)) ? .yes : .no }
    let possible = Set(portModes.values).union([mode == .strict])
    return possible.count > 1 ? .unknown(.unknownPort) : mode == .strict ? .yes : .no
  }
}
