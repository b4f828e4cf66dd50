// A decision becomes a message. What enters: a reply. What leaves: the bytes of a CheckResponse, written in one pass into memory of
// exactly their size. What never happens here: an empty message, or one without `status`. A proxy reads both as an allow, so a status is
// always written, with the code 7 unless the outcome is exactly EXTAUTHZ_ALLOW, and the bytes are looked at once more before they may leave.
//
// CheckResponse: status 1 { code 1, message 2 }, denied_response 2 { status 1 { code 1 }, body 3 },
//   dynamic_metadata 4 { fields 1 { key 1, value 2 { string_value 3 } } }
// All numbers are below 16, so every tag is one byte. Fields of default value are left out, as proto3 has it, but for `status` itself and
// for the member of a oneof.

#include <stdlib.h>
#include <string.h>

#include "codec.h"

/// google.rpc.Code.PERMISSION_DENIED
static const uint8_t code_denied = 7;
static const uint32_t default_http_status = 403;
/// What Istio's own filter says, so that a client cannot tell the difference.
static const uint8_t default_body[] = {'R', 'B', 'A', 'C', ':', ' ', 'a', 'c', 'c', 'e', 's', 's', ' ', 'd', 'e', 'n', 'i', 'e', 'd'};

/// Tags of length-delimited fields, and of the one number.
enum { TAG_NUMBER_1 = 0x08, TAG_BYTES_1 = 0x0A, TAG_BYTES_2 = 0x12, TAG_BYTES_3 = 0x1A, TAG_BYTES_4 = 0x22 };

// MARK: Text

static bool is_text(extauthz_bytes text) { return text.size == 0 || text_is_utf8(text.data, text.size); }

/// Takes text over; text that is not UTF-8 is counted in `needed`, with what repairing it can need at most. False: the size overflows.
static bool take_text(extauthz_bytes source, extauthz_bytes *target, size_t *needed) {
  target->data = source.data;
  target->size = source.data == NULL ? 0 : source.size;
  if (is_text(*target)) return true;
  if (target->size > (SIZE_MAX - *needed) / 3) return false;
  *needed += target->size * 3;
  return true;
}

static uint8_t *repair(extauthz_bytes *text, uint8_t *target) {
  if (is_text(*text)) return target;
  size_t size = text_repair(text->data, text->size, target);
  text->data = target;
  text->size = size;
  return target + size;
}

/// Rare: some text is not UTF-8. False: no memory.
static bool repair_all(encoding *encoding, size_t needed) {
  encoding->repaired = malloc(needed);
  if (encoding->repaired == NULL) return false;
  uint8_t *end = repair(&encoding->body, encoding->repaired);
  end = repair(&encoding->message, end);
  for (size_t i = 0; i < encoding->metadata_count; i++) {
    end = repair(&encoding->metadata[i].key, end);
    end = repair(&encoding->metadata[i].value, end);
  }
  return true;
}

// MARK: Sizes

static size_t varint_size(size_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    size++;
  }
  return size;
}

/// Of a length-delimited field with this content.
static size_t field_size(size_t content) { return 1 + varint_size(content) + content; }

/// Of a field of text that is left out when it is empty.
static size_t text_size(extauthz_bytes text) { return text.size == 0 ? 0 : field_size(text.size); }

static size_t entry_size(const extauthz_pair *pair) {
  return text_size(pair->key) + field_size(field_size(pair->value.size));
}

static size_t http_status_size(const encoding *encoding) { return 1 + varint_size(encoding->http_status); }

