// The functions that Envoy calls for an HTTP filter.
// Enters: Envoy's pointers, and ours that come back. Leaves: objects as pointers. The configuration is the only object: a stream has none of its
// own, so that a request costs no memory here. Never here: a decision.
//
// The names are Envoy's, because it looks them up.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import CEnvoyModule
public import CPortcullis

/// Once, before anything else. The library below must be the one whose header we were compiled with.
@implementation @c
public func envoy_dynamic_module_on_program_init() -> UnsafePointer<CChar>? {
  guard portcullis_abi_version() == UInt32(PORTCULLIS_ABI_VERSION) else { return nil }
  return unsafe portcullis_bytes("v0.2.0").data
}

/// Settings of a configuration, and the engine for them; what is wrong is in the log.
func open(_ kind: StaticString, _ text: portcullis_bytes, isTCP: Bool) -> (FilterSettings, SharedEngine)? {
  do throws(SettingsProblem) {
    let settings = try SettingsReader.read(unsafe text.copy, isTCP: isTCP)
    return (settings, try SharedEngine.use(settings.source))
  } catch {
    EnvoyLog.error("the \(kind) is refused:\n" + error.lines.joined(separator: "\n"))
    return nil
  }
}

/// A filter, from the pointer that Envoy kept for us.
@inline(__always)
private func filter(_ pointer: UnsafeRawPointer?) -> HTTPFilter? {
  guard let pointer = unsafe pointer else { return nil }
  return unsafe Unmanaged<HTTPFilter>.fromOpaque(pointer).takeUnretainedValue()
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_config_new(
  _ config: UnsafeMutableRawPointer?, _ name: portcullis_bytes, _ text: portcullis_bytes
) -> UnsafeRawPointer? {
  guard let config = unsafe config else { return nil }
  guard unsafe name.equals("authorize") else {
    EnvoyLog.error("the HTTP filter is refused:\nfilter_name is not `authorize`")
    return nil
  }
  guard let (settings, engine) = unsafe open("HTTP filter", text, isTCP: false) else { return nil }
  return unsafe UnsafeRawPointer(Unmanaged.passRetained(HTTPFilter(settings, engine, config)).toOpaque())
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_config_destroy(_ config: UnsafeRawPointer?) {
  guard let config = unsafe config else { return }
  unsafe Unmanaged<HTTPFilter>.fromOpaque(config).takeRetainedValue().end()
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_config_scheduled(
  _ envoy_config: UnsafeMutableRawPointer?, _ config: UnsafeRawPointer?, _ event: UInt64
) {
  guard let filter = unsafe filter(config), let envoy = unsafe envoy_config else { return }
  unsafe filter.count(event: event, envoy)
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_new(
  _ config: UnsafeRawPointer?, _ filter: UnsafeMutableRawPointer?
) -> UnsafeRawPointer? { unsafe config }

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_request_headers(
  _ stream: UnsafeMutableRawPointer?, _ config: UnsafeRawPointer?, _ is_end: Bool
) -> Int32 {
  // Without either there is nobody to answer: the stream stays where it is.
  guard let stream = unsafe stream, let filter = unsafe filter(config) else { return Int32(ENVOY_STOP_ITERATION) }
  return unsafe filter.decide(stream)
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_request_body(
  _ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?, _ is_end: Bool
) -> Int32 { Int32(ENVOY_CONTINUE) }

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_request_trailers(_ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?) -> Int32 {
  Int32(ENVOY_CONTINUE)
}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_response_headers(
  _ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?, _ is_end: Bool
) -> Int32 { Int32(ENVOY_CONTINUE) }

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_response_body(
  _ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?, _ is_end: Bool
) -> Int32 { Int32(ENVOY_CONTINUE) }

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_response_trailers(_ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?) -> Int32
{
  Int32(ENVOY_CONTINUE)
}
