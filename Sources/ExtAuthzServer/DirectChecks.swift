// Checks without a connection: the codec and one worker, as a server runs them, on the caller's thread.
// Enters: the bytes of a CheckRequest. Leaves: the bytes of a CheckResponse, or nothing for a message that is none.
// Never here: gRPC, another way to decide, or memory that is not reused. Measurements count here what a check costs beside the transport.

internal import CExtAuthz
public import PeerIdentity
public import PolicyEngine

/// Answers encoded checks on the caller's thread.
@safe public final class DirectChecks {
  private let arena: OpaquePointer
  private let worker: CheckWorker
  private var answer: [UInt8]
  /// More than any reply of a worker can take: its texts are bounded.
  private static let capacity = 16 << 10

  /// A worker with an empty memory. An error only when there is no memory for it.
  public init(_ belief: Belief, snapshots: Latest<Snapshot>, bundles: Latest<TrustBundles>) throws(ListenError) {
    guard let created = unsafe extauthz_arena_create(0) else { throw ListenError(description: "out of memory") }
    unsafe arena = created
    worker = CheckWorker(
      belief, snapshots: snapshots, bundles: bundles, counters: DecisionCounters(), worker: 0,
      processID: UInt64.random(in: .min ... .max))
    answer = [UInt8](repeating: 0, count: Self.capacity)
  }

  deinit {
    unsafe extauthz_arena_destroy(arena)
  }

  /// Answers one CheckRequest and lends the CheckResponse to `body`. Returns false, without calling it, for a message that a server would
  /// refuse, or a reply that cannot be encoded. No allocation once the worker has seen its callers and workloads.
  public func check(_ message: Span<UInt8>, _ body: (Span<UInt8>) -> Void) -> Bool {
    var request = unsafe extauthz_request()
    var error = unsafe extauthz_error()
    var reply = unsafe extauthz_reply()
    let size = unsafe message.withUnsafeBufferPointer { bytes -> Int in
      guard unsafe extauthz_decode(arena, extauthz_bytes(data: bytes.baseAddress, size: bytes.count), &request, &error) else { return 0 }
      unsafe worker.check(&request, &reply)
      return unsafe answer.withUnsafeMutableBufferPointer { unsafe extauthz_encode(&reply, $0.baseAddress, $0.count) }
    }
    unsafe extauthz_arena_reset(arena)
    guard size > 0, size <= answer.count else { return false }
    unsafe answer.withUnsafeBufferPointer { unsafe body($0.span.extracting(0..<size)) }
    return true
  }
}
