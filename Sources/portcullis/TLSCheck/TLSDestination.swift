// Names of workloads and services on the command line.
// Enters: text that a person wrote. Leaves: places in the inventory, or a problem that says what to write. Never here: a guess between two.

internal import DecisionText
internal import PolicyAnalysis
internal import PolicyModel

/// The workloads of a set, by name.
struct WorkloadNames {
  let workloads: [Workload]
  private let byName: [ExactText: [Int]]

  init(_ policies: PolicySet) {
    workloads = policies.workloads
    byName = Dictionary(grouping: workloads.indices) { place in
      let key = policies.workloads[place].metadata.key
      return ExactText("\(key.namespace)/\(key.name)")
    }
  }

  /// The workload of `namespace/name` or `namespace/kind/name`; `nil` when there is none.
  func place(of text: String) throws(CommandProblem) -> Int? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 || parts.count == 3 else { return nil }
    var found = byName[ExactText("\(parts[0])/\(parts[parts.count - 1])")] ?? []
    if parts.count == 3 {
      found = found.filter { ExactText(workloads[$0].metadata.key.kind.string.lowercased()) == ExactText(parts[1].lowercased()) }
    }
    guard found.count > 1 else { return found.first }
    let kinds = found.map { "`\(Printable.text(full(name: $0)))`" }.joined(separator: ", ")
    throw CommandProblem("`\(Printable.text(text))` is the name of several workloads", help: "write one of \(kinds)")
  }

  /// The shortest name that means the workload alone.
  func name(_ place: Int) -> String {
    let key = workloads[place].metadata.key
    let short = "\(key.namespace)/\(key.name)"
    return byName[ExactText(short)]?.count == 1 ? short : full(name: place)
  }

  private func full(name place: Int) -> String {
    let key = workloads[place].metadata.key
    return "\(key.namespace)/\(key.kind.string.lowercased())/\(key.name)"
  }

  /// A client's name.
  func name(_ client: TLSClient) -> String {
    switch client {
    case .workload(let place): name(place)
    case .outside: "outside"
    }
  }
}

/// What a client connects to, as it was asked for.
struct TLSDestination {
  /// The services that can be meant; `nil` for a host that nothing knows.
  var services: [Int]?
  /// Only this workload behind them.
  var workload: Int?
  var host: ExactText = ""
  var port: UInt32?
  private let written: String

  init(_ text: String, _ analysis: TLSAnalysis, _ names: WorkloadNames) throws(CommandProblem) {
    written = text
    var name = text
    if let colon = text.lastIndex(of: ":") {
      guard let number = UInt16(text[text.index(after: colon)...]), number > 0 else {
        throw CommandProblem(
          "`\(Printable.text(text))` does not end with a port", help: "write `:` and a number from 1 to 65535, or no port")
      }
      port = UInt32(number)
      name = String(text[..<colon])
    }
    let parts = name.split(separator: "/", omittingEmptySubsequences: false).map { ExactText(String($0)) }
    guard parts.count > 1 else {
      host = ExactText(name)
      guard name.utf8.contains(UInt8(ascii: ".")), !name.isEmpty else {
        throw CommandProblem(
          "`\(Printable.text(name))` is neither a workload nor a host",
          help: "write `namespace/name`, or a host with a dot such as `backend.shop.svc.cluster.local`")
      }
      services = Self.services(of: host, analysis)
      return
    }
    let kind = parts.count == 3 ? parts[1].string.lowercased() : ""
    if kind.utf8.elementsEqual("service".utf8) || kind.utf8.elementsEqual("serviceentry".utf8) {
      let kind: ExactText = kind.utf8.elementsEqual("service".utf8) ? "Service" : "ServiceEntry"
      services = analysis.services.of(ObjectKey(kind: kind, namespace: parts[0], name: parts[2]))
    } else if let place = try names.place(of: name) {
      workload = place
      services = analysis.services.byWorkload[place]
    } else if parts.count == 2 {
      services =
        analysis.services.of(ObjectKey(kind: "Service", namespace: parts[0], name: parts[1]))
        + analysis.services.of(ObjectKey(kind: "ServiceEntry", namespace: parts[0], name: parts[1]))
    }
    if services?.isEmpty ?? true {
      throw CommandProblem(
        "no workload and no service `\(Printable.text(name))` in the given files",
        help: "write `namespace/name` of one in `--policies`, or a host with a dot")
    }
  }

  /// The services of a host, also of `name.namespace` and `name.namespace.svc`, which pods find by their search list.
  private static func services(of host: ExactText, _ analysis: TLSAnalysis) -> [Int]? {
    for name in [host.string, "\(host).\(analysis.clusterDomain)", "\(host).svc.\(analysis.clusterDomain)"] {
      let found = analysis.services.named(ExactText(name))
      if !found.isEmpty { return found }
    }
    return nil
  }

  /// Why nothing was found behind services that exist.
  func portProblem(_ analysis: TLSAnalysis, _ places: [Int], subset: String?) -> CommandProblem {
    let ports = places.flatMap { analysis.services.services[$0].ports.map { "\($0.number)" } }
    return CommandProblem(
      "`\(Printable.text(written))` has no such port",
      help: "the service's ports are \(ports.isEmpty ? "unknown" : ports.joined(separator: ", "))")
  }
}
