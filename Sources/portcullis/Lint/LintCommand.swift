// `portcullis lint`: what is wrong with policies, and what works as written and probably not as meant.
// Enters: policies, and configurations of Envoy. Leaves: findings, as text or for programs. Exit code 0 when nothing is an error, 1 when
// something is, 2 when something cannot be read. Never here: a check; they are in PolicyAnalysis and PolicyModel.

internal import ArgumentParser
internal import DecisionText
internal import PolicyAnalysis
internal import PolicyFiles
internal import PolicyLoading
internal import PolicyModel

struct LintCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lint",
    abstract: "Show what is wrong with policies, and what probably does not do what was meant.",
    discussion: """
      Everything that Istio's webhook would refuse, and the pitfalls that it does not see; docs/lint.md explains each code. A comment \
      `# portcullis:ignore CODE reason` accepts a finding. Exit code 0: no errors, 1: errors (with `--fail-on warning` also warnings), \
      2: something cannot be read.

      Examples:
        portcullis lint --policies policies/
        portcullis lint --policies policies/ --mesh-config mesh.yaml --fail-on warning
        portcullis lint --policies policies/ --envoy envoy.yaml
        portcullis lint --envoy envoy.yaml
        portcullis lint --policies policies/ --output sarif > lint.sarif
        portcullis lint --policies policies/ --output github
      """)

  @OptionGroup var policies: PolicyOptions
  @OptionGroup var cluster: ClusterOptions

  @Option(
    help: ArgumentHelp(
      "Look at this configuration of an Envoy, too: a bootstrap, a configuration dump, or what `export envoy-ext-authz` prints; repeatable.",
      valueName: "file"))
  var envoy: [String] = []

  @Option(name: .customLong("fail-on"), help: "What makes the exit code 1.")
  var failOn = FailOn.error

  @Option(help: "Text for people, JSON for programs, SARIF for code scanning, annotations for GitHub Actions.")
  var output = LintFormat.text

  /// How bad a finding must be for exit code 1.
  enum FailOn: String, ExpressibleByArgument, CaseIterable {
    case error, warning
  }

  /// The largest file of Envoy that is read.
  private static let envoyLimits = LoadingLimits()

  func validate() throws {
    if policies.policies.isEmpty, envoy.isEmpty { throw ValidationError("`--policies` is needed: name a file or directory; or `--envoy`") }
  }

  func run() throws {
    let mesh = try policies.meshSettings()
    var texts = LintTexts()
    if policies.policies.isEmpty {
      let found = try envoy.flatMap { try envoyFindings($0, nil, mesh, &texts) }
      return try answer(found, loading: [], texts, isWhole: true, of: "\(envoy.count) file\(envoy.count == 1 ? "" : "s")", objects: 0)
    }
    var options = PolicySourceOptions()
    // What is said of TLS and of tokens is judged without AuthorizationPolicies, too; nothing at all is a wrong path.
    options.allowEmpty = true
    options.isLenient = policies.lenient
    var loaded = PolicySources(paths: policies.policies, options: options).load()
    if !policies.allowEmpty, loaded.policies.decidesNothing {
      options.allowEmpty = false
      loaded = PolicySources(paths: policies.policies, options: options).load()
    }
    let loading = loaded.diagnostics + policies.undecidable(in: loaded.policies).map { $0.diagnostic(readsFile: true) }
    if loading.contains(where: { $0.code == "source-unreadable" }) {
      for diagnostic in loading { StandardError.write(diagnostic.description) }
      throw ExitCode(Answer.unusable.rawValue)
    }
    for file in loaded.policies.files + loading.map(\.location.file) { texts.read(file) }
    // Of a set with errors a part is missing, and the rest would be judged as if that part had never been written.
    let isWhole = !loading.contains { $0.severity == .error }
    var found = isWhole ? lint(loaded.policies, mesh: mesh, clusterDomain: cluster.domain) : []
    for path in envoy { found += try envoyFindings(path, isWhole ? EnvoyLintInterest(loaded.policies) : nil, mesh, &texts) }
    let count = loaded.policies.objectCount
    try answer(found, loading: loading, texts, isWhole: isWhole, of: "\(count) object\(count == 1 ? "" : "s")", objects: count)
  }

  /// Prints what stays, and says by the exit code whether it is an error.
  private func answer(
    _ found: [LintFinding], loading: [Diagnostic], _ texts: LintTexts, isWhole: Bool, of looked: String, objects: Int
  ) throws {
    let diagnostics = found.map { $0.diagnostic(sourceLine: texts.lines[$0.location.file]?.line($0.location.span.line)) }
    let result = applyIgnores(diagnostics, loading: loading, texts: texts.lines)
    let report = LintOutput(result: result, isWhole: isWhole, objects: objects, looked: looked)
    print(report.text(output))
    if report.fails(on: failOn) { throw ExitCode(Answer.no.rawValue) }
  }

  private func envoyFindings(
    _ path: String, _ interest: EnvoyLintInterest?, _ mesh: MeshSettings, _ texts: inout LintTexts
  ) throws -> [LintFinding] {
    let bytes = try InputFile.bytes(of: path, limit: Self.envoyLimits.fileBytes)
    let file = ExactText(path)
    let (trees, diagnostics) = readTextTrees(text: bytes, file: file, limits: Self.envoyLimits)
    if diagnostics.contains(where: { $0.severity == .error }) {
      for diagnostic in diagnostics { StandardError.write(diagnostic.description) }
      throw CommandProblem("`\(Printable.text(path))` is no YAML and no JSON")
    }
    // An empty file or another file by mistake must not pass for a proxy without findings.
    let text = String(decoding: bytes, as: UTF8.self)
    let marks = ["HttpConnectionManager", "http_connection_manager", "TcpProxy", "tcp_proxy", "ext_authz", "http_filters", "httpFilters"]
    guard marks.contains(where: text.contains) else {
      throw CommandProblem(
        "`\(Printable.text(path))` holds nothing of an Envoy that could be checked",
        help: "give a bootstrap, a config dump, or what `export envoy-ext-authz` writes")
    }
    texts.lines[file] = LintText(bytes, trees: trees)
    return lintEnvoy(trees, file: file, mesh: mesh, interest: interest)
  }
}

