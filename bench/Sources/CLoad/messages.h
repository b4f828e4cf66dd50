// The prepared messages as the rounds see them. Private to this target.
#ifndef BENCH_LOAD_MESSAGES_H
#define BENCH_LOAD_MESSAGES_H

#include <grpc/grpc.h>
#include <grpc/slice.h>

#include "load.h"

enum { MAX_METADATA = 8 };

struct message {
  grpc_slice bytes;
  enum load_outcome expected;
  size_t metadata_count;
  grpc_metadata metadata[MAX_METADATA];
};

struct load_messages {
  struct message *items;
  size_t count, capacity;
};

#endif
