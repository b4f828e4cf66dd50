// An ordinary message becomes a request at once. What enters: the bytes of a CheckRequest. What leaves: a request whose text borrows from
// those bytes, or nothing, because the message is not of the form that proxies write. What never happens here: an answer of its own. A
// message that this reader takes is read exactly as the general decoder (`decode.c`) reads it, and whatever it does not take (a field
// twice, a type that does not fit, text that is not UTF-8, very many fields, long metadata, a cut) goes to that decoder, which
// is the measure and says what is wrong.

#include <string.h>

#include "codec.h"

/// More fields than any proxy sends.
static const uint32_t max_fields = 1024;
/// Longer metadata is left to the general decoder.
static const size_t max_metadata_size = 8 * 1024;
/// What the general decoder needs at most beside the text itself, within those limits. Where the arena has less, it decides.
static const size_t general_memory = 4 * 1024 * 1024;

typedef struct stretch {
  const uint8_t *at;
  const uint8_t *end;
} stretch;

typedef struct reader {
  extauthz_arena *arena;
  uint32_t fields_left;
} reader;

/// One field. `tag` is its number and its wire type as they stand in the message: one byte.
typedef struct field {
  uint8_t tag;
  /// Of wire type 0.
  uint64_t number;
  /// Of wire type 2.
  stretch content;
} field;

enum { WIRE_NUMBER = 0, WIRE_64_BITS = 1, WIRE_BYTES = 2, WIRE_32_BITS = 5 };

#define BYTES(number) ((number) << 3 | WIRE_BYTES)
#define NUMBER(number) ((number) << 3 | WIRE_NUMBER)
#define FIELD(number) (UINT32_C(1) << (number))

// MARK: Fields

static bool take_number(stretch *rest, uint64_t *number) {
  uint64_t value = 0;
  for (uint32_t shift = 0; shift < 70 && rest->at < rest->end; shift += 7) {
    uint8_t byte = *rest->at++;
    value |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) {
      *number = value;
      return true;
    }
  }
  return false;
}

static bool skip(stretch *rest, size_t size) {
  if (size > (size_t)(rest->end - rest->at)) return false;
  rest->at += size;
  return true;
}

/// A length and as many bytes.
static bool take_content(stretch *rest, stretch *content) {
  if (rest->at == rest->end) return false;
  size_t size = *rest->at++;
  // At most four bytes of length: a longer form is nobody's.
  for (uint32_t shift = 7; size >> shift != 0; shift += 7) {
    if (shift > 21 || rest->at == rest->end) return false;
    size = (size & ((UINT64_C(1) << shift) - 1)) | (size_t)*rest->at++ << shift;
  }
  content->at = rest->at;
  if (!skip(rest, size)) return false;
  content->end = rest->at;
  return true;
}

/// A field that is not short text.
static bool take_other_field(stretch *rest, field *field) {
  uint8_t tag = *rest->at++;
  // Numbers above 15 need two bytes; 0 is none.
  if (tag >= 0x80 || tag < NUMBER(1)) return false;
  field->tag = tag;
  switch (tag & 7) {
    case WIRE_BYTES:
      return take_content(rest, &field->content);
    case WIRE_NUMBER:
      return take_number(rest, &field->number);
    case WIRE_64_BITS:
      return skip(rest, 8);
    case WIRE_32_BITS:
      return skip(rest, 4);
    default:
      return false;
  }
}

/// The next field; `rest` is not empty.
static inline __attribute__((always_inline)) bool take_field(reader *reader, stretch *rest, field *field) {
  if (reader->fields_left == 0) return false;
  reader->fields_left--;
  const uint8_t *at = rest->at;
  // Nearly all fields: a tag of one byte, a length of one byte.
  if (rest->end - at >= 2 && (at[0] & 0x87) == WIRE_BYTES && at[0] >= BYTES(1) && at[1] < 0x80 && at[1] <= rest->end - at - 2) {
    field->tag = at[0];
    field->content.at = at + 2;
    field->content.end = at + 2 + at[1];
    rest->at = field->content.end;
    return true;
  }
  return take_other_field(rest, field);
}

