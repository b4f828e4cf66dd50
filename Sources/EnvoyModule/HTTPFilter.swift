// An HTTP filter: one configuration, and its decision about the headers of each request.
// Enters: Envoy's stream. Leaves: the stream goes on, or is answered 403. What the proxy cannot say is left unknown.
// Never here: an answer other than 403 after an error, a body that is read before the decision, a trap.

internal import CEnvoyModule
internal import CPortcullis
internal import Glibc
internal import Synchronization

/// A configured HTTP filter. Immutable but for what each worker owns, hence `@unchecked Sendable`.
@safe final class HTTPFilter: ReloadListener, @unchecked Sendable {
  private static let metadataNamespace: StaticString = "portcullis"
  private let settings: FilterSettings
  private let engine: SharedEngine
  private let facts: ConnectionFacts
  private let counters: CounterNumbers
  private let workers = WorkerSlots<HTTPWorker>()
  private let scheduler: UnsafeMutableRawPointer?
  /// Whether the log says already that the network filter `peer` is missing.
  private let hasSaidPeerFilter = Atomic<Bool>(false)

  /// - Parameter config: Envoy's configuration, which is being made.
  init(_ settings: FilterSettings, _ engine: SharedEngine, _ config: UnsafeMutableRawPointer) {
    self.settings = settings
    self.engine = engine
    facts = ConnectionFacts(settings)
    counters = unsafe CounterNumbers.http(config)
    unsafe scheduler = envoy_dynamic_module_callback_http_filter_config_scheduler_new(config)
    engine.add(self)
  }

  /// Ends it: no stream is left.
  func end() {
    engine.remove(self)
    if let scheduler = unsafe scheduler { unsafe envoy_dynamic_module_callback_http_filter_config_scheduler_delete(scheduler) }
    SharedEngine.release(settings.source)
  }

  /// See `ReloadListener`: Envoy's main thread counts.
  func reloaded(isCurrent: Bool) -> Bool {
    let counter = isCurrent ? Counter.reloads : .reloadsStale
    guard let scheduler = unsafe scheduler, counters[counter] != nil else { return false }
    unsafe envoy_dynamic_module_callback_http_filter_config_scheduler_commit(scheduler, UInt64(counter.rawValue))
    return true
  }

  /// What `reloaded` asked for, on the main thread.
  func count(event: UInt64, _ config: UnsafeMutableRawPointer) {
    guard let counter = Counter(rawValue: Int(truncatingIfNeeded: event)), let number = counters[counter] else { return }
    _ = unsafe envoy_dynamic_module_callback_http_filter_config_increment_counter(config, number, nil, 0, 1)
  }

  /// Decides a request.
  ///
  /// - Returns: Envoy's word for going on or stopping.
  func decide(_ stream: UnsafeMutableRawPointer) -> Int32 {
    var decision = unsafe portcullis_decision_init()
    let index = unsafe envoy_dynamic_module_callback_http_filter_get_worker_index(stream)
    guard let worker = workers.value(index, { engine.reader(index).map { HTTPWorker($0, index) } }) else {
      return unsafe answer(stream, &decision, nil, isChecked: false)
    }
    let isChecked = unsafe check(stream, worker, &decision)
    return unsafe answer(stream, &decision, worker.report, isChecked: isChecked)
  }

  private func check(_ stream: UnsafeMutableRawPointer, _ worker: HTTPWorker, _ decision: inout portcullis_decision) -> Bool {
    var number: UInt64 = 0
    let hasNumber = unsafe envoy_dynamic_module_callback_http_filter_get_attribute_int(
      stream, Int32(ENVOY_ATTRIBUTE_CONNECTION_ID), &number)
    // A number is never given twice, but over QUIC, where it comes of what the client chose: there nothing is kept for the next request.
    let isLasting = unsafe hasNumber && !text(stream, ENVOY_ATTRIBUTE_REQUEST_PROTOCOL).equals("HTTP/3")
    let known = isLasting ? number : nil
    guard let connection = unsafe worker.connection(known, { unsafe self.lendFacts(stream, known, isKnown: hasNumber, $0) })
    else { return false }
    var request = unsafe portcullis_request_init()
    guard unsafe fill(&request, stream, worker) else { return false }
    guard case .header(let name) = settings.token else {
      return unsafe portcullis_check(connection, &request, &decision) == Int32(PORTCULLIS_OK)
    }
    return unsafe TokenPayload.with(name, &request) { unsafe portcullis_check(connection, &$0, &decision) == Int32(PORTCULLIS_OK) } ?? false
  }

