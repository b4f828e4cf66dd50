// The policies of one workload as the rules of Envoy's RBAC filters (Istio, pilot/pkg/security/authz/builder and …/model/model.go).
//
// Enters: the policy set, the mesh's settings, one workload, the kind of chain. Leaves: up to three sets of rules (AUDIT, DENY, ALLOW),
// each enforced or in shadow. Never happens here: matching; our own engine, against which the result is tested; text.

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

  /// Shapes the policies that attach to a workload.
  ///
  /// - Parameters:
  ///   - set: all policies.
  ///   - mesh: trust domains, root namespace, the providers of CUSTOM that the proxy asks itself.
  ///   - workload: whose proxy it is.
  ///   - isTCP: for a network filter.
  /// - Throws: `ExportProblem` when a policy cannot be exported: CUSTOM whose provider is not delegated, a policy that could not be read.
  init(_ set: PolicySet, mesh: MeshSettings, workload: Workload, isTCP: Bool) throws(ExportProblem) {
    if let broken = set.unusable.first {
      throw ExportProblem("`\(broken.key.description)` (\(broken.location.file)) cannot be used, so nobody knows what it would deny")
    }
    let namespace = workload.metadata.key.namespace
    let attached = set.policies.filter { $0.attachesTo(namespace: namespace, labels: workload.labels, root: mesh.rootNamespace) }
      .sorted { $0.metadata.key < $1.metadata.key }
    var delegated: [String] = []
    for policy in attached where policy.action == .custom {
      guard let provider = policy.provider, mesh.delegatedProviders.contains(provider) else {
        throw ExportProblem(
          "`\(policy.metadata.key.description)` is CUSTOM: whether provider `\(policy.provider?.string ?? "")` agrees cannot be written as RBAC rules; "
            + "if the proxy asks that provider by an ext_authz filter of its own, name it with `--custom-delegated`")
      }
      delegated.append(policy.metadata.key.description)
    }
    let bundle = TrustDomainBundle(mesh)
    filters = [(AuthorizationPolicy.Action.audit, "LOG"), (.deny, "DENY"), (.allow, "ALLOW")].compactMap { action, word in
      var filter = RBACFilter(action: word)
      for policy in attached where policy.action == action {
        let rules = policy.rules.enumerated().compactMap { index, rule in
          rule.flatMap { RBACPolicy($0, index: index, of: policy, bundle: bundle, isTCP: isTCP) }
        }
        if policy.isDryRun, action != .audit {
          filter.shadow = (filter.shadow ?? []) + rules
        } else {
          filter.enforced = (filter.enforced ?? []) + rules
        }
      }
      return filter.enforced == nil && filter.shadow == nil ? nil : filter
    }
    self.delegated = delegated
  }
}

extension AuthorizationPolicy {
  /// Whether the policy attaches to a workload that is not a waypoint (Istio: policy attachment).
  fileprivate func attachesTo(namespace: ExactText, labels: [ExactText: ExactText], root: ExactText) -> Bool {
    let own = metadata.key.namespace
    switch attachment {
    case .selector(let selector):
      return (own == namespace || own == root) && selector.matchLabels.allSatisfy { labels[$0.key] == $0.value }
    case .targets(let references):
      guard let gateway = labels["gateway.networking.k8s.io/gateway-name"], own == namespace else { return false }
      return references.contains { $0.group == "gateway.networking.k8s.io" && $0.kind == "Gateway" && $0.name == gateway }
    }
  }
}

extension RBACPolicy {
  /// One rule; `nil` when Istio drops it: an unknown key, or in an ALLOW policy anything that cannot be expressed.
  fileprivate init?(_ rule: AuthorizationPolicy.Rule, index: Int, of policy: AuthorizationPolicy, bundle: TrustDomainBundle, isTCP: Bool) {
    let key = policy.metadata.key
    let maker = RuleMaker(bundle: bundle, namespace: key.namespace, isTCP: isTCP, isAllow: policy.action == .allow)
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
  let isTCP: Bool
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
        matchers.append(try attribute.rbacMatcher(text, namespace: namespace, isTCP: isTCP))
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
