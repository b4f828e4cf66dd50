// A message becomes a request. What enters: the bytes of a CheckRequest. What leaves: a request whose text borrows from those bytes or
// from the arena, or the reason why there is none. What never happens here: recursion over what a sender wrote, memory beyond the
// arena's bound, and a request that lacks a source or a destination.
//
// Here stands the general decoder, on protobuf-c: it takes every CheckRequest, and says what is wrong with anything else. Messages of
// the form that proxies write do not need it (`ordinary.c`).

#include <stdlib.h>
#include <string.h>

#include "codec.h"

typedef Envoy__Service__Auth__V3__AttributeContext context_message;
typedef Envoy__Service__Auth__V3__AttributeContext__Peer peer_message;
typedef Envoy__Service__Auth__V3__AttributeContext__HttpRequest http_message;
typedef Envoy__Service__Auth__V3__AttributeContext__TextEntry entry_message;
typedef Envoy__Config__Core__V3__Address address_message;

/// Up to this many keys are compared each with each; above, they are sorted.
static const size_t few_pairs = 24;

static bool fail(extauthz_error *error, extauthz_status status, const char *reason) {
  error->status = status;
  error->reason = reason;
  return false;
}

bool decode_failed(const extauthz_arena *arena, extauthz_error *error, const char *reason) {
  if (arena_exhausted(arena)) return fail(error, EXTAUTHZ_STATUS_TOO_LARGE, "the message needs more memory than allowed");
  return fail(error, EXTAUTHZ_STATUS_MALFORMED, reason);
}

bool decode_text(ProtobufCBinaryData source, extauthz_bytes *target) {
  target->data = source.data;
  target->size = source.len;
  return source.len == 0 || text_is_utf8(source.data, source.len);
}

static bool keys_equal(extauthz_bytes left, extauthz_bytes right) {
  return left.size == right.size && (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

static int compare_positions(const void *left_position, const void *right_position) {
  const extauthz_pair *left = *(const extauthz_pair *const *)left_position;
  const extauthz_pair *right = *(const extauthz_pair *const *)right_position;
  size_t shorter = left->key.size < right->key.size ? left->key.size : right->key.size;
  int order = shorter == 0 ? 0 : memcmp(left->key.data, right->key.data, shorter);
  if (order != 0) return order;
  if (left->key.size != right->key.size) return left->key.size < right->key.size ? -1 : 1;
  return left < right ? -1 : left > right;
}

/// Marks by a null key and the size SIZE_MAX.
static void mark_dropped(extauthz_pair *pair) {
  pair->key.data = NULL;
  pair->key.size = SIZE_MAX;
}

static size_t compact(extauthz_pair *pairs, size_t count) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (pairs[i].key.size != SIZE_MAX) pairs[kept++] = pairs[i];
  }
  return kept;
}

static bool keep_last_of_few(extauthz_pair *pairs, size_t count) {
  bool dropped = false;
  for (size_t i = 0; i < count; i++) {
    for (size_t later = i + 1; later < count; later++) {
      if (keys_equal(pairs[i].key, pairs[later].key)) {
        mark_dropped(&pairs[i]);
        dropped = true;
        break;
      }
    }
  }
  return dropped;
}

bool pairs_keep_last(extauthz_arena *arena, extauthz_pair *pairs, size_t *count) {
  if (*count <= few_pairs) {
    if (keep_last_of_few(pairs, *count)) *count = compact(pairs, *count);
    return true;
  }
  extauthz_pair **sorted = arena_allocate_array(arena, *count, sizeof(*sorted));
  if (sorted == NULL) return false;
  for (size_t i = 0; i < *count; i++) sorted[i] = &pairs[i];
  qsort(sorted, *count, sizeof(*sorted), compare_positions);
  bool dropped = false;
  for (size_t i = 0; i + 1 < *count; i++) {
    if (keys_equal(sorted[i]->key, sorted[i + 1]->key)) {
      mark_dropped(sorted[i]);
      dropped = true;
    }
  }
  if (dropped) *count = compact(pairs, *count);
  return true;
}

