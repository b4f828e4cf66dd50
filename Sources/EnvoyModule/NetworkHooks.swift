// The functions that Envoy calls for a network filter.
// Enters: Envoy's pointers, and ours that come back. Leaves: objects as pointers: one for a configuration, one for a connection.
// Never here: a decision; a connection that goes on because nobody looked at it.
//
// The names are Envoy's, because it looks them up.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import CEnvoyModule
public import CPortcullis

/// One connection, on its worker.
private final class WatchedConnection {
  /// How far it has come.
  enum State { case waiting, admitted, refused }

  let filter: NetworkFilter
  let number: UInt64
  var state = State.waiting
  /// Whether reading was enabled for the handshake, though a filter behind had disabled it.
  var isReadingBorrowed = false

  init(_ filter: NetworkFilter, _ number: UInt64) {
    self.filter = filter
    self.number = number
  }

  /// Looks at it, once.
  func decide(_ connection: UnsafeMutableRawPointer) -> Bool {
    if state == .waiting { state = unsafe filter.admit(connection) ? .admitted : .refused }
    return state == .admitted
  }
}

@inline(__always)
private func watched(_ pointer: UnsafeRawPointer?) -> WatchedConnection? {
  guard let pointer = unsafe pointer else { return nil }
  return unsafe Unmanaged<WatchedConnection>.fromOpaque(pointer).takeUnretainedValue()
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_network_filter_config_new(
  _ config: UnsafeMutableRawPointer?, _ name: portcullis_bytes, _ text: portcullis_bytes
) -> UnsafeRawPointer? {
  guard let config = unsafe config else { return nil }
  if unsafe name.equals("peer") {
    guard unsafe text.size == 0 else {
      EnvoyLog.error("the network filter is refused:\n`peer` takes no filter_config")
      return nil
    }
    return unsafe UnsafeRawPointer(Unmanaged.passRetained(NetworkFilter()).toOpaque())
  }
  guard unsafe name.equals("authorize") else {
    EnvoyLog.error("the network filter is refused:\nfilter_name is neither `authorize` nor `peer`")
    return nil
  }
  guard let (settings, engine) = unsafe open("network filter", text, isTCP: true) else { return nil }
  return unsafe UnsafeRawPointer(Unmanaged.passRetained(NetworkFilter(settings, engine, config)).toOpaque())
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_network_filter_config_destroy(_ config: UnsafeRawPointer?) {
  guard let config = unsafe config else { return }
  unsafe Unmanaged<NetworkFilter>.fromOpaque(config).takeRetainedValue().end()
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_network_filter_config_scheduled(_ config: UnsafeRawPointer?, _ event: UInt64) {
  guard let config = unsafe config else { return }
  unsafe Unmanaged<NetworkFilter>.fromOpaque(config).takeUnretainedValue().count(event: event)
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_network_filter_new(
  _ config: UnsafeRawPointer?, _ filter: UnsafeMutableRawPointer?
) -> UnsafeRawPointer? {
  guard let config = unsafe config, let connection = unsafe filter else { return nil }
  let filter = unsafe Unmanaged<NetworkFilter>.fromOpaque(config).takeUnretainedValue()
  let number = unsafe envoy_dynamic_module_callback_network_filter_get_connection_id(connection)
  return unsafe UnsafeRawPointer(Unmanaged.passRetained(WatchedConnection(filter, number)).toOpaque())
}

/// Without TLS all is known now. With TLS the connection waits: what lies behind, such as a connection to the application, is not begun.
/// Envoy's TCP proxy disables reading until its own connection stands, and with it the handshake; that is lifted until the handshake is done.
@implementation @c
public func envoy_dynamic_module_on_network_filter_new_connection(_ filter: UnsafeMutableRawPointer?, _ connection: UnsafeRawPointer?)
  -> Int32
{
  guard let envoy = unsafe filter, let watched = unsafe watched(connection) else { return Int32(ENVOY_STOP_ITERATION) }
  if unsafe envoy_dynamic_module_callback_network_filter_is_ssl(envoy) {
    if unsafe !envoy_dynamic_module_callback_network_filter_read_enabled(envoy) {
      watched.isReadingBorrowed = true
      _ = unsafe envoy_dynamic_module_callback_network_filter_read_disable(envoy, false)
    }
    return Int32(ENVOY_STOP_ITERATION)
  }
  return Int32(unsafe watched.decide(envoy) ? ENVOY_CONTINUE : ENVOY_STOP_ITERATION)
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_network_filter_event(
  _ filter: UnsafeMutableRawPointer?, _ connection: UnsafeRawPointer?, _ event: Int32
) {
  guard Int(event) == ENVOY_EVENT_CONNECTED, let envoy = unsafe filter, let watched = unsafe watched(connection),
    watched.state == .waiting, unsafe watched.decide(envoy)
  else { return }
  if watched.isReadingBorrowed { _ = unsafe envoy_dynamic_module_callback_network_filter_read_disable(envoy, true) }
  unsafe envoy_dynamic_module_callback_network_filter_continue_reading(envoy)
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_network_filter_read(
  _ filter: UnsafeMutableRawPointer?, _ connection: UnsafeRawPointer?, _ size: Int, _ is_end: Bool
) -> Int32 {
  guard let envoy = unsafe filter, let watched = unsafe watched(connection) else { return Int32(ENVOY_STOP_ITERATION) }
  return Int32(unsafe watched.decide(envoy) ? ENVOY_CONTINUE : ENVOY_STOP_ITERATION)
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_network_filter_write(
  _ filter: UnsafeMutableRawPointer?, _ connection: UnsafeRawPointer?, _ size: Int, _ is_end: Bool
) -> Int32 { Int32(ENVOY_CONTINUE) }

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_network_filter_destroy(_ connection: UnsafeRawPointer?) {
  guard let connection = unsafe connection else { return }
  let watched = unsafe Unmanaged<WatchedConnection>.fromOpaque(connection).takeRetainedValue()
  SeenConnections.remove(watched.number)
}
