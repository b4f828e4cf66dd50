// `portcullis explain`: the same questions as `check`, and every attached rule with what became of it.
// Enters: policies and requests. Leaves: the decision, the rules in the order in which the proxy evaluates them, and the first constraint
// that failed in each that did not match. The engine decides, the reference evaluator explains: where the two differ, that is said, and
// the exit code is 2.

internal import ArgumentParser
internal import DecisionText
internal import Glibc
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel

struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Decide one request, and say what became of every rule that applies.",
    discussion: """
      Takes the same requests as `check`, with the same exit codes. Policies and rules stand in the order in which the proxy evaluates them; \
      of each rule that does not match, the first constraint that failed is shown, with what it saw and what it wanted.

      EXAMPLES:
        portcullis explain --policies examples/shop --from shop/web --to shop/db
        portcullis explain --policies policies/ --from peer.pem --to shop/api
        portcullis explain --policies policies/ --requests requests.jsonl
      """)

  @OptionGroup var policies: PolicyOptions
  @OptionGroup var arguments: RequestArguments

  @Option(help: ArgumentHelp("Explain every line of this file (JSON, one request a line; `-` is standard input).", valueName: "file"))
  var requests: String?

  @Option(help: "Text for people or JSON for programs.")
  var output = OutputFormat.text

  func validate() throws {
    if requests != nil, arguments.isAnyGiven {
      throw ValidationError("`--requests` goes without `--to`, `--from` and all else that describes one request: each line says it")
    }
    if requests == nil, arguments.to == nil { throw ValidationError("`--to` is needed: `namespace/name` of the workload") }
  }

  func run() throws {
    let loaded = try policies.load()
    let mesh = try policies.meshSettings()
    let explainer = Explainer(loaded.policies, mesh: mesh, output)
    var snapshots = Snapshots(loaded.policies, mesh: mesh)
    arguments.warn(StatedProxies(loaded.policies))
    let answer = if let requests { try many(from: requests, &snapshots, explainer) } else { try one(&snapshots, explainer) }
    if answer != .yes { throw ExitCode(answer.rawValue) }
  }

  private func one(_ snapshots: inout Snapshots, _ explainer: Explainer) throws -> Answer {
    let snapshot = snapshots.snapshot(for: arguments.profile?.profile ?? .sidecar)
    return try explainer.explain(arguments.question(for: snapshot), snapshot)
  }

  /// Line by line, as `check` does it.
  private func many(from path: String, _ snapshots: inout Snapshots, _ explainer: Explainer) throws -> Answer {
    var lines = LineReader(try InputFile(path: path))
    var worst: Answer?
    while let line = try lines.next() {
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }) { continue }
      if worst != nil, output == .text { print() }
      let (question, snapshot) = try Question.read(line, at: "\(Printable.text(path)):\(lines.number)", &snapshots, arguments.jwt)
      worst = max(worst ?? .yes, try explainer.explain(question, snapshot))
      if !lines.hasLine { fflush(nil) }
    }
    guard let worst else { throw CommandProblem("`\(Printable.text(path))` holds no request", help: "write one JSON object a line") }
    return worst
  }
}

/// Decides with the engine and explains with the reference evaluator.
struct Explainer {
  private let policies: PolicySet
  private let reference: ReferenceEvaluator
  private let output: OutputFormat

  init(_ policies: PolicySet, mesh: MeshSettings, _ output: OutputFormat) {
    reference = ReferenceEvaluator(policies: policies, mesh: mesh)
    self.policies = policies
    self.output = output
  }

  /// The explanation of one request.
  func report(_ question: Question, _ snapshot: Snapshot) throws -> ExplanationReport {
    let workload = try question.workload(in: policies)
    let decision = question.decision(in: snapshot)
    let explanation = reference.explain(
      question.request, namespace: workload.namespace, labels: workload.labels, profile: question.profile,
      service: workload.service)
    return ExplanationReport(DecisionReport(decision, snapshot), explanation)
  }

  /// Prints the explanation of one request.
  ///
  /// - Throws: `CommandProblem` after the explanation when the two evaluators differ.
  func explain(_ question: Question, _ snapshot: Snapshot) throws -> Answer {
    let report = try report(question, snapshot)
    print(output == .json ? report.json() : report.text(question: question.title, help: MissingOption.help))
    if let problem = report.defect {
      fflush(nil)
      throw problem
    }
    return report.decision.answer
  }
}

extension ExplanationReport {
  /// The defect, if there is one. It is never passed over: one of the two would decide wrongly.
  var defect: CommandProblem? {
    differences.isEmpty
      ? nil
      : CommandProblem(
        "the engine and the reference evaluator disagree: \(differences.joined(separator: "; "))",
        help: "this is a defect of portcullis; please report it with the request and the policies")
  }
}
