// `portcullis-bench decisions`: nanoseconds for a decision in process, by kind and number of policies. What enters are kinds and sizes; what leaves
// is a table of medians over alternating rounds. Every decision of every round is compared with what the generator of the policies said; the
// first wrong one ends the benchmark.
internal import ArgumentParser
internal import CProcess
internal import Foundation

/// Measures the engine alone.
struct DecisionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decisions", abstract: "Decisions in process: nanoseconds, allocations, compile time and memory by number of policies.")

  @Option(help: "Rounds; each visits every size of a kind once, in turns.")
  var rounds = 9

  @Option(help: "Numbers of policies, ascending; the first is what the others are compared with.")
  var sizes = "10,100,1000,10000"

  @Option(
    help:
      "Kinds of policies: shop, principals, paths, hosts, mixed (those are `flat`), mesh, or what is hard for an index, see bench/README.md (`hard`)."
  )
  var kinds = "flat"

  @Flag(help: "Empty the caches before each decision and time each alone.")
  var cold = false

  @Flag(help: "Measure second and later requests on connections: each request has one of its own, whose residual is known.")
  var remembering = false

  @Option(help: "Megabytes that are walked to empty the caches: several times the last-level cache.")
  var walk = 128

  @Option(help: "Different requests that a round rotates over.")
  var requests = 2_000

  @Option(help: "Decisions that a round makes at least, in passes over all requests; slow kinds make fewer, but at least one pass.")
  var decisions = 50_000

  @Option(help: "Seed of the requests.")
  var seed: UInt64 = 1

  @Option(help: "The core to run on.")
  var core = 1

  func run() throws {
    let pinned = bench_pin_self(Int32(core))
    guard pinned == 0 else { throw BenchError("core \(core) cannot be used: error \(pinned)") }
    guard rounds > 0, decisions > 0, requests >= 1_000, walk > 0 else {
      throw BenchError("at least one round, one decision and one megabyte, and 1,000 different requests")
    }
    let sizes = try self.sizes.split(separator: ",").map { text in
      guard let size = Int(text), (1...1_000_000).contains(size) else { throw ValidationError("`\(text)` is not a number of policies") }
      return size
    }
    let kinds = try self.kinds.split(separator: ",").flatMap { try DecisionSets.named(String($0)) }
    print(
      """
      Decisions in process. Core \(core), one thread, \(requests) different requests, seed \(seed).
      """)
    if cold { return try measureCold(kinds, sizes) }
    print("p50: of batches of \(DecisionRun.batch) decisions; median (minimum–maximum) of \(rounds) alternating rounds.\n")
    var table = Table([
      "set", "policies", "p50 ns", "decisions/s", "p50 ÷ smallest", "allocations/decision", "load ms", "compile ms",
      "snapshot bytes/policy",
    ])
    for kind in kinds { try measure(try runs(kind, sizes), into: &table) }
    print(table.text)
  }

  private func runs(_ kind: DecisionSets, _ sizes: [Int]) throws -> [DecisionRun] {
    try (kind.hasSizes ? sizes : [1]).map { size in
      var random = SplitMix(seed: seed)
      return try DecisionRun(kind.set(size: size, count: requests, random: &random), remembering: remembering)
    }
  }

  private func measure(_ runs: [DecisionRun], into table: inout Table) throws {
    var results = runs.map { _ in [DecisionRun.Result]() }
    // A first look says how many passes a round can afford: about a tenth of a second, and what was asked for where it is faster.
    let passes = try runs.map { run in
      let rate = try run.round(passes: 1).rate
      return max(1, min(decisions, Int(rate / 10)) / run.count)
    }
    for round in 0..<rounds {
      for index in round.isMultiple(of: 2) ? Array(runs.indices) : runs.indices.reversed() {
        results[index].append(try runs[index].round(passes: passes[index]))
      }
    }
    for (run, own) in zip(runs, results) {
      let ratios = zip(own, results[0]).map { $0.p50 / $1.p50 }
      table.add([
        run.name, String(run.size), Spread(own.map(\.p50)).text { $0.digits(0) },
        Spread(own.map(\.rate)).median.digits(0), runs.count == 1 ? "" : Spread(ratios).text { $0.digits(2) },
        Spread(own.map(\.allocations)).median.digits(2), run.compiled.loadTime.digits(1), run.compiled.compileTime.digits(1),
        String(run.compiled.heapBytes / max(run.compiled.policyCount, 1)),
      ])
    }
  }

  private func measureCold(_ kinds: [DecisionSets], _ sizes: [Int]) throws {
    let count = 200
    var caches = ColdDecisions(size: walk * 1_000_000)
    print(
      """
      Before each decision \(walk) MB are walked. Single decisions, less what looking at the clock costs; p50 of \(count), median (minimum–maximum) of \(rounds) rounds.
      A word that is in no cache takes \(caches.miss.digits(0)) ns here.

      """)
    var table = Table(["set", "policies", "tables cold, p50 ns", "tables and code cold, p50 ns", "all warm, p50 ns"])
    for kind in kinds {
      var random = SplitMix(seed: seed)
      let small = try DecisionRun(kind.set(size: min(10, sizes[0]), count: 1_000, random: &random))
      for run in try runs(kind, sizes) {
        let results = try (0..<rounds).map { _ in try caches.measure(run, small: small, count: count) }
        table.add(
          [run.name, String(run.size)]
            + [\ColdDecisions.Result.coldTables, \.coldCode, \.warm].map { part in
              Spread(results.map { $0[keyPath: part] }).text { $0.digits(0) }
            })
      }
    }
    print(table.text)
  }
}
