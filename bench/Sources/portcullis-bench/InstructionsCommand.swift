// `portcullis-bench instructions`: user instructions for a decision, set by set, beside recorded ones. What enters is a file of recorded figures;
// what leaves is a table, and a failure when any figure is more than 3 % above what is recorded. Time is not measured here: a count is the same on
// a busy machine. Every counted decision is compared with what the generator of the policies said.
//
// The command starts itself under Valgrind's callgrind, which counts without the processor's counters: many virtual machines offer none. The
// engine's hash has a random key and collections have a random order, so that two snapshots of the same policies do not cost exactly the same:
// each figure is the median over several snapshots, over more of them where it seems worse than the record.
internal import ArgumentParser
internal import CInstructions
internal import Foundation

/// Counts instructions.
struct InstructionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "instructions", abstract: "User instructions for a decision; fails when they are more than 3 % above what is recorded.")

  @Option(help: "The recorded figures.")
  var file = "bench/instructions.json"

  @Flag(help: "Write the figures to the file instead of comparing.")
  var record = false

  @Option(help: "Snapshots of each set, of which the median counts.")
  var snapshots = 5

  @Flag(help: ArgumentHelp("Used by the command itself, under Valgrind: count.", visibility: .hidden))
  var counting = false

  @Option(help: ArgumentHelp("Used by the command itself, under Valgrind: what to count.", visibility: .hidden))
  var only: [String] = []

  /// How many times as many snapshots are counted of what seems worse.
  private static let manySnapshots = 6

  /// What a figure may be above the recorded one.
  private static let tolerance = 0.03

  /// What is counted: the easy sets at two sizes, and of the hard ones those that cost little enough.
  private static let sets: [(kinds: String, size: Int)] =
    [("shop", 1), ("mesh", 2_000)]
    + [
      "principals", "paths", "hosts", "mixed", "headers", "tcp", "anonymous", "grid", "cube", "claims", "nested-paths", "nested-hosts",
      "blocks",
    ]
    .map { ($0, 1_000) }
    + HardKind.allCases.map { ($0.rawValue, 100) }

  func run() throws {
    guard snapshots > 0 else { throw BenchError("at least one snapshot") }
    if counting { return try count() }
    var figures = try measured(Self.sets.map { Self.title($0) }, snapshots: snapshots)
    var all = try recorded()
    let old = all[Self.architecture] ?? [:]
    if !record {
      // The median of a few snapshots lies too high by chance now and then: what seems worse is counted again, more often.
      let doubtful = figures.filter { name, spread in old[name].map { spread.median / $0 > 1 + Self.tolerance } ?? false }.keys.sorted()
      if !doubtful.isEmpty {
        figures.merge(try measured(doubtful, snapshots: Self.manySnapshots * snapshots)) { $1 }
      }
    }
    if record {
      all[Self.architecture] = figures.mapValues { $0.median.rounded() }
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      try (try encoder.encode(all) + Data("\n".utf8)).write(to: URL(fileURLWithPath: file))
    }
    var table = Table(["set", "instructions/decision", "recorded", "÷ recorded"])
    var worse: [String] = []
    for (name, spread) in figures.sorted(by: { $0.key < $1.key }) {
      let ratio = old[name].map { spread.median / $0 }
      table.add([name, spread.text { $0.digits(0) }, old[name].map { $0.digits(0) } ?? "", ratio.map { $0.digits(3) } ?? ""])
      if ratio.map({ $0 > 1 + Self.tolerance }) ?? true { worse.append(name) }
    }
    print(
      "User instructions for a decision (callgrind, \(Self.architecture)); median (minimum–maximum) of \(snapshots) snapshots.\n\n\(table.text)"
    )
    guard record || worse.isEmpty else {
      throw BenchError(
        "more than 3 % above \(file), or not in it: \(worse.joined(separator: ", ")). `--record` writes the present figures.")
    }
  }

  // MARK: Under Valgrind

  /// Compiles each set several times and counts the decisions of all its requests, once warmed.
  private func count() throws {
    guard bench_is_counting_instructions() else {
      throw BenchError("not under Valgrind, or built without its header (valgrind/callgrind.h): install valgrind and build again")
    }
    for (name, size) in Self.sets where only.contains(Self.title((name, size))) {
      guard let kind = try DecisionSets.named(name).first else { continue }
      var random = SplitMix(seed: 1)
      let set = kind.set(size: size, count: Self.requests, random: &random)
      for number in 0..<snapshots {
        let run = try DecisionRun(set)
        var requests = run.copyOfRequests()
        let warm = run.decide(&requests, requests.indices)
        bench_instructions_start()
        let wrong = run.decide(&requests, requests.indices)
        unsafe bench_instructions_stop("\(Self.title((name, size)))#\(number)")
        if let wrong = wrong ?? warm { throw run.complaint(wrong) }
      }
    }
  }

  private static let requests = 500

  /// The name of a set in the table and in the file of records.
  private static func title(_ set: (kinds: String, size: Int)) -> String { "\(set.kinds) \(set.size)" }

  /// Counts some sets under Valgrind.
  private func measured(_ names: [String], snapshots: Int) throws -> [String: Spread] {
    let directory = try TemporaryDirectory()
    try Self.runUnderValgrind(in: directory.url, names, snapshots: snapshots)
    return try Self.read(directory.url, names)
  }

  private static func runUnderValgrind(in directory: URL, _ names: [String], snapshots: Int) throws {
    let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
    // Valgrind 3.19 stops at the debug information that Swift writes; what is counted is not changed by taking it away.
    let stripped = directory.appendingPathComponent("portcullis-bench").path
    try run(["strip", "--strip-debug", "-o", stripped, own])
    try run(
      [
        "valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=\(directory.path)/counts", stripped,
        "instructions", "--counting", "--snapshots", String(snapshots),
      ] + names.flatMap { ["--only", $0] })
  }

  private static func run(_ words: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words
    // Collections in the same order each time: what remains random is the engine's own key.
    process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_DETERMINISTIC_HASHING": "1"]) { $1 }
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw BenchError("`\(words[0])` failed (status \(process.terminationStatus)); is it installed?")
    }
  }

  // MARK: Figures

  /// callgrind's files: one for each stop, with its name and the total.
  private static func read(_ directory: URL, _ names: [String]) throws -> [String: Spread] {
    var counts: [String: [Double]] = [:]
    let files = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
    for file in files where file.lastPathComponent.hasPrefix("counts") {
      var name: String?
      for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
        if let text = rest(of: line, after: "desc: Trigger: Client Request: ") { name = String(text.prefix { $0 != "#" }) }
        if let name, let text = rest(of: line, after: "totals: ") ?? rest(of: line, after: "summary: "), let total = Double(text) {
          counts[name, default: []].append(total / Double(requests))
          break
        }
      }
    }
    guard Set(counts.keys) == Set(names) else { throw BenchError("callgrind counted \(counts.count) of \(names.count) sets") }
    return counts.mapValues { Spread($0) }
  }

  private static func rest(of line: Substring, after start: String) -> Substring? {
    line.hasPrefix(start) ? line.dropFirst(start.count) : nil
  }

  /// By architecture and set; nothing when there is no file yet.
  private func recorded() throws -> [String: [String: Double]] {
    guard FileManager.default.fileExists(atPath: file) else {
      if record { return [:] }
      throw BenchError("there is no \(file); run from the top of the repository, or make it with `--record`")
    }
    return try JSONDecoder().decode([String: [String: Double]].self, from: Data(contentsOf: URL(fileURLWithPath: file)))
  }

  private static var architecture: String {
    #if arch(x86_64)
      "x86_64"
    #elseif arch(arm64)
      "arm64"
    #else
      "other"
    #endif
  }
}
