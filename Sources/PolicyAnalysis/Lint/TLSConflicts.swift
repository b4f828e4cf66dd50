// Two sides that do not fit: what DestinationRules and automatic mTLS make clients send, and what PeerAuthentications make servers take.
// Enters: the loaded mesh; each connection is resolved by the code of `tls-check`. Leaves: one finding for each setting that makes
// connections fail, with how many. Never here: what depends on more than the files say, and clients without a proxy.

internal import PolicyEngine
internal import PolicyModel

let checkTLS: LintCheck = { world, report in
  let analysis = world.connections
  let classes = ClientClasses(analysis, root: world.mesh.rootNamespace)
  var conflicts = ConnectionFindings(.tlsConflict)
  var denied = ConnectionFindings(.tlsPlaintextDenied)
  let wider = WiderRules(analysis)
  var resolved = 0
  for service in analysis.services.services where !isUncalled(service, analysis) {
    if resolved > mostConnections, let location = service.location {
      report.add(
        .comparisonLimit, at: location,
        "more than \(mostConnections) connections were compared; those to \(service.key.description) and the services behind it were not",
        help: "give fewer files at once")
      break
    }
    var isAutomaticKnown = false
    for client in classes.classes(of: service) {
      wider?.check(client, service, &report)
      // Rules that set no TLS leave it to automatic mTLS, all alike.
      if client.isLoaded, client.only == nil, client.side.rule?.rule.setsTLS != true {
        if isAutomaticKnown { continue }
        isAutomaticKnown = true
      }
      for side in client.sidesBySubset {
        let connections = analysis.connections(of: side, to: service)
        resolved += connections.count
        for connection in connections
        where client.isLoaded(besides: connection.workload) || connection.choice.place != nil && (client.isLoaded || client.hasOwnRule) {
          // Nothing but the rule that names it says that a service without a manifest is there.
          if service.isAssumed, side.rule?.names(service, analysis) != true || connection.choice.place == nil { continue }
          if connection.outcome.verdict == .failure {
            if let location = connection.decisiveLocation { conflicts.add(connection, at: location) }
          } else if connection.outcome.reason == .plaintextAccepted, connection.serverMode?.mode == .permissive,
            let policy = world.policyByIdentity(connection)
          {
            denied.add(connection, at: connection.decisiveLocation ?? policy.metadata.location)
          }
        }
      }
    }
  }
  conflicts.report(&report) { $0.conflict(at: $1, world) }
  denied.report(&report) { connection, ports in
    let why = connection.choice.cause == .rule ? "" : " (\(connection.choice.cause.text))"
    return "clients send plaintext to \(ports)\(why), and \(connection.serverName(world)) allows by identity, which plaintext has not"
  }
}

/// Connections are resolved up to this many: some seconds.
private let mostConnections = 500_000

/// Jobs that no Service selects are called by nobody.
private func isUncalled(_ service: MeshService, _ analysis: TLSAnalysis) -> Bool {
  guard service.isAssumed, case .workload(let place)? = service.endpoints.first else { return false }
  return ["Job", "CronJob"].contains(analysis.policies.workloads[place].metadata.key.kind)
}

extension ClientClass {
  /// The side for the service as a whole, and for each subset with a policy of its own.
  fileprivate var sidesBySubset: [TLSAnalysis.ClientSide] {
    let subsets = side.rule?.rule.subsets.filter { $0.trafficPolicy != nil }.map(\.name) ?? []
    return ([nil] + subsets).map { subset in
      var side = side
      side.question.subset = subset
      return side
    }
  }
}

extension MergedRule {
  /// Whether it is for this very host, and not for all of a kind.
  fileprivate func names(_ service: MeshService, _ analysis: TLSAnalysis) -> Bool {
    ClientRules.host(of: rule, clusterDomain: analysis.clusterDomain) == service.host
  }
}

/// Connections with one fault, by what made them so.
private struct ConnectionFindings {
  private let code: LintCode
  private var places: [SourceLocation: Int] = [:]
  private var found: [Found] = []

  private struct Found {
    let location: SourceLocation
    /// The connection that is told, and how many others are like it.
    let connection: TLSConnection
    var ports: Set<ExactText>
  }

