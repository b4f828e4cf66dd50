// When an analysis gives up. Enters: a point in time. Leaves: an error once it has passed. Never here: an answer.

/// The time was over: the answer would not be complete.
struct TimeOver: Error {}

/// What is then missing.
let timeOver = "the time was over before everything was looked at"

/// How long an analysis may take, and how much room.
public struct WorkLimit: Sendable {
  private let deadline: ContinuousClock.Instant?
  /// The number of a diagram's nodes that is not exceeded; 2 million are some hundred megabytes.
  let nodes: Int

  /// - Parameters:
  ///   - deadline: when to stop; nil for never.
  ///   - nodes: the number of a diagram's nodes that is not exceeded.
  public init(until deadline: ContinuousClock.Instant? = nil, nodes: Int = 2_000_000) {
    self.deadline = deadline
    self.nodes = nodes
  }

  /// Asked now and then, deep in the work too.
  ///
  /// - Throws: `TimeOver`.
  func check() throws {
    if let deadline, ContinuousClock.now > deadline { throw TimeOver() }
  }
}
