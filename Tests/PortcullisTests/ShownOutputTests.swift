// What README and docs show: commands behind a dollar, with what they print.
// Enters: the pages. Leaves: the same commands, run, and their output held to the page. Never here: commands whose output is not shown.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `the pages show what the command prints` {
  /// A command and the lines below it, up to the end of the block.
  struct Shown {
    var command: String
    var output: String
  }

  static func shown(on page: String) throws -> [Shown] {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let text = try String(contentsOf: root.appending(path: page), encoding: .utf8)
    return text.components(separatedBy: "```").enumerated().filter { $0.offset % 2 == 1 }.compactMap { _, block in
      let lines = block.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      for prefix in ["$ .build/release/portcullis ", "$ portcullis "] {
        guard let first = lines.firstIndex(where: { $0.hasPrefix(prefix) }) else { continue }
        let output = lines[(first + 1)...].joined(separator: "\n").trimmingCharacters(in: .newlines)
        return Shown(command: String(lines[first].dropFirst(prefix.count)), output: output)
      }
      return nil
    }
  }

  @Test(arguments: [
    ("README.md", 3), ("docs/explain.md", 1), ("docs/lint.md", 1), ("docs/testing.md", 1), ("docs/replay.md", 1), ("docs/tls-check.md", 2),
    ("docs/graph.md", 1), ("docs/what-if.md", 4), ("examples/README.md", 12),
  ])
  func `byte for byte`(_ page: String, _ least: Int) throws {
    let all = try Self.shown(on: page)
    #expect(all.count >= least, "\(page) shows \(all.count)")
    try withSandbox { sandbox throws in
      for one in all {
        let run = try sandbox.portcullis(one.command.split(separator: " ").map(String.init))
        #expect(run.output.trimmingCharacters(in: .newlines) == one.output, "\(page): \(one.command)")
      }
    }
  }
}
