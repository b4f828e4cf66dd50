// A request that shows something, as `check --requests` and `explain --requests` read it.
// Enters: a witness and its destination. Leaves: JSON (docs/request-json.md). Never here: an attribute that is left open.

internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyModel

enum WitnessJSON {
  /// The request, and the destination that it is for.
  static func text(_ request: WitnessRequest, _ place: AnalyzedDestination) -> JSONValue {
    var destination: JSONValue = [
      "port": .count(Int(request.port)), "address": .text("\(request.destinationIP)"), "profile": .text("\(place.profile.name)"),
    ]
    switch place.address {
    case .workload(let name): destination = destination.with(["workload": .text(name)])
    case .waypoint(let name, let service):
      destination = destination.with(["workload": .text(name), "service": .optional(service.map { .text($0) })])
    case .labels:
      destination = destination.with([
        "namespace": .text(place.namespace.string),
        "labels": .object(place.labels.sorted { $0.key < $1.key }.map { (name: $0.key, value: .text($0.value.string)) }),
      ])
    }
    var source: JSONValue = request.sourceIP.map { ["address": .text("\($0)")] } ?? [:]
    if let identity = request.identity {
      source =
        identity.starts(with: Array("spiffe://".utf8)) && identity.count > 9
        ? source.with(["principal": .bytes(identity)]) : source.with(["identities": ["uri": .list([.bytes(identity)])]])
    } else {
      source = source.with(["principal": .null])
    }
    var document: JSONValue = [
      "source": source, "destination": destination, "remote_ip": .text("\(request.remoteIP)"), "sni": .bytes(request.sni),
    ]
    let metadata = tree(request.metadata)
    if request.isTCP { return document.with(["metadata": metadata]) }
    let http: JSONValue = [
      "method": .bytes(request.method), "host": .bytes(request.host), "path": .optional(request.path.map { .bytes($0) }),
      "headers": .list(request.headers.map { .list([.bytes($0.name), .bytes($0.value)]) }),
      "claims": request.claims.isEmpty ? .null : tree(request.claims), "metadata": metadata,
    ]
    document = document.with(["http": http])
    return document
  }

  /// Entries as nested objects; a name that comes again is a list.
  private static func tree(_ entries: [WitnessRequest.Entry]) -> JSONValue {
    func build(_ entries: [(path: ArraySlice<ExactText>, entry: WitnessRequest.Entry)]) -> JSONValue {
      var names: [ExactText] = []
      for item in entries where !names.contains(item.path.first ?? "") { names.append(item.path.first ?? "") }
      return .object(
        names.map { name in
          let own = entries.filter { $0.path.first == name }
          let leaves = own.filter { $0.path.count == 1 }.map(\.entry)
          if leaves.isEmpty { return (name: name, value: build(own.map { ($0.path.dropFirst(), $0.entry) })) }
          let isList = leaves.contains(where: \.isListElement)
          return (name: name, value: isList ? .list(leaves.map { .bytes($0.value) }) : .bytes(leaves[0].value))
        })
    }
    return build(entries.map { ($0.path[...], $0) })
  }
}
