// `portcullis-bench cores`: whether a check costs more processor time when two workers answer on two cores than when one answers on one. What enters
// are shapes of load with many connections; what leaves is a table of processor time for a check, from which the capacity of a core follows.
//
// On a machine of two cores the load has to share them, so that checks a second say nothing about what two free cores would answer. What is
// compared is the server's own processor time. Sharing a core with the load also costs (its data push ours out of the caches), which is why one worker
// is measured both alone on its core and on the load's core.
internal import ArgumentParser
internal import CProcess
internal import Foundation

/// Measures `Check` with one and with two workers.
struct CoresCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cores", abstract: "Processor time for a check with one worker on one core, and two workers on two.")

  @Option(help: "Rounds for each shape; each asks every server once, in turns.")
  var rounds = 7

  @Option(help: "Measured seconds of a round.")
  var seconds = 1.5

  @Option(help: "Shapes of the load, CONNECTIONSxCALLS: calls under way on each connection.")
  var shapes = "8x8,64x4"

  @Option(help: "Different requests that the load rotates over.")
  var requests = 2_000

  @Option(help: "Seed of the requests.")
  var seed: UInt64 = 1

  @Option(help: "The core that the load does not run on.")
  var serverCore = 0

  @Option(help: "The core that the load runs on.")
  var loadCore = 1

  @Option(help: "The `portcullis` command to measure, built with -c release; without it the do-nothing server is measured alone.")
  var portcullis: String?

  @Flag(help: "Requests carry certificates, which are verified.")
  var certificates = false

  /// Workers, and the cores that they may use.
  private typealias Arrangement = (name: String, workers: Int, cores: [Int])

  func run() throws {
    let pinned = bench_pin_self(Int32(loadCore))
    guard pinned == 0 else { throw BenchError("core \(loadCore) cannot be used: error \(pinned)") }
    guard rounds > 0, requests >= 1_000, serverCore != loadCore, (0..<64).contains(serverCore) else {
      throw BenchError("at least one round, 1,000 different requests and two cores")
    }
    let arrangements: [Arrangement] = [
      ("1 worker, a core of its own", 1, [serverCore]),
      ("1 worker, the load's core", 1, [loadCore]),
      ("2 workers, one core of their own", 2, [serverCore]),
      ("2 workers, both cores", 2, [serverCore, loadCore]),
    ]
    let directory = try TemporaryDirectory()
    let identities = try PeerCertificates(for: ShopTraffic.peers, in: directory.url)
    let leaves = certificates ? identities.leaves : [:]
    let load = try CheckLoad(ShopTraffic.requests(count: requests, seed: seed, certificates: leaves))
    // The do-nothing server stands first in each arrangement, then Portcullis.
    let servers = try arrangements.map { arrangement in
      try Contenders(
        cores: arrangement.cores, workers: arrangement.workers, portcullis: portcullis, serveArguments: [], hasControl: false,
        directory: directory.url
      ).start(authority: certificates ? identities.authority : nil)
    }
    defer { for server in servers.joined() { server.stop() } }
    print(
      """
      Check over gRPC, \(load.meanSize) B. Cores \(serverCore) and \(loadCore); load: http2 client, core \(loadCore), one thread, seed \(seed).
      \(rounds) alternating rounds of \(seconds.digits(1)) s; median (minimum–maximum). A second worker's cost: within a round, against the mean of one worker in both places.

      """)
    var table = Table([
      "load", "server", "workers", "server µs/check", "÷ 1 worker", "checks/s of a full core", "checks/s met", "cores used by server",
    ])
    for shape in try LoadShape.parse(shapes, client: .http2, core: loadCore, isAwake: false) {
      for contender in servers[0].indices {
        try measure(shape, arrangements, servers.map { $0[contender] }, load, into: &table)
      }
    }
    print(table.text)
  }

  private func measure(
    _ shape: LoadShape, _ arrangements: [Arrangement], _ servers: [ServerProcess], _ load: CheckLoad, into table: inout Table
  ) throws {
    var results = servers.map { _ in [RoundResult]() }
    for round in 0..<rounds {
      for index in round.isMultiple(of: 2) ? Array(servers.indices) : servers.indices.reversed() {
        results[index].append(try load.run(shape, against: servers[index], warmUp: 0.3, seconds: seconds))
      }
    }
    for (index, own) in results.enumerated() {
      let ratios = own.indices.map { own[$0].serverCost / ((results[0][$0].serverCost + results[1][$0].serverCost) / 2) }
      table.add([
        shape.name, servers[index].name, arrangements[index].name, Spread(own.map(\.serverCost)).text { $0.digits(1) },
        Spread(ratios).text { $0.digits(2) }, Spread(own.map { 1e6 / $0.serverCost }).median.digits(0),
        Spread(own.map(\.rate)).median.digits(0), Spread(own.map(\.serverShare)).median.digits(2),
      ])
    }
  }
}
