// One thread's view of an engine, and the connections that live on it.
// Enters: connections and requests, one at a time. Leaves: decisions. A newer snapshot is taken up before a request is looked at.
// Never here: two threads at once: the second one is refused, and waits for nothing. A lock is taken only when there is a newer snapshot.

internal import CPortcullis
internal import PolicyEngine
internal import PolicyFiles
internal import Synchronization

/// A reader. All that changes is used only inside `exclusively`, hence `@unchecked Sendable`.
final class ReaderCore: @unchecked Sendable {
  /// What a check uses beside its connection.
  struct Desk: ~Copyable {
    private var snapshots: Latest<Snapshot>.Reader
    /// Another number whenever places of targets are others than before; never 0.
    private(set) var epoch: UInt64 = 1
    var targets = KeptTargets()
    var facts = RequestFacts()
    var names = RuleNames()

    init(_ snapshots: Latest<Snapshot>) { self.snapshots = Latest<Snapshot>.Reader(snapshots) }

    var snapshot: Snapshot { snapshots.value }

    /// Takes up the newest snapshot.
    @inline(__always)
    mutating func refresh() {
      guard snapshots.isOutdated else { return }
      // Before the snapshot: their tables are its own, which wait for whoever frees them.
      forgetTargets()
      _ = snapshots.refresh()
    }

    /// Makes room for the target of one more description.
    mutating func makeRoom() { if targets.isFull { forgetTargets() } }

    private mutating func forgetTargets() {
      targets.forget()
      epoch &+= 1
    }
  }

  let engine: EngineCore
  private let isBusy = Atomic(false)
  private var isClosed = false
  private var desk: Desk

  init(_ engine: EngineCore) {
    self.engine = engine
    desk = Desk(engine.publisher.snapshots)
  }

  /// Runs `body` while no other thread uses the reader.
  ///
  /// - Throws: `busy` while one does, `closed` when the reader or its engine is.
  @inline(__always)
  func exclusively<Value>(_ body: (inout Desk) throws(Refusal) -> Value) throws(Refusal) -> Value {
    guard !isBusy.exchange(true, ordering: .acquiring) else { throw Refusal(.busy) }
    defer { isBusy.store(false, ordering: .releasing) }
    guard !isClosed, !engine.isClosed else { throw Refusal(.closed) }
    return try body(&desk)
  }

  /// Closes the reader: all that is still to come is refused.
  ///
  /// - Throws: `busy` while another thread uses it; then it stays open.
  func close() throws(Refusal) {
    guard !isBusy.exchange(true, ordering: .acquiring) else { throw Refusal(.busy) }
    isClosed = true
    isBusy.store(false, ordering: .releasing)
  }
}

/// A connection. Used only while its reader is, hence `@unchecked Sendable`; but for the count of facts that were announced.
final class ConnectionCore: @unchecked Sendable {
  private let reader: ReaderCore
  /// How often the host said that it has other facts. Counted before anybody waits for the reader: whoever is refused then has at least ended
  /// what was there before.
  private let announced = Atomic<UInt64>(0)
  /// Which of them were taken; 0: none.
  private var taken: UInt64 = 0
  private var desk = ConnectionDesk()
  /// What is left of the workload's rules on this connection.
  private var residual = ResidualTable.ofOneConnection()

  init(_ reader: ReaderCore) { self.reader = reader }

  /// Makes it a connection of which nothing is known, so that its checks are refused, until `take` succeeds with the number that this returns.
  func announce() -> UInt64 { announced.add(1, ordering: .sequentiallyConsistent).newValue }

  /// Makes it the connection of which these are the facts.
  ///
  /// - Throws: `busy` also when somebody announced other facts meanwhile: nobody knows whose are right.
  func take(_ facts: portcullis_connection_facts, announced number: UInt64) throws(Refusal) {
    let engine = reader.engine
    try reader.exclusively { _ throws(Refusal) in
      guard number == announced.load(ordering: .sequentiallyConsistent) else { throw Refusal(.busy) }
      residual.connectionChanged()
      try unsafe desk.take(facts, engine.settings)
      taken = number
    }
  }

  /// - Throws: `closed` when the facts that were taken last are not those that were announced last.
  @inline(__always)
  private func expectFacts() throws(Refusal) {
    guard taken != 0, taken == announced.load(ordering: .acquiring) else { throw Refusal(.closed) }
  }

  /// Decides one request.
  func check(_ wire: UnsafePointer<portcullis_request>, _ out: DecisionOut) throws(Refusal) {
    try reader.exclusively { shared throws(Refusal) in
      try expectFacts()
      shared.refresh()
      let snapshot = shared.snapshot
      let decision = try unsafe desk.decide(wire, snapshot, &shared, remembering: &residual)
      out.answer(decision, snapshot, &shared.names)
    }
  }

  /// What its decisions can depend on, by the newest policies.
  func testedFacts() throws(Refusal) -> TestedFacts {
    try reader.exclusively { shared throws(Refusal) in
      try expectFacts()
      shared.refresh()
      return desk.testedFacts(&shared)
    }
  }

  /// Decides one request and explains it. Reads all policies.
  func explain(_ wire: UnsafePointer<portcullis_request>) throws(Refusal) -> String {
    try reader.exclusively { _ throws(Refusal) in
      try expectFacts()
      // Copies: the explanation is by the newest policies, and the connection stays with those of its reader.
      var desk = desk
      let published = reader.engine.publisher.published
      var own = ReaderCore.Desk(Latest(published.snapshot))
      desk.forgetPlace()
      var nothing = ResidualTable.ofOneConnection()
      let decision = try unsafe desk.decide(wire, published.snapshot, &own, remembering: &nothing)
      return ExplanationPage.text(decision, desk, published)
    }
  }
}
