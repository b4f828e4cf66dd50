// Where the current snapshot is published.
// Enters: snapshots, one after the other. Leaves: the newest, to every reader, at the price of one atomic read a request.
// Never here: a reader that waits for a compilation, or a request that sees two snapshots.

internal import Synchronization

/// The current snapshot.
public final class SnapshotStore: Sendable {
  private let generation = Atomic<UInt64>(1)
  private let current: Mutex<Snapshot>

  /// Starts with a snapshot.
  public init(_ snapshot: Snapshot) {
    current = Mutex(snapshot)
  }

  /// Makes a snapshot the current one, in one step.
  public func publish(_ snapshot: Snapshot) {
    current.withLock { $0 = snapshot }
    generation.add(1, ordering: .releasing)
  }

  /// The current snapshot, for those who ask rarely.
  public var snapshot: Snapshot { current.withLock { $0 } }

  /// One thread's view: it keeps its snapshot and looks for a newer one between requests.
  public struct Reader: Sendable {
    private let store: SnapshotStore
    private var generation: UInt64
    /// The snapshot that `refresh` found last.
    public private(set) var snapshot: Snapshot

    /// A reader of this store.
    public init(_ store: SnapshotStore) {
      self.store = store
      generation = store.generation.load(ordering: .acquiring)
      snapshot = store.snapshot
    }

    /// Takes up a newer snapshot if there is one; returns whether there was. No lock unless there was.
    public mutating func refresh() -> Bool {
      let newest = store.generation.load(ordering: .acquiring)
      guard newest != generation else { return false }
      generation = newest
      snapshot = store.snapshot
      return true
    }
  }
}
