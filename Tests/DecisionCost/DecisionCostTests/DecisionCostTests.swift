// What a decision asks of the machine beside arithmetic: nothing of the allocator, no lock, and no reference counted up or down beyond a recorded
// number. Each request is asked before it is counted, so that what is kept between requests, and what the runtime prepares once, is there.
//
// Only an optimized build is counted: without the optimizer Swift counts references, and allocates, at nearly every use of an array. So the test is a
// package of its own, which builds little: `swift test --package-path Tests/DecisionCost -c release`; `.ci/run` does so.

internal import CCounting
internal import PolicyEngine
internal import PolicyLoading
internal import PolicyModel
internal import Testing

/// Whether the optimizer was on: only then are assertions not evaluated.
private var isOptimized: Bool {
  var isChecked = false
  assert(
    {
      isChecked = true
      return true
    }())
  return !isChecked
}

@Suite(.enabled(if: isOptimized && counting_is_possible(), "only optimized, and not under a sanitizer")) struct `What a decision costs` {
  /// References that one decision may count up, and as many down.
  static let mostRetains: UInt64 = 0

  @Test(arguments: CostCase.all) func `nothing of the allocator, no lock, and hardly a reference`(_ one: CostCase) throws {
    let (snapshot, target) = try Self.compile(one)
    for (number, prepared) in one.requests.enumerated() {
      var request = prepared.request
      #expect(snapshot.decide(&request, on: target).verdict == prepared.verdict, "\(one.name), request \(number)")
      _ = Self.count(snapshot, target, &request)
      let counts = Self.count(snapshot, target, &request)
      #expect(counts.allocations == 0, "\(one.name), request \(number): \(counts.allocations) allocations in \(Self.times) decisions")
      #expect(counts.locks == 0, "\(one.name), request \(number): \(counts.locks) locks in \(Self.times) decisions")
      let limit = Self.mostRetains * Self.times
      #expect(counts.retains <= limit, "\(one.name), request \(number): \(counts.retains) retains in \(Self.times) decisions")
      #expect(counts.releases <= limit, "\(one.name), request \(number): \(counts.releases) releases in \(Self.times) decisions")
    }
  }

  /// The instrument itself: an array that grows and a reference that is copied are seen.
  @Test func `what is counted is seen`() {
    let counts = Self.countGrowth(of: [1])
    #expect(counts.allocations > 0)
    #expect(counts.releases > 0)
    #expect(Self.countKeeping(CountedObject(), times: 7) >= 7)
    let locks = Self.countLock()
    #expect(locks == 1)
  }

  private static let times: UInt64 = 100

  @inline(never)
  private static func count(_ snapshot: Snapshot, _ target: Target, _ request: inout Request) -> counting {
    var wrong = false
    counting_start()
    for _ in 0..<times {
      if snapshot.decide(&request, on: target).reason == .internalError { wrong = true }
    }
    let counts = counting_stop()
    #expect(!wrong)
    return counts
  }

  @inline(never)
  private static func countGrowth(of array: [Int]) -> counting {
    counting_start()
    var copy = array
    for number in 0..<100 { copy.append(number) }
    let count = copy.count
    copy = []
    let counts = counting_stop()
    #expect(count == 101)
    return counts
  }

  /// Stores a reference several times, in memory that is there already.
  @inline(never)
  private static func countKeeping(_ object: CountedObject, times: Int) -> UInt64 {
    var kept: [CountedObject] = []
    kept.reserveCapacity(times)
    counting_start()
    for _ in 0..<times { kept.append(object) }
    let counts = counting_stop()
    #expect(kept.count == times)
    return counts.retains
  }

  private static func countLock() -> UInt64 {
    counting_start()
    counting_take_a_lock()
    return counting_stop().locks
  }

  private static func compile(_ one: CostCase) throws -> (Snapshot, Target) {
    let file = loadPolicies(text: Array(one.text.utf8), file: "cost.yaml", limits: LoadingLimits())
    try #require(file.diagnostics.allSatisfy { $0.severity != .error }, "\(file.diagnostics)")
    var set = PolicySet()
    for object in file.objects {
      switch object {
      case .policy(let policy): set.policies.append(policy)
      case .peerAuthentication(let policy): set.peerAuthentications.append(policy)
      default: Issue.record("\(one.name): an object of a kind that no case has")
      }
    }
    let snapshot = Snapshot(set, mesh: MeshSettings())
    return (snapshot, snapshot.target(namespace: "shop", labels: ["app": "backend"]))
  }
}

private final class CountedObject {}
