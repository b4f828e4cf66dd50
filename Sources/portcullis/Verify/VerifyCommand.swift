// `portcullis verify`: whether what is demanded of workloads holds for all requests.
// Enters: policies, workloads, invariants by name or from files. Leaves: for each that it holds, or counterexamples that the engine decided,
// with the explanation of the reference evaluator.
// Never here: "holds" for a workload that was not looked at to the end, or for an invariant that no request is meant by.

internal import ArgumentParser
internal import DecisionText
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyLoading
internal import PolicyModel

/// The names of invariants on the command line.
enum InvariantName: String, ExpressibleByArgument, CaseIterable {
  case noAnonymousAccess = "no-anonymous-access"
  case noCrossNamespaceAccess = "no-cross-namespace-access"
  case everyWorkloadCovered = "every-workload-covered"
  case atLeastAsStrict = "at-least-as-strict"
}

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Prove that an invariant holds for every request, or show one that breaks it.",
    discussion: """
      Checks the workloads and services of the files (docs/what-if.md says what is covered, and how an invariant is written).

      EXAMPLES:
        portcullis verify --policies examples/shop --invariants examples/shop/invariants.yaml
        portcullis verify --policies examples/shop --invariant no-anonymous-access
        portcullis verify --policies examples/shop --invariant no-cross-namespace-access --namespace-allowed web
        portcullis verify --policies policies --invariant at-least-as-strict --before git:main:policies

      Exit code 0: all hold. 1: one is broken. 2: bad input. 3: none is broken, and the answer is not complete.
      """)

  @OptionGroup var policies: PolicyOptions

  @Option(help: ArgumentHelp("A file with `kind: Invariant`; repeatable.", valueName: "file"))
  var invariants: [String] = []

  @Option(
    help: ArgumentHelp("What must hold; repeatable.", valueName: InvariantName.allCases.map(\.rawValue).joined(separator: "|")))
  var invariant: [InvariantName] = []

  @Option(help: ArgumentHelp("A namespace from which others may be called; repeatable.", valueName: "namespace"))
  var namespaceAllowed: [String] = []

  @Option(
    help: ArgumentHelp("What `at-least-as-strict` compares with: a path, or `git:REV:PATH`.", valueName: "path"))
  var before: String?

  @OptionGroup var proxies: AnalyzedProxies

  @Option(help: "Text for people or JSON for programs.")
  var output = OutputFormat.text

  @OptionGroup var patience: Patience

  func validate() throws {
    if invariant.isEmpty, invariants.isEmpty { throw ValidationError("`--invariants` or `--invariant` is needed") }
    if invariant.contains(.atLeastAsStrict) != (before != nil) {
      throw ValidationError("`--invariant at-least-as-strict` and `--before` go together")
    }
    // A star would be a pattern of namespaces, and allow more than one.
    for name in namespaceAllowed where name.isEmpty || name.contains("*") || name.contains("/") {
      throw ValidationError("`\(name)` is not the name of a namespace")
    }
  }

  func run() throws {
    let mesh = try policies.meshSettings()
    let demanded = try read()
    let loaded = try policies.load().policies
    let destinations = AnalyzedDestinations(loaded, assumed: proxies.assumed, trustDomain: mesh.trustDomain)
    if destinations.all.isEmpty {
      throw CommandProblem(
        "no workload in the given files that can be asked about, so that nothing would be verified",
        help: destinations.gaps.first.map { Printable.text($0) } ?? "add manifests to `--policies`")
    }
    let verifier = Verifier(
      side: AnalysisSide(loaded, mesh: mesh, dataPlanes: destinations.dataPlanes), destinations: destinations,
      workLimit: patience.workLimit)
    var bar = ProgressBar()
    var results: [InvariantResult] = []
    do {
      for object in demanded { results.append(try verifier.result(object, &bar)) }
      for name in invariant {
        switch name {
        case .noAnonymousAccess: results.append(try verifier.result(name.rawValue, Invariant(.anonymous, expect: .deny), &bar))
        case .noCrossNamespaceAccess:
          let allowed = namespaceAllowed.map { ExactText($0) }
          results.append(try verifier.result(name.rawValue, Invariant(.crossNamespace(allowed: allowed), expect: .deny), &bar))
        case .everyWorkloadCovered: results.append(verifier.coverage(name.rawValue))
        case .atLeastAsStrict:
          guard let before else { continue }
          let side = try DiffSide(before, isLenient: policies.lenient, mesh: mesh)
          results.append(try verifier.strictness(name.rawValue, since: side.policies, mesh: mesh))
        }
      }
    } catch let defect as AnalysisDefect {
      throw CommandProblem(
        "the analysis and the engine disagree, so that neither is to be believed: \(Printable.text(defect.description))",
        help: "this is a defect of portcullis; please report it with the policies")
    }
    bar.end()
    let report = try VerifyReport(results, loaded, mesh: mesh)
    print(output == .json ? report.json.text : report.text)
    if report.answer != .yes { throw ExitCode(report.answer.rawValue) }
  }

  /// The invariants of all files. Prints what is wrong with them, and ends with exit code 2 when something is.
  private func read() throws -> [InvariantObject] {
    var found: [InvariantObject] = []
    var errors = 0
    for path in invariants {
      let limits = LoadingLimits(fileBytes: 16 << 20)
      let (own, diagnostics) = loadInvariants(
        text: try InputFile.bytes(of: path, limit: limits.fileBytes), file: ExactText(path), limits: limits)
      for diagnostic in diagnostics { StandardError.write(diagnostic.description) }
      errors += diagnostics.count { $0.severity == .error }
      found += own
    }
    guard errors == 0 else {
      StandardError.write("\(errors) error\(errors == 1 ? "" : "s") in the invariants; nothing is verified")
      throw ExitCode(Answer.unusable.rawValue)
    }
    return found
  }
}