  init(_ code: LintCode) { self.code = code }

  mutating func add(_ connection: TLSConnection, at location: SourceLocation) {
    let port = ExactText("\(connection.service.host):\(connection.port ?? 0)")
    if let place = places[location] {
      found[place].ports.insert(port)
    } else {
      places[location] = found.count
      found.append(Found(location: location, connection: connection, ports: [port]))
    }
  }

  /// Reports each with the message that is made of it and of the words for its ports.
  func report(_ report: inout LintReport, _ message: (TLSConnection, String) -> String) {
    for one in found {
      let more = one.ports.count - 1
      let ports = one.connection.portWords + (more == 0 ? "" : " and \(more) more port\(more == 1 ? "" : "s") of services")
      report.add(code, at: one.location, message(one.connection, ports), help: one.connection.conflictHelp)
    }
  }
}

extension LintWorld {
  /// An ALLOW policy at the workload that answers, with a rule that wants an identity.
  fileprivate func policyByIdentity(_ connection: TLSConnection) -> AuthorizationPolicy? {
    connection.workload.map { policies(of: workloads[$0]) }?.first { policy in
      guard policy.policy.action == .allow, policy.isEnforced else { return false }
      return policy.policy.rules.contains { rule in
        rule?.allConstraints.contains { $0.attribute.isPeerIdentity && !$0.values.isEmpty } ?? false
      }
    }?.policy
  }
}

extension TLSConnection {
  /// Where the setting stands that chose what the client sends; where no DestinationRule did, the one that chose what the server takes.
  fileprivate var decisiveLocation: SourceLocation? {
    if let place = choice.place {
      return place.span.line == 0 ? place.owner.location : SourceLocation(file: place.owner.location.file, span: place.span)
    }
    return serverMode?.decider?.location
  }

  /// `port 80 of shop/backend (subset v1)`.
  fileprivate var portWords: String {
    let name = service.key.kind == "Service" ? "\(service.key.namespace)/\(service.key.name)" : service.host.string
    let of = port.map { "port \($0) of \(name)" } ?? name
    return subset.map { "\(of) (subset `\($0)`)" } ?? of
  }

  /// Who answers.
  fileprivate func serverName(_ world: LintWorld) -> String {
    (workload.flatMap { world.workloads[$0].name } ?? address?.string).map { "`\($0)`" } ?? "the server"
  }

  /// Why connections to these ports fail.
  fileprivate func conflict(at ports: String, _ world: LintWorld) -> String {
    let sent =
      switch choice.transport {
      case .plaintext: "plaintext"
      case .simple: "TLS without the mesh's certificate"
      case .mutual: "TLS with a certificate that is not the mesh's"
      case .istioMutual: "mutual TLS"
      }
    func name(_ object: ObjectMetadata?) -> String { object.map { " (\($0.key.description), \($0.location.description))" } ?? "" }
    let by = name(serverMode?.decider)
    let what =
      switch outcome.reason {
      case .strictRefusesPlaintext, .strictWantsCertificate: "which is STRICT\(by) and refuses it"
      case .disabledReadsTLSAsHTTP, .disabledPassesTLS: "which is DISABLE\(by) and takes plaintext only"
      case .noChainForTLS: "which is declared HTTP, where the server's proxy takes no TLS but the mesh's own"
      case .mutualTLSToApplication where service.isExternal: "which is outside the mesh"
      case .mutualTLSToApplication where serverProxy?.kind == .sidecar:
        "which goes around the sidecar of \(serverName(world)) (\(world.bypass(workload, containerPort)))"
      default: "and \(serverName(world)) has no proxy that would take it"
      }
    switch choice.cause {
    case .rule: return "clients send \(sent) to \(ports), \(what)"
    case .serviceDisabled:
      // Two objects of the server's side contradict each other.
      let inherited = name(world.connections.inheritedMode(of: service).decider)
      return "clients send \(sent) to \(ports), as if it were DISABLE like its namespace\(inherited); it is STRICT\(by) and refuses it"
    default: return "clients send \(sent) to \(ports) (\(choice.cause.text)), \(what)"
    }
  }

