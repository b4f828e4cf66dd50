// A compiled set with its requests, and the clock. What enters is a set; what leaves are nanoseconds and calls of the allocator for a decision.
// Requests are built, and workloads found, before the clock starts. The first wrong answer ends the benchmark.
internal import CAllocations
internal import CProcess
internal import PolicyEngine
internal import PolicyModel

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
  let size: Int
  let compiled: CompiledText
  private let cases: [DecisionCase]
  private let requests: [Request]
  private let verdicts: [Verdict]
  private let targets: [Target]
  /// For each request, in `targets`.
  private let targetNumbers: [Int]

  /// The connection of each request, if there are any.
  private let connections: [Connection]?

  /// What a proxy keeps of a connection.
  private final class Connection {
    // A connection is one thread's; nothing checks that at run time in a proxy, either.
    @exclusivity(unchecked) private var table = ResidualTable.ofOneConnection()
    private let target: Target

    init(_ target: Target) { self.target = target }

    func decide(_ request: inout Request, _ snapshot: Snapshot) -> Verdict {
      unsafe snapshot.decide(&request, on: target, remembering: &table).verdict
    }
  }

  /// - Parameter remembering: whether each request comes on a connection of its own, on which it came before.
  init(_ set: DecisionSet, remembering: Bool = false) throws {
    name = set.name
    size = set.size
    compiled = try CompiledText(set.text)
    cases = set.cases
    requests = cases.map { one in
      var request = Request()
      one.request(into: &request)
      return request
    }
    verdicts = cases.map(\.verdict)
    var numbers: [String: Int] = [:]
    var targets: [Target] = []
    for workload in cases.map(\.workload) where numbers[workload] == nil {
      numbers[workload] = targets.count
      targets.append(try compiled.target(workload))
    }
    self.targets = targets
    targetNumbers = cases.map { numbers[$0.workload] ?? 0 }
    connections = remembering ? targetNumbers.map { Connection(targets[$0]) } : nil
  }

  /// Different requests.
  var count: Int { requests.count }

  /// Requests to be decided: deciding may change one, so that each round has its own, made before the clock runs.
  func copyOfRequests() -> [Request] { requests.map { $0 } }

  /// Walks over all requests, `passes` times.
  func round(passes: Int) throws -> Result {
    var requests = copyOfRequests()
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
        if let first = decide(&requests, index..<end) { wrong = first }
        let now = bench_now()
        batches.append(Double(now - last) / Double(end - index))
        last = now
        index = end
      }
    }
    let seconds = Double(last - start) / 1e9
    let allocated = bench_allocations() - allocations
    if let wrong { throw complaint(wrong) }
    let decisions = Double(passes * requests.count)
    return Result(p50: Spread(batches).median, rate: decisions / seconds, allocations: Double(allocated) / decisions)
  }

  /// Decides some of the requests and returns one that was answered wrongly. A single target is not read from an array each time, which would
  /// count references.
  @inline(never)
  func decide(_ requests: inout [Request], _ range: Range<Int>) -> Int? {
    let snapshot = compiled.snapshot
    var wrong: Int?
    let first = targets[0]
    var span = requests.mutableSpan
    if let connections {
      for index in range {
        let verdict = connections[index].decide(&span[index], snapshot)
        if verdict != verdicts[index] { wrong = index }
      }
      return wrong
    }
    if targets.count == 1 {
      for index in range where snapshot.decide(&span[index], on: first).verdict != verdicts[index] { wrong = index }
    } else {
      let targets = targets.span
      for index in range where snapshot.decide(&span[index], on: targets[targetNumbers[index]]).verdict != verdicts[index] {
        wrong = index
      }
    }
    return wrong
  }

  /// Decides one request alone, made anew.
  func decide(_ index: Int, reusing request: inout Request) throws -> Double {
    cases[index].request(into: &request)
    let target = targets[targetNumbers[index]]
    let snapshot = compiled.snapshot
    let start = bench_now()
    let decision = snapshot.decide(&request, on: target)
    let end = bench_now()
    if decision.verdict != verdicts[index] { throw complaint(index) }
    return Double(end - start)
  }

  /// What is wrong about the answer to a request.
  func complaint(_ index: Int) -> BenchError {
    var request = requests[index]
    let decision = compiled.snapshot.decide(&request, on: targets[targetNumbers[index]])
    return BenchError("\(name), \(size): wrong answer \(decision.verdict.name) (\(decision.reason.code)) for \(cases[index])")
  }
}
