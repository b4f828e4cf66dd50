// A network filter: the names of a connection's peer for the HTTP filter behind it and, unless it is there for that only, one decision before
// anything behind it learns of the connection.
// Enters: Envoy's connection, when its handshake is done. Leaves: the connection goes on, or is closed. Never here: a byte that is passed on
// before the decision, an open connection after an error.

internal import CEnvoyModule
internal import CPortcullis

/// A configured network filter. Immutable but for what each worker owns, hence `@unchecked Sendable`.
@safe final class NetworkFilter: ReloadListener, @unchecked Sendable {
  private static let metadataNamespace: StaticString = "portcullis"
  /// What one worker owns.
  final class Worker {
    let reader: WorkerReader
    let report: DecisionReport

    init(_ reader: WorkerReader, _ worker: UInt32) {
      self.reader = reader
      report = DecisionReport(worker)
    }
  }

  /// What a filter that decides works with.
  @safe private struct Authority {
    let settings: FilterSettings
    let engine: SharedEngine
    let facts: ConnectionFacts
    let counters: CounterNumbers
    /// Envoy's own configuration, which ends this one before it goes.
    let config: UnsafeMutableRawPointer
    let scheduler: UnsafeMutableRawPointer?
    let workers = WorkerSlots<Worker>()
  }

  private let authority: Authority?

  /// A filter that leaves the names of peers and decides nothing.
  init() { authority = nil }

  init(_ settings: FilterSettings, _ engine: SharedEngine, _ config: UnsafeMutableRawPointer) {
    authority = unsafe Authority(
      settings: settings, engine: engine, facts: ConnectionFacts(settings), counters: CounterNumbers.network(config), config: config,
      scheduler: envoy_dynamic_module_callback_network_filter_config_scheduler_new(config))
    engine.add(self)
  }

  /// Ends it: no connection is left.
  func end() {
    guard let authority else { return }
    authority.engine.remove(self)
    if let scheduler = unsafe authority.scheduler {
      unsafe envoy_dynamic_module_callback_network_filter_config_scheduler_delete(scheduler)
    }
    SharedEngine.release(authority.settings.source)
  }

  /// See `ReloadListener`: Envoy's main thread counts.
  func reloaded(isCurrent: Bool) -> Bool {
    let counter = isCurrent ? Counter.reloads : .reloadsStale
    guard let authority, let scheduler = unsafe authority.scheduler, authority.counters[counter] != nil else { return false }
    unsafe envoy_dynamic_module_callback_network_filter_config_scheduler_commit(scheduler, UInt64(counter.rawValue))
    return true
  }

  /// What `reloaded` asked for, on the main thread.
  func count(event: UInt64) {
    guard let authority, let counter = Counter(rawValue: Int(truncatingIfNeeded: event)), let number = authority.counters[counter] else {
      return
    }
    _ = unsafe envoy_dynamic_module_callback_network_filter_config_increment_counter(authority.config, number, 1)
  }

  /// Looks at a connection whose handshake is done.
  ///
  /// - Returns: whether it may go on; if not, it is closed.
  func admit(_ connection: UnsafeMutableRawPointer) -> Bool {
    let seen = unsafe SeenConnection(peer: Self.peer(connection), serverName: Self.serverName(connection))
    // Also for a filter that decides: an HTTP filter may stand behind it.
    SeenConnections.put(seen, unsafe envoy_dynamic_module_callback_network_filter_get_connection_id(connection))
    guard let authority else { return true }
    var decision = unsafe portcullis_decision_init()
    let index = unsafe envoy_dynamic_module_callback_network_filter_get_worker_index(connection)
    let worker = authority.workers.value(index) { authority.engine.reader(index).map { Worker($0, index) } }
    var isChecked = false
    var handle: OpaquePointer?
    if let worker { isChecked = unsafe check(authority, connection, seen, worker, &handle, &decision) }
    let passes = unsafe answer(authority, connection, worker?.report, &decision, isChecked: isChecked)
    if let handle = unsafe handle { _ = unsafe portcullis_connection_close(handle) }
    return passes
  }

  private func check(
    _ authority: Authority, _ connection: UnsafeMutableRawPointer, _ seen: SeenConnection, _ worker: Worker,
    _ handle: inout OpaquePointer?, _ decision: inout portcullis_decision
  ) -> Bool {
    let isOpen = unsafe authority.facts.with { facts in
      unsafe facts.destination = Self.address(connection, envoy_dynamic_module_callback_network_filter_get_local_address)
      unsafe facts.source = Self.address(connection, envoy_dynamic_module_callback_network_filter_get_direct_remote_address)
      unsafe facts.remote = Self.address(connection, envoy_dynamic_module_callback_network_filter_get_remote_address)
      return unsafe seen.with(&facts) { facts in
        unsafe portcullis_connection_open(worker.reader.handle, &facts, &handle, nil) == Int32(PORTCULLIS_OK)
      }
    }
    guard isOpen, let open = unsafe handle else { return false }
    var request = unsafe portcullis_request_init()
    unsafe request.protocol = Int32(PORTCULLIS_TCP)
    return unsafe portcullis_check(open, &request, &decision) == Int32(PORTCULLIS_OK)
  }

