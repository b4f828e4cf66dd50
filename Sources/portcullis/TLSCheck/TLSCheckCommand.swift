// `portcullis tls-check`: what a connection becomes: mutual TLS, TLS, plaintext or a failure, and which objects made it so.
// Enters: manifests, and who connects to what. Leaves: the outcome with its reasons, or the table of all pairs.
// Never here: AuthorizationPolicies; `check` decides whether the request is allowed once the connection stands.

internal import ArgumentParser
internal import DecisionText
internal import PolicyAnalysis
internal import PolicyFiles
internal import PolicyModel

struct TLSCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tls-check",
    abstract: "Say whether a connection is mutual TLS, TLS, plaintext or a failure, and which objects made it so.",
    discussion: """
      Exit code 0: every connection is possible. 1: one fails. 3: none fails, and one depends on something that no manifest says.

      EXAMPLES
        portcullis tls-check --policies manifests/ shop/frontend shop/backend:8080
        portcullis tls-check --policies manifests/ outside shop/backend
        portcullis tls-check --policies manifests/ shop/frontend reviews.shop.svc.cluster.local:9080 --subset v2
        portcullis tls-check --policies manifests/ shop/frontend api.example.com:443
        portcullis tls-check --policies manifests/ --mesh-config mesh.yaml --all --conflicts
      """)

  @OptionGroup var policies: PolicyOptions
  @OptionGroup var assumptions: ProxyAssumptions

  @Argument(
    help: ArgumentHelp("Who connects: `namespace/name` of a workload, or `outside` for a client outside the mesh.", valueName: "source"))
  var source: String?

  @Argument(
    help: ArgumentHelp(
      "To what: `namespace/name` of a workload or a Service, `namespace/kind/name`, or a host; `:port` is the service's port.",
      valueName: "destination"))
  var destination: String?

  @Flag(help: "The table of all pairs of the inventory.")
  var all = false

  @Flag(help: "Only connections that fail, or that depend on something that no manifest says.")
  var conflicts = false

  @Option(help: ArgumentHelp("The subset that a route sends the call to.", valueName: "name"))
  var subset: String?

  @Option(help: "What the application sends where no proxy adds TLS. (default: plaintext)")
  var appSends: SentByApplication?

  @Option(help: "Text for people or JSON for programs.")
  var output = OutputFormat.text

  func validate() throws {
    if all {
      if source != nil { throw ValidationError("`--all` goes without a source and a destination: it is about all of them") }
      if subset != nil { throw ValidationError("`--all` goes without `--subset`: no route is asked about") }
    } else if source == nil || destination == nil {
      throw ValidationError("a source and a destination are needed, such as `shop/frontend shop/backend:8080`, or `--all`")
    }
  }

  func run() throws {
    let loaded = try policies.load(needsPolicies: false)
    let analysis = TLSAnalysis(loaded.policies, mesh: try policies.meshSettings(), defaults: assumptions.defaults)
    let names = WorkloadNames(loaded.policies)
    if all, loaded.policies.workloads.isEmpty {
      throw CommandProblem(
        "there is no workload in the given files", help: "add the manifests of Deployments, Pods or the like to `--policies`")
    }
    var connections = try all ? allConnections(analysis) : asked(analysis, names)
    let answer = Self.answer(connections)
    if conflicts { connections.removeAll { $0.outcome.verdict == .possible } }
    let report = TLSReport(connections: connections, names: names)
    print(output == .json ? report.json : all ? report.table : report.text)
    if answer != .yes { throw ExitCode(answer.rawValue) }
  }

  /// A failure is the answer to the question; what depends on more is worth saying only where nothing fails.
  static func answer(_ connections: [TLSConnection]) -> Answer {
    if connections.contains(where: { $0.outcome.verdict == .failure }) { return .no }
    return connections.contains { $0.outcome.verdict == .conditional } ? .undecided : .yes
  }

  private var question: TLSAnalysis.Question {
    var question = TLSAnalysis.Question()
    question.subset = subset.map { ExactText($0) }
    question.sends = appSends?.value ?? .plaintext
    return question
  }

  private func allConnections(_ analysis: TLSAnalysis) -> [TLSConnection] {
    analysis.policies.workloads.indices.flatMap { client in
      analysis.pairs(from: client, question)
    }
  }

  private func asked(_ analysis: TLSAnalysis, _ names: WorkloadNames) throws -> [TLSConnection] {
    let client = try client(names)
    let target = try TLSDestination(destination ?? "", analysis, names)
    var question = question
    question.port = target.port
    guard let places = target.services else {
      return [analysis.connection(from: client, toUnknown: target.host, question)]
    }
    question.workload = target.workload
    let found = places.flatMap { analysis.connections(from: client, to: $0, question) }
    if found.isEmpty { throw target.portProblem(analysis, places, subset: subset) }
    if let subset, !found.contains(where: { analysis.knows(subset: ExactText(subset), of: $0) }) {
      throw CommandProblem(
        "no DestinationRule that this client uses has a subset `\(Printable.text(subset))`",
        help: "leave `--subset` out, or correct its name")
    }
    return found
  }

  private func client(_ names: WorkloadNames) throws -> TLSClient {
    let source = source ?? ""
    if source.utf8.elementsEqual("outside".utf8) { return .outside }
    guard let place = try names.place(of: source) else {
      throw CommandProblem(
        "no workload `\(Printable.text(source))` in the given files",
        help: "write `namespace/name` of a workload in `--policies`, or `outside` for a client outside the mesh")
    }
    return .workload(place)
  }
}

/// What is taken for granted where no manifest says it.
struct ProxyAssumptions: ParsableArguments {
  @Option(help: "The proxy of workloads of which no manifest says it. (default: sidecar)")
  var assumeProxy: AssumedProxy?

  @OptionGroup var cluster: ClusterOptions

  /// The same as the analysis takes it.
  var defaults: TLSAnalysis.Defaults {
    var defaults = TLSAnalysis.Defaults()
    defaults.clusterDomain = cluster.domain
    switch assumeProxy {
    case .sidecar, nil: defaults.proxy = .sidecar
    case .ambient: defaults.proxy = .ambient
    case .some(.none): defaults.proxy = .none
    }
    return defaults
  }
}

/// How services are called.
struct ClusterOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The suffix of service names. (default: cluster.local)", valueName: "domain"))
  var clusterDomain: String?

  func validate() throws {
    if let clusterDomain, clusterDomain.isEmpty || clusterDomain.hasPrefix(".") {
      throw ValidationError("`--cluster-domain` is a domain such as `cluster.local`")
    }
  }

  /// The suffix without the dot before it.
  var domain: ExactText { ExactText(clusterDomain ?? "cluster.local") }
}

/// The proxies that can be assumed.
enum AssumedProxy: String, ExpressibleByArgument, CaseIterable {
  case sidecar, ambient, none
}

/// What an application sends.
enum SentByApplication: String, ExpressibleByArgument, CaseIterable {
  case plaintext, tls

  /// The same for the analysis.
  var value: ApplicationSends { self == .tls ? .tls : .plaintext }
}
