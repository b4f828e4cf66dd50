// `portcullis-bench checks`: checks per second over gRPC beside the do-nothing server, on the same core, in alternating rounds.
// What enters are shapes of load; what leaves is a table with the medians, and the ratio between the servers, taken round by
// round. It never compares figures of different runs.
internal import ArgumentParser
internal import CProcess
internal import Foundation

extension LoadClient: ExpressibleByArgument {}

/// Measures `Check` over gRPC.
struct ChecksCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checks", abstract: "Checks per second over gRPC, beside a do-nothing server on the same core.")

  @Option(help: "Rounds for each shape; each asks every server once, in turns.")
  var rounds = 7

  @Option(help: "Measured seconds of a round.")
  var seconds = 1.5

  @Option(help: "Seconds of a round before the measurement.")
  var warmUp = 0.3

  @Option(help: "Shapes of the load, CONNECTIONSxCALLS: calls under way on each connection.")
  var shapes = "1x1,1x8,1x64,8x8"

  @Option(help: "Who asks: http2 (small, so that the server is the limit) or core (the gRPC C core's client).")
  var client = LoadClient.http2

  @Flag(help: "The small client looks for replies without sleeping: else a server pays for waking it, and a slower one more often.")
  var awake = false

  @Option(help: "Different requests that the load rotates over.")
  var requests = 2_000

  @Option(help: "Seed of the requests.")
  var seed: UInt64 = 1

  @Option(help: "Threads of each server.")
  var workers = 1

  @Option(help: "The core that servers run on.")
  var serverCore = 0

  @Option(help: "The core that the load runs on.")
  var loadCore = 1

  @Option(help: "The `portcullis` command to measure, built with -c release; without it the do-nothing server is measured alone.")
  var portcullis: String?

  @Option(parsing: .singleValue, help: "One more argument for `portcullis serve`; repeat it for more.")
  var serveArgument: [String] = []

  @Flag(help: "A second do-nothing server as contender: shows what the machine's noise alone makes of a ratio.")
  var control = false

  func run() throws {
    let pinned = bench_pin_self(Int32(loadCore))
    guard pinned == 0 else { throw BenchError("core \(loadCore) cannot be used: error \(pinned)") }
    guard rounds > 0, requests >= 1_000 else { throw BenchError("at least one round, and 1,000 different requests") }
    let parsedShapes = try LoadShape.parse(shapes, client: client, core: loadCore, isAwake: awake)
    let directory = try TemporaryDirectory()
    let certificates = try PeerCertificates(for: ShopTraffic.peers, in: directory.url)
    let contenders = Contenders(
      cores: [serverCore], workers: workers, portcullis: portcullis, serveArguments: serveArgument, hasControl: control,
      directory: directory.url)

    print(
      """
      Check over gRPC. Servers: core \(serverCore), \(workers) thread(s). Load: \(client.rawValue) client\(awake ? " that never sleeps" : ""), core \(loadCore), one thread, \(requests) requests, seed \(seed).
      \(rounds) alternating rounds of \(seconds.digits(1)) s for each line; median (minimum–maximum).

      """)
    var figures = Table(["load", "server", "checks/s", "server µs/check", "core used by server, load, others", "p50 µs", "p99 µs"])
    var ratios = Table(["load", "server", "throughput ÷ do-nothing", "capacity ÷ do-nothing", "server µs above do-nothing"])
    for isWithCertificate in [false, true] {
      let leaves = isWithCertificate ? certificates.leaves : [:]
      let load = try CheckLoad(ShopTraffic.requests(count: requests, seed: seed, certificates: leaves))
      let servers = try contenders.start(authority: isWithCertificate ? certificates.authority : nil)
      defer { for server in servers { server.stop() } }
      for shape in parsedShapes {
        let name = "\(shape.name), \(isWithCertificate ? "certificate" : "no certificate"), \(load.meanSize) B"
        let results = try alternate(servers, load, shape)
        add(results, of: servers, named: name, to: &figures)
        addRatios(results, of: servers, named: name, to: &ratios)
      }
    }
    print(figures.text)
    if control || portcullis != nil { print("\n\(ratios.text)") }
  }

  /// Rounds in which each server is asked once; the order is turned round each time, so that a drift of the machine favours nobody.
  /// A round in which somebody else took more than a tenth of a core is measured again, up to as often as there are rounds; the
  /// last column of the table says how disturbed those that count were.
  ///
  /// - Returns: for each server, one result for each round
  private func alternate(_ servers: [ServerProcess], _ load: CheckLoad, _ shape: LoadShape) throws -> [[RoundResult]] {
    var results = servers.map { _ in [RoundResult]() }
    var repeats = rounds
    var round = 0
    while round < rounds {
      var attempt: [(index: Int, result: RoundResult)] = []
      for index in round.isMultiple(of: 2) ? Array(servers.indices) : servers.indices.reversed() {
        attempt.append((index, try load.run(shape, against: servers[index], warmUp: warmUp, seconds: seconds)))
      }
      if repeats > 0, attempt.contains(where: { $0.result.othersShare > 0.1 }) {
        repeats -= 1
        continue
      }
      for (index, result) in attempt { results[index].append(result) }
      round += 1
    }
    return results
  }

  private func add(_ results: [[RoundResult]], of servers: [ServerProcess], named name: String, to table: inout Table) {
    for (server, rounds) in zip(servers, results) {
      table.add([
        name, server.name, Spread(rounds.map(\.rate)).text { $0.digits(0) }, Spread(rounds.map(\.serverCost)).text { $0.digits(1) },
        "\(Spread(rounds.map(\.serverShare)).median.percent), \(Spread(rounds.map(\.loadShare)).median.percent), \(Spread(rounds.map(\.othersShare)).median.percent)",
        Spread(rounds.map(\.p50)).median.digits(0), Spread(rounds.map(\.p99)).median.digits(0),
      ])
    }
  }

  /// Each ratio is taken within a round, where both servers met the same machine, and then the median over the rounds.
  private func addRatios(_ results: [[RoundResult]], of servers: [ServerProcess], named name: String, to table: inout Table) {
    let ceiling = results[0]
    for (server, rounds) in zip(servers, results).dropFirst() {
      let pairs = Array(zip(rounds, ceiling))
      table.add([
        name, server.name, Spread(pairs.map { $0.rate / $1.rate }).text { $0.digits(2) },
        Spread(pairs.map { $1.serverCost / $0.serverCost }).text { $0.digits(2) },
        Spread(pairs.map { $0.serverCost - $1.serverCost }).text { $0.digits(1) },
      ])
    }
  }
}
