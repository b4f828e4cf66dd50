// What one round has measured so far, whoever asks: the clocks of the measured time, the verdict on each reply, latencies.
// Replies enter, figures leave. Warm-up replies are checked like all others, so that a wrong answer never hides there.
#ifndef BENCH_LOAD_METER_H
#define BENCH_LOAD_METER_H

#include "histogram.h"
#include "messages.h"

enum phase { WARMING_UP, MEASURING, ENDING };

struct meter {
  const load_messages *messages;
  const struct load_round *round;
  struct load_result *result;
  enum phase phase;
  size_t next_message;
  uint64_t begin, end;
  uint64_t server_before, load_before, cores_before;
  struct histogram latencies;
};

void meter_start(struct meter *meter, uint64_t now);

// Passes from one phase to the next when it is time. Call it before the replies that are known at `now` are counted.
void meter_tick(struct meter *meter, uint64_t now);

// The index of the message to send next.
size_t meter_next_message(struct meter *meter);

// Counts a reply to a call that began at `started`.
void meter_reply(struct meter *meter, size_t message, enum load_outcome outcome, uint64_t started, uint64_t now);

// Counts a call that ended without a reply.
void meter_failure(struct meter *meter, int status);

// The clients: each runs the round that the meter holds, and returns null, or why it could not.
const char *core_client_run(struct meter *meter);
const char *http2_client_run(struct meter *meter);

#endif
