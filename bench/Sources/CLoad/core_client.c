// The client of the gRPC C core: a thread, a completion queue, and a fixed number of calls that are always under way.
// What enters is a meter with a round to run; replies and failures go back to it. A call that ends starts the next one at once, so the load is closed: a slower server is asked less.
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <stdlib.h>
#include <string.h>

#include "meter.h"
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

static bool start_call(struct meter *meter, grpc_completion_queue *queue, struct slot *slot, uint64_t now) {
  slot->message_index = meter_next_message(meter);
  slot->message = &meter->messages->items[slot->message_index];
  slot->started = now;
  slot->details = grpc_empty_slice();
  gpr_timespec deadline =
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(CALL_SECONDS, GPR_TIMESPAN));
  slot->call = grpc_channel_create_registered_call(slot->channel, NULL, 0, queue, slot->method, deadline, NULL);
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

// Counts a call that has ended, and frees what it held.
static void finish_call(struct meter *meter, struct slot *slot, uint64_t now) {
  if (slot->status != GRPC_STATUS_OK) {
    meter_failure(meter, (int)slot->status);
  } else {
    meter_reply(meter, slot->message_index, outcome_of(slot->reply), slot->started, now);
  }
  if (slot->reply != NULL) grpc_byte_buffer_destroy(slot->reply);
  slot->reply = NULL;
  slot->initial.count = slot->trailing.count = 0;
  grpc_slice_unref(slot->details);
  grpc_call_unref(slot->call);
  slot->call = NULL;
}

// Warm-up, measurement, and the calls that are still under way then.
static const char *drive(struct meter *meter, grpc_completion_queue *queue, struct slot *slots, size_t count) {
  uint64_t now = bench_now();
  meter_start(meter, now);
  size_t under_way = 0;
  for (; under_way < count; under_way++) {
    if (!start_call(meter, queue, &slots[under_way], now)) return "a call could not be started";
  }
  while (under_way > 0) {
    grpc_event event = grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    if (event.type != GRPC_OP_COMPLETE) return "the completion queue ended early";
    now = bench_now();
    meter_tick(meter, now);
    finish_call(meter, event.tag, now);
    if (meter->phase == ENDING) {
      under_way--;
    } else if (!start_call(meter, queue, event.tag, now)) {
      return "a call could not be started";
    }
  }
  return NULL;
}

const char *core_client_run(struct meter *meter) {
  const struct load_round *round = meter->round;
  size_t slot_count = round->connections * round->calls_per_connection;
  struct connection *connections = calloc(round->connections, sizeof *connections);
  struct slot *slots = calloc(slot_count, sizeof *slots);
  if (connections == NULL || slots == NULL) {
    free(connections);
    free(slots);
    return "no memory for the load";
  }
  const char *problem = NULL;
  grpc_completion_queue *queue = grpc_completion_queue_create_for_next(NULL);
  for (size_t i = 0; i < round->connections && problem == NULL; i++) {
    struct connection *connection = &connections[i];
    connection->channel = open_channel(round->address);
    connection->method =
        grpc_channel_register_call(connection->channel, "/envoy.service.auth.v3.Authorization/Check", NULL, NULL);
    if (!wait_until_connected(connection->channel, queue)) problem = "the server could not be reached";
  }
  for (size_t i = 0; i < slot_count; i++) {
    slots[i].channel = connections[i % round->connections].channel;
    slots[i].method = connections[i % round->connections].method;
    grpc_metadata_array_init(&slots[i].initial);
    grpc_metadata_array_init(&slots[i].trailing);
  }
  if (problem == NULL) problem = drive(meter, queue, slots, slot_count);
  for (size_t i = 0; i < slot_count; i++) {
    grpc_metadata_array_destroy(&slots[i].initial);
    grpc_metadata_array_destroy(&slots[i].trailing);
  }
  for (size_t i = 0; i < round->connections; i++) {
    if (connections[i].channel != NULL) grpc_channel_destroy(connections[i].channel);
  }
  grpc_completion_queue_shutdown(queue);
  while (grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type != GRPC_QUEUE_SHUTDOWN) {
  }
  grpc_completion_queue_destroy(queue);
  free(connections);
  free(slots);
  return problem;
}
