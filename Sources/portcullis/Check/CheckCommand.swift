// `portcullis check`: one decision, and the rule that made it; or many, one a line.
// Enters: policies, and a request from arguments or from lines of JSON. Leaves: decisions. What was not given is unknown, never assumed.

internal import ArgumentParser
internal import Foundation
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
      """)

  @OptionGroup var policies: PolicyOptions
  @OptionGroup var arguments: RequestArguments

  @Option(help: ArgumentHelp("Decide every line of this file (JSON, one request a line; `-` is standard input).", valueName: "file"))
  var requests: String?

  @Option(help: "Text for people or JSON for programs.")
  var output = OutputFormat.text

  func validate() throws {
    if requests != nil, arguments.to != nil || arguments.from != nil {
      throw ValidationError("`--requests` goes without `--to` and `--from`: each line says both")
    }
    if requests == nil, arguments.to == nil { throw ValidationError("`--to` is needed: `namespace/name` of the workload") }
  }

  func run() throws {
    do {
      let loaded = try policies.load()
      let snapshot = Snapshot(loaded.policies, mesh: try policies.meshSettings())
      let answer = try requests.map { try many(from: $0, snapshot) } ?? one(snapshot)
      if answer != .yes { throw ExitCode(answer.rawValue) }
    } catch let problem as CommandProblem {
      StandardError.write("error: \(problem)")
      throw ExitCode(Answer.unusable.rawValue)
    }
  }

  private func one(_ snapshot: Snapshot) throws -> Answer {
    let question = try arguments.question(for: snapshot)
    let decision = snapshot.decide(question.request, on: question.target, profile: question.profile)
    let report = DecisionReport(decision, snapshot)
    print(output == .json ? try report.json() : report.text(question: question.title))
    return report.answer
  }

  /// Exit code: the worst of all lines, undecided being worse than denied.
  private func many(from path: String, _ snapshot: Snapshot) throws -> Answer {
    let data: Data
    do {
      data = path == "-" ? FileHandle.standardInput.readDataToEndOfFile() : try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw CommandProblem("`\(path)` cannot be read", help: "name a file with one JSON request a line")
    }
    var worst = Answer.yes
    for (index, line) in data.split(separator: UInt8(ascii: "\n")).enumerated() {
      let question: Question
      do {
        question = try RequestDocument(line: Data(line)).question(for: snapshot)
      } catch {
        throw CommandProblem("\(path):\(index + 1): \(error)")
      }
      let report = DecisionReport(snapshot.decide(question.request, on: question.target, profile: question.profile), snapshot)
      print(output == .json ? try report.json() : report.line(question: question.title))
      if report.answer.rawValue > worst.rawValue { worst = report.answer }
    }
    return worst
  }
}

/// A request and what it is about.
struct Question {
  let title: String
  let request: Request
  let target: Target
  let profile: Profile
}
