// The load against a real server: right answers are counted, wrong ones and broken servers end the measurement.
internal import Foundation
internal import Testing

@testable internal import portcullis_bench

@Suite(.serialized)
struct `A round of load` {
  private let directory: TemporaryDirectory
  private let load: CheckLoad

  init() throws {
    directory = try TemporaryDirectory()
    load = try CheckLoad(ShopTraffic.requests(count: 1_000, seed: 1, certificates: [:]))
  }

  private func server(decidesNothing: Bool, arguments: [String] = ["1"]) throws -> ServerProcess {
    let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appendingPathComponent("do-nothing-server").path
    return try ServerProcess(
      name: "do-nothing", decidesNothing: decidesNothing, cores: [0], log: directory.url.appendingPathComponent("server.log")
    ) { address in [executable, address] + arguments }
  }

  private func run(_ client: LoadClient, _ server: ServerProcess) throws -> RoundResult {
    let shape = LoadShape(client: client, connections: 2, callsPerConnection: 40, core: 0)
    return try load.run(shape, against: server, warmUp: 0.02, seconds: 0.1)
  }

  @Test(arguments: LoadClient.allCases)
  func `every answer of a server that allows all is counted when that is expected`(_ client: LoadClient) throws {
    let result = try run(client, server(decidesNothing: true))
    #expect(result.rate > 0 && result.serverCost > 0 && result.p50 > 0 && result.p99 >= result.p50)
  }

  @Test(arguments: LoadClient.allCases)
  func `a server that allows what must be denied is caught`(_ client: LoadClient) throws {
    let server = try server(decidesNothing: false)
    let error = #expect(throws: BenchError.self) { try run(client, server) }
    #expect(error?.description.contains("must be denied") == true)
  }

  @Test func `a server that ends is reported with its last words`() throws {
    let server = try server(decidesNothing: true, arguments: ["0"])
    while server.isRunning { Thread.sleep(forTimeInterval: 0.01) }
    let error = #expect(throws: BenchError.self) { try server.mustStillRun() }
    #expect(error?.description.contains("usage: do-nothing-server") == true)
  }
}
