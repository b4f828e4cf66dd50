// The set of prepared messages, and the reader of replies. Slices are copied once; calls only take references to them.
#include "messages.h"

#include <stdlib.h>
#include <string.h>

load_messages *load_messages_create(void) {
  grpc_init();
  return calloc(1, sizeof(load_messages));
}

void load_messages_destroy(load_messages *messages) {
  for (size_t i = 0; i < messages->count; i++) grpc_slice_unref(messages->items[i].bytes);
  for (size_t i = 0; i < messages->pair_count; i++) {
    free(messages->pairs[i].key);
    free(messages->pairs[i].value);
  }
  free(messages->pairs);
  free(messages->items);
  free(messages);
  grpc_shutdown();
}

bool load_messages_add(load_messages *messages, const uint8_t *bytes, size_t length, enum load_outcome expected) {
  if (messages->count == messages->capacity) {
    size_t capacity = messages->capacity == 0 ? 1024 : messages->capacity * 2;
    struct message *items = realloc(messages->items, capacity * sizeof *items);
    if (items == NULL) return false;
    messages->items = items;
    messages->capacity = capacity;
  }
  struct message *message = &messages->items[messages->count++];
  memset(message, 0, sizeof *message);
  message->bytes = grpc_slice_from_copied_buffer((const char *)bytes, length);
  message->expected = expected;
  return true;
}

// The index of a pair, found among the first ones or added; SIZE_MAX if there is no memory.
static size_t find_pair(load_messages *messages, const char *key, const char *value) {
  for (size_t i = 0; i < messages->pair_count && i < MAX_SHARED_PAIRS; i++) {
    if (strcmp(messages->pairs[i].key, key) == 0 && strcmp(messages->pairs[i].value, value) == 0) return i;
  }
  if (messages->pair_count == messages->pair_capacity) {
    size_t capacity = messages->pair_capacity == 0 ? 64 : messages->pair_capacity * 2;
    struct pair *pairs = realloc(messages->pairs, capacity * sizeof *pairs);
    if (pairs == NULL) return SIZE_MAX;
    messages->pairs = pairs;
    messages->pair_capacity = capacity;
  }
  struct pair pair = {strdup(key), strdup(value)};
  if (pair.key == NULL || pair.value == NULL) {
    free(pair.key);
    free(pair.value);
    return SIZE_MAX;
  }
  messages->pairs[messages->pair_count] = pair;
  return messages->pair_count++;
}

bool load_messages_add_metadata(load_messages *messages, const char *key, const char *value) {
  if (messages->count == 0) return false;
  struct message *message = &messages->items[messages->count - 1];
  if (message->metadata_count == MAX_METADATA) return false;
  size_t index = find_pair(messages, key, value);
  if (index == SIZE_MAX) return false;
  message->pairs[message->metadata_count] = index;
  grpc_metadata *metadata = &message->metadata[message->metadata_count++];
  metadata->key = grpc_slice_from_static_string(messages->pairs[index].key);
  metadata->value = grpc_slice_from_static_string(messages->pairs[index].value);
  return true;
}

size_t load_messages_count(const load_messages *messages) { return messages->count; }

// A cursor over protobuf fields: tag, then the length or the number that follows it.
struct cursor {
  const uint8_t *at, *end;
};

static bool read_number(struct cursor *cursor, uint64_t *number) {
  *number = 0;
  for (unsigned shift = 0; shift < 64 && cursor->at < cursor->end; shift += 7) {
    uint8_t byte = *cursor->at++;
    *number |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// Reads one field; `field` is its number, and for a length-delimited one `body` spans its bytes. Other kinds are passed over,
// except that `number` holds a varint.
static bool read_field(struct cursor *cursor, uint64_t *field, struct cursor *body, uint64_t *number) {
  uint64_t tag;
  body->at = body->end = NULL;
  if (!read_number(cursor, &tag)) return false;
  *field = tag >> 3;
  uint64_t length;
  switch (tag & 7) {
    case 0:
      return read_number(cursor, number);
    case 1:
      length = 8;
      break;
    case 2:
      if (!read_number(cursor, &length)) return false;
      break;
    case 5:
      length = 4;
      break;
    default:
      return false;
  }
  if (length > (uint64_t)(cursor->end - cursor->at)) return false;
  body->at = cursor->at;
  cursor->at += length;
  body->end = cursor->at;
  return true;
}

enum load_outcome load_read_outcome(const uint8_t *bytes, size_t length) {
  struct cursor reply = {bytes, bytes + length};
  uint64_t field, number, code = 0;
  struct cursor body;
  bool has_status = false;
  while (reply.at < reply.end) {
    if (!read_field(&reply, &field, &body, &number)) return LOAD_UNREADABLE;
    if (field != 1) continue;
    if (body.at == NULL) return LOAD_UNREADABLE;
    has_status = true;
    struct cursor status = body;
    while (status.at < status.end) {
      if (!read_field(&status, &field, &body, &number)) return LOAD_UNREADABLE;
      if (field == 1) code = number;
    }
  }
  if (!has_status) return LOAD_UNREADABLE;
  return code == 0 ? LOAD_ALLOW : LOAD_DENY;
}
