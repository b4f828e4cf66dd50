// One pair of workloads: what of each port is allowed, and what the connection becomes.
// Enters: two places in the inventory. Leaves: ports. The engine decides; what a graph cannot know of a request stays unknown.
// Never here: a decision of its own.

internal import PolicyEngine
internal import PolicyModel

/// Asks the engine about pairs.
struct PairJudge {
  private let analysis: TLSAnalysis
  private let mesh: MeshSettings
  private let envoy: Snapshot
  private let ztunnel: Snapshot?
  private var request = Request()
  private var rules: [RuleKey: (name: ExactText, location: ExactText)] = [:]

  private struct RuleKey: Hashable {
    var isZtunnel: Bool
    var rule: RuleReference
  }

  init(_ analysis: TLSAnalysis, mesh: MeshSettings) {
    self.analysis = analysis
    self.mesh = mesh
    envoy = Snapshot(analysis.policies, mesh: mesh)
    let hasAmbient = analysis.proxies.contains { $0.kind == .ambient }
    ztunnel = hasAmbient ? Snapshot(analysis.policies, mesh: mesh, dataPlane: .ztunnel) : nil
  }

  /// The ports of `server`, each with what `client` (`nil`: outside) may send to it.
  mutating func ports(from client: Int?, to server: Int) -> [AccessGraph.PortAccess] {
    let source: TLSClient = client.map { .workload($0) } ?? .outside
    var question = TLSAnalysis.Question()
    question.workload = server
    var found: [AccessGraph.PortAccess] = []
    for place in analysis.services.byWorkload[server] {
      for connection in analysis.connections(from: source, to: place, question) where connection.family != .udp {
        found.append(access(connection, server: server, client: client))
      }
    }
    return found
  }

  private mutating func access(_ connection: TLSConnection, server: Int, client: Int?) -> AccessGraph.PortAccess {
    var port = AccessGraph.PortAccess(
      host: connection.service.host, port: connection.port, access: .all, reason: nil, rule: nil, ruleLocation: nil,
      security: connection.outcome.security, isConditional: connection.outcome.verdict == .conditional, outcome: connection.outcome.reason)
    if analysis.proxies[server].kind == .sidecar, let number = connection.containerPort,
      analysis.policies.workloads[server].runtime.bypassesSidecar(number)
    {
      return port
    }
    guard let (snapshot, target, profile) = enforcer(server) else { return port }
    request.reset()
    request.isTCP = profile == .ztunnel || connection.family == .tcp
    request.setPeerKnown()
    // Where there is no connection, the policies are asked about whom they mean.
    if let client, connection.outcome.hasIdentity || connection.outcome.verdict == .failure {
      let workload = analysis.policies.workloads[client]
      let identity = SPIFFEID(
        trustDomain: mesh.trustDomain, namespace: workload.metadata.key.namespace, serviceAccount: workload.serviceAccount)
      request.addIdentity(identity.uri.bytes.span)
    }
    if let number = connection.containerPort { request.setPort(number) }
    let decision = snapshot.decide(&request, on: target, profile: profile)
    switch decision.verdict {
    case .allow: port.access = .all
    case .deny: port.access = .none
    case .undecided: port.access = .some
    }
    port.reason = decision.reason
    if let (name, location) = origin(of: decision.rule, snapshot, isZtunnel: profile == .ztunnel) {
      (port.rule, port.ruleLocation) = (name, location)
    }
    return port
  }

  /// What decides in front of a workload; nil when nothing does.
  private func enforcer(_ server: Int) -> (Snapshot, Target, Profile)? {
    switch analysis.proxies[server].kind {
    case .sidecar: return (envoy, envoy.targets[server], .sidecar)
    case .gateway: return (envoy, envoy.targets[server], .gateway)
    case .ambient: return ztunnel.map { ($0, $0.targets[server], .ztunnel) }
    case .waypoint:
      let workload = analysis.policies.workloads[server]
      return envoy.target(waypointIn: workload.metadata.key.namespace, labels: workload.labels, service: nil).map { (envoy, $0, .waypoint) }
    case .none: return nil
    }
  }

  private mutating func origin(of rule: RuleReference, _ snapshot: Snapshot, isZtunnel: Bool) -> (ExactText, ExactText)? {
    let key = RuleKey(isZtunnel: isZtunnel, rule: rule)
    if let known = rules[key] { return known }
    guard rule != .none, let origin = snapshot.origin(of: rule) else { return nil }
    let found = (name: origin.name, location: ExactText(origin.location.description))
    rules[key] = found
    return found
  }
}
