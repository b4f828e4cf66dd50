// What connections become: between workloads of the inventory, to services, to hosts outside.
// Enters: a policy set and the mesh's settings, once; who connects to what. Leaves: connections, resolved on both sides, one for each
// endpoint that could answer. Never here: AuthorizationPolicies, and VirtualServices, which could send a call elsewhere.

internal import PolicyEngine
package import PolicyModel

/// Resolves the TLS of connections.
package struct TLSAnalysis: Sendable {
  /// What was loaded.
  package let policies: PolicySet
  /// Its services.
  package let services: MeshServices
  /// The proxies of its workloads, in their order.
  package let proxies: [ProxyFinding]
  /// The suffix of service names.
  package let clusterDomain: ExactText
  private let finder: ProxyFinder
  private(set) var rules: ClientRules
  private let modes: ServerModes
  private let mesh: MeshSettings

  /// What a mesh is like where manifests do not say it.
  package struct Defaults: Sendable {
    /// The suffix of service names (`svc.` stands before it).
    package var clusterDomain: ExactText = "cluster.local"
    /// The proxy of workloads of which nothing is said.
    package var proxy = ProxyKind.sidecar
    /// The proxy of those among them whose namespace's manifest is loaded; nil for the same.
    package var proxyWhereNamespaceIsLoaded: ProxyKind?

    /// Istio's.
    package init() {}
  }

  /// Prepares the set. O(n log n).
  package init(_ policies: PolicySet, mesh: MeshSettings, defaults: Defaults = Defaults()) {
    self.policies = policies
    self.mesh = mesh
    clusterDomain = defaults.clusterDomain
    let finder = ProxyFinder(policies, assumed: defaults.proxy, whereLoaded: defaults.proxyWhereNamespaceIsLoaded)
    self.finder = finder
    proxies = policies.workloads.map { finder.proxy(of: $0) }
    services = MeshServices(policies, clusterDomain: defaults.clusterDomain)
    rules = ClientRules(policies.destinationRules, mesh: mesh, clusterDomain: defaults.clusterDomain)
    modes = ServerModes(policies, mesh: mesh)
  }

  /// What a question leaves open.
  package struct Question: Sendable {
    /// The service's port; `nil` asks for all of them.
    package var port: UInt32?
    /// The subset that a route would choose.
    package var subset: ExactText?
    /// Only this endpoint.
    package var workload: Int?
    /// What the application sends where no proxy adds TLS.
    package var sends = ApplicationSends.plaintext

    /// Asks for all ports and endpoints.
    package init() {}
  }

  /// The connections of a client to a service, by its place: one for each port and endpoint.
  package func connections(from client: TLSClient, to place: Int, _ question: Question = Question()) -> [TLSConnection] {
    let service = services.services[place]
    let candidates = candidates(client, service)
    return connections(
      of: ClientSide(
        client: client, proxy: proxy(of: client), rule: ClientRules.choose(candidates, labels: labels(of: client)), question: question),
      to: service)
  }

  /// The connections of a client whose side is known: one for each port and endpoint.
  func connections(of side: ClientSide, to service: MeshService) -> [TLSConnection] {
    let question = side.question
    let ports: [ServiceDetail.Port?] =
      if service.ports.isEmpty {
        [question.port.map { ServiceDetail.Port(number: $0) }]
      } else {
        service.ports.filter { question.port == nil || $0.number == question.port }
      }
    var endpoints = service.endpoints
    if let only = question.workload {
      endpoints = endpoints.filter { if case .workload(only) = $0 { true } else { false } }
    }
    if let subset = question.subset, let labels = side.rule?.rule.subsets.first(where: { $0.name == subset })?.labels {
      endpoints = endpoints.filter { endpoint in
        let own = self.labels(of: endpoint)
        return labels.allSatisfy { own[$0.key] == $0.value }
      }
    }
    return ports.flatMap { port -> [TLSConnection] in
      endpoints.isEmpty || (service.isExternal && service.endpoints.isEmpty)
        ? [connection(side, service, port, nil)] : endpoints.map { connection(side, service, port, $0) }
    }
  }

  /// The connections of a workload to all services: all pairs but its own. Jobs that no Service selects are called by nobody.
  package func pairs(from client: Int, _ question: Question = Question()) -> [TLSConnection] {
    services.services.indices.flatMap { place -> [TLSConnection] in
      let service = services.services[place]
      if service.isAssumed, case .workload(let only)? = service.endpoints.first,
        only == client || Self.jobs.contains(policies.workloads[only].metadata.key.kind)
      {
        return []
      }
      return connections(from: .workload(client), to: place, question).filter { $0.workload != client }
    }
  }

  private static let jobs: Set<ExactText> = ["Job", "CronJob"]

  /// Whether the rule that the connection's client uses has this subset.
  package func knows(subset: ExactText, of connection: TLSConnection) -> Bool {
    ClientRules.choose(candidates(connection.client, connection.service), labels: labels(of: connection.client))?
      .rule.subsets.contains { $0.name == subset } ?? false
  }

  /// A connection to a host that no manifest knows.
  package func connection(from client: TLSClient, toUnknown host: ExactText, _ question: Question = Question()) -> TLSConnection {
    let service = MeshService(
      key: ObjectKey(kind: "Host", namespace: "", name: host), location: nil, host: host, isExternal: true, isHeadless: false, ports: [],
      endpoints: [], externalName: nil)
    let security: ConnectionOutcome.Security = question.sends == .tls ? .tls : .plaintext
    return TLSConnection(
      client: client, clientProxy: proxy(of: client), service: service, port: question.port, family: .automatic, address: host, rules: [],
      choice: ClientChoice(transport: .plaintext, cause: .application), subset: question.subset,
      outcome: ConnectionOutcome(.conditional, security, .unknownHost))
  }

  /// The proxy of a client.
  package func proxy(of client: TLSClient) -> ProxyFinding {
    switch client {
    case .workload(let place): proxies[place]
    case .outside:
      ProxyFinding(kind: .none, because: "the client is outside the mesh", isAssumed: false, advertisesMutualTLS: false, takesHBONE: false)
    }
  }

  /// The client's side of connections to one service.
  struct ClientSide {
    var client: TLSClient
    var proxy: ProxyFinding
    /// The rule that the client uses for the service's host.
    var rule: MergedRule?
    var question: Question
  }

  /// The same mesh with other DestinationRules.
  func with(_ destinationRules: [DestinationRule]) -> TLSAnalysis {
    var other = self
    other.rules = ClientRules(destinationRules, mesh: mesh, clusterDomain: clusterDomain)
    return other
  }

  /// The mode that automatic mTLS takes for that of a service, and the object that says so.
  func inheritedMode(of service: MeshService) -> EffectiveServerMode { modes.inherited(namespace: service.key.namespace) }

  private func candidates(_ client: TLSClient, _ service: MeshService) -> [MergedRule] {
    guard case .workload(let place) = client, proxies[place].kind.readsDestinationRules else { return [] }
    let namespace = policies.workloads[place].metadata.key.namespace
    return rules.candidates(client: namespace, host: service.host, serviceNamespace: service.key.namespace)
  }

  private func labels(of client: TLSClient) -> [ExactText: ExactText] {
    if case .workload(let place) = client { policies.workloads[place].labels } else { [:] }
  }

  private func labels(of endpoint: MeshService.Endpoint) -> [ExactText: ExactText] {
    switch endpoint {
    case .workload(let place): policies.workloads[place].labels
    case .listed(let endpoint): endpoint.labels
    }
  }

  private func proxy(of endpoint: MeshService.Endpoint) -> ProxyFinding {
    switch endpoint {
    case .workload(let place): proxies[place]
    case .listed(let endpoint): finder.proxy(of: endpoint)
    }
  }

  private func connection(
    _ side: ClientSide, _ service: MeshService, _ port: ServiceDetail.Port?, _ endpoint: MeshService.Endpoint?
  ) -> TLSConnection {
    var workload: Int?
    var address: ExactText?
    switch endpoint {
    case .workload(let place): workload = place
    case .listed(let listed): address = listed.address
    case nil: address = service.isExternal ? service.externalName ?? service.host : nil
    }
    let family = port.map { PortFamily($0) } ?? .automatic
    let server = workload.map { policies.workloads[$0] }
    let containerPort = service.containerPort(of: port, at: server)
    let proxy = endpoint.map { service.isExternal ? nil : self.proxy(of: $0) } ?? nil
    let labels = endpoint.map { self.labels(of: $0) } ?? [:]
    let namespace = server?.metadata.key.namespace ?? service.key.namespace
    let modes = modes.effective(namespace: namespace, labels: labels)
    func resolve(_ number: UInt32?, _ arrival: UInt16?) -> (choice: ClientChoice, server: ServerSide, outcome: ConnectionOutcome) {
      let mode = modes.mode(port: arrival).mode
      let isBypassed = proxy?.kind == .sidecar && arrival.flatMap { server?.runtime.bypassesSidecar($0) } ?? false
      let there =
        isBypassed
        ? ServerSide.bare(family) : self.serverSide(service, proxy, mode, family, namespace: namespace, labels: labels, port: arrival)
      let choice = self.choice(side, service, number, mode, proxy)
      return (choice, there, self.outcome(side, choice, there, takesHBONE: proxy?.takesHBONE ?? (proxy?.kind == .sidecar)))
    }
    let (choice, serverSide, outcome) = resolve(port?.number, containerPort)
    var connection = TLSConnection(
      client: side.client, clientProxy: side.proxy, service: service, port: port?.number, containerPort: containerPort, family: family,
      workload: workload, address: address, serverProxy: proxy, rules: side.rule?.objects ?? [], choice: choice,
      subset: side.question.subset, outcome: outcome)
    switch serverSide {
    case .sidecar: connection.serverMode = modes.mode(port: containerPort)
    // ztunnel knows two modes.
    case .ambient(let isStrict): connection.serverMode = (isStrict ? .strict : .permissive, modes.mode(port: containerPort).decider)
    case .waypoint, .gateway, .bare, .external: break
    }
    // Where a port is not known, each one that has settings of its own may be meant; of what may be, the weakest is told.
    for number in [port?.number] + (port == nil ? side.portsWithSettings : []) where family != .udp {
      for arrival in [containerPort] + (containerPort == nil ? modes.portModes.keys.sorted() : []) {
        let other = resolve(number, arrival).outcome
        guard other.security != outcome.security || other.verdict != outcome.verdict else { continue }
        let weakest = [other.security, connection.outcome.security].min { $0.strength < $1.strength } ?? .plaintext
        let isService = number != port?.number || connection.outcome.reason == .servicePortUnknown
        connection.outcome = ConnectionOutcome(.conditional, weakest, isService ? .servicePortUnknown : .portUnknown)
      }
    }
    if family == .udp {
      connection.outcome = ConnectionOutcome(.possible, .plaintext, .datagrams)
    } else if endpoint == nil, !service.isExternal {
      connection.outcome = ConnectionOutcome(.conditional, connection.outcome.security, .noEndpoint)
      if connection.outcome.security == .failure { connection.outcome.security = .plaintext }
    }
    return connection
  }

  private func serverSide(
    _ service: MeshService, _ proxy: ProxyFinding?, _ mode: PeerAuthentication.Mode, _ family: PortFamily, namespace: ExactText,
    labels: [ExactText: ExactText], port: UInt16?
  ) -> ServerSide {
    guard !service.isExternal else { return .external }
    switch proxy?.kind {
    case .sidecar: return .sidecar(mode, family)
    case .ambient: return .ambient(isStrict: modes.isStrictForZtunnel(namespace: namespace, labels: labels, port: port))
    case .waypoint: return .waypoint
    case .gateway: return .gateway
    case .some(.none), nil: return .bare(family)
    }
  }

  private func choice(
    _ side: ClientSide, _ service: MeshService, _ port: UInt32?, _ mode: PeerAuthentication.Mode, _ proxy: ProxyFinding?
  ) -> ClientChoice {
    guard side.proxy.kind.readsDestinationRules else { return ClientChoice(transport: .plaintext, cause: .application) }
    let facts = AutomaticFacts(
      isOn: mesh.enablesAutoMTLS, isExternal: service.isExternal, serviceMode: modes.inherited(namespace: service.key.namespace).mode,
      endpointMode: mode, advertisesMutualTLS: proxy?.advertisesMutualTLS ?? false, isHeadless: service.isHeadless,
      allAdvertise: !service.isHeadless || service.endpoints.allSatisfy { self.proxy(of: $0).advertisesMutualTLS })
    return ClientChoice(
      side.rule, port: port, subset: side.question.subset, isGateway: side.proxy.kind != .sidecar, facts)
  }

  private func outcome(
    _ side: ClientSide, _ choice: ClientChoice, _ server: ServerSide, takesHBONE: Bool
  ) -> ConnectionOutcome {
    switch side.proxy.kind {
    case .sidecar, .gateway, .waypoint: .fromEnvoy(choice.transport, to: server)
    case .ambient: .fromAmbient(side.question.sends, to: server, takesHBONE: takesHBONE)
    case .none: .fromApplication(side.question.sends, to: server)
    }
  }
}

extension TLSAnalysis.ClientSide {
  /// The ports of the service for which the rule has settings of their own.
  fileprivate var portsWithSettings: [UInt32] {
    let subset = question.subset.flatMap { name in rule?.rule.subsets.first { $0.name == name } }
    let entries = [rule?.rule.trafficPolicy, subset?.trafficPolicy].compactMap { $0 }.flatMap(\.portLevelSettings)
    return Set(entries.map(\.port)).sorted()
  }
}
