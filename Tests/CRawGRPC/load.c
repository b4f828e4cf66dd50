// Many calls at once on one channel of the test client.

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct raw_grpc_load {
  raw_grpc_channel *channel;
  raw_grpc_request request;
  uint32_t in_flight;
  uint64_t total;
  raw_call *calls;
  atomic_bool stopping;
  _Atomic uint64_t finished;
  grpc_completion_queue *queue;
  pthread_t thread;
  raw_grpc_load_summary summary;
  raw_grpc_result first;
};

static void start_one(raw_grpc_load *load, raw_call *call) {
  grpc_op operations[8];
  memset(operations, 0, sizeof(operations));
  size_t count = raw_call_begin(call, load->channel, &load->request, load->queue, operations);
  operations[count].op = GRPC_OP_RECV_MESSAGE;
  operations[count++].data.recv_message.recv_message = &call->received;
  operations[count].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
  operations[count].data.recv_status_on_client.trailing_metadata = &call->trailing;
  operations[count].data.recv_status_on_client.status = &call->status;
  operations[count++].data.recv_status_on_client.status_details = &call->details;
  if (grpc_call_start_batch(call->call, operations, count, call, NULL) != GRPC_CALL_OK) abort();
}

static void note(raw_grpc_load *load, raw_call *call) {
  raw_grpc_result result;
  memset(&result, 0, sizeof(result));
  raw_result_take_message(&result, call->received);
  raw_result_take_status(&result, call);
  load->summary.finished++;
  load->summary.by_status[result.status >= 0 && result.status <= 16 ? result.status : 2]++;
  if (result.status != GRPC_STATUS_OK) {
    if (load->summary.first_failure[0] == '\0') memcpy(load->summary.first_failure, result.message, sizeof(result.message));
  } else if (!result.has_message || result.size == 0) {
    load->summary.empty_replies++;
  } else if (load->first.bytes == NULL) {
    load->first = result;
    return;
  } else if (result.size != load->first.size || memcmp(result.bytes, load->first.bytes, result.size) != 0) {
    load->summary.different_replies++;
  }
  raw_grpc_result_clear(&result);
}

static void *run(void *argument) {
  raw_grpc_load *load = argument;
  uint64_t started = 0;
  uint64_t active = 0;
  for (uint32_t i = 0; i < load->in_flight && (load->total == 0 || started < load->total); i++) {
    start_one(load, &load->calls[i]);
    started++;
    active++;
  }
  while (active > 0) {
    grpc_event event = grpc_completion_queue_next(load->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    raw_call *call = event.tag;
    note(load, call);
    raw_call_end(call);
    active--;
    atomic_fetch_add(&load->finished, 1);
    if (!atomic_load(&load->stopping) && (load->total == 0 || started < load->total)) {
      start_one(load, call);
      started++;
      active++;
    }
  }
  return NULL;
}

raw_grpc_load *raw_grpc_load_start(
    raw_grpc_channel *channel, const raw_grpc_request *request, uint32_t in_flight, uint64_t total) {
  raw_grpc_load *load = calloc(1, sizeof(*load));
  if (load == NULL) return NULL;
  load->channel = channel;
  load->request = *request;
  // The caller's memory need not outlive this call.
  load->request.method = strdup(request->method);
  uint8_t *copy = malloc(request->size == 0 ? 1 : request->size);
  load->calls = calloc(in_flight, sizeof(*load->calls));
  if (load->request.method == NULL || copy == NULL || load->calls == NULL) abort();
  if (request->size > 0) memcpy(copy, request->bytes, request->size);
  load->request.bytes = copy;
  load->request.metadata = NULL;
  load->request.metadata_count = 0;
  load->in_flight = in_flight;
  load->total = total;
  load->queue = grpc_completion_queue_create_for_next(NULL);
  if (pthread_create(&load->thread, NULL, run, load) != 0) abort();
  return load;
}

uint64_t raw_grpc_load_finished(const raw_grpc_load *load) { return atomic_load(&load->finished); }

void raw_grpc_load_stop(raw_grpc_load *load) { atomic_store(&load->stopping, true); }

void raw_grpc_load_join(raw_grpc_load *load, raw_grpc_load_summary *summary) {
  pthread_join(load->thread, NULL);
  *summary = load->summary;
  grpc_completion_queue_shutdown(load->queue);
  while (grpc_completion_queue_next(load->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type != GRPC_QUEUE_SHUTDOWN) {
  }
  grpc_completion_queue_destroy(load->queue);
  raw_grpc_result_clear(&load->first);
  free((void *)load->request.method);
  free((void *)load->request.bytes);
  free(load->calls);
  free(load);
}
