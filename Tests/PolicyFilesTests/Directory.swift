// A directory of real files for a test, and a watcher whose updates can be waited for.

internal import Glibc
internal import PolicyModel
internal import Synchronization
internal import Testing

@testable internal import PolicyFiles

/// A new directory, removed at the end. Names are relative to it.
final class Directory: Sendable {
  let path: String

  init() {
    var template = Array("/tmp/portcullis-files-XXXXXX".utf8CString)
    path = unsafe template.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress, let made = unsafe mkdtemp(start) else { return "/nonexistent" }
      return unsafe String(cString: made)
    }
  }

  deinit { remove("") }

  subscript(name: String) -> String { name.isEmpty ? path : "\(path)/\(name)" }

  func make(_ name: String) {
    let result = unsafe mkdir(self[name], 0o755)
    #expect(result == 0)
  }

  /// Writes in place, in two pieces.
  func write(_ name: String, _ text: String) {
    let descriptor = unsafe open(self[name], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    #expect(descriptor >= 0)
    let bytes = Array(text.utf8)
    for part in [bytes[..<(bytes.count / 2)], bytes[(bytes.count / 2)...]] {
      _ = unsafe part.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
    close(descriptor)
  }

  /// Opens a file for writing, cut to nothing unless `appending`, and writes the text; the caller closes it.
  func start(_ name: String, _ text: String, appending: Bool = false) -> Int32 {
    let descriptor = unsafe open(self[name], O_WRONLY | O_CREAT | O_CLOEXEC | (appending ? O_APPEND : O_TRUNC), 0o644)
    #expect(descriptor >= 0)
    more(descriptor, text)
    return descriptor
  }

  func more(_ descriptor: Int32, _ text: String) {
    let bytes = Array(text.utf8)
    let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
    #expect(count == bytes.count)
  }

  /// Writes beside and renames over.
  func replace(_ name: String, _ text: String) {
    write(name + ".tmp", text)
    move(name + ".tmp", name)
  }

  func move(_ old: String, _ new: String) {
    let result = unsafe rename(self[old], self[new])
    #expect(result == 0)
  }

  func link(_ name: String, to target: String) {
    let result = unsafe symlink(target, self[name])
    #expect(result == 0)
  }

  /// Removes a file or a directory with all in it.
  func remove(_ name: String) {
    let path = ExactText(self[name])
    if let entries = (try? FileSystem.describe(path, follow: false).kind) == .directory ? try? FileSystem.entries(of: path) : nil {
      for entry in entries {
        remove(name.isEmpty ? entry.name.string : name + "/" + entry.name.string)
      }
      unsafe rmdir(path.string)
    } else {
      unsafe unlink(path.string)
    }
  }
}

/// Collects updates.
final class Watched: Sendable {
  private let updates = Mutex<[PolicyUpdate]>([])
  private let watcher = Mutex<PolicyWatcher?>(nil)
  private let isHeld = Atomic(false)

  init(
    _ paths: [String], polling: Bool = false, allowEmpty: Bool = false, ceiling: Int = 2_000, before start: () -> Void = {}
  ) throws {
    var options = PolicySourceOptions()
    options.isPolling = polling
    options.pollInterval = 20
    options.allowEmpty = allowEmpty
    options.settleCeiling = ceiling
    let loaded = PolicySources(paths: paths, options: options).load()
    start()
    let started = try PolicyWatcher(continuing: loaded) { update in
      self.updates.withLock { $0.append(update) }
      while self.isHeld.load(ordering: .acquiring) { usleep(1_000) }
    }
    watcher.withLock { $0 = started }
    wait("the first update") { _ in true }
  }

  var all: [PolicyUpdate] { updates.withLock { $0 } }

  /// Does things while the watcher does not look: it then sees all of them at once. `trigger` must lead to an update.
  func unseen(after trigger: () -> Void, _ body: () -> Void) {
    isHeld.store(true, ordering: .releasing)
    let before = all.count
    trigger()
    for _ in 0..<2_000 where all.count == before { usleep(5_000) }
    body()
    isHeld.store(false, ordering: .releasing)
  }

  func stop() {
    watcher.withLock { $0 }?.stop()
    watcher.withLock { $0 = nil }
  }

  /// Waits until the last update is as wanted.
  @discardableResult
  func wait(
    _ what: String, location: SourceLocation = #_sourceLocation, _ isDone: (PolicyUpdate) -> Bool
  ) -> PolicyUpdate? {
    for _ in 0..<2_000 {
      if let last = all.last, isDone(last) { return last }
      usleep(10_000)
    }
    Issue.record("waited in vain for \(what); the last was \(all.last.map { names($0) } ?? [])", sourceLocation: location)
    return nil
  }

  typealias SourceLocation = Testing.SourceLocation
}

/// `name action` of each policy of an update.
func names(_ update: PolicyUpdate) -> [String] {
  update.policies.policies.map { "\($0.metadata.key.name) \($0.action.rawValue)" }.sorted()
}
