// Where policies and settings meet: each can change alone, and what is decided by is made of the newest of both.
// Enters: policy sets from one watcher, mesh settings from another. Leaves: snapshots, in one order, to every reader.
// Never here: a file; work on a thread that decides, not even the freeing of an old snapshot.

public import PolicyEngine
public import PolicyModel
internal import Synchronization

/// Makes each snapshot of the newest policies under the newest settings, whichever of the two changed.
public final class SnapshotPublisher: Sendable {
  /// A snapshot and what it was made of.
  public struct Published: Sendable {
    /// The policies.
    public var policies: PolicySet
    /// The settings.
    public var mesh: MeshSettings
    /// What they were compiled to.
    public var snapshot: Snapshot
  }

  /// Where the snapshots appear.
  public let snapshots: Latest<Snapshot>
  private let dataPlane: DataPlane
  private let current: Mutex<Published>
  /// Snapshots that readers may still hold.
  private let retired = Mutex<[Snapshot]>([])
  /// How many they are, for those who ask often.
  private let count = Atomic(0)

  /// Compiles the first snapshot.
  public init(_ policies: PolicySet, mesh: MeshSettings, dataPlane: DataPlane = .envoy) {
    let snapshot = Snapshot(policies, mesh: mesh, dataPlane: dataPlane)
    self.dataPlane = dataPlane
    snapshots = Latest(snapshot)
    current = Mutex(Published(policies: policies, mesh: mesh, snapshot: snapshot))
  }

  /// The newest snapshot with what it was made of; waits while one is being compiled.
  public var published: Published { current.withLock { $0 } }

  /// Publishes other policies. Compiles on the calling thread; whoever brings the other half meanwhile waits, so that no older pair
  /// follows a newer one.
  public func publish(policies: PolicySet) {
    current.withLock { current in publish(policies, current.mesh, in: &current) }
  }

  /// Publishes the policies under other settings, if they are others. Compiles on the calling thread.
  public func publish(mesh: MeshSettings) {
    current.withLock { current in
      if mesh != current.mesh { publish(current.policies, mesh, in: &current) }
    }
  }

  /// Publishes other policies under other settings, in one step. Compiles on the calling thread.
  public func publish(policies: PolicySet, mesh: MeshSettings) {
    current.withLock { current in publish(policies, mesh, in: &current) }
  }

  private func publish(_ policies: PolicySet, _ mesh: MeshSettings, in current: inout Published) {
    let snapshot = Snapshot(policies, mesh: mesh, dataPlane: dataPlane, reusing: current.snapshot)
    retired.withLock {
      $0.append(current.snapshot)
      count.store($0.count, ordering: .relaxed)
    }
    current = Published(policies: policies, mesh: mesh, snapshot: snapshot)
    snapshots.publish(snapshot)
    releaseRetired()
  }

  /// Frees the snapshots that no reader holds any more, on the calling thread. A reader that lets an old snapshot go is then never the one
  /// who frees it, which takes milliseconds; until somebody calls this, or publishes, it stays. One atomic read when none waits.
  ///
  /// - Returns: whether some still wait for their readers, so that it is worth calling again.
  @discardableResult
  public func releaseRetired() -> Bool {
    guard retiredCount > 0 else { return false }
    // What leaves the lock here is freed behind it, so that nobody waits for that.
    _ = retired.withLock { snapshots -> [Snapshot] in
      var (kept, free): ([Snapshot], [Snapshot]) = ([], [])
      while var snapshot = snapshots.popLast() {
        if isKnownUniquelyReferenced(&snapshot) { free.append(snapshot) } else { kept.append(snapshot) }
      }
      snapshots = kept.reversed()
      count.store(kept.count, ordering: .relaxed)
      return free
    }
    return retiredCount > 0
  }

  /// How many snapshots wait for their last reader.
  public var retiredCount: Int { count.load(ordering: .relaxed) }
}
