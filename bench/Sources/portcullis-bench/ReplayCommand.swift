// `portcullis-bench replay`: how many records of an access log the real command decides in a second on one core. What enters is the
// `portcullis` command; what leaves is a table of medians. The counts that the command prints must be those that the log was made with.
internal import ArgumentParser
internal import CProcess
internal import Foundation

/// Measures the replay of access logs.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay", abstract: "Records of an access log decided in a second, on one core, by the real command.")

  @Option(help: "The `portcullis` command to measure, built with -c release.")
  var portcullis: String

  @Option(help: "Records, of about 900 bytes.")
  var records = 2_000_000

  @Option(help: "Workloads, each with a policy of its own.")
  var workloads = 1_000

  @Option(help: "Rounds.")
  var rounds = 5

  @Option(help: "The core that the command is bound to.")
  var core = 1

  func run() throws {
    guard rounds > 0, records > 0, (1...65_536).contains(workloads), (0..<64).contains(core) else {
      throw ValidationError("at least one round and one record, up to 65,536 workloads, and a core below 64")
    }
    let directory = try TemporaryDirectory()
    print("\(records) records about \(workloads) workloads; one core; \(rounds) rounds, median (minimum–maximum).\n")
    var table = Table(["log", "MB", "records/s", "processor µs a record", "MB/s"])
    for isDefaultFormat in [false, true] {
      let log = ReplayLog(workloads: workloads, records: records, isDefaultFormat: isDefaultFormat)
      let (policies, file) = (directory.url.appendingPathComponent("policies"), directory.url.appendingPathComponent("access.log"))
      try log.writePolicies(to: policies)
      let denied = try log.write(to: file)
      let megabytes = Double(try FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int ?? 0) / 1e6
      var (rates, costs): ([Double], [Double]) = ([], [])
      for _ in 0..<rounds {
        let (seconds, processor, output) = try measure(policies, file, directory.url)
        try check(output, isDefaultFormat ? nil : denied)
        rates.append(Double(records) / seconds)
        costs.append(processor / Double(records) * 1e6)
      }
      table.add([
        isDefaultFormat ? "Istio's default" : "docs/replay.md", megabytes.digits(0), Spread(rates).text { $0.digits(0) },
        Spread(costs).text { $0.digits(2) }, (Spread(rates).median * megabytes / Double(records)).digits(0),
      ])
    }
    print(table.text)
  }

  /// Runs the command once: seconds from start to end, loading included; seconds of processor time; what it printed.
  private func measure(_ policies: URL, _ log: URL, _ directory: URL) throws -> (Double, Double, String) {
    let output = directory.appendingPathComponent("output.json")
    if FileManager.default.fileExists(atPath: output.path) { try FileManager.default.removeItem(at: output) }
    let words = [portcullis, "replay", "--policies", policies.path, "--output", "json", log.path]
    var pointers = unsafe words.map { unsafe UnsafePointer<CChar>(strdup($0)) }
    unsafe pointers.append(nil)
    let begin = bench_now()
    let pid = unsafe bench_start(pointers, 1 << UInt64(core), output.path)
    unsafe pointers.forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) }
    guard pid > 0 else { throw BenchError("`\(portcullis)` could not be started: error \(-pid)") }
    var processor: UInt64 = 0
    while bench_is_running(pid) != 0 {
      processor = max(processor, bench_processor_time(pid))
      usleep(1_000)
    }
    return (Double(bench_now() - begin) / 1e9, Double(processor) / 1e9, try String(contentsOf: output, encoding: .utf8))
  }

  /// Throws unless all records were decided, and as many denied as the log was made with (`nil`: Istio's format does not say who calls, so
  /// that those are open which only a caller can decide).
  private func check(_ output: String, _ denied: Int?) throws {
    struct Answer: Decodable {
      struct Counts: Decodable {
        let allow: Int
        let deny: Int
        let undecided: Int
      }
      let counts: Counts
      let lines: Int
    }
    let answer: Answer
    do { answer = try JSONDecoder().decode(Answer.self, from: Data(output.utf8)) } catch {
      throw BenchError("the command printed no answer: \(output.prefix(500))")
    }
    let counts = answer.counts
    guard answer.lines == records, counts.allow + counts.deny + counts.undecided == records else {
      throw BenchError("not every record was decided: \(output.prefix(300))")
    }
    if let denied, counts.deny != denied || counts.undecided != 0 { throw BenchError("\(counts.deny) records denied, not \(denied)") }
    if denied == nil, counts.allow != 0 || counts.undecided == 0 { throw BenchError("records without a caller were allowed") }
  }
}
