// What is attached to one proxy, rule by rule, for whoever reasons about all requests at once.
// Enters: policies and settings, once; then a proxy and the kind of its chain. Leaves: the rules as the reference evaluator reads them, without
// what it drops, and the gate in front of them.
// Never here: a request. What a value matches is the asker's matter, and whoever asks proves that by asking the engine about his witnesses.

package import PolicyModel

/// Looks programs up.
package struct AttachedPrograms: Sendable {
  private let evaluator: ReferenceEvaluator
  private let ztunnel: ZtunnelReference
  /// Where in the evaluator's and in the written set the policies of each namespace stand.
  private let places: [ExactText: [Int]]
  private let writtenPlaces: [ExactText: [Int]]
  /// Of each namespace, oldest first.
  private let peerAuthentications: [ExactText: [PeerAuthentication]]
  private let tokens: [RequestAuthentication]
  /// The settings.
  package let mesh: MeshSettings

  /// O(policies).
  package init(policies: PolicySet, mesh: MeshSettings) {
    evaluator = ReferenceEvaluator(policies: policies, mesh: mesh)
    ztunnel = ZtunnelReference(policies: policies, mesh: mesh)
    self.mesh = mesh
    places = Self.places(evaluator.policies.policies)
    writtenPlaces = Self.places(policies.policies)
    tokens = policies.requestAuthentications
    peerAuthentications = Dictionary(grouping: policies.peerAuthentications) { $0.metadata.key.namespace }.mapValues { objects in
      objects.sorted {
        ($0.metadata.creationTime, $0.metadata.key.name, $0.metadata.key.namespace)
          < ($1.metadata.creationTime, $1.metadata.key.name, $1.metadata.key.namespace)
      }
    }
  }

  private static func places(_ policies: [AuthorizationPolicy]) -> [ExactText: [Int]] {
    var places: [ExactText: [Int]] = [:]
    for (place, policy) in policies.enumerated() { places[policy.metadata.key.namespace, default: []].append(place) }
    return places
  }

  /// What is attached to a proxy, for the requests of an HTTP or a TCP chain. O(policies of the namespaces concerned).
  package func program(_ proxy: AnalyzedProxy, isTCP: Bool) -> AttachedProgram {
    if proxy.profile == .ztunnel { return ztunnelProgram(proxy) }
    let scope = AttachmentScope(
      namespace: proxy.namespace, labels: proxy.labels, isWaypoint: proxy.profile == .waypoint, service: proxy.service,
      root: mesh.rootNamespace)
    var program = AttachedProgram()
    if scope.isWaypointPod, proxy.profile != .waypoint { return AttachedProgram(refusal: .unsupportedProfile) }
    if evaluator.policies.unusable.contains(where: { evaluator.reaches($0.reach, scope) }) {
      return AttachedProgram(refusal: .policyUnusable)
    }
    let attached = scope.namespaces.flatMap { places[$0] ?? [] }.map { evaluator.policies.policies[$0] }
      .filter { $0.attachment.attaches(from: $0.metadata.key.namespace, to: scope) }
    program.gate = gate(proxy, scope)
    program.hasAllow = attached.contains { !$0.isDryRun && $0.action == .allow }
    program.hasDryRunAllow = attached.contains { $0.isDryRun && $0.action == .allow }
    program.hasDryRunDeny = attached.contains { $0.isDryRun && $0.action == .deny }
    program.splitsClaims = tokens.contains { authentication in
      authentication.jwtRules.contains { !$0.spaceDelimitedClaims.isEmpty }
        && authentication.attachment.attaches(from: authentication.metadata.key.namespace, to: scope)
    }
    var request = Request()
    request.isTCP = isTCP
    let customs = attached.filter { $0.action == .custom }
    for policy in attached {
      let effect: AttachedProgram.Effect?
      switch policy.action {
      case .audit: effect = nil
      case .allow: effect = policy.isDryRun ? .dryRunAllow : .allow
      case .deny: effect = policy.isDryRun ? .dryRunDeny : .deny
      case .custom:
        switch evaluator.effect(of: policy, among: customs, request) {
        case .asked: effect = .custom
        case .unusable, .several: effect = .customDeny
        case .enforcedDryRun: effect = .deny
        default: effect = nil
        }
      }
      guard let effect else { continue }
      for (index, rule) in policy.rules.enumerated() {
        guard let rule, let groups = groups(rule, of: policy, request) else { continue }
        program.rules.append(AttachedProgram.Rule(effect: effect, policy: policy, index: index, groups: groups))
      }
    }
    return program
  }

  /// The groups of a rule, as `ReferenceEvaluator.matches` walks them; `nil` for a rule that matches nothing.
  private func groups(
    _ rule: AuthorizationPolicy.Rule, of policy: AuthorizationPolicy, _ request: Request
  ) -> [[[AttachedProgram.Demand]]]? {
    let clauses = rule.sources + rule.operations + [AuthorizationPolicy.Clause(rule.conditions)]
    let constraints = clauses.flatMap(\.constraints)
    if constraints.contains(where: { if case .unknownKey = $0.attribute { true } else { false } }) { return nil }
    if policy.action == .allow, constraints.contains(where: { evaluator.isInexpressible($0, request) }) { return nil }
    func demands(_ constraints: [Constraint]) -> [AttachedProgram.Demand] {
      constraints.filter { !evaluator.isInexpressible($0.attribute, request) }.map { constraint in
        func values(_ list: [Located<ExactText>]) -> [ExactText] {
          list.map(\.value).filter { ReferenceMatching.isExpressible($0, constraint.attribute) }
        }
        return AttachedProgram.Demand(
          subject: .attribute(constraint.attribute), values: values(constraint.values), notValues: values(constraint.notValues),
          namespace: policy.metadata.key.namespace)
      }
    }
    var groups: [[[AttachedProgram.Demand]]] = []
    if !rule.sources.isEmpty { groups.append(rule.sources.map { demands($0.constraints) }) }
    if !rule.operations.isEmpty { groups.append(rule.operations.map { demands($0.constraints) }) }
    groups.append([demands(rule.conditions)])
    return groups
  }

  private func gate(_ proxy: AnalyzedProxy, _ scope: AttachmentScope) -> AttachedProgram.Gate {
    let domains = mesh.allTrustDomains + mesh.acceptedTrustDomains
    switch proxy.profile {
    case .gateway, .ztunnel: return .open
    case .waypoint: return .envoy(isStrict: true, exceptions: [], domains: domains)
    case .sidecar:
      let modes = ServerModes(root: mesh.rootNamespace) { peerAuthentications[$0] }
      let (isStrict, exceptions) = modes.serverMode(namespace: scope.namespace, labels: scope.labels)
      return .envoy(isStrict: isStrict, exceptions: Set(exceptions), domains: domains)
    }
  }

  // MARK: ztunnel

  private func ztunnelProgram(_ proxy: AnalyzedProxy) -> AttachedProgram {
    let isUnusable = ztunnel.policies.unusable.contains { unusable in
      switch unusable.reach {
      case .everywhere: true
      case .namespace(let scope, let selector):
        (scope == mesh.rootNamespace || scope == proxy.namespace) && selector.selects(proxy.labels)
      }
    }
    if isUnusable { return AttachedProgram(refusal: .policyUnusable) }
    var program = AttachedProgram()
    let plaintext = ztunnel.plaintextRules(namespace: proxy.namespace, labels: proxy.labels)
    program.gate = .ztunnel(domain: mesh.trustDomain, denied: plaintext.compactMap { groups($0, namespace: proxy.namespace) })
    let names = proxy.namespace == mesh.rootNamespace ? [proxy.namespace] : [mesh.rootNamespace, proxy.namespace]
    for policy in names.flatMap({ writtenPlaces[$0] ?? [] }).map({ ztunnel.policies.policies[$0] })
    where ztunnel.attaches(policy, to: proxy.namespace, labels: proxy.labels) {
      if policy.action == .allow { program.hasAllow = true }
      for (index, rule) in policy.rules.enumerated() {
        guard let rule, let sent = ztunnel.sent(rule, of: policy, index),
          let groups = groups(sent, namespace: policy.metadata.key.namespace)
        else { continue }
        program.rules.append(
          AttachedProgram.Rule(effect: policy.action == .allow ? .allow : .deny, policy: policy, index: index, groups: groups))
      }
    }
    return program
  }

  /// `nil` for a rule with a clause that holds nothing: it never matches.
  private func groups(_ rule: ZtunnelReference.Rule, namespace: ExactText) -> [[[AttachedProgram.Demand]]]? {
    var groups: [[[AttachedProgram.Demand]]] = []
    for clause in rule.clauses {
      let matches = clause.filter { !$0.fields.isEmpty }.map { match in
        match.fields.map { field in
          let subject: AttachedProgram.Subject =
            switch field.field {
            case .principal: .ztunnelPrincipal
            case .namespace: .ztunnelNamespace
            case .serviceAccount: .ztunnelServiceAccount
            case .sourceIP: .attribute(.sourceIP)
            case .destinationIP: .attribute(.destinationIP)
            case .destinationPort: .attribute(.destinationPort)
            }
          return AttachedProgram.Demand(subject: subject, values: field.values, notValues: field.notValues, namespace: namespace)
        }
      }
      if matches.isEmpty { return nil }
      groups.append(matches)
    }
    return groups
  }
}

