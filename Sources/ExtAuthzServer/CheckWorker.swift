// One worker thread of the server: everything that it reuses from request to request.
// Enters: one CheckRequest at a time, on its own thread. Leaves: a decision in the reply. A request sees one snapshot from start to end.
// Never here: a lock (but when a new snapshot is taken up), or another thread.

internal import CExtAuthz
internal import PeerIdentity
internal import PolicyEngine
internal import PolicyModel

/// A worker. The bridge never calls one worker from two threads at once, so its state needs no lock; hence `@unchecked Sendable`.
final class CheckWorker: @unchecked Sendable {
  private var desk: CheckDesk

  init(
    _ belief: Belief, snapshots: Latest<Snapshot>, bundles: Latest<TrustBundles>, counters: DecisionCounters, worker: UInt32,
    processID: UInt64
  ) {
    desk = CheckDesk(belief, snapshots: snapshots, bundles: bundles, counters: counters.tally(), worker: worker, processID: processID)
  }

  /// Decides one request.
  func check(_ wire: UnsafePointer<extauthz_request>, _ reply: UnsafeMutablePointer<extauthz_reply>) {
    unsafe desk.check(wire, reply)
  }
}

/// What a worker works with: one value, so that the runtime checks once a request that nobody else uses it, and not at every step.
private struct CheckDesk: ~Copyable {
  private var snapshots: Latest<Snapshot>.Reader
  private var bundles: Latest<TrustBundles>.Reader
  private var resolver: WorkloadResolver
  private var reader: RequestReader
  private var peers: PeerReader
  private var writer: ReplyWriter
  private var request = Request()
  private var residuals = ResidualTable()
  private let counters: DecisionCounters.Tally

  init(
    _ belief: Belief, snapshots: Latest<Snapshot>, bundles: Latest<TrustBundles>, counters: DecisionCounters.Tally, worker: UInt32,
    processID: UInt64
  ) {
    self.snapshots = Latest<Snapshot>.Reader(snapshots)
    self.bundles = Latest<TrustBundles>.Reader(bundles)
    resolver = WorkloadResolver(belief)
    reader = RequestReader(belief)
    peers = PeerReader(belief)
    writer = ReplyWriter(belief, worker: worker, processID: processID)
    self.counters = counters
  }

  mutating func check(_ wire: UnsafePointer<extauthz_request>, _ reply: UnsafeMutablePointer<extauthz_reply>) {
    if snapshots.refresh() { resolver.forget() }
    _ = bundles.refresh()
    let snapshot = snapshots.value
    let decision = unsafe decide(wire, snapshot)
    counters.count(decision)
    unsafe writer.write(decision, snapshot, isTCP: !wire.pointee.has_http, to: reply)
  }

  private mutating func decide(_ wire: UnsafePointer<extauthz_request>, _ snapshot: Snapshot) -> Decision {
    guard let hints = unsafe Hints(wire) else { return Decision(.deny, .badHint) }
    let target: Target
    switch unsafe resolver.resolve(hints, wire, snapshot) {
    case .denied(let reason): return Decision(.deny, reason)
    case .target(let found): target = found
    }
    request.reset()
    if let reason = unsafe peers.read(wire, hints, bundles.value, into: &request) { return Decision(.deny, reason) }
    unsafe reader.read(wire, hints, snapshot, into: &request)
    return snapshot.decide(&request, on: target, profile: hints.profile ?? .sidecar, remembering: &residuals)
  }
}
