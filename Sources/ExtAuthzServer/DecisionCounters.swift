// How many decisions there were, by reason.
// Enters: decisions, each worker's into its own tally. Leaves: totals over all workers. Never here: a lock on the way of a decision, or memory
// that two workers write.

public import PolicyEngine
internal import Synchronization

/// Totals since the start.
public final class DecisionCounters: Sendable {
  /// What one worker has counted.
  final class Tally: Sendable {
    /// As many as there can be reasons, so that no reason lacks a place.
    private let totals = InlineArray<256, Atomic<UInt64>> { _ in Atomic(0) }

    /// One writer: no read-modify-write is needed.
    func count(_ decision: Decision) {
      let index = Int(decision.reason.rawValue)
      let value = totals[index].load(ordering: .relaxed)
      totals[index].store(value &+ 1, ordering: .relaxed)
    }

    func count(of reason: Reason) -> UInt64 { totals[Int(reason.rawValue)].load(ordering: .relaxed) }
  }

  private let tallies = Mutex<[Tally]>([])

  /// All zero.
  public init() {}

  /// A worker's own.
  func tally() -> Tally {
    let tally = Tally()
    tallies.withLock { $0.append(tally) }
    return tally
  }

  /// How many decisions had this reason.
  public func count(of reason: Reason) -> UInt64 {
    tallies.withLock { $0 }.reduce(0) { $0 &+ $1.count(of: reason) }
  }
}
