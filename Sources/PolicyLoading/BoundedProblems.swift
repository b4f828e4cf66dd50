// How many problems are kept. Problems enter one by one; so many leave that a person can read them, and the number of the others.
// A warning never hides an error: whoever asks whether something is broken gets the same answer as without a bound.

internal import PolicyModel

/// Problems in the order in which they were found, bounded in number.
struct BoundedProblems {
  /// What is kept: at most the limit.
  private(set) var kept: [Problem] = []
  /// How many more there are at least.
  private(set) var hidden = 0
  /// Whether the search for more was given up.
  private(set) var isCut = false
  private var warnings = 0
  private let limit: Int

  init(limit: Int) { self.limit = max(limit, 1) }

  var isEmpty: Bool { kept.isEmpty }

  /// Whether any problem that was added is an error.
  var hasErrors: Bool { kept.count > warnings }

  /// Whether a further problem would only be counted.
  var isFull: Bool { kept.count >= limit && warnings == 0 }

  /// Whether a further warning would only be counted.
  var hasRoomForWarnings: Bool { kept.count < limit }

  /// Keeps the problem, or counts it. An error takes the place of the last warning when there is no room. O(1), or O(limit) once for
  /// each warning.
  mutating func add(_ problem: @autoclosure () -> Problem) {
    guard !isFull else { return addHidden(1) }
    let problem = problem()
    let isWarning = problem.message.severity == .warning
    if kept.count < limit {
      warnings += isWarning ? 1 : 0
    } else {
      addHidden(1)
      guard !isWarning, let last = kept.lastIndex(where: { $0.message.severity == .warning }) else { return }
      kept.remove(at: last)
      warnings -= 1
    }
    kept.append(problem)
  }

  /// Counts problems that nobody wrote down.
  mutating func addHidden(_ count: Int) { hidden += count }

  /// Notes that not everything was checked.
  mutating func cut() { isCut = true }

  /// The kept problems; none are left, and the count stays.
  mutating func take() -> [Problem] {
    defer {
      kept = []
      warnings = 0
    }
    return kept
  }
}
