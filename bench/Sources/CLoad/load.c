// One round of load on the gRPC C core: a thread, a completion queue, and a fixed number of calls that are always under way.
// See load.h. A call that ends starts the next one at once, so the load is closed: a slower server is asked less.
#include "load.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <stdlib.h>
#include <string.h>

#include "histogram.h"
#include "messages.h"
#include "process.h"

enum { CONNECT_SECONDS = 10, CALL_SECONDS = 5 };

struct connection {
  grpc_channel *channel;
  void *method;
};

// A place for one call. Its memory is used again by the call that follows.
struct slot {
  grpc_channel *channel;
  void *method;
  const struct message *message;
  size_t message_index;
  grpc_call *call;
  uint64_t started;
  grpc_metadata_array initial, trailing;
  grpc_byte_buffer *reply;
  grpc_status_code status;
  grpc_slice details;
};

struct run {
  const load_messages *messages;
  const struct load_round *round;
  struct load_result *result;
  grpc_completion_queue *queue;
  size_t next_message;
  struct histogram latencies;
};

static grpc_arg integer_argument(const char *key, int value) {
  return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value};
}

// A channel that has a connection of its own, without retries and without look-ups that a sidecar would not make.
static grpc_channel *open_channel(const char *address) {
  grpc_arg arguments[] = {
      integer_argument(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1), integer_argument(GRPC_ARG_ENABLE_RETRIES, 0),
      integer_argument(GRPC_ARG_ENABLE_HTTP_PROXY, 0), integer_argument(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
      integer_argument(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50), integer_argument(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 50),
      integer_argument(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200)};
  grpc_channel_args list = {sizeof arguments / sizeof *arguments, arguments};
  grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
  grpc_channel *channel = grpc_channel_create(address, credentials, &list);
  grpc_channel_credentials_release(credentials);
  return channel;
}

static bool wait_until_connected(grpc_channel *channel, grpc_completion_queue *queue) {
  gpr_timespec deadline =
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(CONNECT_SECONDS, GPR_TIMESPAN));
  for (;;) {
    grpc_connectivity_state state = grpc_channel_check_connectivity_state(channel, 1);
    if (state == GRPC_CHANNEL_READY) return true;
    if (state == GRPC_CHANNEL_SHUTDOWN) return false;
    grpc_channel_watch_connectivity_state(channel, state, deadline, queue, channel);
    grpc_event event = grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    if (event.type != GRPC_OP_COMPLETE || !event.success) return false;
  }
}

