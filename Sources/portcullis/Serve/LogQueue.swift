// The log of the server, on standard error, written by a thread of its own.
// Enters: lines, from any thread. Leaves: the same lines, in order; when nobody reads them, those beyond the bound are counted and the
// count is written in their place.
// Never here: a thread that publishes policies or stops the server and waits for a reader of the log.

internal import Dispatch
internal import Foundation
internal import Logging
internal import Synchronization

/// Lines that wait to be written.
final class LogQueue: Sendable {
  private struct State {
    var lines: [String] = []
    var lostCount = 0
  }

  private static let mostLines = 10_000
  private let state = Mutex(State())
  private let wake = DispatchSemaphore(value: 0)

  /// Starts the writing thread, which lives as long as the process.
  init() {
    Thread.detachNewThread { [self] in
      while true {
        wake.wait()
        let (lines, lostCount) = state.withLock { state in
          defer { state = State() }
          return (state.lines, state.lostCount)
        }
        if !lines.isEmpty { StandardError.write(lines.joined(separator: "\n")) }
        if lostCount > 0 { StandardError.write("\(lostCount) lines of the log were lost, because nobody read them in time") }
      }
    }
  }

  /// Adds a line; never waits.
  func add(_ line: String) {
    state.withLock { state in
      if state.lines.count < Self.mostLines { state.lines.append(line) } else { state.lostCount += 1 }
    }
    wake.signal()
  }

  /// Gives the writer a moment to finish before the process ends.
  func flush() {
    for _ in 0..<20 where state.withLock({ !$0.lines.isEmpty }) { usleep(10_000) }
  }
}

/// Writes `TIME LEVEL MESSAGE key=value …` to a queue. Line breaks of a message indent what follows, so that no text imitates a line.
struct QueuedLogHandler: LogHandler {
  let queue: LogQueue
  var logLevel = Logger.Level.info
  var metadata = Logger.Metadata()

  init(queue: LogQueue) { self.queue = queue }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let pairs = metadata.merging(event.metadata ?? [:]) { _, new in new }.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
      .joined()
    let text = "\(event.message)".replacing("\n", with: "\n    ")
    queue.add("\(Date().ISO8601Format()) \(event.level) \(text)\(pairs)")
  }
}
