// `portcullis check`: one decision, and the rule that made it; or many, one a line.
// Enters: policies, and a request from arguments or from lines of JSON. Leaves: decisions. What was not given is unknown, never assumed.

internal import ArgumentParser
internal import DecisionText
internal import Glibc
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Decide one request, and name the rule that decided.",
    discussion: """
      What is not given is unknown: if the answer depends on it, the check is undecided (exit code 3) and says which option is missing. \
      Exit code 0 is allowed, 1 denied.

      EXAMPLES:
        portcullis check --policies examples/shop --from shop/web --to shop/db
        portcullis check --policies examples/shop --from anonymous --to shop/db --tcp
        portcullis check --policies policies/ --to shop/api --method GET --path /
        portcullis check --policies policies/ --requests requests.jsonl --output json
      """)

  @OptionGroup var policies: PolicyOptions
  @OptionGroup var arguments: RequestArguments

  @Option(help: ArgumentHelp("Decide every line of this file (JSON, one request a line; `-` is standard input).", valueName: "file"))
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
    var snapshots = Snapshots(loaded.policies, mesh: try policies.meshSettings())
    arguments.warn(StatedProxies(loaded.policies))
    let answer = if let requests { try many(from: requests, &snapshots) } else { try one(&snapshots) }
    if answer != .yes { throw ExitCode(answer.rawValue) }
  }

  private func one(_ snapshots: inout Snapshots) throws -> Answer {
    let snapshot = snapshots.snapshot(for: arguments.profile?.profile ?? .sidecar)
    let question = try arguments.question(for: snapshot)
    let decision = question.decision(in: snapshot)
    let report = DecisionReport(decision, snapshot)
    print(output == .json ? report.json() : report.text(question: question.title, help: MissingOption.help))
    return report.answer
  }

  /// Decides line by line, so that a program may ask and read in turn. Ends at the first line that is not a request: what was printed
  /// until then belongs to the lines before it. Exit code: the worst of all lines, undecided being worse than denied.
  private func many(from path: String, _ snapshots: inout Snapshots) throws -> Answer {
    var lines = LineReader(try InputFile(path: path))
    var worst: Answer?
    while let line = try lines.next() {
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }) { continue }
      let (question, snapshot) = try Question.read(line, at: "\(Printable.text(path)):\(lines.number)", &snapshots, arguments.jwt)
      let report = DecisionReport(question.decision(in: snapshot), snapshot)
      print(output == .json ? report.json() : report.line(question: question.title))
      if !lines.hasLine { fflush(nil) }
      worst = max(worst ?? .yes, report.answer)
    }
    guard let worst else { throw CommandProblem("`\(Printable.text(path))` holds no request", help: "write one JSON object a line") }
    return worst
  }
}

/// A request and what it is about.
struct Question {
  let title: String
  let request: Request
  let target: Target
  let profile: Profile
  let destination: Destination
}

extension Question {
  /// The request that a line of JSON describes, and the snapshot that answers it; `place` is the line's file and number.
  static func read(
    _ line: [UInt8], at place: String, _ snapshots: inout Snapshots, _ tokens: TokenTrust
  ) throws -> (Question, Snapshot) {
    let help = "docs/request-json.md shows the shape of a request"
    do {
      let document = try RequestDocument(line: line)
      let snapshot = snapshots.snapshot(for: try document.profile)
      return (try document.question(for: snapshot, tokens), snapshot)
    } catch let error as JSONError {
      throw CommandProblem("not JSON: \(error.problem)", help: help, at: "\(place):\(error.column)")
    } catch let error as RequestDocumentError {
      throw CommandProblem(error.description, help: help, at: place)
    } catch let problem as CommandProblem {
      throw CommandProblem(problem.problem, help: problem.help, at: place)
    }
  }
}
