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
    self.policies = policies.withCustomDryRunAsDeny
    written = policies
    self.mesh = mesh
  }

  /// Decides one request to a workload. O(all policies).
  public func decide(_ request: Request, namespace: ExactText, labels: [ExactText: ExactText], profile: Profile = .sidecar) -> Finding {
    if profile == .ztunnel {
      return ZtunnelReference(policies: written, mesh: mesh).decide(request, namespace: namespace, labels: labels)
    }
    if policies.unusable.contains(where: { reaches($0.reach, namespace, labels) }) { return finding(.deny, .policyUnusable) }
    let attached = policies.policies.filter {
      $0.attachment.attaches(from: $0.metadata.key.namespace, to: namespace, labels: labels, root: mesh.rootNamespace)
    }
    let enforced = attached.filter { !$0.isDryRun }
    let gate = profile == .sidecar ? peerGate(request, namespace: namespace, labels: labels) : (.no, .mtlsRequired)
    let custom = first(.custom, of: enforced, request)
    let denied = first(.deny, of: enforced, request)
    let allowed = first(.allow, of: enforced, request)
    let hasAllow = enforced.contains { $0.action == .allow }

    var result: Finding
    if case .yes = gate.truth {
      result = finding(.deny, gate.reason)
    } else if case .yes = denied.truth {
      result = finding(.deny, .deniedByPolicy, denied.rule)
    } else if hasAllow, case .no = allowed.truth {
      result = finding(.deny, .noAllowMatched)
    } else if case .unknown(let reason) = gate.truth {
      result = finding(.undecided, reason)
    } else if case .yes = custom.truth {
      result = finding(.undecided, .customProvider, custom.rule)
    } else if case .unknown(let reason) = custom.truth {
      result = finding(.undecided, reason, custom.rule)
    } else if case .unknown(let reason) = denied.truth {
      result = finding(.undecided, reason, denied.rule)
    } else if case .unknown(let reason) = allowed.truth {
      result = finding(.undecided, reason, allowed.rule)
    } else {
      result = hasAllow ? finding(.allow, .allowedByPolicy, allowed.rule) : finding(.allow, .allowedByDefault)
    }
    result.dryRun = dryRun(attached.filter(\.isDryRun), request)
    return result
  }

  private func finding(_ verdict: Verdict, _ reason: Reason, _ rule: ExactText = "none") -> Finding {
    Finding(verdict: verdict, reason: reason, rule: rule, dryRun: nil)
  }

  private func dryRun(_ policies: [AuthorizationPolicy], _ request: Request) -> Verdict? {
    let denied = first(.deny, of: policies, request).truth
    let hasAllow = policies.contains { $0.action == .allow }
    let allowed = hasAllow ? first(.allow, of: policies, request).truth : .yes
    guard hasAllow || policies.contains(where: { $0.action == .deny }) else { return nil }
    switch (denied, allowed) {
    case (.yes, _), (_, .no): return .deny
    case (.no, .yes): return .allow
    default: return .undecided
    }
  }

  /// The first rule of an action that matches, in the byte order of rule names; else the first that may match.
  private func first(
    _ action: AuthorizationPolicy.Action, of policies: [AuthorizationPolicy], _ request: Request
  ) -> (truth: Truth, rule: ExactText) {
    var named: [(ExactText, Truth)] = []
    for policy in policies where policy.action == action && !isDelegated(policy) {
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

  func isDelegated(_ policy: AuthorizationPolicy) -> Bool {
    guard policy.action == .custom, let provider = policy.provider else { return false }
    return mesh.delegatedProviders.contains(provider)
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
    isInexpressible(constraint.attribute, request)
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

  func reaches(_ reach: UnusablePolicy.Reach, _ namespace: ExactText, _ labels: [ExactText: ExactText]) -> Bool {
    switch reach {
    case .everywhere: true
    case .namespace(let scope, let selector): (scope == mesh.rootNamespace || scope == namespace) && selector.selects(labels)
    }
  }

  /// Under STRICT the peer must have a SPIFFE identity in one of the mesh's trust domains.
  func peerGate(_ request: Request, namespace: ExactText, labels: [ExactText: ExactText]) -> (truth: Truth, reason: Reason) {
    let strictness = strict(request, namespace: namespace, labels: labels)
    guard strictness != .no else { return (.no, .mtlsRequired) }
    guard request.isPeerKnown else { return (.unknown(.unknownPeer), .unknownPeer) }
    let identities = request.identities.map { ExactText(String(decoding: request.copy($0.slice), as: UTF8.self)) }
    let spiffe = identities.filter { $0.string.utf8.starts(with: "spiffe://".utf8) }
    if spiffe.contains(where: { id in mesh.allTrustDomains.contains { id.string.utf8.starts(with: "spiffe://\($0)/".utf8) } }) {
      return (.no, .mtlsRequired)
    }
    return (strictness, spiffe.isEmpty ? .mtlsRequired : .untrustedDomain)
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
