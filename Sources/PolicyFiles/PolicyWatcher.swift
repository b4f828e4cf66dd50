// The door for everyone who serves: what was loaded at first enters, and every later state of the files leaves through a callback.
// A thread waits for changes and ends with the watcher.

/// Why watching could not start.
public struct PolicyWatcherError: Error, CustomStringConvertible {
  /// What failed, in one sentence.
  public let description: String
}

/// Watches policy files until it is stopped.
///
/// The callback gets every reload in order, on the watcher's own thread; while it runs, further changes wait and are then read at once.
/// Edits by one rename (or one swap of a symbolic link) appear at once and whole, others when they have settled. A file that is open
/// for writing keeps its last content until it is closed; where nobody can tell, because files are compared or were written before the
/// watching began, until two comparisons find it the same.
public final class PolicyWatcher: Sendable {
  private let bell: Bell
  private let thread: WaitingThread

  /// Starts watching. What changed since `loaded` was read arrives with the first updates; there is always a first update, because it
  /// says how changes are noticed.
  /// - Parameter tidy: what else is to be done on the thread; called whenever it wakes, and about once a second for as long as it returns true.
  public init(
    continuing loaded: LoadedPolicies, tidy: @escaping @Sendable () -> Bool = { false },
    onUpdate: @escaping @Sendable (PolicyUpdate) -> Void
  ) throws(PolicyWatcherError) {
    do throws(SystemError) {
      let bell = try Bell()
      self.bell = bell
      thread = try WaitingThread { WatchLoop(continuing: loaded, bell: bell, tidy: tidy, deliver: onUpdate).run() }
    } catch {
      throw PolicyWatcherError(description: "policy files cannot be watched: \(error.text)")
    }
  }

  deinit { stop() }

  /// Ends watching and waits until the thread has ended, at most as long as one reload and one callback take. No update arrives after
  /// the first call has returned. Called from the callback, it returns at once.
  public func stop() {
    bell.ring()
    thread.join()
  }
}
