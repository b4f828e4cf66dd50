// The graph for programs, and what of it is counted.
// Enters: a graph. Leaves: JSON of a stable shape.

internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyModel

struct GraphReport {
  private let graph: AccessGraph

  init(_ graph: AccessGraph) { self.graph = graph }

  /// How many pairs there are of each kind.
  var counts: (all: Int, some: Int, denied: Int, failures: Int) {
    (
      graph.edges.count { $0.access == .all }, graph.edges.count { $0.access == .some }, graph.edges.count { $0.access == .none },
      graph.edges.count { $0.access != .none && $0.protection == .failure }
    )
  }

  /// `{"edges":[…],"summary":{…},"workloads":[…]}` on one line.
  var json: String {
    let counts = counts
    let value: JSONValue = [
      "workloads": .list(graph.nodes.indices.map(json(ofNode:))), "edges": .list(graph.edges.map(json(of:))),
      "summary": [
        "workloads": .count(graph.nodes.count { $0.workload != nil }), "all": .count(counts.all), "some": .count(counts.some),
        "none": .count(counts.denied), "failures": .count(counts.failures),
      ],
    ]
    return value.text
  }

  private func json(ofNode place: Int) -> JSONValue {
    let node = graph.nodes[place]
    return [
      "id": .count(place), "namespace": .optional(node.workload == nil ? nil : .text(node.namespace.string)),
      "name": .text(node.name.string), "kind": .optional(node.workload == nil ? nil : .text(node.kind.string)),
      "service_account": .optional(node.workload == nil ? nil : .text(node.serviceAccount.string)),
      "proxy": .text(node.proxy.kind.rawValue),
      "proxy_because": .text(node.proxy.because), "proxy_assumed": .bool(node.proxy.isAssumed),
    ]
  }

  private func json(of edge: AccessGraph.Edge) -> JSONValue {
    [
      "from": .count(edge.from), "to": .count(edge.to), "access": .text(edge.access.rawValue),
      "protection": .optional(edge.access == .none ? nil : .text(edge.protection.rawValue)),
      "ports": .list(
        edge.ports.map { place in
          let port = graph.details[place]
          return [
            "host": .text(port.host.string), "port": .optional(port.port.map { .count(Int($0)) }), "access": .text(port.access.rawValue),
            "reason": .optional(port.reason.map { .text("\($0.code)") }), "rule": .optional(port.rule.map { .text($0.string) }),
            "at": .optional(port.ruleLocation.map { .text($0.string) }), "outcome": .text(port.security.rawValue),
            "outcome_reason": .text(port.outcome.rawValue), "depends": .bool(port.isConditional),
          ]
        }),
    ]
  }
}
