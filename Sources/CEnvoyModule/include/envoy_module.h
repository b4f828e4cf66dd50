/*
 * The part of the interface of Envoy's dynamic modules that Portcullis uses, as Envoy 1.40 has it (ABI `v0.2.0`).
 *
 * Enters: calls of Envoy (`…_on_…`, defined by the module). Leaves: calls into Envoy (`…_callback_…`, found in the proxy when the module is
 * loaded). Never here: what the module does not use, and a definition of our own.
 *
 * A buffer of Envoy is a pointer and a length, a header is two buffers: the same words as `portcullis_bytes` and `portcullis_header`, so what
 * Envoy lends is handed on as it is. Lent memory is good until the hook returns, or until the module changes what it lies in.
 * `void *` is Envoy's object, `const void *` is the module's. Handles are never null, but the module looks all the same.
 */
#ifndef PORTCULLIS_ENVOY_MODULE_H
#define PORTCULLIS_ENVOY_MODULE_H

#include <portcullis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The same shape as a header: a name and its value. */
typedef portcullis_header envoy_pair;

enum { ENVOY_LOG_INFO = 2, ENVOY_LOG_WARN = 3, ENVOY_LOG_ERROR = 4 };
enum { ENVOY_CONTINUE = 0, ENVOY_STOP_ITERATION = 1 };
enum { ENVOY_REQUEST_HEADERS = 0 };
enum { ENVOY_METRIC_SUCCESS = 0 };
enum { ENVOY_CLOSE_NO_FLUSH = 1 };
enum { ENVOY_EVENT_CONNECTED = 2, ENVOY_EVENT_CONNECTED_EARLY = 3 };

/* Attributes, numbered in the order of Envoy's list. */
enum {
  /* `HTTP/1.1` and so on. */
  ENVOY_ATTRIBUTE_REQUEST_PROTOCOL = 10,
  /* `address:port`, after the rules about X-Forwarded-For. */
  ENVOY_ATTRIBUTE_SOURCE_ADDRESS = 24,
  ENVOY_ATTRIBUTE_DESTINATION_ADDRESS = 26,
  ENVOY_ATTRIBUTE_CONNECTION_ID = 28,
  /* Whether the peer showed a certificate. Not to be had of a connection without TLS. */
  ENVOY_ATTRIBUTE_CONNECTION_MTLS = 29,
  ENVOY_ATTRIBUTE_REQUESTED_SERVER_NAME = 30,
  /* Not to be had of a connection without TLS. */
  ENVOY_ATTRIBUTE_TLS_VERSION = 31,
  /* The first URI name of the peer's certificate; the others are not to be had in an HTTP filter. */
  ENVOY_ATTRIBUTE_URI_SAN_PEER = 37
};

/* ---- What Envoy offers ------------------------------------------------------------------------------------------------------------- */

void envoy_dynamic_module_callback_log(int32_t level, portcullis_bytes message);
bool envoy_dynamic_module_callback_is_validation_mode(void);
uint32_t envoy_dynamic_module_callback_get_concurrency(void);

/* HTTP: counters are defined while the configuration is made, and only then. */
int32_t envoy_dynamic_module_callback_http_filter_config_define_counter(
    void *config, portcullis_bytes name, const portcullis_bytes *labels, size_t label_count, size_t *id);
int32_t envoy_dynamic_module_callback_http_filter_increment_counter(
    void *filter, size_t id, const portcullis_bytes *label_values, size_t label_count, uint64_t amount);
int32_t envoy_dynamic_module_callback_http_filter_config_increment_counter(
    void *config, size_t id, const portcullis_bytes *label_values, size_t label_count, uint64_t amount);
/* A scheduler lets any thread ask for a call of `…_on_…_config_scheduled` on the main thread, while the configuration lives. */
void *envoy_dynamic_module_callback_http_filter_config_scheduler_new(void *config);
void envoy_dynamic_module_callback_http_filter_config_scheduler_commit(void *scheduler, uint64_t event);
void envoy_dynamic_module_callback_http_filter_config_scheduler_delete(void *scheduler);

