// See meter.h; and the round itself, which gives a meter to one of the clients.
#include "meter.h"

#include <stdlib.h>
#include <string.h>

#include "process.h"

static uint64_t cores(const struct load_round *round) {
  uint64_t time = bench_core_time(round->load_core);
  // A server that shares the load's core has no other.
  return round->server_core == round->load_core ? time : time + bench_core_time(round->server_core);
}

void meter_start(struct meter *meter, uint64_t now) {
  meter->phase = WARMING_UP;
  meter->begin = now + (uint64_t)(meter->round->warm_up_seconds * 1e9);
}

void meter_tick(struct meter *meter, uint64_t now) {
  const struct load_round *round = meter->round;
  struct load_result *result = meter->result;
  if (meter->phase == WARMING_UP && now >= meter->begin) {
    meter->phase = MEASURING;
    meter->server_before = bench_processor_time(round->server);
    meter->load_before = bench_own_processor_time();
    meter->cores_before = cores(round);
    meter->begin = now;
    meter->end = now + (uint64_t)(round->seconds * 1e9);
  } else if (meter->phase == MEASURING && now >= meter->end) {
    meter->phase = ENDING;
    result->seconds = (double)(now - meter->begin) / 1e9;
    result->server_processor_time = bench_processor_time(round->server) - meter->server_before;
    result->load_processor_time = bench_own_processor_time() - meter->load_before;
    uint64_t taken = cores(round) - meter->cores_before;
    uint64_t used = result->server_processor_time + result->load_processor_time;
    result->others_time = taken > used ? taken - used : 0;
  }
}

size_t meter_next_message(struct meter *meter) {
  size_t index = meter->next_message;
  meter->next_message = index + 1 == meter->messages->count ? 0 : index + 1;
  return index;
}

void meter_reply(struct meter *meter, size_t message, enum load_outcome outcome, uint64_t started, uint64_t now) {
  enum load_outcome expected = meter->round->every_reply_allows ? LOAD_ALLOW : meter->messages->items[message].expected;
  struct load_result *result = meter->result;
  if (outcome != expected) {
    if (result->wrong++ == 0) result->first_wrong = message;
  } else if (meter->phase == MEASURING) {
    result->answered++;
    histogram_add(&meter->latencies, now - started);
  }
}

void meter_failure(struct meter *meter, int status) {
  if (meter->result->failed++ == 0) meter->result->first_failure = status;
}

const char *load_run(const load_messages *messages, const struct load_round *round, struct load_result *result) {
  memset(result, 0, sizeof *result);
  if (messages->count == 0 || round->connections == 0 || round->calls_per_connection == 0) return "there is nothing to send";
  struct meter *meter = calloc(1, sizeof *meter);
  if (meter == NULL) return "no memory for the load";
  meter->messages = messages;
  meter->round = round;
  meter->result = result;
  const char *problem = round->client == LOAD_CORE ? core_client_run(meter) : http2_client_run(meter);
  result->latency_p50 = histogram_percentile(&meter->latencies, 0.5);
  result->latency_p90 = histogram_percentile(&meter->latencies, 0.9);
  result->latency_p99 = histogram_percentile(&meter->latencies, 0.99);
  result->latency_p999 = histogram_percentile(&meter->latencies, 0.999);
  free(meter);
  return problem;
}
