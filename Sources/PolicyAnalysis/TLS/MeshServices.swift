// Under which names workloads are called: Services and ServiceEntries, their ports, and who answers.
// Enters: the inventory, once. Leaves: services with endpoints. Never here: VirtualServices, which may send a call elsewhere.

package import PolicyModel

/// How the server's proxy listens on a port, by what the port is declared to be (Istio: protocol selection).
package enum PortFamily: String, Sendable {
  /// HTTP, HTTP/2, gRPC.
  case http
  /// TCP, TLS, HTTPS, and the protocols of databases.
  case tcp
  /// Undeclared: the proxy looks at the bytes.
  case automatic
  /// UDP, which no proxy sees.
  case udp

  /// The family of a port.
  init(_ port: ServiceDetail.Port) {
    let prefix = port.name.string.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).first.map(String.init) ?? ""
    let words = [port.appProtocol?.string ?? prefix].map { ExactText($0.lowercased()) }
    switch words[0] {
    case "http", "http2", "grpc", "grpc_web", "kubernetes.io/h2c", "kubernetes.io/ws": self = .http
    case "grpc-web", "http_proxy": self = .http
    case "https", "tls", "tcp", "mongo", "mysql", "redis", "kubernetes.io/wss": self = .tcp
    case "udp": self = .udp
    // Servers that speak first would wait for a client that does (Istio).
    default: self = [25, 53, 3306, 27017].contains(port.number) ? .tcp : .automatic
    }
  }
}

/// Something that clients connect to by a host name.
package struct MeshService: Sendable {
  /// The object; for an assumed service the workload's namespace and name.
  package var key: ObjectKey
  /// Where it is written; `nil` for an assumed one.
  package var location: SourceLocation?
  /// The name that clients use.
  package var host: ExactText
  /// Outside the mesh.
  package var isExternal: Bool
  /// Clients choose the endpoint themselves.
  package var isHeadless: Bool
  /// Its ports; none for an assumed service, which takes any.
  package var ports: [ServiceDetail.Port]
  /// Who answers.
  package var endpoints: [Endpoint]
  /// The name that it stands for, of type `ExternalName`.
  package var externalName: ExactText?

  /// No manifest of it is loaded: a Service of the workload's own name is assumed.
  package var isAssumed: Bool { location == nil && !isExternal }

  /// One that answers.
  package enum Endpoint: Sendable {
    /// A workload of the inventory, by its place.
    case workload(Int)
    /// One that the ServiceEntry lists.
    case listed(ServiceDetail.Endpoint)
  }

  /// Where a connection to a port arrives at a workload; `nil` when the name of the port is not known there.
  func containerPort(of port: ServiceDetail.Port?, at workload: Workload?) -> UInt16? {
    guard let port else { return nil }
    switch port.target {
    case .number(let number): return number
    case .name(let name): return workload?.runtime.namedPorts.first { $0.name == name }?.number
    case nil: return UInt16(exactly: port.number)
    }
  }
}

/// All services of a set.
package struct MeshServices: Sendable {
  /// The services by namespace and name; assumed ones behind those of manifests.
  package private(set) var services: [MeshService] = []
  /// The places of the services that lead to each workload.
  package private(set) var byWorkload: [[Int]]
  private var byHost: [ExactText: [Int]] = [:]

  /// Collects them. O(services, workloads that their first label could select).
  init(_ set: PolicySet, clusterDomain: ExactText) {
    byWorkload = Array(repeating: [], count: set.workloads.count)
    var byLabel: [ExactText: [LabelSelector.Pair: [Int]]] = [:]
    for (place, workload) in set.workloads.enumerated() {
      for (key, value) in workload.labels {
        byLabel[workload.metadata.key.namespace, default: [:]][LabelSelector.Pair(key: key, value: value), default: []].append(place)
      }
    }
    for object in set.inventory.sorted(by: { $0.metadata.key < $1.metadata.key }) {
      guard let detail = object.service else { continue }
      let key = object.metadata.key
      var endpoints = detail.endpoints.map { MeshService.Endpoint.listed($0) }
      if let selector = detail.selector, let first = selector.matchLabels.first {
        let candidates = byLabel[key.namespace]?[first] ?? []
        endpoints += candidates.filter { selector.selects(set.workloads[$0].labels) }.map { .workload($0) }
      }
      let hosts = key.kind == "Service" ? [ExactText("\(key.name).\(key.namespace).svc.\(clusterDomain)")] : detail.hosts
      for host in hosts {
        add(
          MeshService(
            key: key, location: object.metadata.location, host: host,
            isExternal: detail.location == .external || detail.externalName != nil, isHeadless: detail.isHeadless,
            ports: detail.ports, endpoints: endpoints, externalName: detail.externalName))
      }
    }
    for (place, workload) in set.workloads.enumerated() where byWorkload[place].isEmpty {
      let key = workload.metadata.key
      let host = ExactText("\(key.name).\(key.namespace).svc.\(clusterDomain)")
      add(
        MeshService(
          key: ObjectKey(kind: "Service", namespace: key.namespace, name: key.name), location: nil, host: host, isExternal: false,
          isHeadless: false, ports: [], endpoints: [.workload(place)], externalName: nil))
    }
  }

  private mutating func add(_ service: MeshService) {
    let place = services.count
    byHost[service.host, default: []].append(place)
    for case .workload(let workload) in service.endpoints { byWorkload[workload].append(place) }
    services.append(service)
  }

  /// The services that a client means by a host: of this name, or the one whose wildcard fits best.
  package func named(_ host: ExactText) -> [Int] {
    if let exact = byHost[host] { return exact }
    let wildcards = byHost.keys.filter { $0.string.hasPrefix("*") && hasSuffix(host, $0.string.dropFirst()) }
    return wildcards.max { $0.string.utf8.count < $1.string.utf8.count }.flatMap { byHost[$0] } ?? []
  }

  /// The service of a Service or ServiceEntry object.
  package func of(_ key: ObjectKey) -> [Int] { services.indices.filter { services[$0].key == key && !services[$0].isAssumed } }
}

/// Whether the bytes of a text end with those of another.
func hasSuffix(_ text: ExactText, _ suffix: some StringProtocol) -> Bool {
  let (text, suffix) = (text.string.utf8, suffix.utf8)
  return text.count >= suffix.count && text.suffix(suffix.count).elementsEqual(suffix)
}