uint32_t envoy_dynamic_module_callback_http_filter_get_worker_index(void *filter);
bool envoy_dynamic_module_callback_http_filter_get_attribute_string(void *filter, int32_t attribute, portcullis_bytes *value);
bool envoy_dynamic_module_callback_http_filter_get_attribute_int(void *filter, int32_t attribute, uint64_t *value);
bool envoy_dynamic_module_callback_http_filter_get_attribute_bool(void *filter, int32_t attribute, bool *value);
/* `address:port` of the other end of the connection itself, whatever its headers say. */
bool envoy_dynamic_module_callback_http_get_downstream_direct_remote_address(void *filter, portcullis_bytes *address);
size_t envoy_dynamic_module_callback_http_get_headers_size(void *filter, int32_t kind);
bool envoy_dynamic_module_callback_http_get_headers(void *filter, int32_t kind, portcullis_header *headers);
void envoy_dynamic_module_callback_http_set_dynamic_metadata_string_batch(
    void *filter, portcullis_bytes name_space, const envoy_pair *pairs, size_t pair_count);
void envoy_dynamic_module_callback_http_send_response(
    void *filter, uint32_t status, const portcullis_header *headers, size_t header_count, portcullis_bytes body, portcullis_bytes details);

/* TCP. */
int32_t envoy_dynamic_module_callback_network_filter_config_define_counter(void *config, portcullis_bytes name, size_t *id);
int32_t envoy_dynamic_module_callback_network_filter_config_increment_counter(void *config, size_t id, uint64_t amount);
void *envoy_dynamic_module_callback_network_filter_config_scheduler_new(void *config);
void envoy_dynamic_module_callback_network_filter_config_scheduler_commit(void *scheduler, uint64_t event);
void envoy_dynamic_module_callback_network_filter_config_scheduler_delete(void *scheduler);
int32_t envoy_dynamic_module_callback_network_filter_increment_counter(void *filter, size_t id, uint64_t amount);
uint32_t envoy_dynamic_module_callback_network_filter_get_worker_index(void *filter);
uint64_t envoy_dynamic_module_callback_network_filter_get_connection_id(void *filter);
bool envoy_dynamic_module_callback_network_filter_get_attribute_bool(void *filter, int32_t attribute, bool *value);
bool envoy_dynamic_module_callback_network_filter_is_ssl(void *filter);
size_t envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans_size(void *filter);
bool envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans(void *filter, portcullis_bytes *names);
size_t envoy_dynamic_module_callback_network_filter_get_ssl_dns_sans_size(void *filter);
bool envoy_dynamic_module_callback_network_filter_get_ssl_dns_sans(void *filter, portcullis_bytes *names);
bool envoy_dynamic_module_callback_network_filter_get_ssl_subject(void *filter, portcullis_bytes *subject);
bool envoy_dynamic_module_callback_network_filter_get_requested_server_name(void *filter, portcullis_bytes *name);
bool envoy_dynamic_module_callback_network_filter_get_remote_address(void *filter, portcullis_bytes *ip, uint32_t *port);
bool envoy_dynamic_module_callback_network_filter_get_direct_remote_address(void *filter, portcullis_bytes *ip, uint32_t *port);
bool envoy_dynamic_module_callback_network_filter_get_local_address(void *filter, portcullis_bytes *ip, uint32_t *port);
void envoy_dynamic_module_callback_network_set_dynamic_metadata_string(
    void *filter, portcullis_bytes name_space, portcullis_bytes key, portcullis_bytes value);
void envoy_dynamic_module_callback_network_filter_close_with_details(void *filter, int32_t how, portcullis_bytes details);
void envoy_dynamic_module_callback_network_filter_continue_reading(void *filter);
bool envoy_dynamic_module_callback_network_filter_read_enabled(void *filter);
/* Counts: reading goes on when it was enabled as often as it was disabled. */
int32_t envoy_dynamic_module_callback_network_filter_read_disable(void *filter, bool is_disabled);

