// `portcullis graph`: who may call whom, as a drawing, a page, or for other programs.
// Enters: manifests. Leaves: SVG, HTML, DOT, Mermaid or JSON, on standard output or in a file.
// Never here: a decision; the engine is asked about every pair.

internal import ArgumentParser
internal import DecisionText
internal import PolicyAnalysis
internal import PolicyFiles
internal import PolicyModel

struct GraphCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "graph",
    abstract: "Draw who may call whom.",
    discussion: """
      A lock is mutual TLS, an open lock a call that is possible without it, a warning one that policies allow and that fails. Dashed lines \
      carry some requests: it depends on their path, method, headers or token. Graphviz's `dot` places the workloads when it is installed.

      EXAMPLES
        portcullis graph --policies manifests/ --format html -o graph.html
        portcullis graph --policies manifests/ --format svg --in-namespace shop --denied -o shop.svg
        portcullis graph --policies manifests/ --format dot | dot -Tpdf -o graph.pdf
        portcullis graph --policies manifests/ --format mermaid
        portcullis graph --policies manifests/ --format json --outside
      """)

  @OptionGroup var policies: PolicyOptions
  @OptionGroup var assumptions: ProxyAssumptions

  @Option(help: "What is written.")
  var format: GraphFormat

  @Option(
    name: [.customLong("output"), .customShort("o")],
    help: ArgumentHelp("The file that is written; `-` is standard output.", valueName: "file"))
  var output = "-"

  @Flag(help: "Also pairs of which nothing is allowed.")
  var denied = false

  @Flag(help: "Also a client outside the mesh, without an identity.")
  var outside = false

  @Option(
    help: ArgumentHelp("Only workloads of this namespace, and those at the other end of their calls; repeatable.", valueName: "namespace"))
  var inNamespace: [String] = []

  func run() throws {
    let loaded = try policies.load(needsPolicies: false)
    let mesh = try policies.meshSettings()
    let analysis = TLSAnalysis(loaded.policies, mesh: mesh, defaults: assumptions.defaults)
    if loaded.policies.workloads.isEmpty {
      throw CommandProblem(
        "there is no workload in the given files", help: "add the manifests of Deployments, Pods or the like to `--policies`")
    }
    let known = Set(loaded.policies.workloads.map(\.metadata.key.namespace))
    for name in inNamespace where !known.contains(ExactText(name)) {
      throw CommandProblem("no workload is in a namespace `\(Printable.text(name))`", help: "correct the name in `--in-namespace`")
    }
    var options = AccessGraph.Options()
    options.showsDenied = denied
    options.showsOutside = outside
    options.namespaces = Set(inNamespace.map { ExactText($0) })
    let graph = AccessGraph(analysis, mesh: mesh, options)
    let text =
      switch format {
      case .json: GraphReport(graph).json
      case .dot: graph.dot
      case .mermaid: graph.mermaid
      case .svg: graph.svg(Graphviz.layout(of: graph))
      case .html: GraphPage(graph: graph, layout: Graphviz.layout(of: graph), sources: policies.policies).html
      }
    if output.utf8.elementsEqual("-".utf8) { return print(text) }
    try OutputFile.replace(output, with: Array((text + "\n").utf8))
  }
}

/// What can be written.
enum GraphFormat: String, ExpressibleByArgument, CaseIterable {
  case svg, html, dot, mermaid, json
}