size_t encoding_begin(encoding *encoding, const extauthz_reply *reply) {
  size_t count = reply->metadata_count;
  if (count > EXTAUTHZ_REPLY_METADATA_LIMIT) count = EXTAUTHZ_REPLY_METADATA_LIMIT;
  encoding->repaired = NULL;
  encoding->metadata_count = count;
  encoding->is_allow = reply->outcome == EXTAUTHZ_ALLOW;
  encoding->has_denied_response = !encoding->is_allow && !reply->is_tcp;
  encoding->http_status =
      reply->http_status >= 400 && reply->http_status <= 599 ? reply->http_status : default_http_status;
  size_t needed = 0;
  if (!take_text(reply->body, &encoding->body, &needed) || !take_text(reply->message, &encoding->message, &needed)) return 0;
  for (size_t i = 0; i < count; i++) {
    if (!take_text(reply->metadata[i].key, &encoding->metadata[i].key, &needed)) return 0;
    if (!take_text(reply->metadata[i].value, &encoding->metadata[i].value, &needed)) return 0;
  }
  if (needed > 0 && !repair_all(encoding, needed)) return 0;
  if (reply->body.data == NULL) encoding->body = (extauthz_bytes){default_body, sizeof(default_body)};

  encoding->status_size = (encoding->is_allow ? 0 : 2) + text_size(encoding->message);
  size_t size = field_size(encoding->status_size);
  if (encoding->has_denied_response) {
    encoding->denied_size = field_size(http_status_size(encoding)) + text_size(encoding->body);
    size += field_size(encoding->denied_size);
  }
  if (count > 0) {
    encoding->metadata_size = 0;
    for (size_t i = 0; i < count; i++) encoding->metadata_size += field_size(entry_size(&encoding->metadata[i]));
    size += field_size(encoding->metadata_size);
  }
  return size;
}

// MARK: Bytes

static uint8_t *put_varint(uint8_t *at, size_t value) {
  while (value >= 0x80) {
    *at++ = (uint8_t)value | 0x80;
    value >>= 7;
  }
  *at++ = (uint8_t)value;
  return at;
}

/// What comes before a content of this size.
static uint8_t *put_head(uint8_t *at, uint8_t tag, size_t content) {
  *at++ = tag;
  return put_varint(at, content);
}

static uint8_t *put_bytes(uint8_t *at, uint8_t tag, extauthz_bytes text) {
  at = put_head(at, tag, text.size);
  if (text.size > 0) memcpy(at, text.data, text.size);
  return at + text.size;
}

static uint8_t *put_text(uint8_t *at, uint8_t tag, extauthz_bytes text) {
  return text.size == 0 ? at : put_bytes(at, tag, text);
}

bool encoding_pack(const encoding *encoding, uint8_t *buffer, size_t size) {
  uint8_t *at = put_head(buffer, TAG_BYTES_1, encoding->status_size);
  if (!encoding->is_allow) {
    *at++ = TAG_NUMBER_1;
    *at++ = code_denied;
  }
  at = put_text(at, TAG_BYTES_2, encoding->message);
  if (encoding->has_denied_response) {
    at = put_head(at, TAG_BYTES_2, encoding->denied_size);
    at = put_head(at, TAG_BYTES_1, http_status_size(encoding));
    *at++ = TAG_NUMBER_1;
    at = put_varint(at, encoding->http_status);
    at = put_text(at, TAG_BYTES_3, encoding->body);
  }
  if (encoding->metadata_count > 0) at = put_head(at, TAG_BYTES_4, encoding->metadata_size);
  for (size_t i = 0; i < encoding->metadata_count; i++) {
    const extauthz_pair *pair = &encoding->metadata[i];
    at = put_head(at, TAG_BYTES_1, entry_size(pair));
    at = put_text(at, TAG_BYTES_1, pair->key);
    at = put_head(at, TAG_BYTES_2, field_size(pair->value.size));
    at = put_bytes(at, TAG_BYTES_3, pair->value);
  }
  if ((size_t)(at - buffer) != size) return false;
  // Field 1, length-delimited. A denial goes on with field 1 of the status, a varint of value 7.
  if (size < 2 || buffer[0] != 0x0A) return false;
  if (encoding->is_allow) return true;
  for (size_t i = 1; i < size; i++) {
    // The last byte of the length is the first one without the continuation bit.
    if ((buffer[i] & 0x80) == 0) return size - i > 2 && buffer[i + 1] == 0x08 && buffer[i + 2] == code_denied;
  }
  return false;
}

void encoding_finish(encoding *encoding) {
  free(encoding->repaired);
  encoding->repaired = NULL;
}

size_t extauthz_encode(const extauthz_reply *reply, uint8_t *buffer, size_t capacity) {
  encoding prepared;
  size_t size = encoding_begin(&prepared, reply);
  bool packed = size > 0 && buffer != NULL && size <= capacity && encoding_pack(&prepared, buffer, size);
  encoding_finish(&prepared);
  return packed ? size : 0;
}
