// The memory of one request. What enters: sizes. What leaves: memory that lives until the next request. What never happens
// here: more memory than the bound for the message, and a big message's memory kept after it.

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

/// The block that stays for the next message: enough for an ordinary request, its certificate and its metadata.
static const size_t kept_block_size = 32 * 1024;
static const size_t default_max_bytes = 64 * 1024 * 1024;
static const size_t bytes_per_message_byte = 16;
static const size_t bytes_for_any_message = 4 * 1024 * 1024;

typedef struct block {
  struct block *previous;
  size_t size;
  alignas(max_align_t) uint8_t memory[];
} block;

struct extauthz_arena {
  /// First, so that the allocator's data pointer is the arena.
  ProtobufCAllocator allocator;
  block *current;
  /// Bytes in use in `current`.
  size_t used;
  /// Sum of the sizes of all blocks.
  size_t held;
  /// Bytes given out since arena_begin, and their bound.
  size_t given;
  size_t bound;
  size_t max_bytes;
  bool exhausted;
};

static void *allocate_for_codec(void *data, size_t size) { return arena_allocate(data, size); }

static void free_for_codec(void *data, void *pointer) {
  (void)data;
  (void)pointer;
}

static block *block_create(size_t size) {
  if (size > SIZE_MAX - sizeof(block)) return NULL;
  block *created = malloc(sizeof(block) + size);
  if (created == NULL) return NULL;
  created->previous = NULL;
  created->size = size;
  return created;
}

extauthz_arena *extauthz_arena_create(size_t max_bytes) {
  extauthz_arena *arena = calloc(1, sizeof(*arena));
  if (arena == NULL) return NULL;
  arena->current = block_create(kept_block_size);
  if (arena->current == NULL) {
    free(arena);
    return NULL;
  }
  arena->held = kept_block_size;
  arena->max_bytes = max_bytes == 0 ? default_max_bytes : max_bytes;
  arena->allocator.alloc = allocate_for_codec;
  arena->allocator.free = free_for_codec;
  arena->allocator.allocator_data = arena;
  return arena;
}

static void free_blocks_after(extauthz_arena *arena, const block *last) {
  while (arena->current != last && arena->current->previous != NULL) {
    block *previous = arena->current->previous;
    arena->held -= arena->current->size;
    free(arena->current);
    arena->current = previous;
  }
}

void extauthz_arena_reset(extauthz_arena *arena) {
  // The first block is the one that stays; it is the last in the chain.
  free_blocks_after(arena, NULL);
  arena->used = 0;
  arena->given = 0;
  arena->exhausted = false;
}

void extauthz_arena_destroy(extauthz_arena *arena) {
  if (arena == NULL) return;
  extauthz_arena_reset(arena);
  free(arena->current);
  free(arena);
}

size_t extauthz_arena_footprint(const extauthz_arena *arena) { return arena->held; }

void arena_begin(extauthz_arena *arena, size_t message_size) {
  extauthz_arena_reset(arena);
  arena->bound = arena->max_bytes;
  if (message_size < (arena->max_bytes / bytes_per_message_byte)) {
    size_t wanted = message_size * bytes_per_message_byte + bytes_for_any_message;
    if (wanted < arena->bound) arena->bound = wanted;
  }
}

arena_position arena_mark(const extauthz_arena *arena) {
  return (arena_position){.block = arena->current, .used = arena->used, .given = arena->given};
}

void arena_rewind(extauthz_arena *arena, arena_position position) {
  free_blocks_after(arena, position.block);
  arena->used = position.used;
  arena->given = position.given;
  arena->exhausted = false;
}

void *arena_allocate(extauthz_arena *arena, size_t size) {
  const size_t alignment = alignof(max_align_t);
  if (size == 0) size = 1;
  if (size > arena->bound - arena->given) {
    arena->exhausted = true;
    return NULL;
  }
  size_t rounded = (size + alignment - 1) / alignment * alignment;
  if (rounded > arena->current->size - arena->used) {
    size_t block_size = arena->current->size * 2;
    // No block is larger than what the message may still use, so that little more than the bound is ever held.
    if (block_size > arena->bound - arena->given) block_size = arena->bound - arena->given;
    if (block_size < rounded) block_size = rounded;
    block *grown = block_create(block_size);
    if (grown == NULL) {
      arena->exhausted = true;
      return NULL;
    }
    grown->previous = arena->current;
    arena->current = grown;
    arena->held += block_size;
    arena->used = 0;
  }
  void *result = arena->current->memory + arena->used;
  arena->used += rounded;
  arena->given += rounded;
  if (arena->given > arena->bound) arena->given = arena->bound;
  return result;
}

void *arena_allocate_array(extauthz_arena *arena, size_t count, size_t element_size) {
  if (element_size != 0 && count > SIZE_MAX / element_size) {
    arena->exhausted = true;
    return NULL;
  }
  return arena_allocate(arena, count * element_size);
}

size_t arena_left(const extauthz_arena *arena) { return arena->bound - arena->given; }

bool arena_exhausted(const extauthz_arena *arena) { return arena->exhausted; }

ProtobufCAllocator *arena_allocator(extauthz_arena *arena) { return &arena->allocator; }
