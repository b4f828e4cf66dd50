// Graphviz as the one who places workloads, where it is installed.
// Enters: a graph. Leaves: a layout, always: without Graphviz, with too much for it, or when it takes too long, the simple one.
// Never here: text of a manifest in what Graphviz reads; it sees numbers and sizes only.

internal import Dispatch
internal import Foundation
internal import PolicyAnalysis

enum Graphviz {
  private static let seconds = 10

  /// The layout of a graph.
  static func layout(of graph: AccessGraph) -> GraphLayout {
    let simple = GraphLayout(simple: graph)
    let drawn = graph.edges.count { $0.access != .none }
    guard drawn <= GraphLayout.mostEdges, let program, let text = run(program, GraphLayout.question(graph)) else {
      return simple
    }
    return GraphLayout(plain: text, of: graph) ?? simple
  }

  /// `dot` of the PATH.
  private static var program: String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    return path.split(separator: ":").map { "\($0)/dot" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  /// What it prints; nil when it fails or takes too long.
  private static func run(_ program: String, _ question: String) -> String? {
    let folder = FileManager.default.temporaryDirectory.appending(path: "portcullis-\(UUID().uuidString)")
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
      defer { removeQuietly(folder) }
      let (input, output) = (folder.appending(path: "in"), folder.appending(path: "out"))
      try Data(question.utf8).write(to: input)
      let process = Process()
      process.executableURL = URL(fileURLWithPath: program)
      process.arguments = ["-Tplain", "-o", output.path, input.path]
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      let end = DispatchSemaphore(value: 0)
      process.terminationHandler = { _ in end.signal() }
      try process.run()
      guard end.wait(timeout: .now() + .seconds(seconds)) == .success else {
        process.terminate()
        process.waitUntilExit()
        return nil
      }
      guard process.terminationStatus == 0 else { return nil }
      return try String(contentsOf: output, encoding: .utf8)
    } catch {
      return nil
    }
  }

  private static func removeQuietly(_ folder: URL) {
    do { try FileManager.default.removeItem(at: folder) } catch {
      StandardError.write("warning: \(folder.path) cannot be removed: \(error)")
    }
  }
}
