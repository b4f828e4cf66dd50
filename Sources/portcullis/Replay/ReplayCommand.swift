// `portcullis replay`: what policies would do to traffic that was recorded (docs/replay.md).
// Enters: policies, and an access log of JSON lines. Leaves: which pairs would have been denied by which rule, with counts and an example
// each; with `--against`, what other policies change. A bad line never ends the run; what a record does not say is unknown.

internal import ArgumentParser
internal import DecisionText
internal import Glibc
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel

struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Decide the requests of an access log, and say what would be denied.",
    discussion: """
      The log is JSON, one record a line: Istio's default JSON, or the format that docs/replay.md adds to it. Fields that the log does not \
      have are unknown, so that an answer may be undecided. Exit code 0: nothing is denied (with `--against`: nothing changes). 1: something \
      is. 3: nothing is, and the answer is not complete: records are undecided, or lines were skipped that may be about a decision (bad ones, \
      and those of no workload that is known; `--ignore-skipped` accepts these). 2: bad usage, unreadable input, or no record in the log.

      EXAMPLES:
        portcullis replay --policies examples/shop examples/shop/access.log
        portcullis replay --policies policies/ --against changed/ access.log
        portcullis replay --policies policies/ --ignore-skipped access.log
        kubectl logs deploy/api -c istio-proxy | portcullis replay --policies p/ -
      """)

  @OptionGroup var policies: PolicyOptions

  @Option(help: ArgumentHelp("Say what these policies change; repeatable. They are read under the same settings.", valueName: "path"))
  var against: [String] = []

  @Option(help: "The kind of proxy that wrote the log: sidecar or gateway (default: sidecar).")
  var profile: ReplayProfile = .sidecar

  @Option(help: ArgumentHelp("How many groups are shown as text.", valueName: "number"))
  var limit = 50

  @Flag(help: "Let lines that were skipped not change the exit code. They are counted all the same.")
  var ignoreSkipped = false

  @Option(help: "Text for people or JSON for programs.")
  var output = OutputFormat.text

  @Argument(help: "The access log; `-` is standard input.")
  var log: String

  func validate() throws {
    if limit < 1 { throw ValidationError("`--limit` is at least 1") }
  }

  func run() throws {
    let mesh = try policies.meshSettings()
    let before = try policies.load().policies
    let after = try other()
    let snapshot = Snapshot(before, mesh: mesh)
    let otherSnapshot = after.map { Snapshot($0, mesh: mesh) }
    var replayer = Replayer(snapshot, against: otherSnapshot, profile: profile.profile, workloads: before.workloads)
    try read(into: &replayer)
    let report = ReplayReport(replayer, snapshot, otherSnapshot, limit: limit, ignoresSkipped: ignoreSkipped)
    guard report.counts.total > 0 else {
      for line in report.skippedText { StandardError.write(line) }
      throw CommandProblem(
        "`\(Printable.text(log))` holds no record that can be decided", help: "docs/replay.md shows the fields that a record needs")
    }
    print(output == .json ? report.json.text : report.text)
    if report.answer != .yes { throw ExitCode(report.answer.rawValue) }
  }

  private func other() throws -> PolicySet? {
    if against.isEmpty { return nil }
    var options = policies
    options.policies = against
    return try options.load().policies
  }

  /// Reads the log to its end, in large pieces.
  private func read(into replayer: inout Replayer) throws {
    let file = try InputFile(path: log)
    var bar = ProgressBar(delay: .zero)
    var bytes = 0
    // Room for the longest line and what is read behind it.
    var buffer = [UInt8](repeating: 0, count: Replayer.longestLine + (1 << 20))
    var filled = 0
    while true {
      let count = try file.fill(&buffer, from: filled)
      filled += count
      let used = replayer.read(buffer.span.extracting(0..<filled), isLast: count == 0)
      if count == 0 { break }
      if used > 0, used < filled {
        for index in used..<filled { buffer[index - used] = buffer[index] }
      }
      filled -= used
      bytes += count
      // One step for each percent, or for each 64 MiB.
      bar.show(percent: file.size.map { bytes * 100 / max($0, 1) }, step: bytes >> 26, "\(replayer.lineCount) lines")
    }
    bar.end()
  }
}

/// The proxies whose logs can be replayed.
enum ReplayProfile: String, ExpressibleByArgument, CaseIterable {
  case sidecar, gateway

  var profile: Profile { self == .gateway ? .gateway : .sidecar }
}
