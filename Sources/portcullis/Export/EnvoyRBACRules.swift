// The policies of one workload as the rules of Envoy's RBAC filters (Istio, pilot/pkg/security/authz/builder and …/model/model.go).
//
// Enters: the policy set, the mesh's settings, one workload, the kind of chain. Leaves: up to four sets of rules (CUSTOM that denies, AUDIT,
// DENY, ALLOW), each enforced or in shadow. Never happens here: matching; our own engine, against which the result is tested; text.

internal import PolicyModel

/// The rules of one filter.
struct RBACFilter: Sendable {
  /// Envoy's word for the action: `LOG`, `DENY`, `ALLOW`.
  let action: String
  /// Rules by name, sorted; `nil` when no policy is enforced. Without a single rule an `ALLOW` filter still denies everything.
  var enforced: [RBACPolicy]?
  /// Dry-run rules; `nil` when there are none.
  var shadow: [RBACPolicy]?
}

/// One rule: Envoy calls it a policy.
struct RBACPolicy: Sendable {
  /// `ns[N]-policy[P]-rule[i]`.
  let name: String
  /// Where the rule is written.
  let place: String
  let permissions: EnvoyValue
  let principals: EnvoyValue
}

/// What is to be exported.
struct EnvoyRBAC: Sendable {
  /// The filters in the order in which they must stand.
  let filters: [RBACFilter]
  /// CUSTOM policies that attach, and whose provider the proxy asks itself.
  let delegated: [String]
  /// CUSTOM policies that attach, and whose rules deny because no provider can be asked.
  let denying: [String]

  /// Shapes the policies that attach to a workload.
  ///
  /// - Parameters:
  ///   - set: all policies.
  ///   - mesh: trust domains, root namespace, the providers of CUSTOM that the proxy asks itself.
  ///   - workload: whose proxy it is.
  ///   - isTCP: for a network filter.
  ///   - service: for a waypoint, what its listener's traffic is addressed to; `nil` for other proxies.
  /// - Throws: `ExportProblem` when a policy cannot be exported: CUSTOM whose provider is not delegated, a policy that could not be read.
  init(
    _ set: PolicySet, mesh: MeshSettings, workload: Workload, isTCP: Bool, waypointOf service: AddressedService? = nil
  ) throws(ExportProblem) {
    if let broken = set.unusable.first {
      throw ExportProblem("`\(broken.key.description)` (\(broken.location.file)) cannot be used, so nobody knows what it would deny")
    }
    let proxy = Proxy(
      namespace: workload.metadata.key.namespace, labels: workload.labels, root: mesh.rootNamespace, service: service)
    let attached = set.policies.filter { $0.attaches(to: proxy) }
      .sorted { $0.metadata.key < $1.metadata.key }
    let chain = RBACChain(isTCP: isTCP, isWaypoint: service != nil)
    let bundle = TrustDomainBundle(mesh)
    func rules(_ policy: AuthorizationPolicy) -> [RBACPolicy] {
      policy.rules.enumerated().compactMap { index, rule in
        rule.flatMap { RBACPolicy($0, index: index, of: policy, bundle: bundle, chain: chain) }
      }
    }
    var delegated: [String] = []
    var denying: [AuthorizationPolicy] = []
    let providers = Set(attached.filter { $0.action == .custom }.map { $0.provider ?? "" })
    for policy in attached where policy.action == .custom {
      switch policy.customEffect(mesh, isTCP: isTCP, isOneOfSeveral: providers.count > 1) {
      case .none: break
      case .denies: denying.append(policy)
      case .delegated: delegated.append(policy.metadata.key.description)
      case .asks(let provider):
        throw ExportProblem(
          "`\(policy.metadata.key.description)` is CUSTOM: whether provider `\(provider)` agrees cannot be written as RBAC rules; "
            + "if the proxy asks that provider by an ext_authz filter of its own, name it with `--custom-delegated`")
      }
    }
    let front = denying.isEmpty ? [] : [RBACFilter(action: "DENY", enforced: denying.flatMap(rules))]
    filters =
      front
      + [(AuthorizationPolicy.Action.audit, "LOG"), (.deny, "DENY"), (.allow, "ALLOW")].compactMap { action, word in
        var filter = RBACFilter(action: word)
        for policy in attached where policy.action == action {
          if policy.isDryRun, action != .audit {
            filter.shadow = (filter.shadow ?? []) + rules(policy)
          } else {
            filter.enforced = (filter.enforced ?? []) + rules(policy)
          }
        }
        return filter.enforced == nil && filter.shadow == nil ? nil : filter
      }
    self.delegated = delegated
    self.denying = denying.map { $0.metadata.key.description }
  }
}

/// The proxy for which policies are looked up.
private struct Proxy {
  let namespace: ExactText
  let labels: [ExactText: ExactText]
  let root: ExactText
  /// `nil` when it is no waypoint.
  let service: AddressedService?

  /// The Gateway that made the pod.
  var gateway: ExactText? { labels["gateway.networking.k8s.io/gateway-name"] }

  /// Whether a reference in a policy of `namespace` means this proxy or what stands behind it.
  func isMeant(by reference: AuthorizationPolicy.TargetReference, from namespace: ExactText) -> Bool {
    let kind = "\(reference.group)/\(reference.kind)"
    if kind.utf8.elementsEqual("gateway.networking.k8s.io/Gateway".utf8) { return namespace == self.namespace && reference.name == gateway }
    guard let service else { return false }
    if kind.utf8.elementsEqual("gateway.networking.k8s.io/GatewayClass".utf8) {
      return namespace == root && reference.name == "istio-waypoint"
    }
    guard let object = service.object, namespace == ExactText(object.namespace), reference.name == ExactText(object.name) else {
      return false
    }
    return switch object.kind {
    case .service: kind.utf8.elementsEqual("/Service".utf8) || kind.utf8.elementsEqual("core/Service".utf8)
    case .serviceEntry: kind.utf8.elementsEqual("networking.istio.io/ServiceEntry".utf8)
    }
  }
}