  /// What is constant on the connection.
  ///
  /// - Parameters:
  ///   - number: the connection's own.
  ///   - isKnown: whether Envoy says anything about the connection.
  private func lendFacts(
    _ stream: UnsafeMutableRawPointer, _ number: UInt64?, isKnown: Bool, _ take: (inout portcullis_connection_facts) -> Bool
  ) -> Bool {
    unsafe facts.with { facts in
      unsafe facts.destination = EnvoyAddress.read(text(stream, ENVOY_ATTRIBUTE_DESTINATION_ADDRESS))
      var address = unsafe portcullis_bytes()
      if unsafe envoy_dynamic_module_callback_http_get_downstream_direct_remote_address(stream, &address) {
        unsafe facts.source = EnvoyAddress.read(address)
      }
      if let number, let seen = SeenConnections.connection(number) { return unsafe seen.with(&facts, take) }
      // Envoy's own filter compares an empty name where there is none, with TLS or without. This attribute does not tell "none" from "not to
      // be had".
      let name = unsafe text(stream, ENVOY_ATTRIBUTE_REQUESTED_SERVER_NAME)
      unsafe facts.sni = !isKnown ? portcullis_bytes() : name.data == nil ? .empty : name
      unsafe setPeer(&facts, stream, isKnown: isKnown)
      return unsafe take(&facts)
    }
  }

  /// The peer, without a network filter that saw all its names: a certificate has more names than an HTTP filter is shown.
  ///
  /// - Parameter isKnown: whether Envoy says anything about the connection.
  private func setPeer(_ facts: inout portcullis_connection_facts, _ stream: UnsafeMutableRawPointer, isKnown: Bool) {
    var hasCertificate = false
    let isTLS = unsafe envoy_dynamic_module_callback_http_filter_get_attribute_bool(
      stream, Int32(ENVOY_ATTRIBUTE_CONNECTION_MTLS), &hasCertificate)
    if !isTLS || !hasCertificate {
      // Plaintext has neither attribute. Whatever else is missing is no reason to call somebody nobody.
      let isPlaintext = unsafe isKnown && text(stream, ENVOY_ATTRIBUTE_TLS_VERSION).data == nil
      if isTLS || isPlaintext { unsafe facts.peer_kind = Int32(PORTCULLIS_PEER_ANONYMOUS) }
      return
    }
    guard settings.takesFirstURI else {
      if !hasSaidPeerFilter.exchange(true, ordering: .relaxed) {
        EnvoyLog.warning(
          "callers with a certificate are unknown (unknown-peer): the network filter `peer`, which sees their names, does not stand before "
            + "the connection manager (HTTP/3 knows no network filters)")
      }
      return
    }
    let name = unsafe text(stream, ENVOY_ATTRIBUTE_URI_SAN_PEER)
    guard unsafe name.data != nil, unsafe name.size > 0 else { return }
    unsafe facts.peer_kind = Int32(PORTCULLIS_PEER_URI)
    unsafe facts.peer = name
  }