/// Marks a field that stands once. False: it came before.
static inline bool is_first(uint32_t *seen, uint8_t tag) {
  uint32_t bit = FIELD(tag >> 3);
  if ((*seen & bit) != 0) return false;
  *seen |= bit;
  return true;
}

/// A field that the message does not define is skipped; one of these numbers has a type that does not fit.
static inline bool is_foreign(uint8_t tag, uint32_t known) { return (FIELD(tag >> 3) & known) == 0; }

static inline bool take_text(stretch content, extauthz_bytes *text) {
  size_t size = (size_t)(content.end - content.at);
  text->data = size == 0 ? NULL : content.at;
  text->size = size;
  return text_is_utf8(content.at, size);
}

// MARK: Pairs

typedef struct pair_list {
  extauthz_pair *pairs;
  size_t count;
  size_t capacity;
} pair_list;

static extauthz_pair *add_pair(reader *reader, pair_list *list) {
  static const size_t first_capacity = 32;
  if (list->count == list->capacity) {
    size_t capacity = list->capacity == 0 ? first_capacity : list->capacity * 2;
    extauthz_pair *pairs = arena_allocate_array(reader->arena, capacity, sizeof(*pairs));
    if (pairs == NULL) return NULL;
    if (list->count > 0) memcpy(pairs, list->pairs, list->count * sizeof(*pairs));
    list->pairs = pairs;
    list->capacity = capacity;
  }
  extauthz_pair *added = &list->pairs[list->count++];
  memset(added, 0, sizeof(*added));
  return added;
}

static bool read_entry(reader *reader, stretch rest, pair_list *list) {
  extauthz_pair *pair = add_pair(reader, list);
  if (pair == NULL) return false;
  uint32_t seen = 0;
  while (rest.at < rest.end) {
    field field;
    if (!take_field(reader, &rest, &field)) return false;
    switch (field.tag) {
      case BYTES(1):
        if (!is_first(&seen, field.tag) || !take_text(field.content, &pair->key)) return false;
        break;
      case BYTES(2):
        if (!is_first(&seen, field.tag) || !take_text(field.content, &pair->value)) return false;
        break;
      default:
        if (!is_foreign(field.tag, FIELD(1) | FIELD(2))) return false;
    }
  }
  return true;
}

static bool read_header(reader *reader, stretch rest, pair_list *list) {
  extauthz_pair *pair = add_pair(reader, list);
  if (pair == NULL) return false;
  stretch raw = {NULL, NULL};
  uint32_t seen = 0;
  while (rest.at < rest.end) {
    field field;
    if (!take_field(reader, &rest, &field)) return false;
    switch (field.tag) {
      case BYTES(1):
        if (!is_first(&seen, field.tag) || !take_text(field.content, &pair->key)) return false;
        break;
      case BYTES(2):
        if (!is_first(&seen, field.tag) || !take_text(field.content, &pair->value)) return false;
        break;
      case BYTES(3):
        if (!is_first(&seen, field.tag)) return false;
        raw = field.content;
        break;
      default:
        if (!is_foreign(field.tag, FIELD(1) | FIELD(2) | FIELD(3))) return false;
    }
  }
  if (raw.at < raw.end) {
    pair->value.data = raw.at;
    pair->value.size = (size_t)(raw.end - raw.at);
  }
  return true;
}

static bool read_header_map(reader *reader, stretch rest, pair_list *list) {
  while (rest.at < rest.end) {
    field field;
    if (!take_field(reader, &rest, &field)) return false;
    if (field.tag == BYTES(1)) {
      if (!read_header(reader, field.content, list)) return false;
    } else if (!is_foreign(field.tag, FIELD(1))) {
      return false;
    }
  }
  return true;
}

/// Hands the pairs of a map over.
static bool finish_map(reader *reader, pair_list *list, const extauthz_pair **target, size_t *count) {
  if (list->count == 0) return true;
  *count = list->count;
  *target = list->pairs;
  return pairs_keep_last(reader->arena, list->pairs, count);
}

// MARK: Messages

/// A message of one text, field 1.
static bool read_text_message(reader *reader, stretch rest, extauthz_bytes *text) {
  uint32_t seen = 0;
  while (rest.at < rest.end) {
    field field;
    if (!take_field(reader, &rest, &field)) return false;
    if (field.tag == BYTES(1)) {
      if (!is_first(&seen, field.tag) || !take_text(field.content, text)) return false;
    } else if (!is_foreign(field.tag, FIELD(1))) {
      return false;
    }
  }
  return true;
}

