// What Envoy's module said about connections: the access log of TCP listeners.
// Enters: a file. Leaves: verdicts in the corpus' words, by the port that the client gave itself. Never happens here: a connection that is held
// for denied because it ended.

internal import Foundation
internal import TestSupport

enum ModuleCorpusLog {
  /// The value of a listener's `access_log`.
  static func loggers(to file: String) -> String {
    let fields = [
      "client: \"%DOWNSTREAM_REMOTE_ADDRESS%\"", "closed: \"%CONNECTION_TERMINATION_DETAILS%\"",
      "told: \"%DYNAMIC_METADATA(portcullis)%\"",
    ].joined(separator: ", ")
    let type = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
    return "[{name: file, typed_config: {\"@type\": \(type), path: \"\(file)\", log_format: {json_format: {\(fields)}}}}]"
  }

  /// The verdicts, once there are so many.
  static func verdicts(_ file: String, count: Int) throws -> [UInt16: CorpusVerdict] {
    var verdicts: [UInt16: CorpusVerdict] = [:]
    try waitUntil("\(count) lines about connections") {
      verdicts = [:]
      let data = FileManager.default.contents(atPath: file) ?? Data()
      for line in data.split(separator: UInt8(ascii: "\n")) {
        guard let fields = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any], let client = fields["client"] as? String,
          let port = client.split(separator: ":").last.flatMap({ UInt16($0) })
        else { throw TestFailure("no line about a connection: \(String(decoding: line, as: UTF8.self))", isFinal: true) }
        verdicts[port] = verdict(fields["told"] as? [String: String] ?? [:], closed: fields["closed"] as? String ?? "")
      }
      return verdicts.count >= count
    }
    return verdicts
  }

  /// An allowed connection is one that the module says it allowed; a denied one was closed by the module, with its details.
  private static func verdict(_ told: [String: String], closed: String) -> CorpusVerdict {
    var verdict = CorpusVerdict(decision: "neither", details: closed)
    if told["decision"] == "allow", !closed.hasPrefix("rbac_access_denied") { verdict.decision = "allow" }
    if told["decision"] == "deny", closed.hasPrefix("rbac_access_denied_matched_policy[") { verdict.decision = "deny" }
    if told["decision"] == "deny", closed.hasPrefix("rbac_access_denied_undecided[") { verdict.decision = "undecided" }
    for (key, name) in [("reason", "x-reason"), ("policy", "x-policy"), ("dry_run", "x-dry-run"), ("audit", "x-audit-policy")] {
      verdict.told[name] = told[key]
    }
    return verdict
  }
}
