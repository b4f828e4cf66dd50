// The file with the mesh's settings, watched on a thread of its own, for whoever has no loop to look at it.
// Enters: a file. Leaves: every change of it, through a callback. Never here: what a change means.

/// Watches a MeshConfig file until it is stopped.
public final class MeshConfigWatcher: Sendable {
  private let bell: Bell
  private let thread: WaitingThread

  /// Starts looking at the file once a second; `onChange` gets it after each look that found something new, on the watcher's thread.
  /// - Parameter tidy: what else is to be done on the thread, once a second.
  public init(
    _ file: MeshConfigFile, tidy: @escaping @Sendable () -> Void = {},
    onChange: @escaping @Sendable (MeshConfigFile.Change, MeshConfigFile) -> Void
  ) throws(PolicyWatcherError) {
    do throws(SystemError) {
      let bell = try Bell()
      self.bell = bell
      thread = try WaitingThread {
        var file = file
        while !bell.isRung {
          bell.wait(milliseconds: 1_000)
          if bell.isRung { return }
          tidy()
          let change = file.look()
          if change != .none { onChange(change, file) }
        }
      }
    } catch {
      throw PolicyWatcherError(description: "the mesh's settings cannot be watched: \(error.text)")
    }
  }

  deinit { stop() }

  /// Ends watching and waits until the thread has ended. No change arrives after the first call has returned.
  public func stop() {
    bell.ring()
    thread.join()
  }
}
