// Metadata becomes a flat list. What enters: filter_metadata as protobuf-c left it, one level opened. What leaves: nodes in
// preorder. What never happens here: descent below the depth limit, or more nodes than the node limit.

#include <stdlib.h>
#include <string.h>

#include "codec.h"

static const uint32_t max_depth = 32;
static const uint32_t max_nodes = 65536;

typedef struct flattening {
  extauthz_arena *arena;
  extauthz_error *error;
  extauthz_metadata_node *nodes;
  uint32_t count;
  uint32_t capacity;
} flattening;

/// One field on its way: where it came from decides which of equal keys is the last.
typedef struct field {
  extauthz_bytes key;
  const Google__Protobuf__Value *value;
  size_t position;
} field;

static const char not_text[] = "metadata holds text that is not UTF-8";

static bool too_large(flattening *state, const char *reason) {
  state->error->status = EXTAUTHZ_STATUS_TOO_LARGE;
  state->error->reason = reason;
  return false;
}

/// Returns the index of a new node, or UINT32_MAX.
static uint32_t append(flattening *state, uint32_t depth, extauthz_bytes key, extauthz_metadata_kind kind) {
  if (state->count == max_nodes) {
    too_large(state, "metadata has more than 65536 nodes");
    return UINT32_MAX;
  }
  if (state->count == state->capacity) {
    uint32_t capacity = state->capacity == 0 ? 16 : state->capacity * 2;
    extauthz_metadata_node *nodes = arena_allocate_array(state->arena, capacity, sizeof(*nodes));
    if (nodes == NULL) {
      decode_failed(state->arena, state->error, not_text);
      return UINT32_MAX;
    }
    if (state->count > 0) memcpy(nodes, state->nodes, state->count * sizeof(*nodes));
    state->nodes = nodes;
    state->capacity = capacity;
  }
  uint32_t index = state->count++;
  memset(&state->nodes[index], 0, sizeof(state->nodes[index]));
  state->nodes[index].depth = depth;
  state->nodes[index].kind = kind;
  state->nodes[index].key = key;
  state->nodes[index].end = index + 1;
  return index;
}

static int compare_fields(const void *left_field, const void *right_field) {
  const field *left = left_field;
  const field *right = right_field;
  size_t shorter = left->key.size < right->key.size ? left->key.size : right->key.size;
  int order = shorter == 0 ? 0 : memcmp(left->key.data, right->key.data, shorter);
  if (order != 0) return order;
  if (left->key.size != right->key.size) return left->key.size < right->key.size ? -1 : 1;
  return left->position < right->position ? -1 : left->position > right->position;
}

static bool same_key(const field *left, const field *right) {
  return left->key.size == right->key.size &&
         (left->key.size == 0 || memcmp(left->key.data, right->key.data, left->key.size) == 0);
}

static bool append_value(flattening *state, uint32_t depth, extauthz_bytes key, const Google__Protobuf__Value *value);

/// The children of a struct, sorted by key, the last of equal keys alone.
static bool append_fields(flattening *state, uint32_t depth, const Google__Protobuf__Struct *message) {
  size_t count = message->n_fields;
  if (count == 0) return true;
  if (count > max_nodes) return too_large(state, "metadata has more than 65536 nodes");
  field *fields = arena_allocate_array(state->arena, count, sizeof(*fields));
  if (fields == NULL) return decode_failed(state->arena, state->error, not_text);
  for (size_t i = 0; i < count; i++) {
    if (!decode_text(message->fields[i]->key, &fields[i].key)) {
      return decode_failed(state->arena, state->error, not_text);
    }
    fields[i].value = message->fields[i]->value;
    fields[i].position = i;
  }
  qsort(fields, count, sizeof(*fields), compare_fields);
  for (size_t i = 0; i < count; i++) {
    if (i + 1 < count && same_key(&fields[i], &fields[i + 1])) continue;
    if (!append_value(state, depth, fields[i].key, fields[i].value)) return false;
  }
  return true;
}

static bool append_encoded_struct(flattening *state, uint32_t depth, ProtobufCBinaryData encoded) {
  if (encoded.len == 0) return true;
  Google__Protobuf__Struct *message =
      google__protobuf__struct__unpack(arena_allocator(state->arena), encoded.len, encoded.data);
  if (message == NULL) return decode_failed(state->arena, state->error, "metadata holds an undecodable struct");
  return append_fields(state, depth, message);
}

