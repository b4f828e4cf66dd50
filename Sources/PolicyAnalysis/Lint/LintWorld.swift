// The loaded mesh as the checks look at it: which workloads each policy is attached to, who they are, and whether a proxy stands before them.
// Enters: a policy set and the mesh's settings. Leaves: answers to the checks' questions. Never here: a finding.

internal import PolicyEngine
internal import PolicyModel

/// A workload, or a stand-in for one that is not loaded.
struct LintWorkload {
  let namespace: ExactText
  let labels: [ExactText: ExactText]
  /// `namespace/name`; nil for a stand-in.
  let name: String?
  let identity: SPIFFEID?
  let proxy: Proxy
  /// Its place in the policy set.
  let index: Int?

  /// What stands before a workload.
  enum Proxy {
    case sidecar
    case ambient
    /// It is a proxy itself: a pod of the Gateway API.
    case gateway
    case waypoint
    /// Nothing of the mesh.
    case outside
    /// Nothing loaded tells.
    case unknown

    /// A sidecar that is only assumed is not known to be there.
    init(_ finding: ProxyFinding) {
      switch finding.kind {
      case .sidecar: self = finding.isAssumed ? .unknown : .sidecar
      case .ambient: self = .ambient
      case .gateway: self = .gateway
      case .waypoint: self = .waypoint
      case .none: self = .outside
      }
    }
  }
}

/// A policy and what it is attached to.
struct AttachedPolicy {
  let policy: AuthorizationPolicy
  /// The loaded workloads; a stand-in when there is none, so that the rules are judged as they would be once the workload is there.
  let workloads: [LintWorkload]
  /// Whether no loaded workload is selected.
  let isStandIn: Bool

  var namespace: ExactText { policy.metadata.key.namespace }
  /// Whether it decides: not in dry run.
  var isEnforced: Bool { !policy.isDryRun }

  func location(_ span: SourceSpan) -> SourceLocation {
    SourceLocation(file: policy.metadata.location.file, span: span.line == 0 ? policy.metadata.location.span : span)
  }
}

/// The loaded mesh.
struct LintWorld {
  let set: PolicySet
  let mesh: MeshSettings
  let workloads: [LintWorkload]
  let policies: [AttachedPolicy]
  /// Namespaces that are loaded themselves or have a workload or service account.
  let namespaces: Set<ExactText>
  /// Service accounts of workloads, by namespace.
  let usedAccounts: [ExactText: Set<ExactText>]
  /// Service accounts that are loaded as objects, by namespace.
  let accountObjects: [ExactText: Set<ExactText>]
  private let modes: ServerModes
  /// The places in `policies` of what is attached to each loaded workload.
  private let attached: [[Int]]
  /// The suffix of service names (`svc.` stands before it).
  let clusterDomain: ExactText
  /// Resolves connections. A workload whose `proxy` is unknown here has a sidecar there.
  let connections: TLSAnalysis
  /// Where each loaded workload accepts plaintext.
  private var plaintextPorts: [PlaintextPorts] = []