static bool read_socket(reader *reader, stretch rest, extauthz_address *target) {
  uint32_t seen = 0;
  while (rest.at < rest.end) {
    field field;
    if (!take_field(reader, &rest, &field)) return false;
    switch (field.tag) {
      case NUMBER(1):
        if (!is_first(&seen, field.tag) || field.number > UINT32_MAX) return false;
        target->protocol = (uint32_t)field.number;
        break;
      case BYTES(2):
        if (!is_first(&seen, field.tag) || !take_text(field.content, &target->text)) return false;
        break;
      case NUMBER(3):
        if (!is_first(&seen, field.tag) || field.number > UINT32_MAX) return false;
        target->has_port = true;
        target->port = (uint32_t)field.number;
        break;
      case BYTES(4):
        if (!is_first(&seen, field.tag) || !take_text(field.content, &target->named_port)) return false;
        target->has_named_port = true;
        break;
      default:
        if (!is_foreign(field.tag, FIELD(1) | FIELD(2) | FIELD(3) | FIELD(4))) return false;
    }
  }
  // One of both.
  return !(target->has_port && target->has_named_port);
}

static bool read_address(reader *reader, stretch rest, extauthz_address *target) {
  while (rest.at < rest.end) {
    field field;
    if (!take_field(reader, &rest, &field)) return false;
    if (is_foreign(field.tag, FIELD(1) | FIELD(2) | FIELD(3))) continue;
    // One of the three.
    if (target->kind != EXTAUTHZ_ADDRESS_NONE) return false;
    bool is_read = false;
    if (field.tag == BYTES(1)) {
      target->kind = EXTAUTHZ_ADDRESS_SOCKET;
      is_read = read_socket(reader, field.content, target);
    } else if (field.tag == BYTES(2)) {
      target->kind = EXTAUTHZ_ADDRESS_PIPE;
      is_read = read_text_message(reader, field.content, &target->text);
    } else if (field.tag == BYTES(3)) {
      target->kind = EXTAUTHZ_ADDRESS_INTERNAL;
      is_read = read_text_message(reader, field.content, &target->text);
    }
    if (!is_read) return false;
  }
  return true;
}

static bool read_peer(reader *reader, stretch rest, extauthz_peer *target) {
  target->present = true;
  pair_list labels = {NULL, 0, 0};
  uint32_t seen = 0;
  while (rest.at < rest.end) {
    field field;
    if (!take_field(reader, &rest, &field)) return false;
    if (field.tag == BYTES(3)) {
      if (!read_entry(reader, field.content, &labels)) return false;
      continue;
    }
    if (is_foreign(field.tag, FIELD(1) | FIELD(2) | FIELD(3) | FIELD(4) | FIELD(5))) continue;
    if (!is_first(&seen, field.tag)) return false;
    bool is_read = false;
    if (field.tag == BYTES(1)) is_read = read_address(reader, field.content, &target->address);
    if (field.tag == BYTES(2)) is_read = take_text(field.content, &target->service);
    if (field.tag == BYTES(4)) is_read = take_text(field.content, &target->principal);
    if (field.tag == BYTES(5)) is_read = take_text(field.content, &target->certificate);
    if (!is_read) return false;
  }
  return finish_map(reader, &labels, &target->labels, &target->label_count);
}