  private func answer(
    _ authority: Authority, _ connection: UnsafeMutableRawPointer, _ report: DecisionReport?, _ decision: inout portcullis_decision,
    isChecked: Bool
  ) -> Bool {
    // The one place where a connection is let through.
    let isAllowed = unsafe isChecked && decision.isAllowed
    unsafe count(authority, connection, Counter.of(decision, isChecked: isChecked))
    if let dryRun = unsafe Counter.ofDryRun(decision) { unsafe count(authority, connection, dryRun) }
    if !isAllowed, authority.settings.isShadow { unsafe count(authority, connection, .shadowDenied) }
    let metadata = authority.settings.metadata
    if let report, metadata == .always || metadata == .denials && !isAllowed {
      unsafe withUnsafeMutablePointer(to: &decision) { decision in
        unsafe report.metadata(decision).forEach { pair in
          unsafe envoy_dynamic_module_callback_network_set_dynamic_metadata_string(
            connection, portcullis_bytes(Self.metadataNamespace), pair.name, pair.value)
        }
      }
    }
    if isAllowed || authority.settings.isShadow { return true }
    let details = unsafe report?.denialDetails(decision, isChecked: isChecked) ?? portcullis_bytes("rbac_access_denied_failed")
    unsafe envoy_dynamic_module_callback_network_filter_close_with_details(connection, Int32(ENVOY_CLOSE_NO_FLUSH), details)
    return false
  }

  private func count(_ authority: Authority, _ connection: UnsafeMutableRawPointer, _ counter: Counter) {
    guard let number = authority.counters[counter] else { return }
    _ = unsafe envoy_dynamic_module_callback_network_filter_increment_counter(connection, number, 1)
  }

  /// The server name that was asked for; empty where none was, with TLS or without, as Envoy's own filter compares it.
  private static func serverName(_ connection: UnsafeMutableRawPointer) -> [UInt8] {
    var name = unsafe portcullis_bytes()
    let hasName = unsafe envoy_dynamic_module_callback_network_filter_get_requested_server_name(connection, &name)
    return unsafe hasName ? name.copy : []
  }

  /// Who is at the other end, with all names. A getter that says no makes nobody anonymous.
  private static func peer(_ connection: UnsafeMutableRawPointer) -> SeenPeer {
    guard unsafe envoy_dynamic_module_callback_network_filter_is_ssl(connection) else { return .anonymous }
    let uris = unsafe list(
      connection, envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans_size,
      envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans)
    let dnsNames = unsafe list(
      connection, envoy_dynamic_module_callback_network_filter_get_ssl_dns_sans_size,
      envoy_dynamic_module_callback_network_filter_get_ssl_dns_sans)
    var subject = unsafe portcullis_bytes()
    guard let uris, let dnsNames, unsafe envoy_dynamic_module_callback_network_filter_get_ssl_subject(connection, &subject) else {
      return .unknown
    }
    let names = unsafe PeerNames(uris: uris, dnsNames: dnsNames, subject: subject.copy)
    if !names.isEmpty { return .certificate(names) }
    // No name: nobody, or a certificate that says nothing. Only the former is anonymous.
    var hasCertificate = true
    let isKnown = unsafe envoy_dynamic_module_callback_network_filter_get_attribute_bool(
      connection, Int32(ENVOY_ATTRIBUTE_CONNECTION_MTLS), &hasCertificate)
    return isKnown && !hasCertificate ? .anonymous : .unknown
  }

  /// The names of one kind; `nil` when they cannot be had, or are too many.
  private static func list(
    _ connection: UnsafeMutableRawPointer, _ size: (UnsafeMutableRawPointer?) -> Int,
    _ get: (UnsafeMutableRawPointer?, UnsafeMutablePointer<portcullis_bytes>?) -> Bool
  ) -> [[UInt8]]? {
    let count = unsafe size(connection)
    if count == 0 { return [] }
    guard count > 0, count <= 65_536 else { return nil }
    var names = unsafe [portcullis_bytes](repeating: portcullis_bytes(), count: count)
    let isGiven = unsafe names.withUnsafeMutableBufferPointer { unsafe get(connection, $0.baseAddress) }
    return unsafe isGiven ? names.map { unsafe $0.copy } : nil
  }

  private static func address(
    _ connection: UnsafeMutableRawPointer,
    _ get: (UnsafeMutableRawPointer?, UnsafeMutablePointer<portcullis_bytes>?, UnsafeMutablePointer<UInt32>?) -> Bool
  ) -> portcullis_address {
    var text = unsafe portcullis_bytes()
    var port: UInt32 = 0
    guard unsafe get(connection, &text, &port), unsafe text.size > 0 else { return unsafe portcullis_address() }
    var address = unsafe EnvoyAddress.read(text)
    if unsafe address.kind == Int32(PORTCULLIS_ADDRESS_TEXT), port <= 65_535 { unsafe address.port = port }
    return unsafe address
  }
}
