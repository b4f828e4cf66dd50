// What runs while the server serves: the server itself, the policy files, the mesh's settings, the trust bundles.
// Enters: the start and the stop of the group. Leaves: published snapshots and bundles, log lines.
// Never here: work on a thread that decides; compiling happens on the watcher's thread. A worker keeps its snapshot until its next request;
// an old one is freed here, not by the worker that lets it go last.

internal import Dispatch
internal import ExtAuthzServer
internal import Foundation
internal import Logging
internal import PeerIdentity
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel
internal import ServiceLifecycle
internal import Synchronization

/// Serves until it is told to stop, then drains.
struct ServerService: Service {
  let server: ExtAuthzServer
  let listening: [String]
  let graceSeconds: UInt32
  let logger: Logger

  func run() async throws {
    server.setServing(true)
    for address in listening {
      print("ready: listening on \(address)")
    }
    fflush(nil)
    logger.info("ready", metadata: ["listening": "\(listening.joined(separator: " "))"])
    try await gracefulShutdown()
    logger.info("stopping: health is NOT_SERVING, connections are told to go elsewhere")
    // A call that never ends must not keep the process alive for ever.
    let limit = min(graceSeconds, 3600) + 15
    Thread.detachNewThread {
      sleep(limit)
      StandardError.write("error: the server did not stop within \(limit) s of SIGTERM; it ends now")
      _exit(1)
    }
    // Draining blocks, so it has a thread of its own.
    let isComplete = await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(returning: server.drain(graceMilliseconds: graceSeconds * 1000))
      }
    }
    logger.info("stopped", metadata: ["answered_all": "\(isComplete)", "checks": "\(server.wireCounters.checks)"])
  }
}

/// Compiles and publishes what the watcher finds.
struct PolicyService: Service {
  let loaded: LoadedPolicies
  /// Which policies cannot be decided.
  let options: PolicyOptions
  let publisher: SnapshotPublisher
  let board: StatusBoard
  let logger: Logger

  func run() async throws {
    let (options, publisher, board, logger) = (options, publisher, board, logger)
    let watcher = try PolicyWatcher(continuing: loaded) { update in
      if update.isNewSet { publisher.publish(policies: update.policies) }
      let status = update.status.adding(options.undecidable(in: update.policies), before: board.status)
      PolicyLog.write(status, isNewSet: update.isNewSet, board.status, publisher.snapshots.value, logger)
      board.set(status)
    }
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        do { try await Task.sleep(for: .seconds(1)) } catch { return }
        publisher.releaseRetired()
      }
    }
    watcher.stop()
  }
}

/// The last status of the files, for whoever asks.
final class StatusBoard: Sendable {
  private let current: Mutex<PolicyFilesStatus>
  private let mesh = Mutex<MeshConfigFile.Trouble?>(nil)

  init(_ status: PolicyFilesStatus) { current = Mutex(status) }

  /// Why the mesh's settings are not what their file says.
  var meshTrouble: MeshConfigFile.Trouble? {
    get { mesh.withLock { $0 } }
    set { mesh.withLock { $0 = newValue } }
  }

  func set(_ status: PolicyFilesStatus) { current.withLock { $0 = status } }

  var status: PolicyFilesStatus { current.withLock { $0 } }
}

/// What the log says of the files.
enum PolicyLog {
  static func metadata(_ status: PolicyFilesStatus, _ snapshot: Snapshot) -> Logger.Metadata {
    [
      "snapshot": "\(snapshot.contentHash)", "generation": "\(status.generation)", "policies": "\(snapshot.policyCount)",
      "files": "\(status.counts.files)", "skipped": "\(status.counts.skipped.values.reduce(0, +))",
    ]
  }

  /// Findings beyond this many of one reload are counted; all of them are in the output of `check`.
  private static let mostFindings = 20

  static func write(
    _ status: PolicyFilesStatus, isNewSet: Bool, _ known: PolicyFilesStatus, _ snapshot: Snapshot, _ logger: Logger
  ) {
    let old = Set(known.diagnostics.map(\.description))
    let new = status.diagnostics.filter { !old.contains($0.description) }
    for diagnostic in new.prefix(mostFindings) {
      logger.log(level: diagnostic.severity == .error ? .error : .warning, "\(diagnostic.description)")
    }
    if new.count > mostFindings { logger.error("\(new.count - mostFindings) more findings in the files") }
    let now = Int64(Date().timeIntervalSince1970)
    for object in status.stale.prefix(mostFindings) {
      logger.error("stale: \(object.key.description) keeps its last good version (\(object.age(at: now)) s): \(object.reason)")
    }
    for object in status.unusable.prefix(mostFindings) {
      logger.error(
        "unusable: \(object.policy.key.description) has no good version; every workload it could apply to is denied: \(object.reason)")
    }
    for source in status.unreadable.prefix(mostFindings) {
      logger.error("unreadable: \(source.path): \(source.reason); what it held stays in force")
    }
    if status.outcome == .refusedEmpty {
      logger.error("the files hold no AuthorizationPolicy any more; the last set stays in force (`--allow-empty` would allow everything)")
    }
    logger.info("\(isNewSet ? "published" : "unchanged")", metadata: metadata(status, snapshot))
  }
}

/// Reads the trust bundles again when a file changes; a file that cannot be read keeps the last good set.
struct BundleService: Service {
  let sources: [TrustBundleSource]
  let bundles: Latest<TrustBundles>
  let logger: Logger

  func run() async throws {
    await cancelWhenGracefulShutdown {
      // Nothing is known at first: what changed since the start is read once more.
      var known: [[Int64]] = []
      var lastProblem = ""
      while !Task.isCancelled {
        do { try await Task.sleep(for: .seconds(1)) } catch { return }
        let found = fingerprint()
        guard found != known else { continue }
        do {
          bundles.publish(try TrustBundles(reading: sources))
          known = found
          lastProblem = ""
          logger.info("trust bundles read again")
        } catch {
          // Tried again each second: a rotation may be under way. Said once.
          let problem = "trust bundles: \(error); the last good set stays in force"
          if ExactText(problem) != ExactText(lastProblem) { logger.error("\(problem)") }
          lastProblem = problem
        }
      }
    }
  }

  /// What tells that a file changed: identity, size and time of modification.
  private func fingerprint() -> [[Int64]] {
    sources.map { source in
      var status = stat()
      guard unsafe stat(source.path, &status) == 0 else { return [] }
      return [
        Int64(bitPattern: UInt64(status.st_ino)), Int64(status.st_size), Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec),
      ]
    }
  }
}
