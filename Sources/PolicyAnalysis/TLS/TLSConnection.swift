// One connection from a client to one endpoint of a service, resolved on both sides, and the objects that made it what it is.
// Plain values; the sentences of the chain are made when somebody asks.

package import PolicyModel

/// Who connects.
package enum TLSClient: Sendable, Hashable {
  /// A workload of the inventory, by its place.
  case workload(Int)
  /// Somebody outside the mesh, without a proxy.
  case outside
}

/// One connection.
package struct TLSConnection: Sendable {
  /// Who connects.
  package var client: TLSClient
  /// The client's proxy.
  package var clientProxy: ProxyFinding
  /// What the client connects to.
  package var service: MeshService
  /// The service's port; `nil` when neither a manifest nor the question names one.
  package var port: UInt32?
  /// Where the connection arrives; `nil` when that is not known.
  package var containerPort: UInt16?
  /// What the port is declared to be.
  package var family: PortFamily
  /// The workload that answers, by its place; `nil` for others.
  package var workload: Int?
  /// Another endpoint that answers: its address, or a host outside the mesh.
  package var address: ExactText?
  /// The server's proxy; `nil` when nothing is known of who answers.
  package var serverProxy: ProxyFinding?
  /// The mode of the server's side, and the object that says so; `nil` where no mode applies.
  package var serverMode: (mode: PeerAuthentication.Mode, decider: ObjectMetadata?)?
  /// The DestinationRules that the client uses, merged in this order.
  package var rules: [ObjectMetadata]
  /// What the client's proxy sends, and why.
  package var choice: ClientChoice
  /// The subset that was asked for.
  package var subset: ExactText?
  /// What becomes of it.
  package var outcome: ConnectionOutcome

  /// One step of the explanation.
  package struct Link: Sendable {
    /// What the step is about; the word is stable.
    package var role: String
    /// What is so.
    package var text: String
    /// The object that says so.
    package var object: ObjectMetadata?
    /// Where in its file; the object's own place when the step is about all of it.
    package var location: SourceLocation?

    init(_ role: String, _ text: String, _ object: ObjectMetadata? = nil, at span: SourceSpan? = nil) {
      self.role = role
      self.text = text
      self.object = object
      location = object.map { object in
        span.map { $0.line == 0 ? object.location : SourceLocation(file: object.location.file, span: $0) } ?? object.location
      }
    }
  }

  /// What was taken for granted.
  package var assumptions: [String] {
    var found: [String] = []
    if clientProxy.isAssumed { found.append("the client has \(clientProxy.kind.words): \(clientProxy.because)") }
    if service.isAssumed { found.append("a Service of the workload's own name: none of the given files selects it") }
    if let serverProxy, serverProxy.isAssumed { found.append("the server has \(serverProxy.kind.words): \(serverProxy.because)") }
    if outcome.reason == .hbone, clientProxy.kind == .ambient, let serverProxy, serverProxy.kind == .sidecar, serverProxy.takesHBONE == nil
    {
      found.append("the server's sidecar takes HBONE, as the ambient profile installs it")
    }
    // Waypoints always speak it. Without it what else the client's proxy was told counts.
    if clientProxy.kind == .sidecar || clientProxy.kind == .gateway, outcome.isByHBONE {
      found.append("the client's \(clientProxy.kind.rawValue) sends HBONE, as the ambient profile installs it")
    }
    return found
  }

  /// The steps from the client to the server.
  package var chain: [Link] {
    var links = [Link("client-proxy", "\(clientProxy.kind.words): \(clientProxy.because)")]
    if service.isAssumed {
      links.append(Link("service", "no Service of the given files selects the workload; one of its own name is taken"))
    } else {
      links.append(Link("service", service.words, service.location.map { ObjectMetadata(key: service.key, location: $0) }))
    }
    links += clientLinks
    if let serverProxy { links.append(Link("server-proxy", "\(serverProxy.kind.words): \(serverProxy.because)")) }
    if let serverMode {
      let port = containerPort.map { " on port \($0)" } ?? ""
      links.append(
        Link(
          "server-mode",
          serverMode.decider == nil
            ? "the server's side is PERMISSIVE\(port): no PeerAuthentication says otherwise"
            : "the server's side is \(serverMode.mode.rawValue)\(port)",
          serverMode.decider))
    }
    links.append(Link("outcome", outcome.reason.text))
    return links
  }

  private var clientLinks: [Link] {
    guard clientProxy.kind.readsDestinationRules else {
      return [
        Link(
          "client-mode",
          clientProxy.kind == .ambient
            ? "ztunnel knows no DestinationRules" : "there is no proxy that a DestinationRule could tell anything")
      ]
    }
    var links: [Link] = []
    if rules.isEmpty { links.append(Link("client-rule", "no DestinationRule of the given files is for this host and this client")) }
    for (index, rule) in rules.enumerated() {
      links.append(
        Link("client-rule", index == 0 ? "the client uses this DestinationRule" : "merged with this one, which is younger", rule))
    }
    if let place = choice.place {
      let mode = choice.tls.map { "\(place.field) is \($0.mode.rawValue)" } ?? "\(place.field) sets no `tls`"
      links.append(Link("client-mode", mode, place.owner, at: place.span))
    }
    if choice.cause != .rule { links.append(Link("client-mode", choice.cause.text)) }
    return links
  }
}

extension MeshService {
  /// What the service is, in words.
  fileprivate var words: String {
    if let externalName { return "\(host) is an ExternalName for \(externalName), outside the mesh" }
    if isExternal { return "\(host) is a host outside the mesh" }
    return isHeadless ? "\(host) is headless: clients choose the endpoint" : "\(host) is a service of the mesh"
  }
}

extension ProxyKind {
  /// The kind, as a person says it.
  package var words: String {
    switch self {
    case .sidecar: "a sidecar"
    case .gateway: "a gateway"
    case .waypoint: "a waypoint"
    case .ambient: "ambient mode (ztunnel)"
    case .none: "no proxy"
    }
  }
}

extension ClientCause {
  /// The cause as a sentence without its period.
  package var text: String {
    switch self {
    case .rule: "the DestinationRule says how to connect"
    case .credentialIgnored:
      "`credentialName` is for gateways: a sidecar ignores it, and with it the TLS, unless the rule has a `workloadSelector`"
    case .topLevelOfPort: "the port's entry sets no `tls`; automatic mTLS then goes by the mode above it"
    case .automatic: "nothing sets TLS, and automatic mTLS is on: the endpoint takes mutual TLS"
    case .endpointWithoutMutualTLS: "nothing sets TLS, and automatic mTLS is on: the endpoint does not say that it takes mutual TLS"
    case .endpointDisabled: "nothing sets TLS, and automatic mTLS is on: the endpoint's own mode is DISABLE"
    case .serviceDisabled:
      "nothing sets TLS, and automatic mTLS goes by the mode of mesh and namespace, which is DISABLE; modes of workloads do not count for it"
    case .headless: "nothing sets TLS, and automatic mTLS is on: a headless service gets mutual TLS, all its endpoints take it"
    case .headlessWithoutMutualTLS: "nothing sets TLS: a headless service gets plaintext, because one of its endpoints takes no mutual TLS"
    case .automaticOff: "nothing sets TLS, and automatic mTLS is off in the mesh (`enableAutoMtls`)"
    case .external: "nothing sets TLS, and automatic mTLS is for services of the mesh only"
    case .application: "no proxy adds TLS: what the application sends is sent"
    }
  }
}
