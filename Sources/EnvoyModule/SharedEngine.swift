// The engines of this process: one for each distinct source, whoever asks for it.
// Enters: sources of policies, workers. Leaves: readers, one for each worker; in the log, what was loaded and what changed. A thread for each engine
// that watches looks twice a second whether there is news. Never here: a request, or a source that is loaded twice.

internal import CEnvoyModule
internal import CPortcullis
internal import Glibc
internal import Synchronization

/// A worker's reader. Used by that worker only, hence `@unchecked Sendable`.
@safe final class WorkerReader: @unchecked Sendable {
  let handle: OpaquePointer

  init?(_ engine: OpaquePointer) {
    var reader: OpaquePointer?
    guard unsafe portcullis_reader_open(engine, &reader) == Int32(PORTCULLIS_OK), let reader = unsafe reader else { return nil }
    unsafe handle = reader
  }

  deinit {
    _ = unsafe portcullis_reader_close(handle)
  }
}

/// Something that counts what became of changed files.
protocol ReloadListener: AnyObject, Sendable {
  /// Called on any thread, and never while the listener is being removed; must not wait.
  ///
  /// - Parameter isCurrent: whether all of the change is in force.
  /// - Returns: whether it will be counted.
  func reloaded(isCurrent: Bool) -> Bool
}

/// An engine that filters share. All that changes is behind `state`; the handle is good until nobody uses it any more, hence
/// `@unchecked Sendable`.
@safe final class SharedEngine: @unchecked Sendable {
  private struct State {
    var listeners: [any ReloadListener] = []
    /// Whether nobody uses the engine any more. No word goes to Envoy then, which may be about to exit.
    var hasEnded = false
  }

  private let handle: OpaquePointer
  private let readers = WorkerSlots<WorkerReader>()
  private let state = Mutex(State())
  /// A pipe whose one end is closed when the thread shall end; it listens at the other. -1 without a thread.
  private var wakeUp: Int32 = -1
  private var sleeping: Int32 = -1
  private var thread = pthread_t()
  /// What was in force at first.
  private var opening = ""
  /// Whether changed files take effect by themselves.
  private var isWatching = false

  private static let engines = Mutex<[EngineSource: (engine: SharedEngine, users: Int)]>([:])

  /// The engine of a source, loaded when nobody has it yet, and else held to what its files say now. Blocks while it loads. Main thread.
  ///
  /// - Throws: the library's message; also when files that a shared engine has loaded once are broken now.
  static func use(_ source: EngineSource) throws(SettingsProblem) -> SharedEngine {
    let known = engines.withLock { engines in
      engines[source]?.users += 1
      return engines[source]?.engine
    }
    if let known {
      do throws(SettingsProblem) { try known.confirm() } catch {
        release(source)
        throw error
      }
      return known
    }
    let opened = try SharedEngine(source)
    engines.withLock { $0[source] = (opened, 1) }
    return opened
  }

  /// Gives an engine back; the last user closes it.
  static func release(_ source: EngineSource) {
    let last = engines.withLock { engines -> SharedEngine? in
      guard let entry = engines[source] else { return nil }
      if entry.users > 1 {
        engines[source]?.users -= 1
        return nil
      }
      engines[source] = nil
      return entry.engine
    }
    last?.end()
  }

  private init(_ source: EngineSource) throws(SettingsProblem) {
    let texts = HeldTexts()
    var options = unsafe portcullis_options_init()
    unsafe options.flags = source.flags
    // Validation only asks whether the configuration is good.
    if envoy_dynamic_module_callback_is_validation_mode() { unsafe options.flags &= ~3 }
    unsafe options.paths = texts.hold(source.policies)
    unsafe options.path_count = source.policies.count
    unsafe options.mesh_config = texts.hold(source.meshConfig)
    unsafe options.trust_domain = texts.hold(source.trustDomain)
    unsafe options.trust_domain_aliases = texts.hold(source.trustDomainAliases)
    unsafe options.trust_domain_alias_count = source.trustDomainAliases.count
    unsafe options.accepted_trust_domains = texts.hold(source.acceptedTrustDomains)
    unsafe options.accepted_trust_domain_count = source.acceptedTrustDomains.count
    unsafe options.root_namespace = texts.hold(source.rootNamespace)
    unsafe options.delegated_providers = texts.hold(source.delegatedProviders)
    unsafe options.delegated_provider_count = source.delegatedProviders.count
    unsafe options.path_normalization = source.pathNormalization
    var engine: OpaquePointer?
    var message: UnsafeMutablePointer<CChar>?
    let status = unsafe portcullis_engine_open(&options, &engine, &message)
    let text = unsafe takeText(message)
    withExtendedLifetime(texts) {}
    guard status == Int32(PORTCULLIS_OK), let engine = unsafe engine else {
      throw Self.problem("the policies cannot be loaded", status, text)
    }
    unsafe handle = engine
    if !text.isEmpty { EnvoyLog.warning(text) }
    isWatching = unsafe options.flags & 1 != 0
    opening = description.lines.first ?? ""
    EnvoyLog.information("opened: \(opening)")
    if isWatching { listen() }
  }

