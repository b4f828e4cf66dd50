// An engine: policies that were loaded, and their newest snapshot for every reader.
// Enters: settings, and files again and again. Leaves: snapshots, what is stale and why. New policies are compiled on the watcher's thread, or on
// that of whoever reloads. Never here: a thread that decides; a set that is used in spite of errors when it is loaded at first.

internal import PolicyEngine
internal import PolicyFiles
internal import PolicyLoading
internal import PolicyModel
internal import Synchronization

/// Why an engine cannot be opened or does not reload.
struct EngineProblem: Error {
  let status: Status
  /// Lines for people.
  let text: String
}

final class EngineCore: Sendable {
  /// What people want to know.
  private struct State {
    var status: PolicyFilesStatus
    /// What is wrong with the file of the mesh's settings.
    var meshFindings: [String]
    var meshTrouble: MeshConfigFile.Trouble?
    /// What kept the last reload from being applied.
    var reloadProblem: String?
  }

  private struct Watchers {
    var policies: PolicyWatcher?
    var mesh: MeshConfigWatcher?
  }

  let settings: EngineSettings
  let publisher: SnapshotPublisher
  private let state: Mutex<State>
  private let watchers = Mutex(Watchers())
  private let reloading = Mutex(())
  private let closed = Atomic(false)
  private let changes = Atomic<UInt64>(1)

  /// Whether the host has closed it.
  var isClosed: Bool { closed.load(ordering: .relaxed) }
  /// How often the state changed.
  var generation: UInt64 { changes.load(ordering: .acquiring) }

  /// Loads and compiles. Blocks.
  init(_ settings: EngineSettings) throws(EngineProblem) {
    let (loaded, mesh, findings) = try Self.load(settings)
    self.settings = settings
    publisher = SnapshotPublisher(loaded.policies, mesh: settings.mesh(over: mesh), dataPlane: settings.profile.dataPlane)
    state = Mutex(State(status: loaded.status, meshFindings: findings))
    if settings.isWatching { try watch(loaded, mesh) }
  }

  /// What was found wrong, though not so wrong that nothing could be decided; empty for nothing.
  var warnings: String {
    state.withLock { EngineText.lines($0.meshFindings + $0.status.diagnostics.map(\.description)) }
  }

  private static func load(
    _ settings: EngineSettings
  ) throws(EngineProblem) -> (LoadedPolicies, LoadedMeshConfig?, [String]) {
    var mesh: LoadedMeshConfig?
    var findings: [String] = []
    var isBroken = false
    if let path = settings.meshConfig {
      (mesh, findings) = MeshConfigFile.load(ExactText(path), limits: EngineSettings.meshConfigLimits, options: settings.sources)
      isBroken = mesh == nil
    }
    let loaded = PolicySources(paths: settings.paths, options: settings.sources).load()
    if isBroken || loaded.hasErrors {
      throw EngineProblem(status: .badSources, text: EngineText.lines(findings + loaded.diagnostics.map(\.description)))
    }
    return (loaded, mesh, findings)
  }

  private func watch(_ loaded: LoadedPolicies, _ mesh: LoadedMeshConfig?) throws(EngineProblem) {
    do throws(PolicyWatcherError) {
      // Settings come from the other thread, and old snapshots with them.
      let policyWatcher = try PolicyWatcher(continuing: loaded, tidy: { [publisher] in publisher.releaseRetired() }) { [weak self] update in
        self?.take(update)
      }
      watchers.withLock { $0.policies = policyWatcher }
      guard let path = settings.meshConfig, let mesh else { return }
      let file = MeshConfigFile(path: ExactText(path), settings: mesh, limits: EngineSettings.meshConfigLimits)
      let meshWatcher = try MeshConfigWatcher(file, tidy: { [publisher] in publisher.releaseRetired() }) { [weak self] change, file in
        self?.take(change, file)
      }
      watchers.withLock { $0.mesh = meshWatcher }
    } catch {
      close()
      throw EngineProblem(status: .system, text: error.description)
    }
  }

  private func take(_ update: PolicyUpdate) {
    if update.isNewSet { publisher.publish(policies: update.policies) }
    state.withLock { $0.status = update.status }
    changes.add(1, ordering: .releasing)
  }

  private func take(_ change: MeshConfigFile.Change, _ file: MeshConfigFile) {
    if change == .settings { publisher.publish(mesh: settings.mesh(over: file.settings)) }
    state.withLock {
      $0.meshTrouble = file.trouble
      $0.meshFindings = file.diagnostics.map(\.description)
    }
    changes.add(1, ordering: .releasing)
  }

  /// Reads everything again; all of it counts, or nothing. Blocks.
  func reload() throws(EngineProblem) {
    guard !isClosed else { throw EngineProblem(status: .closed, text: "") }
    guard !settings.isWatching else {
      throw EngineProblem(status: .badState, text: "the engine watches its files and reads them by itself")
    }
    let problem = reloading.withLock { _ -> EngineProblem? in
      do throws(EngineProblem) {
        let (loaded, mesh, findings) = try Self.load(settings)
        publisher.publish(policies: loaded.policies, mesh: settings.mesh(over: mesh))
        state.withLock { $0 = State(status: loaded.status, meshFindings: findings) }
        return nil
      } catch {
        state.withLock { $0.reloadProblem = error.text }
        return error
      }
    }
    changes.add(1, ordering: .releasing)
    if let problem { throw problem }
  }

  /// Frees what is no longer in force and read by nobody. With a watcher, which does so itself, nothing is left to be done.
  func tidy() { if !settings.isWatching { publisher.releaseRetired() } }

  /// The state as text.
  var description: String {
    let snapshot = publisher.snapshots.value
    return state.withLock { state in
      EngineText.status(
        state.status, snapshot, meshFindings: state.meshFindings, meshTrouble: state.meshTrouble, reloadProblem: state.reloadProblem)
    }
  }

  /// Ends it: checks are denied from now on. Waits for a reload of the watcher that is under way.
  func close() {
    closed.store(true, ordering: .relaxed)
    let ended = watchers.withLock { watchers -> Watchers in
      defer { watchers = Watchers() }
      return watchers
    }
    ended.policies?.stop()
    ended.mesh?.stop()
  }
}
