// `portcullis-bench loading`: how long the real server takes to load many policies, how much memory it needs, and how soon a changed file
// decides. What enters is the `portcullis` command; what leaves are tables of medians. A change counts when a Check over gRPC gets the
// new answer, not when a log says so. Answers that are neither the old nor the new one end the run.
internal import ArgumentParser
internal import CLoad
internal import CProcess
internal import Foundation

/// Measures loading and reloading.
struct LoadingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loading", abstract: "Time to ready, memory, and how soon a changed file decides, with many policies.")

  @Option(help: "The `portcullis` command to measure, built with -c release.")
  var portcullis: String

  @Option(help: "Policies, 200 for each namespace.")
  var policies = 100_000

  @Option(help: "Rounds: starts of the server, and changes of each kind.")
  var rounds = 5

  func run() throws {
    guard rounds > 0, policies >= 1_000, policies.isMultiple(of: 1_000) else {
      throw ValidationError("at least one round, and a multiple of 1,000 policies")
    }
    let directory = try TemporaryDirectory()
    let set = ManyPolicies(count: policies)
    let one = directory.url.appendingPathComponent("one")
    let many = directory.url.appendingPathComponent("many")
    try set.writeOneFile(to: one)
    try set.writeManyFiles(to: many)
    print("\(policies) policies in \(set.namespaces) namespaces; all processors; \(rounds) rounds, median (minimum–maximum).\n")

    var loading = Table(["files", "ready s", "resident MB", "peak MB"])
    for (name, place) in [("1", one), ("\(set.files)", many)] {
      var starts: [(ready: Double, memory: ServerMemory)] = []
      for _ in 0..<rounds {
        let (server, ready) = try start(place, directory.url)
        defer { server.stop() }
        Thread.sleep(forTimeInterval: 2)
        starts.append((ready, try ServerMemory(of: server)))
      }
      loading.add([
        name, Spread(starts.map(\.ready)).text { $0.digits(2) }, Spread(starts.map(\.memory.resident)).text { $0.digits(0) },
        Spread(starts.map(\.memory.peak)).text { $0.digits(0) },
      ])
    }
    print(loading.text + "\n")
    print(try changes(set, many, directory.url).text)
  }

  /// Starts a server and waits until it says that it is ready; seconds.
  private func start(_ policies: URL, _ directory: URL) throws -> (ServerProcess, Double) {
    let log = directory.appendingPathComponent("serve.log")
    if FileManager.default.fileExists(atPath: log.path) { try FileManager.default.removeItem(at: log) }
    let begin = bench_now()
    // Loading is for all cores.
    let cores = Array(0..<min(ProcessInfo.processInfo.processorCount, 64))
    let server = try ServerProcess(name: "portcullis", decidesNothing: false, cores: cores, log: log) { address in
      [portcullis, "serve", "--policies", policies.path, "--listen", address]
    }
    while true {
      try server.mustStillRun()
      if try String(contentsOf: log, encoding: .utf8).contains("listening=") { break }
      Thread.sleep(forTimeInterval: 0.005)
    }
    return (server, Double(bench_now() - begin) / 1e9)
  }

  /// Each round changes a file twice: once to see when the new answer comes, once to see what other answers take meanwhile.
  private func changes(_ set: ManyPolicies, _ place: URL, _ directory: URL) throws -> Table {
    var table = Table(["changed file", "live after ms", "peak MB while reloading", "p50 µs before, meanwhile", "p99 µs before, meanwhile"])
    let (server, _) = try start(place, directory)
    defer { server.stop() }
    Thread.sleep(forTimeInterval: 2)
    let steady = try Probe(set.check(of: set.count - 1), isAllowed: true)
    for isMeshWide in [false, true] {
      let (allowed, denied) = (try Probe(set.check(of: 0), isAllowed: true), try Probe(set.check(of: 0), isAllowed: false))
      var (live, peak): ([Double], [Double]) = ([], [])
      var (calm, busy): ([Latency], [Latency]) = ([], [])
      for _ in 0..<rounds {
        try ServerMemory.forgetPeak(of: server)
        let begin = try set.change(in: place, isMeshWide: isMeshWide, denies: true)
        try denied.wait(for: server)
        live.append(Double(bench_now() - begin) / 1e6)
        Thread.sleep(forTimeInterval: 0.5)
        peak.append(try ServerMemory(of: server).peak)
        calm.append(try steady.latency(of: server))
        let measured = Measured()
        let thread = Thread { measured.set(Result { try steady.latency(of: server) }) }
        thread.start()
        Thread.sleep(forTimeInterval: 0.03)
        _ = try set.change(in: place, isMeshWide: isMeshWide, denies: false)
        busy.append(try measured.wait())
        try allowed.wait(for: server)
        Thread.sleep(forTimeInterval: 0.5)
      }
      table.add([
        isMeshWide ? "mesh-wide, 1 policy" : "namespaced, 10 policies", Spread(live).text { $0.digits(0) },
        Spread(peak).text { $0.digits(0) },
        "\(Spread(calm.map(\.p50)).median.digits(0)), \(Spread(busy.map(\.p50)).median.digits(0))",
        "\(Spread(calm.map(\.p99)).median.digits(0)), \(Spread(busy.map(\.p99)).median.digits(0))",
      ])
    }
    return table
  }
}

