// Functions that Envoy demands of every HTTP filter, and in which there is nothing to do.
// Enters: news of a stream that was decided long ago. Leaves: nothing. Never here: anything.
//
// The names are Envoy's, because it looks them up.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import CEnvoyModule
public import CPortcullis

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_stream_complete(_ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?) {}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_destroy(_ stream: UnsafeRawPointer?) {}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_scheduled(
  _ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?, _ event: UInt64
) {}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_http_callout_done(
  _ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?, _ id: UInt64, _ result: Int32,
  _ headers: UnsafeMutablePointer<portcullis_header>?, _ header_count: Int, _ chunks: UnsafeMutablePointer<portcullis_bytes>?,
  _ chunk_count: Int
) {}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_http_stream_headers(
  _ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?, _ id: UInt64, _ headers: UnsafeMutablePointer<portcullis_header>?,
  _ header_count: Int, _ is_end: Bool
) {}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_http_stream_data(
  _ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?, _ id: UInt64, _ chunks: UnsafePointer<portcullis_bytes>?,
  _ chunk_count: Int, _ is_end: Bool
) {}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_http_stream_trailers(
  _ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?, _ id: UInt64, _ trailers: UnsafeMutablePointer<portcullis_header>?,
  _ trailer_count: Int
) {}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_http_stream_complete(
  _ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?, _ id: UInt64
) {}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_http_stream_reset(
  _ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?, _ id: UInt64, _ reason: Int32
) {}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(
  _ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?
) {}

/// See the header.
@implementation @c
public func envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(
  _ filter: UnsafeMutableRawPointer?, _ stream: UnsafeRawPointer?
) {}
