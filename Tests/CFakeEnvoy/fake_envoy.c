/* See fake_envoy.h. The functions are Envoy's, as CEnvoyModule declares them. */
#include "fake_envoy.h"

#include <envoy_module.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[1 << 16];
static size_t log_size;

void envoy_dynamic_module_callback_log(int32_t level, portcullis_bytes message) {
  (void)level;
  pthread_mutex_lock(&lock);
  if (message.size + 2 < sizeof log_text - log_size) {
    memcpy(log_text + log_size, message.data, message.size);
    log_size += message.size;
    log_text[log_size++] = '\n';
  }
  pthread_mutex_unlock(&lock);
}

void fake_envoy_log(char *room, size_t size) {
  pthread_mutex_lock(&lock);
  size_t count = log_size < size ? log_size : size - 1;
  memcpy(room, log_text, count);
  room[count] = 0;
  pthread_mutex_unlock(&lock);
}

bool envoy_dynamic_module_callback_is_validation_mode(void) { return false; }
uint32_t envoy_dynamic_module_callback_get_concurrency(void) { return 1; }

static bool give(const char *text, portcullis_bytes *value) {
  if (text == NULL) return false;
  *value = (portcullis_bytes){text, strlen(text)};
  return true;
}

/* ---- Counters: they exist, and nobody reads them ---------------------------------------------------------------------------------------- */

int32_t envoy_dynamic_module_callback_http_filter_config_define_counter(
    void *config, portcullis_bytes name, const portcullis_bytes *labels, size_t label_count, size_t *id) {
  (void)config, (void)name, (void)labels, (void)label_count;
  *id = 1;
  return ENVOY_METRIC_SUCCESS;
}

int32_t envoy_dynamic_module_callback_http_filter_increment_counter(
    void *filter, size_t id, const portcullis_bytes *label_values, size_t label_count, uint64_t amount) {
  (void)filter, (void)id, (void)label_values, (void)label_count, (void)amount;
  return ENVOY_METRIC_SUCCESS;
}

int32_t envoy_dynamic_module_callback_http_filter_config_increment_counter(
    void *config, size_t id, const portcullis_bytes *label_values, size_t label_count, uint64_t amount) {
  (void)config, (void)id, (void)label_values, (void)label_count, (void)amount;
  return ENVOY_METRIC_SUCCESS;
}

void *envoy_dynamic_module_callback_http_filter_config_scheduler_new(void *config) { return config; }
void envoy_dynamic_module_callback_http_filter_config_scheduler_commit(void *scheduler, uint64_t event) { (void)scheduler, (void)event; }
void envoy_dynamic_module_callback_http_filter_config_scheduler_delete(void *scheduler) { (void)scheduler; }

int32_t envoy_dynamic_module_callback_network_filter_config_define_counter(void *config, portcullis_bytes name, size_t *id) {
  (void)config, (void)name;
  *id = 1;
  return ENVOY_METRIC_SUCCESS;
}

int32_t envoy_dynamic_module_callback_network_filter_config_increment_counter(void *config, size_t id, uint64_t amount) {
  (void)config, (void)id, (void)amount;
  return ENVOY_METRIC_SUCCESS;
}

void *envoy_dynamic_module_callback_network_filter_config_scheduler_new(void *config) { return config; }
void envoy_dynamic_module_callback_network_filter_config_scheduler_commit(void *scheduler, uint64_t event) { (void)scheduler, (void)event; }
void envoy_dynamic_module_callback_network_filter_config_scheduler_delete(void *scheduler) { (void)scheduler; }

int32_t envoy_dynamic_module_callback_network_filter_increment_counter(void *filter, size_t id, uint64_t amount) {
  (void)filter, (void)id, (void)amount;
  return ENVOY_METRIC_SUCCESS;
}

/* ---- HTTP ------------------------------------------------------------------------------------------------------------------------------- */

uint32_t envoy_dynamic_module_callback_http_filter_get_worker_index(void *filter) {
  (void)filter;
  return 0;
}

bool envoy_dynamic_module_callback_http_filter_get_attribute_string(void *filter, int32_t attribute, portcullis_bytes *value) {
  const fake_connection *connection = filter;
  switch (attribute) {
    case ENVOY_ATTRIBUTE_REQUEST_PROTOCOL: return give("HTTP/1.1", value);
    case ENVOY_ATTRIBUTE_SOURCE_ADDRESS: return give(connection->address, value);
    case ENVOY_ATTRIBUTE_DESTINATION_ADDRESS: return give(connection->address, value);
    case ENVOY_ATTRIBUTE_REQUESTED_SERVER_NAME: return give(connection->server_name_attribute, value);
    case ENVOY_ATTRIBUTE_TLS_VERSION: return give(connection->is_tls ? "TLSv1.3" : NULL, value);
    case ENVOY_ATTRIBUTE_URI_SAN_PEER: return give(connection->uri, value);
    default: return false;
  }
}

bool envoy_dynamic_module_callback_http_filter_get_attribute_int(void *filter, int32_t attribute, uint64_t *value) {
  const fake_connection *connection = filter;
  if (attribute != ENVOY_ATTRIBUTE_CONNECTION_ID) return false;
  *value = connection->number;
  return true;
}

bool envoy_dynamic_module_callback_http_filter_get_attribute_bool(void *filter, int32_t attribute, bool *value) {
  const fake_connection *connection = filter;
  if (attribute != ENVOY_ATTRIBUTE_CONNECTION_MTLS || !connection->is_tls) return false;
  *value = connection->has_certificate;
  return true;
}

