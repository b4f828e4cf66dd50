// The prepared messages of a load, held in C, and a round of them against one server. What enters are checks with their expected
// outcomes; what leaves is what the round measured, in units that people read. A wrong or failed answer ends the
// benchmark: speed is not compared with a server that is wrong.
internal import CLoad
internal import CProcess

/// Who asks.
enum LoadClient: String, CaseIterable {
  /// Our own small client, which costs about half of what a server costs: the server is what limits a round.
  case http2
  /// The gRPC C core's client, which costs as much as a server.
  case core
}

/// How a round asks.
struct LoadShape {
  var client: LoadClient
  var connections: Int
  var callsPerConnection: Int
  /// The core that this process is bound to.
  var core: Int
  /// Whether the small client never sleeps: else a server pays for waking it, and a slower server more often.
  var isAwake = false

  var name: String { "\(connections) × \(callsPerConnection)" }

  /// Reads a list such as `1x64,8x8`.
  static func parse(_ text: String, client: LoadClient, core: Int, isAwake: Bool) throws -> [LoadShape] {
    try text.split(separator: ",").map { text in
      let numbers = text.split(separator: "x").compactMap { Int($0) }
      guard numbers.count == 2, numbers.allSatisfy({ $0 > 0 && $0 <= 4_096 }) else {
        throw BenchError("`\(text)` is not CONNECTIONSxCALLS, such as 1x64")
      }
      return LoadShape(client: client, connections: numbers[0], callsPerConnection: numbers[1], core: core, isAwake: isAwake)
    }
  }
}

/// What one round against one server measured.
struct RoundResult {
  /// Correct answers per second.
  var rate: Double
  /// The server's processor time for each answer, microseconds.
  var serverCost: Double
  /// The share of its core that the server used, and the load of its own.
  var serverShare: Double
  var loadShare: Double
  /// What other processes took of the two cores, as a share of one core.
  var othersShare: Double
  /// Latency in microseconds.
  var p50: Double
  var p99: Double
}

/// The messages of a load. Safe to use although it holds a C pointer: this object alone owns it and frees it, and no method lends it out.
@safe final class CheckLoad {
  private let messages: OpaquePointer
  private let checks: [ExpectedCheck]
  /// Mean size of a message in bytes.
  let meanSize: Int

  /// Encodes the checks. Each call carries what Envoy adds to it: the hint of its configuration, and its own `x-` headers.
  init(_ checks: [ExpectedCheck]) throws {
    guard let messages = unsafe load_messages_create() else { throw BenchError("no memory for the load") }
    unsafe self.messages = unsafe messages
    self.checks = checks
    var size = 0
    var isComplete = true
    for check in checks {
      let bytes = check.message.encoded()
      size += bytes.count
      let metadata = [
        ("x-portcullis-workload", check.workload), ("x-forwarded-for", check.message.destination.host),
        ("x-envoy-internal", "true"), ("x-envoy-expected-rq-timeout-ms", "500"),
      ]
      isComplete = unsafe load_messages_add(messages, bytes, bytes.count, check.isAllowed ? LOAD_ALLOW : LOAD_DENY) && isComplete
      for (key, value) in metadata { isComplete = unsafe load_messages_add_metadata(messages, key, value) && isComplete }
    }
    meanSize = size / max(checks.count, 1)
    guard isComplete else { throw BenchError("no memory for the load") }
  }

  deinit { unsafe load_messages_destroy(messages) }

  /// One round against one server.
  func run(_ shape: LoadShape, against server: ServerProcess, warmUp: Double, seconds: Double) throws -> RoundResult {
    var result = load_result()
    let problem = unsafe server.address.withCString { address in
      var round = unsafe load_round(
        address: address, client: shape.client == .http2 ? LOAD_HTTP2 : LOAD_CORE, connections: shape.connections,
        calls_per_connection: shape.callsPerConnection, warm_up_seconds: warmUp,
        seconds: seconds, server: server.pid, server_core: Int32(server.cores.first { $0 != shape.core } ?? shape.core),
        load_core: Int32(shape.core),
        is_awake: shape.isAwake, every_reply_allows: server.decidesNothing)
      return unsafe load_run(messages, &round, &result).map { unsafe String(cString: $0) }
    }
    try server.mustStillRun()
    if let problem { throw BenchError("\(server.name): \(problem)") }
    guard result.failed == 0 else {
      throw BenchError(
        "\(server.name): \(result.failed) calls failed, the first with gRPC status \(result.first_failure < 0 ? "unknown" : String(result.first_failure))"
      )
    }
    guard result.wrong == 0 else {
      let check = checks[Int(result.first_wrong)]
      throw BenchError(
        """
        \(server.name): \(result.wrong) wrong answers; the first: \(check.message.sourcePrincipal) to \(check.workload) must be \
        \(check.isAllowed ? "allowed" : "denied")
        """)
    }
    guard result.answered > 0 else { throw BenchError("\(server.name): no call was answered in \(seconds) s") }
    let answered = Double(result.answered)
    return RoundResult(
      rate: answered / result.seconds,
      serverCost: Double(result.server_processor_time) / answered / 1e3,
      serverShare: Double(result.server_processor_time) / result.seconds / 1e9,
      loadShare: Double(result.load_processor_time) / result.seconds / 1e9,
      othersShare: Double(result.others_time) / result.seconds / 1e9,
      p50: Double(result.latency_p50) / 1e3,
      p99: Double(result.latency_p99) / 1e3)
  }
}