/// The texts of the files that findings are in.
struct LintTexts {
  var lines: [ExactText: LintText] = [:]
  private static let limit = LoadingLimits().fileBytes

  /// Reads a file that the loader has read before. One that is gone since shows no lines, and has no comments.
  mutating func read(_ file: ExactText) {
    guard lines[file] == nil, file != "-", !file.isEmpty, InputFile.exists(file.string) else { return }
    do {
      let text = try InputFile.bytes(of: file.string, limit: Self.limit)
      // Most files have no comment for which it would matter where the scalars are.
      lines[file] = LintText(text, trees: LintText.mayIgnore(text) ? readTextTrees(text: text, file: file).trees : [])
    } catch { return }
  }
}

extension PolicySet {
  /// The files that the objects are in, each once.
  fileprivate var files: [ExactText] {
    var places: [ObjectMetadata] = policies.map(\.metadata) + peerAuthentications.map(\.metadata)
    places +=
      requestAuthentications.map(\.metadata) + destinationRules.map(\.metadata) + workloads.map(\.metadata) + inventory.map(\.metadata)
    return Set(places.map(\.location.file)).sorted()
  }

  /// Whether there is nothing that decides anything.
  fileprivate var decidesNothing: Bool {
    policies.isEmpty && peerAuthentications.isEmpty && requestAuthentications.isEmpty && destinationRules.isEmpty
  }

  /// How many objects there are.
  fileprivate var objectCount: Int {
    policies.count + peerAuthentications.count + requestAuthentications.count + destinationRules.count + workloads.count + inventory.count
  }
}
