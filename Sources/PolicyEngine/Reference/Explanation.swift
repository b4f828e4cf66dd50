// Why a decision is what it is: every attached rule, and for each that did not match, the first constraint that failed.
// Enters: a request and its workload. Leaves: findings in the order in which the proxy evaluates, with places in files.
// Never here: another opinion. The rules are judged by the reference evaluator, whose decision the engine must share; whoever explains
// compares the two and says so when they differ.

public import PolicyModel

/// The findings about one request.
public struct Explanation: Sendable {
  /// The decision of the reference evaluator.
  public var finding: ReferenceEvaluator.Finding
  /// What the server mode says, in one sentence.
  public var serverMode: String
  /// The attached policies: CUSTOM, AUDIT, DENY, ALLOW, each in the byte order of names.
  public var policies: [Policy]
  /// How many policies there are that are not attached.
  public var unattachedCount: Int
  /// Policies that would apply to the workload were it behind Envoy, and that ztunnel is never given or attaches to nothing.
  public var withheld: [Withheld] = []

  /// A policy that ztunnel does not enforce.
  public struct Withheld: Sendable {
    /// Namespace and name.
    public var key: ObjectKey
    /// Where it is written.
    public var location: SourceLocation
    /// Why, in one sentence.
    public var reason: String
  }

  /// One attached policy.
  public struct Policy: Sendable {
    /// Namespace and name.
    public var key: ObjectKey
    /// What a match does.
    public var action: AuthorizationPolicy.Action
    /// Whether it is only evaluated.
    public var isDryRun: Bool
    /// Whether its provider is asked by somebody else, so that it adds nothing here.
    public var isDelegated: Bool
    /// Where it is written.
    public var location: SourceLocation
    /// Its rules.
    public var rules: [Rule]
  }

  /// One rule.
  public struct Rule: Sendable {
    /// `ns[N]-policy[P]-rule[i]`.
    public var name: ExactText
    /// Where it is written.
    public var location: SourceLocation
    /// What became of it.
    public var outcome: Outcome
    /// What the data plane leaves out of it, one sentence each.
    public var notes: [String] = []
  }

  /// What became of a rule.
  public enum Outcome: Sendable {
    /// It matches.
    case matches
    /// It does not; in each alternative (source, operation, conditions) that had to hold and did not, the first constraint that failed.
    case fails([Failure])
    /// It depends on something that is not known.
    case unknown(Reason)
    /// It does not exist on this chain, or Istio's generator drops it; why.
    case dropped(String)
  }

  /// A constraint that did not hold.
  public struct Failure: Sendable {
    /// `from[0]`, `to[1]` or `when`.
    public var clause: String
    /// The attribute.
    public var attribute: String
    /// What it should have been, or, for notValues, should not.
    public var demand: String
    /// What it is in the request.
    public var actual: String
    /// Where the constraint is written.
    public var location: SourceLocation
  }
}

extension ReferenceEvaluator {
  /// Explains the decision about one request. O(all policies).
  public func explain(
    _ request: Request, namespace: ExactText, labels: [ExactText: ExactText], profile: Profile = .sidecar, service: ServiceName? = nil
  ) -> Explanation {
    if profile == .ztunnel {
      return ZtunnelReference(policies: written, mesh: mesh).explain(request, namespace: namespace, labels: labels)
    }
    let scope = AttachmentScope(
      namespace: namespace, labels: labels, isWaypoint: profile == .waypoint, service: service, root: mesh.rootNamespace)
    let order: [AuthorizationPolicy.Action] = [.custom, .audit, .deny, .allow]
    let attached = policies.policies.filter {
      $0.attachment.attaches(from: $0.metadata.key.namespace, to: scope)
    }.sorted {
      let (left, right) = (order.firstIndex(of: $0.action) ?? 0, order.firstIndex(of: $1.action) ?? 0)
      return left != right ? left < right : $0.metadata.key < $1.metadata.key
    }
    return Explanation(
      finding: decide(request, namespace: namespace, labels: labels, profile: profile, service: service),
      serverMode: serverMode(request, scope, profile),
      policies: attached.map { policy in
        Explanation.Policy(
          key: policy.metadata.key, action: policy.action, isDryRun: policy.isDryRun, isDelegated: isDelegated(policy),
          location: policy.metadata.location, rules: rules(of: policy, seen(request, by: profile)))
      },
      unattachedCount: policies.policies.count - attached.count)
  }

  private func serverMode(_ request: Request, _ scope: AttachmentScope, _ profile: Profile) -> String {
    guard profile != .gateway else { return "PeerAuthentication does not apply to a gateway's servers" }
    let gate = peerGate(request, scope, profile)
    return switch gate.truth {
    case .yes: "\(gate.reason.explanation)"
    case .no: "PeerAuthentication lets the peer pass"
    case .unknown(let reason): "\(reason.explanation)"
    }
  }

