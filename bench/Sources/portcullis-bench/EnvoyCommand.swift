// `portcullis-bench envoy`: what a request costs a real Envoy that decides inside itself, with native RBAC or with the module, or asks the server. What enters
// are the programs; what leaves are tables: processor time for a request, throughput of one core, latencies, by number of policies. Before anything is
// counted each contender must let through every request that the policies allow and refuse each that they do not; a wrong status in a round ends the run.
internal import ArgumentParser
internal import CProcess
internal import Foundation

/// Measures the proxy.
struct EnvoyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "envoy", abstract: "A real Envoy: the module beside native RBAC, ext_authz and no filter, by number of policies.")

  @Option(help: "Envoy, 1.40.")
  var envoy: String

  @Option(help: "The directory of libportcullis_envoy.so, built with -c release.")
  var modules: String

  @Option(help: "The `portcullis` command, built with -c release.")
  var portcullis: String

  @Option(help: "Numbers of policies, separated by commas.")
  var sizes = "1,100,1000,10000"

  @Option(help: "Rounds; each asks every contender once, in turns.")
  var rounds = 5

  @Option(help: "Seconds that a round measures each contender.")
  var seconds = 2

  @Option(help: "Connections, each with one request under way.")
  var clients = 32

  func run() throws {
    let counts = sizes.split(separator: ",").compactMap { Int($0) }
    guard rounds > 0, seconds > 0, clients > 0, !counts.isEmpty, counts.allSatisfy({ $0 > 0 }) else {
      throw ValidationError("rounds, seconds, clients and sizes are at least 1")
    }
    print(
      "Envoy (and the server that it asks) on core 0, the load (h2load, HTTP/1.1, \(clients) connections) on core 1; \(rounds) rounds of \(seconds) s in turns, median (minimum–maximum).\n"
    )
    var figures = Table(["policies", "in front of the answer", "requests/s", "processor µs/request", "p50 µs", "p99 µs"])
    var ratios = Table(["policies", "in front of the answer", "throughput ÷ native RBAC", "processor time above no filter, µs"])
    for count in counts { try measure(count, &figures, &ratios) }
    print("\(figures.text)\n\n\(ratios.text)")
  }

  private func measure(_ count: Int, _ figures: inout Table, _ ratios: inout Table) throws {
    let directory = try TemporaryDirectory()
    let site = try EnvoySite(count: count, envoy: envoy, modules: modules, portcullis: portcullis, in: directory.url)
    defer { site.stop() }
    for contender in EnvoyContender.allCases { try site.mustDecideRightly(contender) }
    var results: [EnvoyContender: [EnvoyLoad.Result]] = [:]
    for round in 0..<rounds {
      // Who comes first has the caches of whoever came last: each takes every place.
      let order = EnvoyContender.allCases.indices.map { EnvoyContender.allCases[($0 + round) % EnvoyContender.allCases.count] }
      for contender in order { results[contender, default: []].append(try site.round(contender, seconds: seconds, clients: clients)) }
    }
    for contender in EnvoyContender.allCases {
      guard let own = results[contender], let rbac = results[.rbac], let nothing = results[.nothing] else { continue }
      figures.add([
        "\(count)", contender.rawValue, Spread(own.map(\.rate)).text { $0.digits(0) },
        Spread(own.map(\.processorTime)).text { $0.digits(1) },
        Spread(own.map(\.p50)).median.digits(0), Spread(own.map(\.p99)).median.digits(0),
      ])
      ratios.add([
        "\(count)", contender.rawValue, Spread(zip(own, rbac).map { $0.rate / $1.rate }).text { $0.digits(2) },
        Spread(zip(own, nothing).map { $0.processorTime - $1.processorTime }).text { $0.digits(1) },
      ])
    }
  }
}

/// One server and one Envoy for each contender, all over the same policies.
final class EnvoySite {
  private var envoys: [EnvoyContender: ServerProcess] = [:]
  private let server: ServerProcess
  private let allowed: URL
  private let denied: URL
  private let directory: URL
  private let paths: Int

