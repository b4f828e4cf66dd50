// The state of an engine in words.
// Enters: the status of its files. Leaves: lines, not without end. Never here: a judgement that is not in the status.

internal import DecisionText
internal import Glibc
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel

enum EngineText {
  /// How many entries of one kind are shown.
  private static let mostEntries = 200

  /// Findings, each of one or several lines; the last line says how many were left out.
  static func lines(_ findings: [String]) -> String {
    var shown = Array(findings.prefix(mostEntries))
    if findings.count > shown.count { shown.append("and \(findings.count - shown.count) more") }
    return shown.joined(separator: "\n")
  }

  /// What `portcullis_engine_describe` says.
  static func status(
    _ status: PolicyFilesStatus, _ snapshot: Snapshot, meshFindings: [String], meshTrouble: MeshConfigFile.Trouble?,
    reloadProblem: String?
  ) -> String {
    let now = Int64(time(nil))
    let isCurrent = status.isCurrent && meshTrouble == nil && reloadProblem == nil
    // Who does not watch does not know what the files say now.
    let state = !isCurrent ? "stale" : status.watching == .off ? "current as of the last reading" : "current"
    var lines = [
      "\(state)  snapshot \(snapshot.contentHash)  \(snapshot.policyCount) policies  \(status.counts.files) files",
      "watching  \(watching(status.watching))",
    ]
    if status.outcome == .refusedEmpty {
      lines.append("refused  the files hold no AuthorizationPolicy any more; the last set stays in force")
    }
    if let reloadProblem { lines.append("refused  the last reload; what was in force stays: \(reloadProblem)") }
    if let meshTrouble {
      lines.append(
        "stale  the mesh's settings keep their last good version (\(now - meshTrouble.since) s): \(Printable.text(meshTrouble.reason))")
    }
    var entries = status.stale.map { "stale  \($0.key.description) keeps its last good version (\($0.age(at: now)) s): \($0.reason)" }
    entries += status.unusable.map { "unusable  \($0.policy.key.description); every workload it could apply to is denied: \($0.reason)" }
    entries += status.unreadable.map { "unreadable  \(Printable.text($0.path.string)); what it held stays in force: \($0.reason)" }
    let all = [lines.joined(separator: "\n"), Self.lines(entries), Self.lines(meshFindings + status.diagnostics.map(\.description))]
    return all.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  private static func watching(_ watching: PolicyFilesStatus.Watching) -> String {
    switch watching {
    case .off: "no"
    case .notified: "the kernel reports changes"
    case .polled(let reason): "files are compared\(reason.map { ": \($0)" } ?? "")"
    }
  }
}
