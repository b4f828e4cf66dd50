// The mesh's settings while the server serves: their file is looked at every second, and what changed is published with the policies.
// Enters: the file. Leaves: snapshots, log lines, what is stale. Never here: a server that goes on with half of a file, or that forgets
// its settings because the file is broken or gone.

internal import Logging
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel
internal import ServiceLifecycle

struct MeshConfigService: Service {
  let file: MeshConfigFile
  /// What wins over the file.
  let options: PolicyOptions
  let publisher: SnapshotPublisher
  let board: StatusBoard
  let logger: Logger

  func run() async throws {
    await cancelWhenGracefulShutdown {
      var file = file
      while !Task.isCancelled {
        do { try await Task.sleep(for: .seconds(1)) } catch { return }
        let change = file.look()
        guard change != .none else { continue }
        board.meshTrouble = file.trouble
        for diagnostic in file.diagnostics {
          logger.log(level: diagnostic.severity == .error ? .error : .warning, "\(diagnostic.description)")
        }
        if change == .settings {
          publisher.publish(mesh: options.settings(over: file.settings))
          logger.info("published the mesh's settings", metadata: ["snapshot": "\(publisher.snapshots.value.contentHash)"])
        } else if let trouble = file.trouble {
          logger.error("stale: the settings of \(file.path) keep their last good version: \(trouble.reason)")
        } else {
          logger.info("the settings of \(file.path) are as they were")
        }
      }
    }
  }
}