  /// What the request adds. The headers are lent in the worker's room.
  ///
  /// - Returns: false when the headers cannot be had.
  private func fill(_ request: inout portcullis_request, _ stream: UnsafeMutableRawPointer, _ worker: HTTPWorker) -> Bool {
    let count = unsafe envoy_dynamic_module_callback_http_get_headers_size(stream, Int32(ENVOY_REQUEST_HEADERS))
    guard worker.makeRoom(count) else { return false }
    let headers = unsafe worker.headers
    guard unsafe envoy_dynamic_module_callback_http_get_headers(stream, Int32(ENVOY_REQUEST_HEADERS), headers) else { return false }
    unsafe request.protocol = Int32(PORTCULLIS_HTTP)
    unsafe request.path_form = Int32(settings.trustsPaths ? PORTCULLIS_PATH_TRUSTED : PORTCULLIS_PATH_CHECKED)
    unsafe request.header_form = Int32(PORTCULLIS_HEADERS_LINES)
    unsafe request.headers = UnsafePointer(headers)
    unsafe request.header_count = count
    // A request without a path is CONNECT.
    unsafe request.path = .empty
    for index in 0..<count {
      // An empty value is known, wherever Envoy points for it.
      if unsafe headers[index].value.data == nil { unsafe headers[index].value = .empty }
      let name = unsafe headers[index].name
      guard unsafe name.byte(0) == UInt8(ascii: ":") else { continue }
      if unsafe name.equals(":path") {
        unsafe request.path = headers[index].value
      } else if unsafe name.equals(":method") {
        unsafe request.method = headers[index].value
      } else if unsafe name.equals(":authority") {
        unsafe request.host = headers[index].value
      }
    }
    switch settings.remoteAddress {
    case .downstream: unsafe request.remote = EnvoyAddress.read(text(stream, ENVOY_ATTRIBUTE_SOURCE_ADDRESS))
    case .direct:
      var address = unsafe portcullis_bytes()
      if unsafe envoy_dynamic_module_callback_http_get_downstream_direct_remote_address(stream, &address) {
        unsafe request.remote = EnvoyAddress.read(address)
      }
    case .header(let name): unsafe request.remote = EnvoyAddress.header(request.onlyValue(name) ?? portcullis_bytes(), worker.addressRoom)
    }
    unsafe request.token = Int32(settings.token == .absent ? PORTCULLIS_TOKEN_NONE : PORTCULLIS_TOKEN_UNKNOWN)
    return true
  }

  private func text(_ stream: UnsafeMutableRawPointer, _ attribute: Int) -> portcullis_bytes {
    var value = unsafe portcullis_bytes()
    let isKnown = unsafe envoy_dynamic_module_callback_http_filter_get_attribute_string(
      stream, Int32(truncatingIfNeeded: attribute), &value)
    return unsafe isKnown ? value : portcullis_bytes()
  }

  /// Counts, reports, and lets the stream go on or answers it.
  private func answer(
    _ stream: UnsafeMutableRawPointer, _ decision: inout portcullis_decision, _ report: DecisionReport?, isChecked: Bool
  ) -> Int32 {
    // The one place where a request is let through.
    let isAllowed = unsafe isChecked && decision.isAllowed
    let passes = isAllowed || settings.isShadow
    unsafe count(stream, Counter.of(decision, isChecked: isChecked))
    if let dryRun = unsafe Counter.ofDryRun(decision) { unsafe count(stream, dryRun) }
    if !isAllowed {
      if settings.isShadow { unsafe count(stream, .shadowDenied) }
      if let number = counters.byReason {
        var reason = unsafe decision.reasonText
        _ = unsafe envoy_dynamic_module_callback_http_filter_increment_counter(stream, number, &reason, 1, 1)
      }
    }
    // What is lent by the library is good until the next call on the reader, and this hook makes none.
    let details = unsafe report?.denialDetails(decision, isChecked: isChecked) ?? portcullis_bytes("rbac_access_denied_failed")
    if let report, settings.metadata == .always || settings.metadata == .denials && !isAllowed {
      unsafe withUnsafeMutablePointer(to: &decision) { decision in
        let pairs = unsafe report.metadata(decision)
        unsafe envoy_dynamic_module_callback_http_set_dynamic_metadata_string_batch(
          stream, portcullis_bytes(Self.metadataNamespace), pairs.baseAddress, pairs.count)
      }
    }
    if passes { return Int32(ENVOY_CONTINUE) }
    unsafe envoy_dynamic_module_callback_http_send_response(
      stream, 403, nil, 0, portcullis_bytes("RBAC: access denied"), details)
    return Int32(ENVOY_STOP_ITERATION)
  }

  @inline(__always)
  private func count(_ stream: UnsafeMutableRawPointer, _ counter: Counter) {
    guard let number = counters[counter] else { return }
    _ = unsafe envoy_dynamic_module_callback_http_filter_increment_counter(stream, number, nil, 0, 1)
  }
}

extension portcullis_request {
  /// The value of the only line with a name in lower case; `nil` when there is none or several.
  func onlyValue(_ name: [UInt8]) -> portcullis_bytes? {
    var found: portcullis_bytes? = nil
    guard let headers = unsafe headers else { return nil }
    for index in unsafe 0..<max(0, header_count) where unsafe headers[index].name.equals(name) {
      guard unsafe found == nil else { return nil }
      unsafe found = headers[index].value
    }
    return unsafe found
  }
}
