// `portcullis-bench decisions`: decisions per second in process, for the shop and for sets of 10 to 10,000 policies on one workload. What
// enters are sizes; what leaves is a table of medians over alternating rounds. Requests are built before the clock starts. Every decision of
// every round is compared with what the generator of the policies said; the first wrong one ends the benchmark.
internal import ArgumentParser
internal import CAllocations
internal import CProcess
internal import Foundation
internal import PolicyEngine
internal import PolicyModel

/// Measures the engine alone.
struct DecisionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decisions", abstract: "Decisions in process: nanoseconds, allocations, compile time and memory by number of policies.")

  @Option(help: "Rounds; each visits every set once, in turns.")
  var rounds = 9

  @Option(help: "Numbers of policies, ascending; the first is what the others are compared with.")
  var sizes = "10,100,1000,10000"

  @Option(help: "Kinds of policies: principals, paths, hosts, mixed.")
  var kinds = "principals,paths,hosts,mixed"

  @Option(help: "Different requests that a round rotates over.")
  var requests = 2_000

  @Option(help: "Times that a round walks over all requests.")
  var passes = 25

  @Option(help: "Seed of the requests.")
  var seed: UInt64 = 1

  @Option(help: "The core to run on.")
  var core = 1

  func run() throws {
    let pinned = bench_pin_self(Int32(core))
    guard pinned == 0 else { throw BenchError("core \(core) cannot be used: error \(pinned)") }
    guard rounds > 0, passes > 0, requests >= 1_000 else { throw BenchError("at least one round and pass, and 1,000 different requests") }
    let sizes = try self.sizes.split(separator: ",").map { text in
      guard let size = Int(text), (1...1_000_000).contains(size) else { throw ValidationError("`\(text)` is not a number of policies") }
      return size
    }
    let kinds = try self.kinds.split(separator: ",").map { text in
      guard let kind = DecisionKind(rawValue: String(text)) else { throw ValidationError("`\(text)` is not a kind of policies") }
      return kind
    }
    print(
      """
      Decisions in process. Core \(core), one thread, \(requests) different requests, seed \(seed), \(rounds) alternating rounds of \(passes) passes.
      p50: of batches of \(DecisionRun.batch) decisions; median (minimum–maximum) of the rounds.

      """)
    var table = Table([
      "set", "policies", "p50 ns", "decisions/s", "p50 ÷ smallest", "allocations/decision", "load ms", "compile ms",
      "snapshot bytes/policy",
    ])
    try measure([try shop()], into: &table)
    for kind in kinds {
      try measure(
        sizes.map { size in
          var random = SplitMix(seed: seed)
          let set = DecisionSet(kind: kind, size: size)
          return DecisionRun(
            name: kind.rawValue, compiled: try CompiledText(set.text, workload: "shop/backend"),
            cases: set.cases(count: requests, random: &random))
        }, into: &table)
    }
    print(table.text)
  }

  /// The shop's backend: its one caller, and 30 others.
  private func shop() throws -> DecisionRun {
    let cases = (0..<requests).map { index in
      let peer = index.isMultiple(of: 2) ? ShopTraffic.peers[0] : ShopTraffic.peers[index / 2 % ShopTraffic.peers.count]
      return DecisionCase(
        principal: peer.principal, host: "backend.shop.svc.cluster.local:8080", path: "/api/v1/orders/\(index)?page=1",
        isAllowed: peer == ShopTraffic.peers[0])
    }
    return DecisionRun(name: "shop", compiled: try CompiledText(ShopPolicies.text, workload: "shop/backend"), cases: cases)
  }

  private func measure(_ runs: [DecisionRun], into table: inout Table) throws {
    var results = runs.map { _ in [DecisionRun.Result]() }
    for run in runs { _ = try run.round(passes: 2) }
    for round in 0..<rounds {
      for index in round.isMultiple(of: 2) ? Array(runs.indices) : runs.indices.reversed() {
        results[index].append(try runs[index].round(passes: passes))
      }
    }
    for (run, own) in zip(runs, results) {
      let ratios = zip(own, results[0]).map { $0.p50 / $1.p50 }
      table.add([
        run.name, String(run.compiled.policyCount), Spread(own.map(\.p50)).text { $0.digits(0) },
        Spread(own.map(\.rate)).median.digits(0), runs.count == 1 ? "" : Spread(ratios).text { $0.digits(2) },
        Spread(own.map(\.allocations)).median.digits(2), run.compiled.loadTime.digits(1), run.compiled.compileTime.digits(1),
        String(run.compiled.heapBytes / max(run.compiled.policyCount, 1)),
      ])
    }
  }
}

/// A compiled set with its requests, ready to be asked.
struct DecisionRun {
  /// What one round measured.
  struct Result {
    /// Nanoseconds for one decision: the median over the batches.
    var p50: Double
    /// Decisions per second of all batches together.
    var rate: Double
    /// Calls of the allocator for each decision.
    var allocations: Double
  }

  /// Decisions between two looks at the clock, which costs about as much as a fast decision.
  static let batch = 50

  let name: String
  let compiled: CompiledText
  private let cases: [DecisionCase]
  private let requests: [Request]
  private let verdicts: [Verdict]

  init(name: String, compiled: CompiledText, cases: [DecisionCase]) {
    self.name = name
    self.compiled = compiled
    self.cases = cases
    requests = cases.map { one in
      var request = Request()
      one.request(into: &request)
      return request
    }
    verdicts = cases.map { $0.isAllowed ? .allow : .deny }
  }

  /// Walks over all requests, `passes` times.
  func round(passes: Int) throws -> Result {
    let snapshot = compiled.snapshot
    let target = compiled.target
    let verdicts = verdicts.span
    // Deciding may change a request, so that each round has its own, made before the clock runs.
    var requests = requests.map { $0 }
    var batches: [Double] = []
    batches.reserveCapacity(passes * (requests.count / Self.batch + 1))
    var wrong: Int?
    let allocations = bench_allocations()
    let start = bench_now()
    var last = start
    for _ in 0..<passes {
      var index = 0
      while index < requests.count {
        let end = min(index + Self.batch, requests.count)
        let count = end - index
        while index < end {
          if snapshot.decide(&requests[index], on: target).verdict != verdicts[index] { wrong = index }
          index += 1
        }
        let now = bench_now()
        batches.append(Double(now - last) / Double(count))
        last = now
      }
    }
    let seconds = Double(last - start) / 1e9
    let allocated = bench_allocations() - allocations
    if let wrong {
      let decision = snapshot.decide(&requests[wrong], on: target)
      throw BenchError(
        "\(name), \(compiled.policyCount) policies: wrong answer \(decision.verdict.name) (\(decision.reason.code)) for \(cases[wrong])")
    }
    let decisions = Double(passes * requests.count)
    return Result(p50: Spread(batches).median, rate: decisions / seconds, allocations: Double(allocated) / decisions)
  }
}