/// What a CUSTOM policy becomes in Envoy's own filters.
private enum CustomEffect {
  /// Nothing.
  case none
  /// Rules that deny, before all others.
  case denies
  /// A question that the proxy asks by another filter.
  case delegated
  /// A question that nobody asks here.
  case asks(String)
}

extension AuthorizationPolicy {
  /// Whether the policy attaches to a proxy (Istio: policy attachment).
  fileprivate func attaches(to proxy: Proxy) -> Bool {
    let own = metadata.key.namespace
    switch attachment {
    case .selector(let selector):
      // The pod of a waypoint knows references alone.
      if proxy.service != nil, proxy.gateway != nil { return false }
      return (own == proxy.namespace || own == proxy.root) && selector.matchLabels.allSatisfy { proxy.labels[$0.key] == $0.value }
    case .targets(let references):
      return proxy.gateway != nil && references.contains { proxy.isMeant(by: $0, from: own) }
    }
  }

  /// What the policy becomes, being CUSTOM (Istio, pilot/pkg/security/authz/builder: provider errors make DENY rules; dry run is looked at
  /// only when the provider can be asked, and then makes DENY rules, too).
  fileprivate func customEffect(_ mesh: MeshSettings, isTCP: Bool, isOneOfSeveral: Bool) -> CustomEffect {
    let known = mesh.extensionProviders.map { providers in provider.flatMap { providers[$0] } }
    let isUsable =
      switch known {
      case nil: provider.map { !$0.isEmpty } ?? false
      case .some(let found): found.map { $0.isUsable && $0.kind.isAuthorization } ?? false
      }
    if !isUsable || isOneOfSeveral && !mesh.allowsSeveralCustomProviders { return isDryRun ? .none : .denies }
    if isTCP, known??.kind == .extAuthzHTTP { return .none }
    if isDryRun { return .denies }
    guard let provider else { return .denies }
    return mesh.delegatedProviders.contains(provider) ? .delegated : .asks(provider.string)
  }
}

extension RBACPolicy {
  /// One rule; `nil` when Istio drops it: an unknown key, or in an ALLOW policy anything that cannot be expressed.
  fileprivate init?(
    _ rule: AuthorizationPolicy.Rule, index: Int, of policy: AuthorizationPolicy, bundle: TrustDomainBundle, chain: RBACChain
  ) {
    let key = policy.metadata.key
    let maker = RuleMaker(bundle: bundle, namespace: key.namespace, chain: chain, isAllow: policy.action == .allow)
    guard !(rule.conditions + (rule.sources + rule.operations).flatMap(\.constraints)).contains(where: { $0.attribute.rbacSide == nil }),
      let permissions = maker.side(.permission, rule.operations, rule.conditions),
      let principals = maker.side(.principal, rule.sources, rule.conditions)
    else { return nil }
    name = "ns[\(key.namespace)]-policy[\(key.name)]-rule[\(index)]"
    place = "\(policy.metadata.location.file):\(rule.span.line)"
    self.permissions = permissions
    self.principals = principals
  }
}

/// Makes the two halves of a rule.
private struct RuleMaker {
  let bundle: TrustDomainBundle
  let namespace: ExactText
  let chain: RBACChain
  let isAllow: Bool

  /// A list, any of whose entries must match: one for each source or operation, each with all conditions of its side. `nil` when a value
  /// cannot be expressed and the rule must go.
  func side(_ side: RBACSide, _ clauses: [AuthorizationPolicy.Clause], _ conditions: [Constraint]) -> EnvoyValue? {
    let common = conditions.filter { $0.attribute.rbacSide == side }
    let entries = clauses.isEmpty ? [common] : clauses.map { $0.constraints + common }
    var list: [EnvoyValue] = []
    for entry in entries {
      var all: [EnvoyValue] = []
      for constraint in entry {
        guard let values = any(constraint.values, constraint.attribute, side),
          let notValues = any(constraint.notValues, constraint.attribute, side)
        else { return nil }
        all += values
        all += notValues.map { .object(side == .permission ? "not_rule" : "not_id", $0) }
      }
      if all.isEmpty { all = [.object("any", .flag(true))] }
      list.append(side == .permission ? .object("and_rules", .object("rules", .list(all))) : .object("and_ids", .object("ids", .list(all))))
    }
    return .list(list)
  }

  /// One matcher for "any of the values", or none when nothing is demanded; `nil` when the rule must go.
  private func any(_ values: [Located<ExactText>], _ attribute: Attribute, _ side: RBACSide) -> [EnvoyValue]? {
    var texts = values.map(\.value)
    switch attribute {
    case .sourcePrincipal: texts = bundle.principals(texts)
    case .sourceTrustDomain: texts = bundle.trustDomains(texts)
    default: break
    }
    var matchers: [EnvoyValue] = []
    for text in texts {
      do {
        matchers.append(try attribute.rbacMatcher(text, namespace: namespace, chain: chain))
      } catch {
        // Istio's rule: an ALLOW rule goes as a whole, any other loses the value and thereby becomes wider.
        if isAllow { return nil }
      }
    }
    if matchers.isEmpty { return [] }
    return [
      side == .permission ? .object("or_rules", .object("rules", .list(matchers))) : .object("or_ids", .object("ids", .list(matchers)))
    ]
  }
}