  fileprivate var conflictHelp: String {
    switch (choice.cause, outcome.reason) {
    case (.serviceDisabled, _):
      "make the mode of the namespace PERMISSIVE, or write a DestinationRule with `tls: {mode: ISTIO_MUTUAL}`"
    case (.automaticOff, _): "set `enableAutoMtls: true` in the mesh, or write a DestinationRule with `tls: {mode: ISTIO_MUTUAL}`"
    case (.credentialIgnored, _): "remove `tls`, name certificate files, or give the DestinationRule a `workloadSelector`"
    case (.topLevelOfPort, _): "write `tls` in the port's entry, too"
    case (.headless, _), (.headlessWithoutMutualTLS, _), (.endpointWithoutMutualTLS, _):
      "give all workloads behind the service a proxy and one mode, or write PERMISSIVE"
    case (_, .noChainForTLS): "remove `tls`, so that it is automatic; or name the port `https` or `tls`, if the application speaks TLS"
    case (_, .mutualTLSToApplication) where service.isExternal: "write SIMPLE or MUTUAL, or remove `tls`"
    case (_, .mutualTLSToApplication): "remove `tls`, so that it is automatic, or give the workload a proxy"
    default: "remove `tls` from the DestinationRule, so that mutual TLS is automatic"
    }
  }
}

// MARK: Wider rules that are no longer used

/// The rules that set TLS, as if those that set none were not there.
private struct WiderRules {
  private let analysis: TLSAnalysis
  private let other: TLSAnalysis
  private let silent: [ObjectKey: SourceLocation]

  /// Nil where no rule can take the place of another one.
  init?(_ analysis: TLSAnalysis) {
    let rules = analysis.policies.destinationRules
    let silent = rules.filter { !$0.setsTLS }
    guard !silent.isEmpty, silent.count < rules.count else { return nil }
    self.analysis = analysis
    self.silent = Dictionary(
      silent.map { rule in
        let span = rule.host.span.line == 0 ? rule.metadata.location.span : rule.host.span
        return (rule.metadata.key, SourceLocation(file: rule.metadata.location.file, span: span))
      }
    ) { first, _ in first }
    other = analysis.with(rules.filter(\.setsTLS))
  }

  /// Whether the clients would send TLS if they had not a rule that says nothing about it.
  func check(_ client: ClientClass, _ service: MeshService, _ report: inout LintReport) {
    guard let rule = client.side.rule, let location = rule.objects.lazy.compactMap({ silent[$0.key] }).first,
      rule.objects.allSatisfy({ silent[$0.key] != nil })
    else { return }
    var side = client.side
    let candidates = other.rules.candidates(client: client.namespace, host: service.host, serviceNamespace: service.key.namespace)
    let labels = Dictionary(rule.rule.workloadSelector?.matchLabels.map { ($0.key, $0.value) } ?? []) { first, _ in first }
    side.rule = ClientRules.choose(candidates, labels: labels)
    for (now, wider) in zip(analysis.connections(of: client.side, to: service), other.connections(of: side, to: service)) {
      guard now.choice.transport == .plaintext, wider.choice.cause == .rule, wider.choice.transport != .plaintext,
        wider.outcome.verdict != .failure, let place = wider.choice.place
      else { continue }
      let span = place.span.line == 0 ? place.owner.location.span : place.span
      let there = SourceLocation(file: place.owner.location.file, span: span).description
      let mode = wider.choice.tls?.mode.rawValue ?? ""
      return report.add(
        .destinationRuleDropsTLS, at: location,
        "clients send plaintext to \(now.portWords): this rule sets no `tls` and takes the place of \(place.owner.key.description), which sets \(mode) (\(there))",
        help: "write the same `tls` here; rules for different hosts are not joined")
    }
  }
}

extension DestinationRule {
  /// Whether it says anything about TLS.
  fileprivate var setsTLS: Bool {
    ([trafficPolicy] + subsets.map(\.trafficPolicy)).contains { policy in
      policy.map { $0.tls != nil || $0.portLevelSettings.contains { $0.tls != nil } } ?? false
    }
  }
}