  private func rules(of policy: AuthorizationPolicy, _ request: Request) -> [Explanation.Rule] {
    policy.rules.enumerated().map { index, rule in
      let key = policy.metadata.key
      return Explanation.Rule(
        name: ExactText("ns[\(key.namespace)]-policy[\(key.name)]-rule[\(index)]"),
        location: SourceLocation(file: policy.metadata.location.file, span: rule?.span ?? policy.metadata.location.span),
        outcome: rule.map { outcome($0, of: policy, request) } ?? .dropped("the rule is null"))
    }
  }

  private func outcome(_ rule: AuthorizationPolicy.Rule, of policy: AuthorizationPolicy, _ request: Request) -> Explanation.Outcome {
    let constraints = (rule.sources + rule.operations).flatMap(\.constraints) + rule.conditions
    if let unknown = constraints.first(where: { if case .unknownKey = $0.attribute { true } else { false } }) {
      return .dropped("`\(unknown.attribute.description)` is no key that Istio knows, so Istio drops the rule")
    }
    if policy.action == .allow, let constraint = constraints.first(where: { isInexpressible($0, request) }) {
      let isHTTP = request.isTCP && constraint.attribute.isHTTP
      return .dropped(
        isHTTP
          ? "`\(constraint.attribute.description)` needs HTTP, so on a TCP connection this ALLOW rule does not exist"
          : "`\(constraint.attribute.description)` has a value that cannot be used, so Istio drops this ALLOW rule")
    }
    switch matches(rule, of: policy, request) {
    case .yes: return .matches
    case .unknown(let reason): return .unknown(reason)
    case .no:
      return .fails(
        failures(rule.sources, "from", of: policy, request) + failures(rule.operations, "to", of: policy, request)
          + [failure(rule.conditions, "when", of: policy, request)].compactMap { $0 })
    }
  }

  /// The first failure of each clause, unless one of the clauses can hold.
  private func failures(
    _ clauses: [AuthorizationPolicy.Clause], _ name: String, of policy: AuthorizationPolicy, _ request: Request
  ) -> [Explanation.Failure] {
    let found = clauses.enumerated().map { failure($1.constraints, "\(name)[\($0)]", of: policy, request) }
    return found.contains { $0 == nil } ? [] : found.compactMap { $0 }
  }

  private func failure(
    _ constraints: [Constraint], _ clause: String, of policy: AuthorizationPolicy, _ request: Request
  ) -> Explanation.Failure? {
    for constraint in constraints where !isInexpressible(constraint.attribute, request) {
      guard holds(constraint, of: policy, request) == .no else { continue }
      func list(_ values: [Located<ExactText>]) -> String {
        values.prefix(8).map { "`\($0.value)`" }.joined(separator: ", ") + (values.count > 8 ? ", …" : "")
      }
      var demands: [String] = []
      if !constraint.values.isEmpty { demands.append("one of \(list(constraint.values))") }
      if !constraint.notValues.isEmpty { demands.append("none of \(list(constraint.notValues))") }
      return Explanation.Failure(
        clause: clause, attribute: constraint.attribute.description, demand: demands.joined(separator: " and "),
        actual: actual(constraint.attribute, request), location: SourceLocation(file: policy.metadata.location.file, span: constraint.span))
    }
    return nil
  }

  /// The attribute's text in the request, for people.
  private func actual(_ attribute: Attribute, _ request: Request) -> String {
    func text(_ field: Request.TextField) -> String {
      field.knowledge == .present
        ? "`\(String(decoding: request.copy(field.slice), as: UTF8.self))`" : field.knowledge == .absent ? "absent" : "not known"
    }
    func address(_ field: Request.AddressField) -> String {
      field.knowledge == .present ? field.address.description : field.knowledge == .absent ? "not an IP address" : "not known"
    }
    switch attribute {
    case .sourcePrincipal, .sourceNamespace, .sourceServiceAccount, .sourceTrustDomain:
      let names = request.identities.map { "`\(String(decoding: request.copy($0.slice), as: UTF8.self))`" }
      return names.isEmpty ? "anonymous" : names.joined(separator: ", ")
    case .sourceIP: return address(request.sourceIP)
    case .remoteIP: return address(request.remoteIP)
    case .destinationIP: return address(request.destinationIP)
    case .destinationPort: return request.isPortKnown ? "\(request.port)" : "not known"
    case .host: return text(request.host)
    case .method: return text(request.method)
    case .path: return text(request.path)
    case .sni: return text(request.sni)
    case .requestHeader(let name):
      let lines = request.headers.filter { request.copy($0.name) == name.bytes.map(Request.lowercased) }
      return lines.isEmpty
        ? "no such header" : lines.map { "`\(String(decoding: request.copy($0.value), as: UTF8.self))`" }.joined(separator: ", ")
    case .requestPrincipal, .requestAudiences, .requestPresenter, .requestClaim:
      return request.claims.isEmpty ? "no token" : "the token's claims"
    case .envoyMetadata: return "the proxy's metadata"
    case .malformedKey, .unknownKey: return "nothing"
    }
  }
}