static bool decode_map(
    extauthz_arena *arena, entry_message *const *entries, size_t entry_count, const extauthz_pair **target, size_t *target_count,
    extauthz_error *error, const char *reason) {
  if (entry_count == 0) return true;
  extauthz_pair *pairs = arena_allocate_array(arena, entry_count, sizeof(*pairs));
  if (pairs == NULL) return decode_failed(arena, error, reason);
  for (size_t i = 0; i < entry_count; i++) {
    const entry_message *entry = entries[i];
    if (!decode_text(entry->key, &pairs[i].key) || !decode_text(entry->value, &pairs[i].value)) {
      return decode_failed(arena, error, reason);
    }
  }
  size_t kept = entry_count;
  if (!pairs_keep_last(arena, pairs, &kept)) return decode_failed(arena, error, reason);
  *target = pairs;
  *target_count = kept;
  return true;
}

static bool decode_socket(const Envoy__Config__Core__V3__SocketAddress *socket, extauthz_address *target) {
  target->kind = EXTAUTHZ_ADDRESS_SOCKET;
  target->protocol = socket->protocol;
  if (!decode_text(socket->address, &target->text)) return false;
  if (socket->port_specifier_case == ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PORT_SPECIFIER_PORT_VALUE) {
    target->has_port = true;
    target->port = socket->port_value;
  } else if (socket->port_specifier_case == ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PORT_SPECIFIER_NAMED_PORT) {
    target->has_named_port = true;
    return decode_text(socket->named_port, &target->named_port);
  }
  return true;
}

static bool decode_address(const address_message *address, extauthz_address *target) {
  if (address == NULL) return true;
  switch (address->address_case) {
    case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS:
      return decode_socket(address->socket_address, target);
    case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE:
      target->kind = EXTAUTHZ_ADDRESS_PIPE;
      return decode_text(address->pipe->path, &target->text);
    case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_ENVOY_INTERNAL_ADDRESS:
      target->kind = EXTAUTHZ_ADDRESS_INTERNAL;
      return decode_text(address->envoy_internal_address->server_listener_name, &target->text);
    default:
      return true;
  }
}

static bool decode_peer(extauthz_arena *arena, const peer_message *peer, extauthz_peer *target, extauthz_error *error) {
  static const char reason[] = "a peer holds text that is not UTF-8";
  target->present = true;
  if (!decode_address(peer->address, &target->address) || !decode_text(peer->principal, &target->principal) ||
      !decode_text(peer->certificate, &target->certificate) || !decode_text(peer->service, &target->service)) {
    return decode_failed(arena, error, reason);
  }
  return decode_map(
      arena, peer->labels, peer->n_labels, &target->labels, &target->label_count, error, reason);
}

static bool decode_raw_headers(
    extauthz_arena *arena, const Envoy__Config__Core__V3__HeaderMap *map, extauthz_request *request, extauthz_error *error) {
  static const char reason[] = "a header holds text that is not UTF-8";
  request->header_map_present = true;
  if (map->n_headers == 0) return true;
  extauthz_pair *pairs = arena_allocate_array(arena, map->n_headers, sizeof(*pairs));
  if (pairs == NULL) return decode_failed(arena, error, reason);
  for (size_t i = 0; i < map->n_headers; i++) {
    const Envoy__Config__Core__V3__HeaderValue *header = map->headers[i];
    if (!decode_text(header->key, &pairs[i].key) || !decode_text(header->value, &pairs[i].value)) {
      return decode_failed(arena, error, reason);
    }
    if (header->raw_value.len > 0) {
      pairs[i].value.data = header->raw_value.data;
      pairs[i].value.size = header->raw_value.len;
    }
  }
  request->headers = pairs;
  request->header_count = map->n_headers;
  return true;
}