bool envoy_dynamic_module_callback_http_get_downstream_direct_remote_address(void *filter, portcullis_bytes *address) {
  return give(((fake_connection *)filter)->address, address);
}

size_t envoy_dynamic_module_callback_http_get_headers_size(void *filter, int32_t kind) {
  (void)filter, (void)kind;
  return 3;
}

bool envoy_dynamic_module_callback_http_get_headers(void *filter, int32_t kind, portcullis_header *headers) {
  const fake_connection *connection = filter;
  (void)kind;
  return give(":method", &headers[0].name) && give("GET", &headers[0].value) && give(":path", &headers[1].name) &&
         give(connection->path, &headers[1].value) && give(":authority", &headers[2].name) && give(connection->host, &headers[2].value);
}

static void keep_reason(fake_connection *connection, portcullis_bytes key, portcullis_bytes value) {
  if (key.size != 6 || memcmp(key.data, "reason", 6) != 0 || value.size >= sizeof connection->reason) return;
  memcpy(connection->reason, value.data, value.size);
  connection->reason[value.size] = 0;
}

void envoy_dynamic_module_callback_http_set_dynamic_metadata_string_batch(
    void *filter, portcullis_bytes name_space, const envoy_pair *pairs, size_t pair_count) {
  (void)name_space;
  for (size_t index = 0; index < pair_count; index++) keep_reason(filter, pairs[index].name, pairs[index].value);
}

void envoy_dynamic_module_callback_http_send_response(
    void *filter, uint32_t status, const portcullis_header *headers, size_t header_count, portcullis_bytes body, portcullis_bytes details) {
  fake_connection *connection = filter;
  (void)headers, (void)header_count, (void)body, (void)details;
  connection->status = status;
}

/* ---- TCP -------------------------------------------------------------------------------------------------------------------------------- */

uint32_t envoy_dynamic_module_callback_network_filter_get_worker_index(void *filter) {
  (void)filter;
  return 0;
}

uint64_t envoy_dynamic_module_callback_network_filter_get_connection_id(void *filter) { return ((fake_connection *)filter)->number; }

bool envoy_dynamic_module_callback_network_filter_get_attribute_bool(void *filter, int32_t attribute, bool *value) {
  return envoy_dynamic_module_callback_http_filter_get_attribute_bool(filter, attribute, value);
}

bool envoy_dynamic_module_callback_network_filter_is_ssl(void *filter) { return ((fake_connection *)filter)->is_tls; }

size_t envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans_size(void *filter) { return ((fake_connection *)filter)->uri_count; }

bool envoy_dynamic_module_callback_network_filter_get_ssl_uri_sans(void *filter, portcullis_bytes *names) {
  const fake_connection *connection = filter;
  for (size_t index = 0; index < connection->uri_count; index++) give(connection->uri, &names[index]);
  return !connection->refuses_uris;
}

size_t envoy_dynamic_module_callback_network_filter_get_ssl_dns_sans_size(void *filter) {
  return ((fake_connection *)filter)->dns_name != NULL;
}

bool envoy_dynamic_module_callback_network_filter_get_ssl_dns_sans(void *filter, portcullis_bytes *names) {
  const fake_connection *connection = filter;
  return give(connection->dns_name, names) && !connection->refuses_dns_names;
}

bool envoy_dynamic_module_callback_network_filter_get_ssl_subject(void *filter, portcullis_bytes *subject) {
  return give(((fake_connection *)filter)->subject, subject);
}

bool envoy_dynamic_module_callback_network_filter_get_requested_server_name(void *filter, portcullis_bytes *name) {
  return give(((fake_connection *)filter)->server_name, name);
}

static bool give_address(const char *text, uint32_t number, portcullis_bytes *ip, uint32_t *port) {
  *port = number;
  return give(text, ip);
}

bool envoy_dynamic_module_callback_network_filter_get_remote_address(void *filter, portcullis_bytes *ip, uint32_t *port) {
  (void)filter;
  return give_address("10.0.0.1", 1000, ip, port);
}

bool envoy_dynamic_module_callback_network_filter_get_direct_remote_address(void *filter, portcullis_bytes *ip, uint32_t *port) {
  (void)filter;
  return give_address("10.0.0.1", 1000, ip, port);
}

bool envoy_dynamic_module_callback_network_filter_get_local_address(void *filter, portcullis_bytes *ip, uint32_t *port) {
  (void)filter;
  return give_address("10.0.0.2", 8080, ip, port);
}

void envoy_dynamic_module_callback_network_set_dynamic_metadata_string(
    void *filter, portcullis_bytes name_space, portcullis_bytes key, portcullis_bytes value) {
  (void)name_space;
  keep_reason(filter, key, value);
}

void envoy_dynamic_module_callback_network_filter_close_with_details(void *filter, int32_t how, portcullis_bytes details) {
  fake_connection *connection = filter;
  (void)how, (void)details;
  connection->is_closed = true;
}

void envoy_dynamic_module_callback_network_filter_continue_reading(void *filter) { (void)filter; }

bool envoy_dynamic_module_callback_network_filter_read_enabled(void *filter) {
  (void)filter;
  return true;
}

int32_t envoy_dynamic_module_callback_network_filter_read_disable(void *filter, bool is_disabled) {
  (void)filter, (void)is_disabled;
  return 0;
}
