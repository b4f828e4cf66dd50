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


/// Flattens metadata into the request.
bool decode_metadata(
    extauthz_arena *arena, const Envoy__Config__Core__V3__Metadata *metadata, extauthz_request *request,
    extauthz_error *error);

/// Fails with MALFORMED, or with TOO_LARGE if the arena is what failed.
bool decode_failed(const extauthz_arena *arena, extauthz_error *error, const char *reason);
/// Takes text over, if it is UTF-8.
bool decode_text(ProtobufCBinaryData source, extauthz_bytes *target);

/// A reply as a tree of messages, ready to be packed. Lives on a stack; must not be copied or moved.
typedef struct encoding {
  Envoy__Service__Auth__V3__CheckResponse response;
  Google__Rpc__Status status;
  Envoy__Service__Auth__V3__DeniedHttpResponse denied;
  Envoy__Type__V3__HttpStatus http_status;
  Google__Protobuf__Struct metadata;
  Google__Protobuf__Struct__FieldsEntry entries[EXTAUTHZ_REPLY_METADATA_LIMIT];
  Google__Protobuf__Struct__FieldsEntry *entry_pointers[EXTAUTHZ_REPLY_METADATA_LIMIT];
  Google__Protobuf__Value values[EXTAUTHZ_REPLY_METADATA_LIMIT];
  /// Repaired text; null as long as all text is UTF-8.
  uint8_t *repaired;
  uint8_t *repaired_end;
} encoding;

/// Returns the size of the message, or 0 if there is no memory. encoding_finish must follow in both cases.
size_t encoding_begin(encoding *encoding, const extauthz_reply *reply);
/// Packs into `size` bytes, as encoding_begin said. False: what was packed must not be sent.
bool encoding_pack(const encoding *encoding, uint8_t *buffer, size_t size);
void encoding_finish(encoding *encoding);