  /// Makes sure that a filter which joins gets what the files say, as it would from an engine of its own.
  private func confirm() throws(SettingsProblem) {
    // Opened a moment ago, for this validation.
    if envoy_dynamic_module_callback_is_validation_mode() { return }
    if isWatching {
      let (isCurrent, lines) = description
      guard isCurrent else { throw SettingsProblem(lines: ["what is in force is not what the files say:"] + lines) }
      return
    }
    var message: UnsafeMutablePointer<CChar>?
    let status = unsafe portcullis_engine_reload(handle, &message)
    let text = unsafe takeText(message)
    guard status == Int32(PORTCULLIS_OK) else { throw Self.problem("the policies cannot be loaded again", status, text) }
    if !text.isEmpty { EnvoyLog.warning(text) }
    EnvoyLog.information("loaded again: \(description.lines.first ?? "")")
  }

  private static func problem(_ what: String, _ status: portcullis_status, _ text: String) -> SettingsProblem {
    let reason = unsafe String(cString: portcullis_status_text(status))
    return SettingsProblem(lines: ["\(what): \(reason)"] + text.split(separator: "\n").map(String.init))
  }

  /// The reader of a worker; `nil` when there is none to be had.
  @inline(__always)
  func reader(_ worker: UInt32) -> WorkerReader? {
    readers.value(worker) { unsafe WorkerReader(handle) }
  }

  func add(_ listener: any ReloadListener) { state.withLock { $0.listeners.append(listener) } }

  func remove(_ listener: any ReloadListener) { state.withLock { $0.listeners.removeAll { $0 === listener } } }

  /// What is in force, and the same for people.
  private var description: (isCurrent: Bool, lines: [String]) {
    var text: UnsafeMutablePointer<CChar>?
    guard unsafe portcullis_engine_describe(handle, &text) == Int32(PORTCULLIS_OK) else { return (false, ["nothing can be said"]) }
    let lines = unsafe takeText(text).split(separator: "\n").map(String.init)
    return (lines.first?.utf8.starts(with: "current".utf8) ?? false, lines)
  }

  private var generation: UInt64 {
    var generation: UInt64 = 0
    _ = unsafe portcullis_engine_generation(handle, &generation)
    return generation
  }

  private func listen() {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { return EnvoyLog.warning("changes of policies are not logged: no descriptor") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (sleeping, wakeUp) = (ends[0], ends[1])
    // The engine is released only after the thread has ended, so that the thread need not keep it.
    let failure = Self.withoutSignals {
      unsafe pthread_create(
        &thread, nil,
        { argument in
          guard let argument = unsafe argument else { return nil }
          unsafe Unmanaged<SharedEngine>.fromOpaque(argument).takeUnretainedValue().watchGeneration()
          return nil
        }, Unmanaged.passUnretained(self).toOpaque())
    }
    if failure != 0 {
      close(wakeUp)
      close(sleeping)
      wakeUp = -1
      EnvoyLog.warning("changes of policies are not logged: no thread")
    }
  }

  /// Ends it. A reload that is under way takes seconds with many policies, and the caller is the proxy's main thread: a thread of its own waits.
  private func end() {
    state.withLock { $0.hasEnded = true }
    if wakeUp >= 0 { close(wakeUp) }
    var attributes = pthread_attr_t()
    var waiting = pthread_t()
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let failure = Self.withoutSignals {
      unsafe pthread_create(
        &waiting, &attributes,
        { argument in
          if let argument = unsafe argument { unsafe Unmanaged<SharedEngine>.fromOpaque(argument).takeRetainedValue().finish() }
          return nil
        }, Unmanaged.passRetained(self).toOpaque())
    }
    unsafe pthread_attr_destroy(&attributes)
    if failure != 0 {
      unsafe Unmanaged.passUnretained(self).release()
      finish()
    }
  }

  /// The slow part of the end. Any thread, once.
  private func finish() {
    if wakeUp >= 0 {
      pthread_join(thread, nil)
      close(sleeping)
    }
    _ = unsafe portcullis_engine_close(handle)
  }

  /// Envoy handles its signals on its own threads: one that is made here takes none.
  private static func withoutSignals(_ make: () -> Int32) -> Int32 {
    var all = sigset_t()
    var before = sigset_t()
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    return make()
  }

  private func watchGeneration() {
    var seen = generation
    var said = opening
    var waiting = pollfd(fd: sleeping, events: Int16(POLLIN), revents: 0)
    while unsafe poll(&waiting, 1, 500) <= 0 {
      let now = generation
      if now == seen { continue }
      seen = now
      let (isCurrent, lines) = description
      // The first line names the snapshot: nothing that anybody would want to know has changed.
      if isCurrent, lines.first == said { continue }
      said = lines.first ?? ""
      let text = lines.joined(separator: "\n")
      // Under the lock, so that a listener that goes away is gone, and Envoy's log is still there.
      state.withLock { state in
        if state.hasEnded { return }
        // Once, for it is one change.
        _ = state.listeners.contains { $0.reloaded(isCurrent: isCurrent) }
        if isCurrent { EnvoyLog.information(text) } else { EnvoyLog.warning(text) }
      }
    }
  }
}
