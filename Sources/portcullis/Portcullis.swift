// The command: the only place that wires the rooms together.
// Enters: a command line. Leaves: an answer and an exit code: 0 yes, 1 no, 2 bad usage or unreadable input, 3 undecided.
// Never here: a decision; that is the engine's.

internal import ArgumentParser
internal import Glibc

@main
struct Portcullis: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "portcullis",
    abstract: "Decides who may call whom in a service mesh, as Istio with Envoy would decide it.",
    discussion: "Exit codes: 0 yes (allowed, clean), 1 no (denied, errors found), 2 bad usage or unreadable input, 3 undecided.",
    version: "portcullis \(version)",
    subcommands: [
      ServeCommand.self,
      CheckCommand.self,
      ExplainCommand.self,
      LintCommand.self,
      TLSCheckCommand.self,
      GraphCommand.self,
      DiffCommand.self,
      WhoCanCommand.self,
      VerifyCommand.self,
      TestCommand.self,
      ReplayCommand.self,
      CertificateCommand.self,
      ExportCommand.self,
    ])

  /// The version of this program.
  static let version = "0.1.0"

  /// Bad usage is exit code 2, not the parser's 64.
  static func main() async {
    do {
      try RepeatedOption.refuse(in: CommandLine.arguments)
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch let code as ExitCode {
      Glibc.exit(code.rawValue)
    } catch let problem as CommandProblem {
      StandardError.write(problem.report)
      Glibc.exit(Answer.unusable.rawValue)
    } catch {
      let code = exitCode(for: error)
      if code == .success {
        print(fullMessage(for: error))
        Glibc.exit(0)
      }
      StandardError.write(UsageMessage.text(message(for: error), full: fullMessage(for: error)))
      Glibc.exit(Answer.unusable.rawValue)
    }
  }
}

/// What the command answers by its exit code.
enum Answer: Int32, Comparable {
  case yes = 0
  case no = 1
  case unusable = 2
  case undecided = 3

  /// Worse is greater.
  static func < (left: Answer, right: Answer) -> Bool { left.rawValue < right.rawValue }
}

/// A problem that ends the command with exit code 2.
struct CommandProblem: Error, CustomStringConvertible {
  /// What is wrong, lower-case start, no final period.
  let problem: String
  /// What to do instead.
  let help: String?
  /// `file:line:column` of an input, if it is in one.
  let place: String?

  init(_ problem: String, help: String? = nil, at place: String? = nil) {
    self.problem = problem
    self.help = help
    self.place = place
  }

  /// What is printed.
  var report: String { "\(place.map { "\($0): " } ?? "")error: \(self)" }

  var description: String { help.map { "\(problem)\n  = help: \($0)" } ?? problem }
}

/// Standard error, for everything that is not the answer.
enum StandardError {
  /// Writes a text and a line break.
  static func write(_ text: String) {
    _ = OutputFile.write(Array((text + "\n").utf8), to: 2)
  }
}
