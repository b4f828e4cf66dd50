// Decisions whose tables are in no cache of the processor. What enters are two runs of the same kind, a small one and the one that is measured; what
// leaves are medians in nanoseconds. Before each decision a buffer of several times the last-level cache is walked, which is not timed.
internal import CProcess
internal import PolicyEngine

/// Measures single decisions after the caches were emptied.
struct ColdDecisions {
  /// Medians over single decisions, without what looking at the clock costs.
  struct Result {
    /// The request has just been filled in, and the code has just decided requests of another, small snapshot; the tables are in no cache.
    var coldTables: Double
    /// The request has just been filled in; neither code nor tables are in any cache.
    var coldCode: Double
    /// As for `coldTables`, without the walk: what a decision that is timed alone costs where all is warm.
    var warm: Double
  }

  /// Lines of eight words. The first word of each is the index of another, so that all lines are one random ring; the second is for walking.
  private var buffer: [UInt64]
  /// Nanoseconds for a word that is in no cache.
  let miss: Double

  /// - Parameter size: bytes to walk; several times the last-level cache
  init(size: Int) {
    let lines = max(size / 64, 2)
    var buffer = [UInt64](repeating: 0, count: lines * 8)
    let order = Array(0..<lines)
    var random = SplitMix(seed: 1)
    let ring = order.shuffled(using: &random)
    for (position, line) in ring.enumerated() { buffer[line * 8] = UInt64(ring[(position + 1) % lines] * 8) }
    let steps = 100_000
    var at = 0
    let start = bench_now()
    for _ in 0..<steps { at = Int(buffer[at]) }
    let end = bench_now()
    // The place is used, so that the walk cannot be left out.
    buffer[at + 1] = 1
    miss = Double(end - start) / Double(steps)
    self.buffer = buffer
  }

  /// Reads and writes a word of every line, so that all of the caches holds nothing else.
  @inline(never)
  private mutating func evict() {
    var index = 1
    while index < buffer.count {
      buffer[index] &+= 1
      index += 8
    }
  }

  /// - Parameters:
  ///   - run: what is measured; its requests are taken in their order
  ///   - small: of the same kind; it warms the code
  ///   - count: decisions for each figure
  mutating func measure(_ run: DecisionRun, small: DecisionRun, count: Int) throws -> Result {
    var figures = [[Double](), [Double](), [Double]()]
    var request = Request()
    var other = Request()
    let clock = Spread(
      (0..<1000).map { _ in
        let start = bench_now()
        return Double(bench_now() - start)
      }
    ).median
    for index in 0..<count {
      for kind in 0..<3 {
        if kind < 2 { evict() }
        // Building requests, the clock and, for the first and last figure, deciding are warm again after this.
        if kind != 1 { for number in 0..<8 { _ = try small.decide((index + number) % small.count, reusing: &other) } }
        figures[kind].append(try run.decide(index % run.count, reusing: &request) - clock)
      }
    }
    return Result(coldTables: Spread(figures[0]).median, coldCode: Spread(figures[1]).median, warm: Spread(figures[2]).median)
  }
}