static bool start_call(struct run *run, struct slot *slot, uint64_t now) {
  slot->message_index = run->next_message;
  run->next_message = run->next_message + 1 == run->messages->count ? 0 : run->next_message + 1;
  slot->message = &run->messages->items[slot->message_index];
  slot->started = now;
  slot->details = grpc_empty_slice();
  gpr_timespec deadline =
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(CALL_SECONDS, GPR_TIMESPAN));
  slot->call =
      grpc_channel_create_registered_call(slot->channel, NULL, 0, run->queue, slot->method, deadline, NULL);
  if (slot->call == NULL) return false;
  grpc_slice bytes = slot->message->bytes;
  grpc_byte_buffer *request = grpc_raw_byte_buffer_create(&bytes, 1);
  grpc_op batch[6];
  memset(batch, 0, sizeof batch);
  batch[0].op = GRPC_OP_SEND_INITIAL_METADATA;
  batch[0].data.send_initial_metadata.count = slot->message->metadata_count;
  batch[0].data.send_initial_metadata.metadata = (grpc_metadata *)slot->message->metadata;
  batch[1].op = GRPC_OP_SEND_MESSAGE;
  batch[1].data.send_message.send_message = request;
  batch[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
  batch[3].op = GRPC_OP_RECV_INITIAL_METADATA;
  batch[3].data.recv_initial_metadata.recv_initial_metadata = &slot->initial;
  batch[4].op = GRPC_OP_RECV_MESSAGE;
  batch[4].data.recv_message.recv_message = &slot->reply;
  batch[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
  batch[5].data.recv_status_on_client.trailing_metadata = &slot->trailing;
  batch[5].data.recv_status_on_client.status = &slot->status;
  batch[5].data.recv_status_on_client.status_details = &slot->details;
  grpc_call_error error = grpc_call_start_batch(slot->call, batch, 6, slot, NULL);
  grpc_byte_buffer_destroy(request);
  return error == GRPC_CALL_OK;
}

static enum load_outcome outcome_of(grpc_byte_buffer *reply) {
  grpc_byte_buffer_reader reader;
  if (reply == NULL || !grpc_byte_buffer_reader_init(&reader, reply)) return LOAD_UNREADABLE;
  grpc_slice bytes = grpc_byte_buffer_reader_readall(&reader);
  enum load_outcome outcome = load_read_outcome(GRPC_SLICE_START_PTR(bytes), GRPC_SLICE_LENGTH(bytes));
  grpc_slice_unref(bytes);
  grpc_byte_buffer_reader_destroy(&reader);
  return outcome;
}

// Counts a call that has ended, and frees what it held. Warm-up calls are checked too, so that a wrong answer never hides there.
static void finish_call(struct run *run, struct slot *slot, uint64_t now, bool counted) {
  struct load_result *result = run->result;
  if (slot->status != GRPC_STATUS_OK) {
    if (result->failed++ == 0) result->first_failure = (int)slot->status;
  } else {
    enum load_outcome expected = run->round->every_reply_allows ? LOAD_ALLOW : slot->message->expected;
    if (outcome_of(slot->reply) != expected) {
      if (result->wrong++ == 0) result->first_wrong = slot->message_index;
    } else if (counted) {
      result->answered++;
      histogram_add(&run->latencies, now - slot->started);
    }
  }
  if (slot->reply != NULL) grpc_byte_buffer_destroy(slot->reply);
  slot->reply = NULL;
  slot->initial.count = slot->trailing.count = 0;
  grpc_slice_unref(slot->details);
  grpc_call_unref(slot->call);
  slot->call = NULL;
}

// Warm-up, measurement, and the calls that are still under way then.
static const char *drive(struct run *run, struct slot *slots, size_t count) {
  const struct load_round *round = run->round;
  struct load_result *result = run->result;
  uint64_t now = bench_now();
  uint64_t begin = now + (uint64_t)(round->warm_up_seconds * 1e9), end = 0;
  uint64_t server_before = 0, load_before = 0, cores_before = 0;
  bool measuring = false, ending = false;
  size_t under_way = 0;
  for (; under_way < count; under_way++) {
    if (!start_call(run, &slots[under_way], now)) return "a call could not be started";
  }
  while (under_way > 0) {
    grpc_event event = grpc_completion_queue_next(run->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    if (event.type != GRPC_OP_COMPLETE) return "the completion queue ended early";
    now = bench_now();
    if (!measuring && !ending && now >= begin) {
      measuring = true;
      server_before = bench_processor_time(round->server);
      load_before = bench_own_processor_time();
      cores_before = bench_core_time(round->server_core) + bench_core_time(round->load_core);
      begin = now;
      end = now + (uint64_t)(round->seconds * 1e9);
    }
    struct slot *slot = event.tag;
    finish_call(run, slot, now, measuring);
    if (measuring && now >= end) {
      measuring = false;
      ending = true;
      result->seconds = (double)(now - begin) / 1e9;
      result->server_processor_time = bench_processor_time(round->server) - server_before;
      result->load_processor_time = bench_own_processor_time() - load_before;
      uint64_t cores = bench_core_time(round->server_core) + bench_core_time(round->load_core) - cores_before;
      uint64_t used = result->server_processor_time + result->load_processor_time;
      result->others_time = cores > used ? cores - used : 0;
    }
    if (ending) {
      under_way--;
    } else if (!start_call(run, slot, now)) {
      return "a call could not be started";
    }
  }
  return NULL;
}

const char *load_run(const load_messages *messages, const struct load_round *round, struct load_result *result) {
  memset(result, 0, sizeof *result);
  if (messages->count == 0 || round->connections == 0 || round->calls_per_connection == 0) return "there is nothing to send";
  size_t slot_count = round->connections * round->calls_per_connection;
  struct connection *connections = calloc(round->connections, sizeof *connections);
  struct slot *slots = calloc(slot_count, sizeof *slots);
  struct run *run = calloc(1, sizeof *run);
  const char *problem = NULL;
  if (connections == NULL || slots == NULL || run == NULL) {
    problem = "no memory for the load";
    goto done;
  }
  *run = (struct run){.messages = messages, .round = round, .result = result};
  run->queue = grpc_completion_queue_create_for_next(NULL);
  for (size_t i = 0; i < round->connections && problem == NULL; i++) {
    struct connection *connection = &connections[i];
    connection->channel = open_channel(round->address);
    connection->method =
        grpc_channel_register_call(connection->channel, "/envoy.service.auth.v3.Authorization/Check", NULL, NULL);
    if (!wait_until_connected(connection->channel, run->queue)) problem = "the server could not be reached";
  }
  for (size_t i = 0; i < slot_count; i++) {
    slots[i].channel = connections[i % round->connections].channel;
    slots[i].method = connections[i % round->connections].method;
    grpc_metadata_array_init(&slots[i].initial);
    grpc_metadata_array_init(&slots[i].trailing);
  }
  if (problem == NULL) problem = drive(run, slots, slot_count);
  result->latency_p50 = histogram_percentile(&run->latencies, 0.5);
  result->latency_p90 = histogram_percentile(&run->latencies, 0.9);
  result->latency_p99 = histogram_percentile(&run->latencies, 0.99);
  result->latency_p999 = histogram_percentile(&run->latencies, 0.999);
  for (size_t i = 0; i < slot_count; i++) {
    grpc_metadata_array_destroy(&slots[i].initial);
    grpc_metadata_array_destroy(&slots[i].trailing);
  }
  for (size_t i = 0; i < round->connections; i++) {
    if (connections[i].channel != NULL) grpc_channel_destroy(connections[i].channel);
  }
  grpc_completion_queue_shutdown(run->queue);
  while (grpc_completion_queue_next(run->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type != GRPC_QUEUE_SHUTDOWN) {
  }
  grpc_completion_queue_destroy(run->queue);
done:
  free(connections);
  free(slots);
  free(run);
  return problem;
}
