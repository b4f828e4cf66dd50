// The prepared messages as the clients see them. Private to this target.
#ifndef BENCH_LOAD_MESSAGES_H
#define BENCH_LOAD_MESSAGES_H

#include <grpc/grpc.h>
#include <grpc/slice.h>

#include "load.h"

enum { MAX_METADATA = 8, MAX_SHARED_PAIRS = 256 };

// A key and a value of gRPC metadata. Messages that carry the same share it, so that a client can index it as a proxy does.
struct pair {
  char *key, *value;
};

struct message {
  grpc_slice bytes;
  enum load_outcome expected;
  size_t metadata_count;
  size_t pairs[MAX_METADATA];
  grpc_metadata metadata[MAX_METADATA];
};

struct load_messages {
  struct message *items;
  size_t count, capacity;
  struct pair *pairs;
  size_t pair_count, pair_capacity;
};

#endif