/// The proxy that is asked about.
package struct AnalyzedProxy: Sendable, Hashable {
  /// Namespace and labels of its pod.
  package var namespace: ExactText
  package var labels: [ExactText: ExactText]
  /// Its kind.
  package var profile: Profile
  /// What a waypoint is addressed for; nil for a workload's own address.
  package var service: ServiceName?

  /// Names a proxy.
  package init(namespace: ExactText, labels: [ExactText: ExactText], profile: Profile = .sidecar, service: ServiceName? = nil) {
    self.namespace = namespace
    self.labels = labels
    self.profile = profile
    self.service = service
  }

  /// What is attached in a snapshot; `nil` for a waypoint's pod that has no gateway label.
  package func target(in snapshot: Snapshot) -> Target? {
    profile == .waypoint
      ? snapshot.target(waypointIn: namespace, labels: labels, service: service) : snapshot.target(namespace: namespace, labels: labels)
  }
}

/// Everything that decides about the requests of one chain of one proxy.
package struct AttachedProgram: Sendable {
  /// Why every request is denied, if so.
  package var refusal: Reason?
  /// The gate in front of the policies.
  package var gate = Gate.open
  /// The rules that can match.
  package var rules: [Rule] = []
  /// Whether an enforced ALLOW policy is attached, whatever is left of its rules.
  package var hasAllow = false
  /// The same of policies in dry run.
  package var hasDryRunAllow = false
  package var hasDryRunDeny = false
  /// Whether a RequestAuthentication splits further claims at spaces, so that what rules see depends on who issued the token.
  package var splitsClaims = false

  init(refusal: Reason? = nil) { self.refusal = refusal }

  /// What a match does.
  package enum Effect: UInt8, Sendable, Hashable {
    case deny, customDeny, custom, allow, dryRunDeny, dryRunAllow
  }

  /// Whom the proxy refuses before any policy.
  package enum Gate: Sendable {
    /// Nobody.
    case open
    /// Peers without a SPIFFE name where the mode is strict (`exceptions` are the ports with the other mode), and those with one of another
    /// trust domain.
    case envoy(isStrict: Bool, exceptions: Set<UInt16>, domains: [ExactText])
    /// Certificates without an identity of this domain, and what these rules match.
    case ztunnel(domain: ExactText, denied: [[[[Demand]]]])
  }

  /// One rule: of each group one entry must hold, of an entry all demands.
  package struct Rule: Sendable {
    package var effect: Effect
    package var policy: AuthorizationPolicy
    package var index: Int
    package var groups: [[[Demand]]]
  }

  /// What is compared.
  package enum Subject: Sendable, Hashable {
    case attribute(Attribute)
    case ztunnelPrincipal, ztunnelNamespace, ztunnelServiceAccount
  }

  /// One of the values and none of the others; a list that is empty demands nothing.
  package struct Demand: Sendable, Hashable {
    package var subject: Subject
    package var values: [ExactText]
    package var notValues: [ExactText]
    /// The policy's namespace.
    package var namespace: ExactText

    /// Demands something.
    package init(subject: Subject, values: [ExactText], notValues: [ExactText], namespace: ExactText) {
      self.subject = subject
      self.values = values
      self.notValues = notValues
      self.namespace = namespace
    }
  }
}
