// Waiting for something to become true, always with an end.
//
// Enters: a condition and a longest time. Leaves: success, or an error that names what did not happen. Never happens here: a wait
// without an end, or a sleep whose length decides whether a test passes.

internal import Foundation

/// A test's world did not do what it should have done in time, or could not be built.
package struct TestFailure: Error, CustomStringConvertible {
  /// What happened, for the person who reads the test log.
  package let description: String
  /// Whether waiting longer cannot help.
  package let isFinal: Bool

  /// - Parameters:
  ///   - description: what happened.
  ///   - isFinal: whether waiting longer cannot help, so that `waitUntil` gives up at once.
  package init(_ description: String, isFinal: Bool = false) {
    self.description = description
    self.isFinal = isFinal
  }
}

/// Asks `condition` again and again until it holds.
///
/// - Parameters:
///   - what: what is waited for, for the error.
///   - seconds: the longest wait. Generous: it only ends a test that fails anyway.
///   - detail: more text for the error, such as a log; made only then.
///   - condition: asked every few milliseconds; an error that it throws counts as "not yet", unless it is final.
/// - Throws: `TestFailure` when the time is up.
package func waitUntil(_ what: String, seconds: Double = 20, detail: () -> String = { "" }, _ condition: () throws -> Bool) throws {
  let end = Date().addingTimeInterval(seconds)
  var lastError = ""
  while true {
    do {
      if try condition() { return }
      lastError = ""
    } catch let failure as TestFailure where failure.isFinal {
      throw TestFailure("while waiting for \(what): \(failure)\n\(detail())", isFinal: true)
    } catch {
      lastError = " (last error: \(error))"
    }
    guard Date() < end else { throw TestFailure("waited \(seconds) s in vain: \(what)\(lastError)\n\(detail())") }
    Thread.sleep(forTimeInterval: 0.01)
  }
}
