// A load of Check calls: many at once over one or several connections, rotating over prepared messages, every reply checked.
// What enters is a set of CheckRequest messages, each with the outcome that it must have; what leaves is how many calls were
// answered, how fast, and how much processor time both sides used. It never accepts a reply that it cannot read, and it never
// counts a call that failed as one that was answered.
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What a reply says. `LOAD_UNREADABLE` is a reply without `status` (Envoy would read it as an allow) or with broken fields.
enum load_outcome { LOAD_ALLOW = 0, LOAD_DENY = 1, LOAD_UNREADABLE = 2 };

// Reads `status.code` out of the bytes of a CheckResponse.
enum load_outcome load_read_outcome(const uint8_t *_Nullable bytes, size_t length);

// The messages to send. Filled once, then used by any number of rounds; one thread only.
typedef struct load_messages load_messages;

load_messages *_Nullable load_messages_create(void);
void load_messages_destroy(load_messages *_Nonnull messages);

// Copies a CheckRequest and the outcome that its reply must have. Returns false if there is no memory.
bool load_messages_add(
    load_messages *_Nonnull messages, const uint8_t *_Nonnull bytes, size_t length, enum load_outcome expected);

// Adds gRPC metadata (a hint such as x-portcullis-workload) to the call that sends the message added last. Copies both texts.
bool load_messages_add_metadata(load_messages *_Nonnull messages, const char *_Nonnull key, const char *_Nonnull value);

size_t load_messages_count(const load_messages *_Nonnull messages);

// Who asks. `LOAD_HTTP2` is a small client of our own that costs a fraction of what a server costs, so that the server is what
// limits a round; it takes a reply with a message and an end of stream for an answer and does not read `grpc-status`.
// `LOAD_CORE` is the gRPC C core's client, which does, and costs about as much as a server.
enum load_client { LOAD_HTTP2 = 0, LOAD_CORE = 1 };

// One round.
struct load_round {
  const char *_Nonnull address;  // 127.0.0.1:PORT or unix:PATH
  enum load_client client;
  size_t connections;
  size_t calls_per_connection;  // calls that are always under way on each connection
  double warm_up_seconds;       // asked and checked, but not counted
  double seconds;
  pid_t server;               // whose processor time is read; 0 for none
  int server_core, load_core; // the cores that both are bound to: whoever else uses them disturbs the round
  bool is_awake;              // the small client looks for replies without ever sleeping, so that no server pays for waking it
  bool every_reply_allows;    // the server decides nothing: each reply must be an allow, whatever the message expects
};

// What a round measured. Latency in nanoseconds, from the start of a call to its status, within 2 %.
struct load_result {
  uint64_t answered;  // replies with the expected outcome
  uint64_t wrong;     // replies with another outcome, or unreadable ones
  uint64_t failed;    // calls that ended with a gRPC error
  int first_failure;  // the first such gRPC status code; -1 where the client does not read it
  size_t first_wrong; // the index of the first message that was answered wrongly
  double seconds;
  uint64_t server_processor_time;  // nanoseconds
  uint64_t load_processor_time;    // nanoseconds
  uint64_t others_time;            // nanoseconds of the two cores that neither of both used: a disturbed round has many
  uint64_t latency_p50, latency_p90, latency_p99, latency_p999;
};

// Runs one round on the calling thread. Returns null, or a static text that says why no round was run.
const char *_Nullable load_run(
    const load_messages *_Nonnull messages, const struct load_round *_Nonnull round, struct load_result *_Nonnull result);

#endif
