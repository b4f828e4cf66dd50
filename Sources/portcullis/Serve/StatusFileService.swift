// The state of the server as a file: what is stale and since when, and how many decisions there were, by reason.
// Enters: the board, the counters. Leaves: one JSON object, replaced by rename every second, so that a reader never sees half of one.

internal import ExtAuthzServer
internal import Foundation
internal import Logging
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel
internal import ServiceLifecycle

struct StatusFileService: Service {
  let path: String
  let board: StatusBoard
  /// The file with the mesh's settings, if there is one.
  let meshConfig: String?
  let snapshots: Latest<Snapshot>
  let server: ExtAuthzServer
  let logger: Logger

  func run() async throws {
    await cancelWhenGracefulShutdown {
      var isWritable = true
      while !Task.isCancelled {
        do { try await Task.sleep(for: .seconds(1)) } catch { return }
        do {
          try write()
          isWritable = true
        } catch {
          // Said once: the reason rarely changes, and the log is for what happens.
          if isWritable { logger.error("the status file is out of date: \(error)") }
          isWritable = false
        }
      }
    }
  }

  /// Writes the present state.
  func write() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
    try OutputFile.replace(path, with: Array(try encoder.encode(document())) + [UInt8(ascii: "\n")])
  }

  /// The shape of the file (docs/operating.md).
  private struct Document: Encodable {
    struct Trouble: Encodable {
      let what: String
      let reason: String
      let ageSeconds: Int64

      enum CodingKeys: String, CodingKey {
        case what, reason
        case ageSeconds = "age_seconds"
      }
    }
    let written: Int64
    let current: Bool
    let snapshot: String
    let generation: UInt64
    let policies: Int
    let reloads: UInt64
    let lastReload: String
    let stale: [Trouble]
    let unusable: [Trouble]
    let unreadable: [Trouble]
    let decisions: [String: UInt64]
    let calls: [String: UInt64]

    enum CodingKeys: String, CodingKey {
      case written, current, snapshot, generation, policies, reloads, stale, unusable, unreadable, decisions, calls
      case lastReload = "last_reload"
    }
  }

  private func document() -> Document {
    let status = board.status
    let snapshot = snapshots.value
    let now = Int64(Date().timeIntervalSince1970)
    var decisions: [String: UInt64] = [:]
    for reason in Reason.allCases {
      let count = server.counters.count(of: reason)
      if count > 0 { decisions["\(reason.code)"] = count }
    }
    var stale = status.stale.map { Document.Trouble(what: $0.key.description, reason: $0.reason, ageSeconds: $0.age(at: now)) }
    let meshTrouble = board.meshTrouble
    if let meshTrouble, let meshConfig {
      stale.append(.init(what: "MeshConfig \(meshConfig)", reason: meshTrouble.reason, ageSeconds: max(0, now - meshTrouble.since)))
    }
    let wire = server.wireCounters
    return Document(
      written: now, current: status.isCurrent && meshTrouble == nil, snapshot: snapshot.contentHash.string, generation: status.generation,
      policies: snapshot.policyCount,
      reloads: status.reloads, lastReload: status.outcome.rawValue,
      stale: stale,
      unusable: status.unusable.map { .init(what: $0.policy.key.description, reason: $0.reason, ageSeconds: max(0, now - $0.since)) },
      unreadable: status.unreadable.map { .init(what: $0.path.string, reason: $0.reason, ageSeconds: max(0, now - $0.since)) },
      decisions: decisions,
      calls: [
        "checks": wire.checks, "malformed": wire.malformed, "too_large": wire.tooLarge, "deadline_exceeded": wire.deadlineExceeded,
        "cancelled": wire.cancelled, "unimplemented": wire.unimplemented, "internal_errors": wire.internalErrors,
      ])
  }
}
