// How many decisions there were, by reason.
// Enters: decisions, from all workers. Leaves: totals. Never here: a lock.

public import PolicyEngine
internal import Synchronization

/// Totals since the start.
public final class DecisionCounters: Sendable {
  /// One total, on its own.
  private final class Total: Sendable {
    let value = Atomic<UInt64>(0)
  }

  private let totals: [Total] = Reason.allCases.map { _ in Total() }

  /// All zero.
  public init() {}

  func count(_ decision: Decision) {
    let index = Int(decision.reason.rawValue)
    if totals.indices.contains(index) { totals[index].value.add(1, ordering: .relaxed) }
  }

  /// How many decisions had this reason.
  public func count(of reason: Reason) -> UInt64 {
    let index = Int(reason.rawValue)
    return totals.indices.contains(index) ? totals[index].value.load(ordering: .relaxed) : 0
  }
}