  /// Looks at a set. O(policies × workloads of their namespaces).
  init(_ set: PolicySet, mesh: MeshSettings, clusterDomain: ExactText) {
    self.set = set
    self.mesh = mesh
    self.clusterDomain = clusterDomain
    let finder = ProxyFinder(set, assumed: .none)
    // Where nothing loaded says who is in the mesh, nobody can be said to be outside; nor can a workload whose namespace has no manifest.
    let isTold = set.workloads.lazy.map { finder.proxy(of: $0) }.contains { !$0.isAssumed && ($0.kind == .sidecar || $0.kind == .ambient) }
    var defaults = TLSAnalysis.Defaults()
    defaults.clusterDomain = clusterDomain
    if isTold { defaults.proxyWhereNamespaceIsLoaded = ProxyKind.none }
    let connections = TLSAnalysis(set, mesh: mesh, defaults: defaults)
    self.connections = connections
    workloads = set.workloads.enumerated().map { index, workload in
      let key = workload.metadata.key
      return LintWorkload(
        namespace: key.namespace, labels: workload.labels, name: "\(key.namespace)/\(key.name)",
        identity: SPIFFEID(trustDomain: mesh.trustDomain, namespace: key.namespace, serviceAccount: workload.serviceAccount),
        proxy: LintWorkload.Proxy(connections.proxies[index]), index: index)
    }
    var used: [ExactText: Set<ExactText>] = [:]
    for workload in set.workloads { used[workload.metadata.key.namespace, default: []].insert(workload.serviceAccount) }
    usedAccounts = used
    var objects: [ExactText: Set<ExactText>] = [:]
    var namespaces = Set(used.keys)
    for object in set.inventory {
      switch object.metadata.key.kind {
      case "Namespace": namespaces.insert(object.metadata.key.name)
      case "ServiceAccount":
        objects[object.metadata.key.namespace, default: []].insert(object.metadata.key.name)
        namespaces.insert(object.metadata.key.namespace)
      default: break
      }
    }
    accountObjects = objects
    self.namespaces = namespaces
    modes = ServerModes(set, mesh: mesh)
    let byNamespace = Dictionary(grouping: workloads, by: \.namespace)
    let all = workloads
    policies = set.policies.map { policy in
      let namespace = policy.metadata.key.namespace
      let candidates = namespace == mesh.rootNamespace ? all : byNamespace[namespace] ?? []
      let attached = candidates.filter { Self.attaches(policy.attachment, from: namespace, to: $0, mesh) }
      if !attached.isEmpty { return AttachedPolicy(policy: policy, workloads: attached, isStandIn: false) }
      return AttachedPolicy(policy: policy, workloads: Self.standIns(policy.attachment, namespace), isStandIn: true)
    }
    var attached = [[Int]](repeating: [], count: workloads.count)
    for (place, policy) in policies.enumerated() {
      for case let index? in policy.workloads.map(\.index) { attached[index].append(place) }
    }
    self.attached = attached
    plaintextPorts = workloads.map { findPlaintext(at: $0) }
  }

  /// The policies that are attached to a loaded workload; none for a stand-in.
  func policies(of workload: LintWorkload) -> [AttachedPolicy] { workload.index.map { attached[$0].map { policies[$0] } } ?? [] }

  /// Whether an object of a namespace attaches to a workload.
  func attaches(_ attachment: AuthorizationPolicy.Attachment, from namespace: ExactText, to workload: LintWorkload) -> Bool {
    Self.attaches(attachment, from: namespace, to: workload, mesh)
  }

  private static func attaches(
    _ attachment: AuthorizationPolicy.Attachment, from namespace: ExactText, to workload: LintWorkload, _ mesh: MeshSettings
  ) -> Bool {
    attachment.attaches(
      from: namespace,
      to: ProxyPlace(
        namespace: workload.namespace, labels: workload.labels, isWaypoint: workload.proxy == .waypoint, root: mesh.rootNamespace))
  }

  /// Stand-ins for what a policy would be attached to: a workload with the labels of its selector. Targets have none.
  private static func standIns(_ attachment: AuthorizationPolicy.Attachment, _ namespace: ExactText) -> [LintWorkload] {
    guard case .selector(let selector) = attachment else { return [] }
    let labels = Dictionary(selector.matchLabels.map { ($0.key, $0.value) }) { first, _ in first }
    return [LintWorkload(namespace: namespace, labels: labels, name: nil, identity: nil, proxy: .unknown, index: nil)]
  }

  /// The server mode of a workload.
  func serverMode(of workload: LintWorkload) -> EffectiveServerMode {
    modes.effective(namespace: workload.namespace, labels: workload.labels)
  }

  /// Where a workload accepts plaintext: nowhere, everywhere, or on some ports or all but some. Gateways and waypoints have other rules.
  func plaintext(at workload: LintWorkload) -> PlaintextPorts {
    workload.index.map { plaintextPorts[$0] } ?? findPlaintext(at: workload)
  }

