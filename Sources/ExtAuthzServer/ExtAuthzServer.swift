// The server: `envoy.service.auth.v3.Authorization/Check` over the bridge.
// Enters: snapshots and trust bundles, as they are published; questions of proxies. Leaves: answers, health, counters.
// Never here: files, policies, or an answer while there is no snapshot: a server cannot be made without one.

internal import CExtAuthz
internal import Glibc
public import PeerIdentity
public import PolicyEngine

/// Where and how the server listens.
public struct ListenOptions: Sendable {
  /// `127.0.0.1:9191`, `[::1]:0`, `unix:/path`, each with or without TLS.
  public var addresses: [(text: String, usesTLS: Bool)] = []
  /// PEM files for listeners with TLS; picked up anew when they change.
  public var tls: (certificate: String, key: String, clientAuthority: String)?
  /// Threads that decide; 0 is one for each processor.
  public var workers: UInt32 = 0
  /// Whether to listen where another server listens already, as its successor.
  public var takesOver = false
  /// The largest CheckRequest in bytes; larger ones get RESOURCE_EXHAUSTED.
  public var maximumMessageBytes: UInt32 = 4 << 20

  /// Nothing to listen on yet.
  public init() {}
}

/// Why a server could not start.
public struct ListenError: Error, CustomStringConvertible {
  /// What is wrong.
  public let description: String
}

/// A running server. Stops when `drain` was called or it is released.
@safe public final class ExtAuthzServer: @unchecked Sendable {
  // `@unchecked Sendable`: `handle` is made once and freed once, and the bridge's functions on it are thread-safe.
  private let handle: OpaquePointer
  private let context: Context
  /// The port of each listener; 0 for unix sockets.
  public let ports: [UInt16]
  /// Decisions by reason.
  public let counters: DecisionCounters

  /// What the bridge hands back to every call.
  private final class Context: Sendable {
    let workers: [CheckWorker]
    init(workers: [CheckWorker]) { self.workers = workers }
  }

  /// Starts to listen and to answer. Health is NOT_SERVING until `setServing`.
  public init(
    _ options: ListenOptions, belief: Belief, snapshots: Latest<Snapshot>, bundles: Latest<TrustBundles>, processorCount: Int
  ) throws(ListenError) {
    let counters = DecisionCounters()
    let workerCount = min(options.workers == 0 ? UInt32(clamping: max(1, processorCount)) : options.workers, 256)
    let processID = UInt64.random(in: .min ... .max)
    let context = Context(
      workers: (0..<workerCount).map {
        CheckWorker(belief, snapshots: snapshots, bundles: bundles, counters: counters, worker: $0, processID: processID)
      })
    var ports = [UInt16](repeating: 0, count: options.addresses.count)
    var message = [CChar](repeating: 0, count: 512)
    let started = unsafe CStrings.with(options) { listeners, certificate, key, authority in
      var settings = unsafe extauthz_server_options(
        listeners: listeners.baseAddress, listener_count: listeners.count, certificate_path: certificate, key_path: key,
        client_ca_path: authority, refresh_seconds: 10, workers: workerCount, max_message_bytes: options.maximumMessageBytes,
        take_over: options.takesOver, handler: handleCheck, context: Unmanaged.passUnretained(context).toOpaque(),
        log: handleLog)
      return unsafe extauthz_server_start(&settings, &message, message.count, &ports)
    }
    guard let started = unsafe started else {
      throw ListenError(description: String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
    unsafe handle = started
    self.context = context
    self.ports = ports
    self.counters = counters
  }

  deinit {
    // Ends the threads; `context` is still alive until they have ended.
    unsafe extauthz_server_destroy(handle)
  }

  /// What grpc.health.v1 says.
  public func setServing(_ isServing: Bool) {
    unsafe extauthz_server_set_serving(handle, isServing)
  }

  /// Health NOT_SERVING, GOAWAY, then answers what is under way; returns whether nothing had to be cancelled. Blocks.
  public func drain(graceMilliseconds: UInt32) -> Bool {
    unsafe extauthz_server_drain(handle, graceMilliseconds)
  }

  /// What the bridge counts: calls that never became a decision.
  public var wireCounters: WireCounters {
    var values = extauthz_server_counters_values()
    unsafe extauthz_server_counters(handle, &values)
    return WireCounters(
      checks: values.checks, malformed: values.malformed, tooLarge: values.too_large, deadlineExceeded: values.deadline_exceeded,
      cancelled: values.cancelled, unimplemented: values.unimplemented, internalErrors: values.internal_errors)
  }

  /// The handler of every worker.
  fileprivate static func check(
    _ context: UnsafeMutableRawPointer?, _ worker: UInt32, _ request: UnsafePointer<extauthz_request>,
    _ reply: UnsafeMutablePointer<extauthz_reply>
  ) {
    // Returning without an answer denies: the reply arrives zeroed.
    guard let context = unsafe context else { return }
    let workers = unsafe Unmanaged<Context>.fromOpaque(context).takeUnretainedValue().workers
    guard Int(worker) < workers.count else { return }
    unsafe workers[Int(worker)].check(request, reply)
  }
}

/// Calls that never became a decision.
public struct WireCounters: Sendable {
  /// All calls of Check.
  public let checks: UInt64
  /// Not a CheckRequest that can be decided.
  public let malformed: UInt64
  /// Beyond a limit of memory or nesting.
  public let tooLarge: UInt64
  /// Too late before they were decided.
  public let deadlineExceeded: UInt64
  /// The client went away.
  public let cancelled: UInt64
  /// Calls of other methods.
  public let unimplemented: UInt64
  /// No memory for the reply.
  public let internalErrors: UInt64
}

private func handleCheck(
  _ context: UnsafeMutableRawPointer?, _ worker: UInt32, _ request: UnsafePointer<extauthz_request>,
  _ reply: UnsafeMutablePointer<extauthz_reply>
) {
  unsafe ExtAuthzServer.check(context, worker, request, reply)
}

/// gRPC's own errors go to standard error. At every drain it complains that a listener which was closed on purpose accepts no more; that
/// line would only alarm people.
private func handleLog(_ severity: Int32, _ message: UnsafePointer<CChar>) {
  guard severity >= 2, unsafe strstr(message, "Failed accept4") == nil else { return }
  _ = unsafe write(2, message, strlen(message))
  _ = unsafe write(2, "\n", 1)
}