/// Microseconds.
private struct Latency: Sendable {
  var p50: Double
  var p99: Double
}

/// What another thread measured. Safe to share: all access is under the condition's lock.
private final class Measured: @unchecked Sendable {
  private let condition = NSCondition()
  private var result: Result<Latency, any Error>?

  func set(_ result: Result<Latency, any Error>) {
    condition.lock()
    self.result = result
    condition.signal()
    condition.unlock()
  }

  func wait() throws -> Latency {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if let result { return try result.get() }
      condition.wait()
    }
  }
}

/// One check with the answer that it must have. Safe to share although it holds a C pointer: the messages are not changed after `init`,
/// and this object alone frees them.
@safe private final class Probe: @unchecked Sendable {
  private let messages: OpaquePointer

  init(_ check: (message: CheckRequestMessage, hints: [(String, String)]), isAllowed: Bool) throws {
    guard let messages = unsafe load_messages_create() else { throw BenchError("no memory for the load") }
    unsafe self.messages = unsafe messages
    let bytes = check.message.encoded()
    var isComplete = unsafe load_messages_add(messages, bytes, bytes.count, isAllowed ? LOAD_ALLOW : LOAD_DENY)
    for (key, value) in check.hints { isComplete = unsafe load_messages_add_metadata(messages, key, value) && isComplete }
    guard isComplete else { throw BenchError("no memory for the load") }
  }

  deinit { unsafe load_messages_destroy(messages) }

  /// Asks until every answer of a round of 1 ms is the expected one.
  func wait(for server: ServerProcess) throws {
    let end = bench_now() + 20_000_000_000
    while try ask(server, warmUp: 0, seconds: 0.001).wrong > 0 {
      guard bench_now() < end else { throw BenchError("the change never came") }
    }
  }

  /// One call at a time for 0.3 s.
  func latency(of server: ServerProcess) throws -> Latency {
    let result = try ask(server, warmUp: 0.02, seconds: 0.3)
    guard result.wrong == 0 else { throw BenchError("\(result.wrong) wrong answers to a check that no change concerns") }
    return Latency(p50: Double(result.latency_p50) / 1e3, p99: Double(result.latency_p99) / 1e3)
  }

  private func ask(_ server: ServerProcess, warmUp: Double, seconds: Double) throws -> load_result {
    var result = load_result()
    let problem = unsafe server.address.withCString { address in
      var round = unsafe load_round(
        address: address, client: LOAD_HTTP2, connections: 1, calls_per_connection: 1, warm_up_seconds: warmUp, seconds: seconds,
        server: server.pid, server_core: 0, load_core: 1, is_awake: false, every_reply_allows: false)
      return unsafe load_run(messages, &round, &result).map { unsafe String(cString: $0) }
    }
    if let problem { throw BenchError(problem) }
    guard result.failed == 0 else { throw BenchError("\(result.failed) calls failed") }
    return result
  }
}

extension ServerProcess: @unchecked Sendable {}

/// What the kernel says of a process's memory, in MB of 1,000,000 bytes.
private struct ServerMemory {
  var resident = 0.0
  var peak = 0.0

  init(of server: ServerProcess) throws {
    let text = try String(contentsOfFile: "/proc/\(server.pid)/status", encoding: .utf8)
    for line in text.split(separator: "\n") {
      let words = line.split { $0 == " " || $0 == "\t" }
      guard words.count > 1, let kibibytes = Double(words[1]) else { continue }
      if words[0] == "VmRSS:" { resident = kibibytes * 1_024 / 1e6 }
      if words[0] == "VmHWM:" { peak = kibibytes * 1_024 / 1e6 }
    }
  }

  /// Makes the peak begin at what is resident now.
  static func forgetPeak(of server: ServerProcess) throws {
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: "/proc/\(server.pid)/clear_refs"))
    try file.write(contentsOf: Data("5".utf8))
    try file.close()
  }
}