static bool append_encoded_list(flattening *state, uint32_t depth, ProtobufCBinaryData encoded) {
  if (encoded.len == 0) return true;
  Google__Protobuf__ListValue *message =
      google__protobuf__list_value__unpack(arena_allocator(state->arena), encoded.len, encoded.data);
  if (message == NULL) return decode_failed(state->arena, state->error, "metadata holds an undecodable list");
  extauthz_bytes no_key = {NULL, 0};
  for (size_t i = 0; i < message->n_values; i++) {
    if (!append_value(state, depth, no_key, message->values[i])) return false;
  }
  return true;
}

static extauthz_metadata_kind kind_of(const Google__Protobuf__Value *value) {
  if (value == NULL) return EXTAUTHZ_METADATA_NULL;
  switch (value->kind_case) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
      return EXTAUTHZ_METADATA_NUMBER;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
      return EXTAUTHZ_METADATA_STRING;
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
      return EXTAUTHZ_METADATA_BOOL;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
      return EXTAUTHZ_METADATA_STRUCT;
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
      return EXTAUTHZ_METADATA_LIST;
    default:
      return EXTAUTHZ_METADATA_NULL;
  }
}

/// Appends a value and what is in it. The machine stack holds at most `max_depth` of these frames.
static bool append_value(flattening *state, uint32_t depth, extauthz_bytes key, const Google__Protobuf__Value *value) {
  if (depth >= max_depth) return too_large(state, "metadata is nested deeper than 32 levels");
  extauthz_metadata_kind kind = kind_of(value);
  uint32_t index = append(state, depth, key, kind);
  if (index == UINT32_MAX) return false;
  switch (kind) {
    case EXTAUTHZ_METADATA_NUMBER:
      state->nodes[index].number = value->number_value;
      return true;
    case EXTAUTHZ_METADATA_STRING:
      if (!decode_text(value->string_value, &state->nodes[index].string)) {
        return decode_failed(state->arena, state->error, not_text);
      }
      return true;
    case EXTAUTHZ_METADATA_BOOL:
      state->nodes[index].boolean = value->bool_value != 0;
      return true;
    case EXTAUTHZ_METADATA_STRUCT:
      if (!append_encoded_struct(state, depth + 1, value->struct_value)) return false;
      break;
    case EXTAUTHZ_METADATA_LIST:
      if (!append_encoded_list(state, depth + 1, value->list_value)) return false;
      break;
    default:
      return true;
  }
  state->nodes[index].end = state->count;
  return true;
}

/// A filter namespace that comes twice is refused: there is no telling which filter wrote what.
static bool namespaces_distinct(const flattening *state) {
  for (uint32_t left = 0; left < state->count; left = state->nodes[left].end) {
    for (uint32_t right = state->nodes[left].end; right < state->count; right = state->nodes[right].end) {
      extauthz_bytes a = state->nodes[left].key;
      extauthz_bytes b = state->nodes[right].key;
      if (a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0)) return false;
    }
  }
  return true;
}

bool decode_metadata(
    extauthz_arena *arena, const Envoy__Config__Core__V3__Metadata *metadata, extauthz_request *request,
    extauthz_error *error) {
  static const size_t max_namespaces = 256;
  flattening state = {.arena = arena, .error = error};
  request->has_metadata_context = true;
  if (metadata->n_filter_metadata > max_namespaces) return too_large(&state, "metadata has more than 256 namespaces");
  for (size_t i = 0; i < metadata->n_filter_metadata; i++) {
    const Envoy__Config__Core__V3__Metadata__FilterMetadataEntry *entry = metadata->filter_metadata[i];
    extauthz_bytes key;
    if (!decode_text(entry->key, &key)) return decode_failed(arena, error, not_text);
    uint32_t index = append(&state, 0, key, EXTAUTHZ_METADATA_STRUCT);
    if (index == UINT32_MAX) return false;
    if (entry->value != NULL && !append_fields(&state, 1, entry->value)) return false;
    state.nodes[index].end = state.count;
  }
  if (!namespaces_distinct(&state)) return decode_failed(arena, error, "metadata names a filter twice");
  request->metadata = state.nodes;
  request->metadata_count = state.count;
  return true;
}
