// `portcullis test`: policy unit tests, written in YAML (docs/testing.md).
// Enters: policies, and files with `kind: PolicyTest`. Leaves: which cases got another answer than they expect, with the explanation; the
// rules that no case ever decided; a report for a build server. Nothing is run when anything in the files is wrong.

internal import ArgumentParser
internal import DecisionText
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyLoading
internal import PolicyModel

struct TestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test",
    abstract: "Run policy unit tests, and say why a case got another answer than it expects.",
    discussion: """
      A file holds `kind: PolicyTest` objects (docs/testing.md). Exit code 0: every case got its answer. 1: some did not. 2: bad usage, or \
      something in the files is wrong; then nothing is tested.

      EXAMPLES:
        portcullis test --policies examples/shop examples/shop/tests.yaml
        portcullis test --policies policies/ tests/*.yaml --coverage
        portcullis test --policies policies/ tests/*.yaml --junit report.xml
      """)

  @OptionGroup var policies: PolicyOptions

  @Argument(help: "Files with `kind: PolicyTest`; other objects in them are left alone.")
  var files: [String]

  @Option(help: ArgumentHelp("Write a report in JUnit's XML, for build servers.", valueName: "file"))
  var junit: String?

  @Flag(help: "Say which rules no case ever decided.")
  var coverage = false

  @Option(
    help: ArgumentHelp(
      "Which tokens count: those that the proxy verified (trust-proxy, the default), or of these only what a RequestAuthentication accepts.",
      valueName: "trust-proxy|request-authentication"))
  var jwt = TokenTrust.trustProxy

  @Option(help: "Text for people or JSON for programs.")
  var output = OutputFormat.text

  func run() throws {
    let loaded = try policies.load()
    let mesh = try policies.meshSettings()
    var snapshots = Snapshots(loaded.policies, mesh: mesh)
    let suites = try read(&snapshots, StatedProxies(loaded.policies))
    let explainer = Explainer(loaded.policies, mesh: mesh, output)
    var counting = RuleCoverage(loaded.policies)
    var results: [TestResult] = []
    for suite in suites {
      for one in suite.cases { results.append(try one.result(in: suite, explainer, &counting)) }
    }
    let report = TestReport(results: results, coverage: coverage ? counting : nil)
    // The report is written first: whoever reads the text and stops must not lose it.
    if let junit { try OutputFile.replace(junit, with: Array(report.junit.utf8)) }
    print(output == .json ? report.json.text : report.text)
    if report.failed > 0 { throw ExitCode(Answer.no.rawValue) }
  }

  /// The cases of all files, ready to be asked. Prints what is wrong with them, and ends with exit code 2 when something is.
  private func read(_ snapshots: inout Snapshots, _ proxies: StatedProxies) throws -> [TestSuite] {
    var suites: [TestSuite] = []
    var errors = 0
    for path in files {
      let limits = LoadingLimits(fileBytes: 16 << 20)
      let text = try InputFile.bytes(of: path, limit: limits.fileBytes)
      let (tests, found) = loadPolicyTests(text: text, file: ExactText(path), limits: limits)
      var diagnostics = found
      var problems: [(problem: String, help: String?, span: SourceSpan)] = []
      for test in tests {
        var suite = TestSuite(file: path, name: test.name.string)
        for one in test.cases {
          do {
            suite.cases.append(try PreparedCase(one, &snapshots, proxies, jwt))
          } catch let problem as CaseProblem {
            problems.append((problem.problem, problem.help, problem.span))
          }
        }
        suites.append(suite)
      }
      diagnostics += policyTestDiagnostics(problems, text: text, file: ExactText(path))
      for diagnostic in diagnostics { StandardError.write(diagnostic.description) }
      errors += diagnostics.count { $0.severity == .error }
    }
    guard errors == 0 else {
      StandardError.write("\(errors) error\(errors == 1 ? "" : "s") in the tests; nothing is tested")
      throw ExitCode(Answer.unusable.rawValue)
    }
    return suites
  }
}