static bool read_http(reader *reader, stretch rest, extauthz_request *request) {
  static const uint32_t known =
      FIELD(2) | FIELD(3) | FIELD(4) | FIELD(5) | FIELD(6) | FIELD(10) | FIELD(13);
  request->has_http = true;
  pair_list joined = {NULL, 0, 0};
  pair_list lines = {NULL, 0, 0};
  uint32_t seen = 0;
  while (rest.at < rest.end) {
    field field;
    if (!take_field(reader, &rest, &field)) return false;
    if (field.tag == BYTES(3)) {
      if (!read_entry(reader, field.content, &joined)) return false;
      continue;
    }
    if (is_foreign(field.tag, known)) continue;
    if (!is_first(&seen, field.tag)) return false;
    bool is_read = false;
    switch (field.tag) {
      case BYTES(2):
        is_read = take_text(field.content, &request->method);
        break;
      case BYTES(4):
        is_read = take_text(field.content, &request->path);
        break;
      case BYTES(5):
        is_read = take_text(field.content, &request->host);
        break;
      case BYTES(6):
        is_read = take_text(field.content, &request->scheme);
        break;
      case BYTES(10):
        is_read = take_text(field.content, &request->protocol);
        break;
      case BYTES(13):
        request->header_map_present = true;
        is_read = read_header_map(reader, field.content, &lines);
        break;
      default:
        break;
    }
    if (!is_read) return false;
  }
  request->has_headers = request->header_map_present || joined.count > 0;
  if (!request->header_map_present) return finish_map(reader, &joined, &request->headers, &request->header_count);
  request->headers = lines.pairs;
  request->header_count = lines.count;
  // Two accounts of one request.
  return joined.count == 0;
}

/// The message around HttpRequest.
static bool read_request(reader *reader, stretch rest, extauthz_request *request) {
  while (rest.at < rest.end) {
    field field;
    if (!take_field(reader, &rest, &field)) return false;
    if (field.tag == BYTES(2)) {
      if (request->has_http || !read_http(reader, field.content, request)) return false;
    } else if (!is_foreign(field.tag, FIELD(2))) {
      return false;
    }
  }
  return true;
}

/// Metadata is rare and deep: its decoder is the general one.
static bool read_metadata(reader *reader, stretch content, extauthz_request *request) {
  size_t size = (size_t)(content.end - content.at);
  request->has_metadata_context = true;
  if (size == 0) return true;
  if (size > max_metadata_size) return false;
  Envoy__Config__Core__V3__Metadata *metadata =
      envoy__config__core__v3__metadata__unpack(arena_allocator(reader->arena), size, content.at);
  extauthz_error error;
  return metadata != NULL && decode_metadata(reader->arena, metadata, request, &error);
}

static bool read_context(reader *reader, stretch rest, extauthz_request *request) {
  static const uint32_t known = FIELD(1) | FIELD(2) | FIELD(4) | FIELD(10) | FIELD(11) | FIELD(12);
  pair_list extensions = {NULL, 0, 0};
  uint32_t seen = 0;
  while (rest.at < rest.end) {
    field field;
    if (!take_field(reader, &rest, &field)) return false;
    if (field.tag == BYTES(10)) {
      if (!read_entry(reader, field.content, &extensions)) return false;
      continue;
    }
    if (is_foreign(field.tag, known)) continue;
    if (!is_first(&seen, field.tag)) return false;
    bool is_read = false;
    switch (field.tag) {
      case BYTES(1):
        is_read = read_peer(reader, field.content, &request->source);
        break;
      case BYTES(2):
        is_read = read_peer(reader, field.content, &request->destination);
        break;
      case BYTES(4):
        is_read = read_request(reader, field.content, request);
        break;
      case BYTES(11):
        is_read = read_metadata(reader, field.content, request);
        break;
      case BYTES(12):
        request->has_tls_session = true;
        is_read = read_text_message(reader, field.content, &request->sni);
        break;
      default:
        break;
    }
    if (!is_read) return false;
  }
  if (!request->source.present || !request->destination.present) return false;
  return finish_map(reader, &extensions, &request->context_extensions, &request->context_extension_count);
}

bool decode_ordinary(extauthz_arena *arena, extauthz_bytes bytes, extauthz_request *request) {
  memset(request, 0, sizeof(*request));
  if (bytes.data == NULL || bytes.size == 0) return false;
  if (bytes.size > SIZE_MAX - general_memory || arena_left(arena) < bytes.size + general_memory) return false;
  reader reader = {arena, max_fields};
  stretch rest = {bytes.data, bytes.data + bytes.size};
  bool is_read = false;
  while (rest.at < rest.end) {
    field field;
    if (!take_field(&reader, &rest, &field)) return false;
    if (is_foreign(field.tag, FIELD(1))) continue;
    if (field.tag != BYTES(1) || is_read || !read_context(&reader, field.content, request)) return false;
    is_read = true;
  }
  return is_read;
}