/* ---- What Envoy calls ---------------------------------------------------------------------------------------------------------------- */

/* Once, on the main thread. Returns the version of the ABI, or null to refuse to run. */
const char *envoy_dynamic_module_on_program_init(void);

/* Main thread. Null refuses the configuration. */
const void *envoy_dynamic_module_on_http_filter_config_new(void *config, portcullis_bytes name, portcullis_bytes text);
void envoy_dynamic_module_on_http_filter_config_destroy(const void *config);
void envoy_dynamic_module_on_http_filter_config_scheduled(void *envoy_config, const void *config, uint64_t event);
/* The stream's worker, as all that follow. Null closes the stream. */
const void *envoy_dynamic_module_on_http_filter_new(const void *config, void *filter);
int32_t envoy_dynamic_module_on_http_filter_request_headers(void *filter, const void *stream, bool is_end);
int32_t envoy_dynamic_module_on_http_filter_request_body(void *filter, const void *stream, bool is_end);
int32_t envoy_dynamic_module_on_http_filter_request_trailers(void *filter, const void *stream);
int32_t envoy_dynamic_module_on_http_filter_response_headers(void *filter, const void *stream, bool is_end);
int32_t envoy_dynamic_module_on_http_filter_response_body(void *filter, const void *stream, bool is_end);
int32_t envoy_dynamic_module_on_http_filter_response_trailers(void *filter, const void *stream);
void envoy_dynamic_module_on_http_filter_stream_complete(void *filter, const void *stream);
void envoy_dynamic_module_on_http_filter_destroy(const void *stream);
void envoy_dynamic_module_on_http_filter_scheduled(void *filter, const void *stream, uint64_t event);
void envoy_dynamic_module_on_http_filter_http_callout_done(
    void *filter, const void *stream, uint64_t id, int32_t result, portcullis_header *headers, size_t header_count,
    portcullis_bytes *chunks, size_t chunk_count);
void envoy_dynamic_module_on_http_filter_http_stream_headers(
    void *filter, const void *stream, uint64_t id, portcullis_header *headers, size_t header_count, bool is_end);
void envoy_dynamic_module_on_http_filter_http_stream_data(
    void *filter, const void *stream, uint64_t id, const portcullis_bytes *chunks, size_t chunk_count, bool is_end);
void envoy_dynamic_module_on_http_filter_http_stream_trailers(
    void *filter, const void *stream, uint64_t id, portcullis_header *trailers, size_t trailer_count);
void envoy_dynamic_module_on_http_filter_http_stream_complete(void *filter, const void *stream, uint64_t id);
void envoy_dynamic_module_on_http_filter_http_stream_reset(void *filter, const void *stream, uint64_t id, int32_t reason);
void envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(void *filter, const void *stream);
void envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(void *filter, const void *stream);

const void *envoy_dynamic_module_on_network_filter_config_new(void *config, portcullis_bytes name, portcullis_bytes text);
void envoy_dynamic_module_on_network_filter_config_destroy(const void *config);
/* Without Envoy's configuration, other than for HTTP. */
void envoy_dynamic_module_on_network_filter_config_scheduled(const void *config, uint64_t event);
const void *envoy_dynamic_module_on_network_filter_new(const void *config, void *filter);
int32_t envoy_dynamic_module_on_network_filter_new_connection(void *filter, const void *connection);
int32_t envoy_dynamic_module_on_network_filter_read(void *filter, const void *connection, size_t size, bool is_end);
int32_t envoy_dynamic_module_on_network_filter_write(void *filter, const void *connection, size_t size, bool is_end);
void envoy_dynamic_module_on_network_filter_event(void *filter, const void *connection, int32_t event);
void envoy_dynamic_module_on_network_filter_destroy(const void *connection);

#endif
