// Connections as text for people, as a table, and as JSON.
// Enters: resolved connections. Leaves: text; every name of a manifest is shown by `Printable`, so that none can command a terminal.

internal import DecisionText
internal import PolicyAnalysis
internal import PolicyModel

struct TLSReport {
  let connections: [TLSConnection]
  let names: WorkloadNames

  /// Each connection with the chain that made it.
  var text: String {
    (connections.map(text(of:)) + [summary]).joined(separator: "\n\n")
  }

  private func text(of connection: TLSConnection) -> String {
    var lines = ["\(connection.outcome.words): \(names.name(connection.client)) -> \(connection.hostAndPort)\(answeredBy(connection))"]
    let chain = connection.chain
    let width = chain.map(\.role.utf8.count).max() ?? 0
    for link in chain {
      let role = link.role + String(repeating: " ", count: width - link.role.utf8.count)
      lines.append("  \(role)  \(link.text)")
      if let object = link.object, let location = link.location {
        let indent = String(repeating: " ", count: width + 4)
        lines.append("\(indent)\(object.key.description), \(location.description)")
      }
    }
    if !connection.outcome.hasIdentity, connection.outcome.verdict != .failure {
      lines.append("  note: the server does not learn which workload calls")
    }
    for assumption in connection.assumptions { lines.append("  assumed: \(assumption)") }
    return lines.map { Printable.text($0) }.joined(separator: "\n")
  }

  private func answeredBy(_ connection: TLSConnection) -> String {
    if let workload = connection.workload { return ", answered by \(names.name(workload))" }
    if connection.service.isExternal { return ", outside the mesh" }
    return connection.address.map { ", answered by \($0)" } ?? ""
  }

  /// All connections, one a line: the columns of the former `istioctl authn tls-check`, between who connects and what becomes of it.
  var table: String {
    let head = ["SOURCE", "HOST:PORT", "DESTINATION", "STATUS", "SERVER", "CLIENT", "AUTHN POLICY", "DESTINATION RULE", "OUTCOME"]
    var rows = [head]
    for connection in connections {
      rows.append(
        [
          names.name(connection.client), connection.hostAndPort,
          connection.workload.map { names.name($0) } ?? connection.address?.string ?? "-", connection.outcome.status,
          connection.serverWord, connection.choice.word,
          connection.serverMode?.decider.map { "\($0.key.namespace)/\($0.key.name)" } ?? "-",
          connection.rules.isEmpty ? "-" : connection.rules.map { "\($0.key.namespace)/\($0.key.name)" }.joined(separator: "+"),
          connection.outcome.words,
        ].map { Printable.text($0) })
    }
    let widths = head.indices.map { column in rows.map { $0[column].unicodeScalars.count }.max() ?? 0 }
    let lines = rows.map { row in
      row.enumerated().map { column, cell in
        column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.unicodeScalars.count)
      }.joined(separator: "  ")
    }
    return (lines + ["", summary]).joined(separator: "\n")
  }

  /// How many of each, and how much is assumed.
  private var summary: String {
    let parts = Self.securities.compactMap { security -> String? in
      let count = connections.count { $0.outcome.security == security }
      return count == 0 ? nil : "\(count) \(security.rawValue)"
    }
    let conditional = connections.count { $0.outcome.verdict == .conditional }
    var line = "\(connections.count) connection\(connections.count == 1 ? "" : "s")"
    if !parts.isEmpty { line += ": " + parts.joined(separator: ", ") }
    if conditional > 0 { line += "; \(conditional) of them depend\(conditional == 1 ? "s" : "") on what no manifest says" }
    let assumed = Set(connections.flatMap { [$0.clientProxy.isAssumed ? $0.client : nil, $0.assumedServer] }.compactMap { $0 })
    if !assumed.isEmpty {
      line += "\nthe prox\(assumed.count == 1 ? "y of 1 workload is" : "ies of \(assumed.count) workloads are") assumed (`--assume-proxy`)"
    }
    return line
  }

  private static let securities: [ConnectionOutcome.Security] = [.mutualTLS, .tls, .plaintext, .failure]

  /// `{"connections":[…],"summary":{…}}` on one line.
  var json: String {
    let counts = Self.securities.map { security in
      (name: ExactText(security.rawValue), value: JSONValue.count(connections.count { $0.outcome.security == security }))
    }
    let value: JSONValue = [
      "connections": .list(connections.map(json(of:))),
      "summary": [
        "connections": .count(connections.count), "conditional": .count(connections.count { $0.outcome.verdict == .conditional }),
        "outcomes": .object(counts),
      ],
    ]
    return value.text
  }

  private func json(of connection: TLSConnection) -> JSONValue {
    [
      "source": ["name": .text(names.name(connection.client)), "proxy": .text(connection.clientProxy.kind.rawValue)],
      "host": .text(connection.service.host.string), "port": .optional(connection.port.map { .count(Int($0)) }),
      "container_port": .optional(connection.containerPort.map { .count(Int($0)) }), "protocol": .text(connection.family.rawValue),
      "destination": .optional((connection.workload.map { names.name($0) } ?? connection.address?.string).map { .text($0) }),
      "external": .bool(connection.service.isExternal), "status": .text(connection.outcome.status),
      "outcome": .text(connection.outcome.security.rawValue), "verdict": .text(connection.outcome.verdict.rawValue),
      "reason": .text(connection.outcome.reason.rawValue), "explanation": .text(connection.outcome.reason.text),
      "identity": .bool(connection.outcome.hasIdentity),
      "server": [
        "proxy": .optional(connection.serverProxy.map { .text($0.kind.rawValue) }),
        "mode": .optional(connection.serverMode.map { .text($0.mode.rawValue) }),
        "policy": .optional(connection.serverMode?.decider.map { .text($0.key.description) }),
      ],
      "client": [
        "mode": .text(connection.choice.word), "sends": .text(connection.choice.transport.rawValue),
        "cause": .text(connection.choice.cause.rawValue), "rules": .list(connection.rules.map { .text($0.key.description) }),
        "subset": .optional(connection.subset.map { .text($0.string) }),
      ],
      "chain": .list(
        connection.chain.map { link in
          [
            "role": .text(link.role), "text": .text(link.text), "object": .optional(link.object.map { .text($0.key.description) }),
            "at": .optional(link.location.map { .text($0.description) }),
          ]
        }), "assumptions": .list(connection.assumptions.map { .text($0) }),
    ]
  }
}

extension TLSConnection {
  /// As the former command had it.
  var hostAndPort: String { port.map { "\(service.host):\($0)" } ?? service.host.string }

  /// The mode of the server's side, or why there is none.
  var serverWord: String {
    if let serverMode { return serverMode.mode.rawValue }
    if service.isExternal { return "external" }
    switch serverProxy?.kind {
    case .waypoint: return "HBONE"
    case .gateway: return "gateway"
    case .some(.none): return "no proxy"
    default: return "-"
    }
  }

  /// The server, if its proxy is assumed.
  var assumedServer: TLSClient? {
    guard let workload, serverProxy?.isAssumed ?? false else { return nil }
    return .workload(workload)
  }
}

extension ConnectionOutcome {
  /// The column of the former command, and a third word for what depends.
  var status: String {
    switch verdict {
    case .possible: "OK"
    case .conditional: "DEPENDS"
    case .failure: "CONFLICT"
    }
  }

  /// The outcome in a word or two.
  var words: String { verdict == .conditional ? "\(security.rawValue) (depends)" : security.rawValue }
}
