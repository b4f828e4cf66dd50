// What the files of the codec share: the arena, text checks, and the two halves of encoding. Nothing here knows gRPC.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "extauthz.h"
#include "generated/attribute_context.pb-c.h"
#include "generated/base.pb-c.h"
#include "generated/external_auth.pb-c.h"
#include "generated/struct.pb-c.h"

/// Ends the life of what the arena holds and sets the bound for a message of this size.
void arena_begin(extauthz_arena *arena, size_t message_size);
/// Aligned for any type; null if the bound is reached, which the arena then remembers.
void *arena_allocate(extauthz_arena *arena, size_t size);
/// As arena_allocate, for `count` elements, without overflow.
void *arena_allocate_array(extauthz_arena *arena, size_t count, size_t element_size);
/// What was given out up to a moment.
typedef struct arena_position {
  const void *block;
  size_t used;
  size_t given;
} arena_position;
arena_position arena_mark(const extauthz_arena *arena);
/// Takes back what was given out since the mark.
void arena_rewind(extauthz_arena *arena, arena_position position);
/// Bytes that may still be given out.
size_t arena_left(const extauthz_arena *arena);
/// An allocation failed since arena_begin.
bool arena_exhausted(const extauthz_arena *arena);
/// The arena as protobuf-c sees it. Freeing is a no-op.
ProtobufCAllocator *arena_allocator(extauthz_arena *arena);

/// Is it UTF-8 in the strict sense: no overlong forms, no surrogates, nothing above U+10FFFF?
bool text_is_utf8(const uint8_t *data, size_t size);
/// Copies text, with U+FFFD in place of each byte that is not part of a valid sequence. `target` has room for 3 * size.
size_t text_repair(const uint8_t *data, size_t size, uint8_t *target);

/// Decodes into an arena that arena_begin was called on.
bool decode_into(extauthz_arena *arena, extauthz_bytes bytes, extauthz_request *request, extauthz_error *error);
/// Decodes a message of the form that proxies write; its text stays where it is. False: not of that form, and nothing more is said.
bool decode_ordinary(extauthz_arena *arena, extauthz_bytes bytes, extauthz_request *request);
/// Keeps the last pair of each key. False: no memory.
bool pairs_keep_last(extauthz_arena *arena, extauthz_pair *pairs, size_t *count);

/// Flattens metadata into the request.
bool decode_metadata(
    extauthz_arena *arena, const Envoy__Config__Core__V3__Metadata *metadata, extauthz_request *request,
    extauthz_error *error);

/// Fails with MALFORMED, or with TOO_LARGE if the arena is what failed.
bool decode_failed(const extauthz_arena *arena, extauthz_error *error, const char *reason);
/// Takes text over, if it is UTF-8.
bool decode_text(ProtobufCBinaryData source, extauthz_bytes *target);

/// A reply on its way to bytes: its text, all of it UTF-8, and the sizes of what is nested. Lives on a stack.
typedef struct encoding {
  bool is_allow;
  /// `denied_response` is part of the message.
  bool has_denied_response;
  uint32_t http_status;
  extauthz_bytes body;
  extauthz_bytes message;
  extauthz_pair metadata[EXTAUTHZ_REPLY_METADATA_LIMIT];
  size_t metadata_count;
  /// Contents of `status`, `denied_response` and `dynamic_metadata`, where they are sent.
  size_t status_size;
  size_t denied_size;
  size_t metadata_size;
  /// Repaired text; null as long as all text is UTF-8.
  uint8_t *repaired;
} encoding;

/// Returns the size of the message, or 0 if there is no memory. encoding_finish must follow in both cases.
size_t encoding_begin(encoding *encoding, const extauthz_reply *reply);
/// Packs into `size` bytes, as encoding_begin said. False: what was packed must not be sent.
bool encoding_pack(const encoding *encoding, uint8_t *buffer, size_t size);
void encoding_finish(encoding *encoding);
