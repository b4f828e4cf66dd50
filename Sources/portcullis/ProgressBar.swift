// A bar on standard error for those who wait. Enters: how much is done. Leaves: one line, written over and over; nothing when standard error is
// no terminal, or when it is done soon. Never here: a result.

internal import Glibc

struct ProgressBar {
  private let isShown = isatty(2) == 1
  private let begin = ContinuousClock.now
  private let delay: Duration
  private var shown = -1

  /// - Parameter delay: what is done before is not shown.
  init(delay: Duration = .seconds(1)) { self.delay = delay }

  /// Shows a share, if it is known, and words; again only when the share or `step` is another.
  mutating func show(percent: Int?, step: Int = 0, _ words: @autoclosure () -> String) {
    let now = percent ?? step
    guard isShown, now != shown, ContinuousClock.now - begin >= delay else { return }
    shown = now
    let bar = percent.map { percent in
      let full = min(max(percent, 0), 100) / 5
      return "[\(String(repeating: "#", count: full))\(String(repeating: " ", count: 20 - full))] \(percent) %  "
    }
    _ = OutputFile.write(Array("\r\(bar ?? "")\(words())".utf8), to: 2)
  }

  /// Takes the bar away.
  func end() {
    if isShown, shown >= 0 { _ = OutputFile.write(Array("\r\u{1b}[K".utf8), to: 2) }
  }
}
