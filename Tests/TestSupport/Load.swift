// Requests that never stop while something else happens: a policy changes, the engine is replaced.
//
// Enters: a port, targets. Leaves: how often each answer was seen for each target. Never happens here: judging the answers, or a
// request that is not counted (a connection that fails counts as status 0).

internal import Foundation
internal import Synchronization

/// What was seen for one target: status code, and how often.
package typealias AnswerCounts = [String: [Int: Int]]

/// Threads that ask in a loop, each on its own kept connection.
package final class Load: Sendable {
  private let isStopped = Atomic<Bool>(false)
  private let running: Atomic<Int>
  private let asked = Atomic<Int>(0)
  private let results: Results

  /// How many answers have come so far.
  package var askedCount: Int { asked.load(ordering: .sequentiallyConsistent) }

  /// Starts asking.
  ///
  /// - Parameter questions: a thread for each: the client sidecar's port, and the target.
  package init(_ questions: [(port: UInt16, target: String)]) {
    running = Atomic(questions.count)
    results = Results(count: questions.count)
    for (index, question) in questions.enumerated() {
      Thread { [self] in
        let client = HTTPClient(port: question.port)
        var counts: [Int: Int] = [:]
        while !self.isStopped.load(ordering: .sequentiallyConsistent) {
          var status = 0
          do { status = try client.request(question.target).status } catch { status = 0 }
          counts[status, default: 0] += 1
          self.asked.add(1, ordering: .sequentiallyConsistent)
        }
        self.results.put(["\(question.port) \(question.target)": counts], at: index)
        self.running.subtract(1, ordering: .sequentiallyConsistent)
      }.start()
    }
  }

  /// Waits until some more answers have come, so that what happens next happens under load.
  package func waitForMore(_ count: Int) throws {
    let start = askedCount
    try waitUntil("\(count) more answers under load") { self.askedCount >= start + count }
  }

  /// Stops asking.
  ///
  /// - Returns: for each `PORT TARGET`, how often each status was seen.
  package func stop() throws -> AnswerCounts {
    isStopped.store(true, ordering: .sequentiallyConsistent)
    try waitUntil("the end of the load") { self.running.load(ordering: .sequentiallyConsistent) == 0 }
    return results.all.reduce(into: [:]) { $0.merge($1) { one, other in one.merging(other, uniquingKeysWith: +) } }
  }

  deinit { isStopped.store(true, ordering: .sequentiallyConsistent) }
}

/// What the threads saw, behind a lock.
private final class Results: @unchecked Sendable {
  // `slots` is touched only while `lock` is held.
  private let lock = NSLock()
  private var slots: [AnswerCounts]

  init(count: Int) { slots = Array(repeating: [:], count: count) }

  func put(_ counts: AnswerCounts, at index: Int) { lock.withLock { slots[index] = counts } }

  var all: [AnswerCounts] { lock.withLock { slots } }
}
