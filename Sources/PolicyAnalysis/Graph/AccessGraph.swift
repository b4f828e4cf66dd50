// Who may call whom: every pair of workloads, by the engine's decision and by what the connection becomes.
// Enters: a policy set and the mesh's settings. Leaves: workloads, and edges with one entry for each port. The peer that the engine is
// asked about is the one that the connection shows: nobody where it is plaintext.
// Never here: HTTP requests by their paths or methods; where a decision depends on them, the edge carries some requests.

package import PolicyEngine
package import PolicyModel

/// The graph of a mesh.
package struct AccessGraph: Sendable {
  /// How much of what a client could send is allowed.
  package enum Access: String, Sendable, Comparable {
    /// Nothing.
    case none
    /// Some requests, or none of those that there are: it depends on what a graph does not know.
    case some
    /// Everything.
    case all

    /// More is greater.
    package static func < (left: Access, right: Access) -> Bool { left.rank < right.rank }

    private var rank: Int {
      switch self {
      case .none: 0
      case .some: 1
      case .all: 2
      }
    }
  }

  /// How the calls of an edge are protected.
  package enum Protection: String, Sendable {
    /// All that can be called is called by mutual TLS: a lock.
    case mutualTLS = "mTLS"
    /// Something can be called without it: an open lock.
    case open
    /// Something that is allowed fails: a warning.
    case failure
  }

  /// One port of the called workload.
  package struct PortAccess: Sendable, Hashable {
    /// The host that is called.
    package var host: ExactText
    /// The service's port; `nil` when none is known.
    package var port: UInt32?
    /// How much is allowed.
    package var access: Access
    /// The engine's reason; `nil` when no proxy enforces anything.
    package var reason: Reason?
    /// The rule that decided, with its place.
    package var rule: ExactText?
    /// `file:line:column` of the rule.
    package var ruleLocation: ExactText?
    /// What becomes of the connection.
    package var security: ConnectionOutcome.Security
    /// Whether it depends on something that no manifest says.
    package var isConditional: Bool
    /// Why.
    package var outcome: OutcomeReason
  }

  /// All that one workload may send to another.
  package struct Edge: Sendable {
    /// The client's place among the nodes.
    package var from: Int
    /// The server's.
    package var to: Int
    /// The ports, by their places in `details`.
    package var ports: [Int]
    /// Of all ports together: all only if all of every port is.
    package var access: Access
    /// Of all ports that may be called.
    package var protection: Protection
  }

  /// One workload, or the client outside the mesh.
  package struct Node: Sendable {
    /// Its place in the inventory; `nil` for the client outside.
    package var workload: Int?
    /// Its namespace; empty outside.
    package var namespace: ExactText
    /// Its name.
    package var name: ExactText
    /// Its kind, such as `Deployment`.
    package var kind: ExactText
    /// Whom it runs as.
    package var serviceAccount: ExactText
    /// What stands in front of it.
    package var proxy: ProxyFinding
  }

  /// The workloads by namespace and name; the client outside, if it is there, first.
  package private(set) var nodes: [Node] = []
  /// The pairs, by their clients and servers.
  package private(set) var edges: [Edge] = []
  /// What edges say of ports, each once.
  package private(set) var details: [PortAccess] = []

  /// What the graph shows.
  package struct Options: Sendable {
    /// Pairs of which nothing is allowed.
    package var showsDenied = false
    /// A client outside the mesh.
    package var showsOutside = false
    /// Only workloads of these namespaces, and those that they call or are called by; empty for all.
    package var namespaces: Set<ExactText> = []

    /// Neither.
    package init() {}
  }

  /// Decides all pairs. O(workloads², ports).
  package init(_ analysis: TLSAnalysis, mesh: MeshSettings, _ options: Options = Options()) {
    let set = analysis.policies
    let order = set.workloads.indices.sorted { set.workloads[$0].metadata.key < set.workloads[$1].metadata.key }
    if options.showsOutside {
      nodes.append(
        Node(workload: nil, namespace: "", name: "outside", kind: "", serviceAccount: "", proxy: analysis.proxy(of: .outside)))
    }
    for place in order {
      let workload = set.workloads[place]
      nodes.append(
        Node(
          workload: place, namespace: workload.metadata.key.namespace, name: workload.metadata.key.name, kind: workload.metadata.key.kind,
          serviceAccount: workload.serviceAccount, proxy: analysis.proxies[place]))
    }
    var judge = PairJudge(analysis, mesh: mesh)
    var known: [PortAccess: Int] = [:]
    for from in nodes.indices {
      for to in nodes.indices where from != to && nodes[to].workload != nil {
        let touches = options.namespaces.contains(nodes[from].namespace) || options.namespaces.contains(nodes[to].namespace)
        guard options.namespaces.isEmpty || touches else { continue }
        let ports = judge.ports(from: nodes[from].workload, to: nodes[to].workload ?? 0)
        guard let edge = edge(from, to, ports, &known), options.showsDenied || edge.access != .none else { continue }
        edges.append(edge)
      }
    }
    if !options.namespaces.isEmpty { dropUntouched(options.namespaces) }
  }

  private mutating func edge(_ from: Int, _ to: Int, _ ports: [PortAccess], _ known: inout [PortAccess: Int]) -> Edge? {
    guard let most = ports.map(\.access).max(), let least = ports.map(\.access).min() else { return nil }
    let called = ports.filter { $0.access != .none }
    let protection: Protection =
      called.contains { $0.security == .failure }
      ? .failure : called.contains { $0.security != .mutualTLS } ? .open : .mutualTLS
    let places = ports.map { port in
      if let place = known[port] { return place }
      known[port] = details.count
      details.append(port)
      return details.count - 1
    }
    return Edge(from: from, to: to, ports: places, access: most == least ? most : .some, protection: protection)
  }

  /// Keeps the workloads of some namespaces and those that an edge leads to.
  private mutating func dropUntouched(_ namespaces: Set<ExactText>) {
    let touched = Set(edges.flatMap { [$0.from, $0.to] })
    let kept = nodes.indices.filter { namespaces.contains(nodes[$0].namespace) || touched.contains($0) }
    let places = Dictionary(kept.enumerated().map { ($0.element, $0.offset) }) { first, _ in first }
    nodes = kept.map { nodes[$0] }
    edges = edges.compactMap { edge in
      guard let from = places[edge.from], let to = places[edge.to] else { return nil }
      var moved = edge
      (moved.from, moved.to) = (from, to)
      return moved
    }
  }
}