  init(count: Int, envoy: String, modules: String, portcullis: String, in directory: URL) throws {
    self.directory = directory
    var random = SplitMix(seed: 1)
    let set = DecisionKind.anonymous.set(size: count, count: 1_000, random: &random)
    paths = set.cases.count
    // In a directory of their own: whoever watches them would wake for each line of the load's log.
    let watched = directory.appendingPathComponent("policies")
    try FileManager.default.createDirectory(at: watched, withIntermediateDirectories: false)
    let policies = watched.appendingPathComponent("policies.yaml")
    try set.text.write(to: policies, atomically: false, encoding: .utf8)
    // Every policy has its turn; nobody allows what begins otherwise.
    (allowed, denied) = (directory.appendingPathComponent("allowed"), directory.appendingPathComponent("denied"))
    let numbers = random.numbers(below: count, count: paths)
    let rbac = try Self.output([portcullis, "export", "envoy-rbac", "--policies", policies.path, "--workload", "shop/backend"])
    server = try ServerProcess(name: "portcullis", decidesNothing: false, cores: [0], log: directory.appendingPathComponent("serve.log")) {
      [portcullis, "serve", "--policies", policies.path, "--listen", $0, "--workers", "1"]
    }
    try Self.gatherModules(modules, in: directory)
    let configuration = EnvoyConfiguration(policies: policies, rbac: rbac, server: server.address)
    for (place, contender) in EnvoyContender.allCases.enumerated() {
      let file = directory.appendingPathComponent("\(place).yaml")
      _ = unsafe setenv("ENVOY_DYNAMIC_MODULES_SEARCH_PATH", directory.path, 1)
      var failure: (any Error)?
      envoys[contender] = try ServerProcess(
        name: contender.rawValue, decidesNothing: false, cores: [0], log: directory.appendingPathComponent("\(place).log")
      ) { address in
        do {
          let port = address.split(separator: ":").last ?? "0"
          try configuration.text(contender, port: port).write(to: file, atomically: false, encoding: .utf8)
        } catch {
          failure = error
        }
        return [envoy, "-c", file.path, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"]
      }
      if let failure { throw failure }
    }
    try numbers.enumerated().map { "/open/\($1)/\($0)" }.joined(separator: "\n").write(to: allowed, atomically: false, encoding: .utf8)
    try numbers.enumerated().map { "/shut/\($1)/\($0)" }.joined(separator: "\n").write(to: denied, atomically: false, encoding: .utf8)
  }

  /// Ends when every process has.
  func stop() {
    for envoy in envoys.values { envoy.stop() }
    server.stop()
  }

  /// Waits until the Envoy answers, then asks for each path once.
  func mustDecideRightly(_ contender: EnvoyContender) throws {
    let envoy = try process(contender)
    let deadline = bench_now() + 60_000_000_000
    while true {
      try envoy.mustStillRun()
      let answer = try load(envoy, allowed).run(["-n", "1", "-c", "1"])
      if answer.statuses == [200: 1] { break }
      guard bench_now() < deadline else { throw BenchError("\(contender.rawValue) answers \(answer.statuses) after a minute") }
      Thread.sleep(forTimeInterval: 0.2)
    }
    let allows = try load(envoy, allowed).run(["-n", "\(paths)", "-c", "4"])
    guard allows.statuses == [200: paths] else { throw BenchError("\(contender.rawValue) answers \(allows.statuses) to what is allowed") }
    guard contender != .nothing, contender != .idle else { return }
    let denies = try load(envoy, denied).run(["-n", "\(paths)", "-c", "4"])
    guard denies.statuses == [403: paths] else { throw BenchError("\(contender.rawValue) answers \(denies.statuses) to what is denied") }
  }

  /// One round of load on one contender.
  func round(_ contender: EnvoyContender, seconds: Int, clients: Int) throws -> EnvoyLoad.Result {
    let envoy = try process(contender)
    let begin = bench_processor_time(envoy.pid) + bench_processor_time(server.pid)
    var result = try load(envoy, allowed).run(["-D", "\(seconds)", "-c", "\(clients)"])
    let used = bench_processor_time(envoy.pid) + bench_processor_time(server.pid) - begin
    guard result.statuses.count == 1, let answered = result.statuses[200], answered > 0 else {
      throw BenchError("\(contender.rawValue) answers \(result.statuses) under load")
    }
    result.rate = Double(answered) / Double(seconds)
    result.processorTime = Double(used) / 1_000 / Double(answered)
    return result
  }

  private func process(_ contender: EnvoyContender) throws -> ServerProcess {
    guard let envoy = envoys[contender] else { throw BenchError("\(contender.rawValue) was not started") }
    try envoy.mustStillRun()
    return envoy
  }

  private func load(_ envoy: ServerProcess, _ paths: URL) -> EnvoyLoad {
    EnvoyLoad(address: envoy.address, paths: paths, log: directory.appendingPathComponent("requests.log"))
  }

  /// Puts both modules into one directory: Envoy looks into one.
  private static func gatherModules(_ modules: String, in directory: URL) throws {
    let name = "libportcullis_envoy.so"
    try FileManager.default.createSymbolicLink(
      at: directory.appendingPathComponent(name), withDestinationURL: URL(fileURLWithPath: modules).appendingPathComponent(name))
    _ = try output([
      "/usr/bin/cc", "-O2", "-shared", "-fPIC", "-o", directory.appendingPathComponent("libidle.so").path, "bench/idle_module.c",
    ])
  }

  private static func output(_ words: [String]) throws -> String {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: words[0])
    process.arguments = Array(words.dropFirst())
    process.standardOutput = pipe
    try process.run()
    let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw BenchError("`\(words.joined(separator: " "))` failed") }
    return String(decoding: data, as: UTF8.self)
  }
}
