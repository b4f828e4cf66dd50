// When an analysis gives up. Enters: a point in time. Leaves: an error once it has passed. Never here: an answer.

/// The time was over: the answer would not be complete.
struct TimeOver: Error {}

/// What is then missing.
let timeOver = "the time was over before everything was looked at"

/// How long an analysis may take.
public struct WorkLimit: Sendable {
  private let deadline: ContinuousClock.Instant?

  /// - Parameter deadline: when to stop; nil for never.
  public init(until deadline: ContinuousClock.Instant? = nil) { self.deadline = deadline }

  /// Asked now and then, deep in the work too.
  ///
  /// - Throws: `TimeOver`.
  func check() throws {
    if let deadline, ContinuousClock.now > deadline { throw TimeOver() }
  }
}