static bool decode_http(extauthz_arena *arena, const http_message *http, extauthz_request *request, extauthz_error *error) {
  request->has_http = true;
  if (!decode_text(http->method, &request->method) || !decode_text(http->path, &request->path) ||
      !decode_text(http->host, &request->host) || !decode_text(http->scheme, &request->scheme) ||
      !decode_text(http->protocol, &request->protocol)) {
    return decode_failed(arena, error, "the request holds text that is not UTF-8");
  }
  request->has_headers = http->header_map != NULL || http->n_headers > 0;
  // Both forms at once would be two accounts of one request; the more precise one counts, as a proxy sends only one.
  if (http->header_map != NULL) return decode_raw_headers(arena, http->header_map, request, error);
  return decode_map(
      arena, http->headers, http->n_headers, &request->headers, &request->header_count, error,
      "a header holds text that is not UTF-8");
}

static bool decode_context(
    extauthz_arena *arena, const context_message *context, extauthz_request *request, extauthz_error *error) {
  if (context->source == NULL) return fail(error, EXTAUTHZ_STATUS_MALFORMED, "the message has no source");
  if (context->destination == NULL) return fail(error, EXTAUTHZ_STATUS_MALFORMED, "the message has no destination");
  if (!decode_peer(arena, context->source, &request->source, error)) return false;
  if (!decode_peer(arena, context->destination, &request->destination, error)) return false;
  if (context->request != NULL && context->request->http != NULL) {
    if (!decode_http(arena, context->request->http, request, error)) return false;
  }
  if (context->tls_session != NULL) {
    request->has_tls_session = true;
    if (!decode_text(context->tls_session->sni, &request->sni)) {
      return decode_failed(arena, error, "the server name is not UTF-8");
    }
  }
  if (!decode_map(
          arena, context->context_extensions, context->n_context_extensions, &request->context_extensions,
          &request->context_extension_count, error, "a context extension is not UTF-8")) {
    return false;
  }
  return context->metadata_context == NULL || decode_metadata(arena, context->metadata_context, request, error);
}

static bool decode_general(extauthz_arena *arena, extauthz_bytes bytes, extauthz_request *request, extauthz_error *error) {
  memset(request, 0, sizeof(*request));
  error->status = EXTAUTHZ_STATUS_OK;
  error->reason = "";
  Envoy__Service__Auth__V3__CheckRequest *message = NULL;
  if (bytes.data != NULL && bytes.size > 0) {
    message = envoy__service__auth__v3__check_request__unpack(arena_allocator(arena), bytes.size, bytes.data);
    if (message == NULL) return decode_failed(arena, error, "the message is not a CheckRequest");
  }
  if (message == NULL || message->attributes == NULL) {
    return fail(error, EXTAUTHZ_STATUS_MALFORMED, "the message has no attributes");
  }
  if (decode_context(arena, message->attributes, request, error)) return true;
  memset(request, 0, sizeof(*request));
  return false;
}

bool decode_into(extauthz_arena *arena, extauthz_bytes bytes, extauthz_request *request, extauthz_error *error) {
  arena_position start = arena_mark(arena);
  error->status = EXTAUTHZ_STATUS_OK;
  error->reason = "";
  if (decode_ordinary(arena, bytes, request)) return true;
  arena_rewind(arena, start);
  return decode_general(arena, bytes, request, error);
}

bool extauthz_decode(extauthz_arena *arena, extauthz_bytes bytes, extauthz_request *request, extauthz_error *error) {
  arena_begin(arena, bytes.size);
  return decode_into(arena, bytes, request, error);
}

bool extauthz_decode_generally(
    extauthz_arena *arena, extauthz_bytes bytes, extauthz_request *request, extauthz_error *error) {
  arena_begin(arena, bytes.size);
  return decode_general(arena, bytes, request, error);
}

bool extauthz_is_ordinary(extauthz_arena *arena, extauthz_bytes bytes) {
  arena_begin(arena, bytes.size);
  extauthz_request request;
  return decode_ordinary(arena, bytes, &request);
}