  private func findPlaintext(at workload: LintWorkload) -> PlaintextPorts {
    if workload.proxy == .gateway || workload.proxy == .waypoint || workload.labels[gatewayNameLabel] != nil { return .nowhere }
    let mode = serverMode(of: workload)
    if mode.mode != .strict { return .everywhere }
    let open = mode.portModes.filter { ($0.value ?? mode.mode) != .strict }.keys.sorted()
    return open.isEmpty ? .nowhere : .ports(open)
  }

  /// Whether plaintext is accepted anywhere.
  func acceptsPlaintext(_ workload: LintWorkload) -> Bool {
    if case .nowhere = plaintext(at: workload) { false } else { true }
  }

  /// Where plaintext is accepted.
  enum PlaintextPorts {
    case nowhere
    case everywhere
    case ports([UInt16])
  }

  /// Names for a message: the first, and how many more.
  static func list(_ workloads: [LintWorkload]) -> String {
    let names = workloads.compactMap(\.name)
    guard let first = names.first else { return "the workloads that it selects" }
    return names.count == 1 ? "`\(first)`" : "`\(first)` and \(names.count - 1) more"
  }
}

/// The label whose presence makes a pod one of the Gateway API.
let gatewayNameLabel: ExactText = "gateway.networking.k8s.io/gateway-name"

extension Attribute {
  /// Whether it is about who calls.
  var isPeerIdentity: Bool {
    switch self {
    case .sourcePrincipal, .sourceNamespace, .sourceServiceAccount, .sourceTrustDomain: true
    default: false
    }
  }

  /// Whether it is about a token.
  var isToken: Bool {
    switch self {
    case .requestPrincipal, .requestAudiences, .requestPresenter, .requestClaim: true
    default: false
    }
  }

  /// The field's name with values, as a policy's writer knows it.
  var fieldName: String {
    switch self {
    case .sourcePrincipal: "principals"
    case .sourceNamespace: "namespaces"
    case .sourceServiceAccount: "serviceAccounts"
    case .sourceTrustDomain: "trustDomains"
    case .requestPrincipal: "requestPrincipals"
    case .sourceIP: "ipBlocks"
    case .remoteIP: "remoteIpBlocks"
    case .destinationPort: "ports"
    default: description
    }
  }

  /// The field's name with negated values.
  var negatedFieldName: String {
    let name = fieldName
    return name.utf8.contains(UInt8(ascii: ".")) ? "notValues of \(name)" : "not" + name.prefix(1).uppercased() + name.dropFirst()
  }
}

extension AuthorizationPolicy.Rule {
  /// All constraints of the rule.
  var allConstraints: [Constraint] { (sources + operations).flatMap(\.constraints) + conditions }

  /// The sources, each with the conditions; one without constraints where there is none.
  var sourceCases: [[Constraint]] {
    sources.isEmpty ? [conditions] : sources.map { $0.constraints + conditions }
  }
}

extension LintWorld {
  /// Calls `body` with each policy and each of its rules.
  func eachRule(_ body: (AttachedPolicy, AuthorizationPolicy.Rule) -> Void) {
    for policy in policies {
      for case let rule? in policy.policy.rules { body(policy, rule) }
    }
  }
}

/// Whether two names differ by one insertion, removal, replacement or swap of neighbours, and are not so short that everything does.
func isNearName(_ one: ExactText, _ other: ExactText) -> Bool {
  let (left, right) = (one.bytes, other.bytes)
  guard one != other, abs(left.count - right.count) <= 1, min(left.count, right.count) >= 3 else { return false }
  let start = zip(left, right).prefix { $0 == $1 }.count
  let (a, b) = (left[start...], right[start...])
  if a.count > b.count { return a.dropFirst().elementsEqual(b) }
  if a.count < b.count { return b.dropFirst().elementsEqual(a) }
  if a.dropFirst().elementsEqual(b.dropFirst()) { return true }
  return a.count >= 2 && a[start] == b[start + 1] && a[start + 1] == b[start] && a.dropFirst(2).elementsEqual(b.dropFirst(2))
}

/// The first of the names, in the order of their bytes, that is nearly this one.
func nearName(_ name: ExactText, among known: some Sequence<ExactText>) -> ExactText? {
  known.filter { isNearName(name, $0) }.min()
}
