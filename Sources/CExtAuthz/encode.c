// A decision becomes a message. What enters: a reply. What leaves: the bytes of a CheckResponse. What never happens here:
// an empty message, or one without `status`. A proxy reads both as an allow, so the tree always has a status, whose code is
// 7 unless the outcome is exactly EXTAUTHZ_ALLOW, and the packed bytes are looked at once more before they may leave.

#include <stdlib.h>
#include <string.h>

#include "codec.h"

/// google.rpc.Code.PERMISSION_DENIED
static const int32_t code_denied = 7;
static const uint32_t default_http_status = 403;
/// What Istio's own filter says, so that a client cannot tell the difference.
static uint8_t default_body[] = {'R', 'B', 'A', 'C', ':', ' ', 'a', 'c', 'c', 'e', 's', 's', ' ', 'd', 'e', 'n', 'i', 'e', 'd'};

/// Adds to `total` what repairing this text can need at most. False: the size overflows.
static bool add_repair_size(extauthz_bytes text, size_t *total) {
  if (text.data == NULL || text_is_utf8(text.data, text.size)) return true;
  if (text.size > (SIZE_MAX - *total) / 3) return false;
  *total += text.size * 3;
  return true;
}

static ProtobufCBinaryData valid_text(encoding *encoding, extauthz_bytes text) {
  ProtobufCBinaryData result = {0, NULL};
  if (text.data == NULL || text.size == 0) return result;
  if (text_is_utf8(text.data, text.size)) {
    result.data = (uint8_t *)text.data;
    result.len = text.size;
    return result;
  }
  result.data = encoding->repaired_end;
  result.len = text_repair(text.data, text.size, encoding->repaired_end);
  encoding->repaired_end += result.len;
  return result;
}

static bool prepare_repair(encoding *encoding, const extauthz_reply *reply, size_t metadata_count) {
  size_t needed = 0;
  if (!add_repair_size(reply->body, &needed) || !add_repair_size(reply->message, &needed)) return false;
  for (size_t i = 0; i < metadata_count; i++) {
    if (!add_repair_size(reply->metadata[i].key, &needed)) return false;
    if (!add_repair_size(reply->metadata[i].value, &needed)) return false;
  }
  if (needed == 0) return true;
  encoding->repaired = malloc(needed);
  encoding->repaired_end = encoding->repaired;
  return encoding->repaired != NULL;
}

size_t encoding_begin(encoding *encoding, const extauthz_reply *reply) {
  size_t metadata_count = reply->metadata_count;
  if (metadata_count > EXTAUTHZ_REPLY_METADATA_LIMIT) metadata_count = EXTAUTHZ_REPLY_METADATA_LIMIT;
  encoding->repaired = NULL;
  encoding->repaired_end = NULL;
  if (!prepare_repair(encoding, reply, metadata_count)) return 0;

  envoy__service__auth__v3__check_response__init(&encoding->response);
  google__rpc__status__init(&encoding->status);
  encoding->status.code = reply->outcome == EXTAUTHZ_ALLOW ? 0 : code_denied;
  encoding->status.message = valid_text(encoding, reply->message);
  // A present message is written even when all of it is default, so an allow too begins with field 1.
  encoding->response.status = &encoding->status;

  if (encoding->status.code != 0 && !reply->is_tcp) {
    envoy__type__v3__http_status__init(&encoding->http_status);
    envoy__service__auth__v3__denied_http_response__init(&encoding->denied);
    bool usable = reply->http_status >= 400 && reply->http_status <= 599;
    encoding->http_status.code = usable ? reply->http_status : default_http_status;
    encoding->denied.status = &encoding->http_status;
    if (reply->body.data != NULL) {
      encoding->denied.body = valid_text(encoding, reply->body);
    } else {
      encoding->denied.body.data = default_body;
      encoding->denied.body.len = sizeof(default_body);
    }
    encoding->response.http_response_case = ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__HTTP_RESPONSE_DENIED_RESPONSE;
    encoding->response.denied_response = &encoding->denied;
  }

  if (metadata_count > 0) {
    google__protobuf__struct__init(&encoding->metadata);
    for (size_t i = 0; i < metadata_count; i++) {
      google__protobuf__value__init(&encoding->values[i]);
      encoding->values[i].kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
      encoding->values[i].string_value = valid_text(encoding, reply->metadata[i].value);
      google__protobuf__struct__fields_entry__init(&encoding->entries[i]);
      encoding->entries[i].key = valid_text(encoding, reply->metadata[i].key);
      encoding->entries[i].value = &encoding->values[i];
      encoding->entry_pointers[i] = &encoding->entries[i];
    }
    encoding->metadata.n_fields = metadata_count;
    encoding->metadata.fields = encoding->entry_pointers;
    encoding->response.dynamic_metadata = &encoding->metadata;
  }
  return envoy__service__auth__v3__check_response__get_packed_size(&encoding->response);
}

bool encoding_pack(const encoding *encoding, uint8_t *buffer, size_t size) {
  if (envoy__service__auth__v3__check_response__pack(&encoding->response, buffer) != size) return false;
  // Field 1, length-delimited. A denial goes on with field 1 of the status, a varint of value 7.
  if (size < 2 || buffer[0] != 0x0A) return false;
  if (encoding->status.code == 0) return true;
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
