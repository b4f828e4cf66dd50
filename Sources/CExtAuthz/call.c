// What all unary calls have in common. What enters: events of a completion queue. What leaves: one status for each call,
// with a message if it is an answer. What never happens here: an OK without a message, which would be an empty answer.

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

void count(worker *worker, counter counter) {
  // One writer: no read-modify-write is needed.
  uint64_t value = atomic_load_explicit(&worker->counters[counter], memory_order_relaxed);
  atomic_store_explicit(&worker->counters[counter], value + 1, memory_order_release);
}

uint64_t count_total(const extauthz_server *server, counter counter) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < server->worker_count; i++) {
    total += atomic_load_explicit(&server->workers[i].counters[counter], memory_order_acquire);
  }
  return total;
}

static void arrived(event *event, worker *worker, bool ok);
static void finished(event *event, worker *worker, bool ok);

static unary_call *take(worker *worker, call_kind kind) {
  unary_call *call = worker->idle;
  if (call != NULL) {
    worker->idle = call->next;
  } else {
    call = calloc(1, sizeof(*call));
    if (call == NULL) return NULL;
    call->arrived.run = arrived;
    call->finished.run = finished;
    grpc_metadata_array_init(&call->metadata);
  }
  call->kind = kind;
  call->next = NULL;
  return call;
}

static void release(unary_call *call, worker *worker) {
  if (call->payload != NULL) grpc_byte_buffer_destroy(call->payload);
  call->payload = NULL;
  call->metadata.count = 0;
  if (call->kind == CALL_OTHER) grpc_call_details_destroy(&call->details);
  if (call->call != NULL) grpc_call_unref(call->call);
  call->call = NULL;
  call->cancelled = 0;
  call->next = worker->idle;
  worker->idle = call;
}

void call_free_idle(worker *worker) {
  while (worker->idle != NULL) {
    unary_call *call = worker->idle;
    worker->idle = call->next;
    grpc_metadata_array_destroy(&call->metadata);
    free(call);
  }
}

void call_request(worker *worker, call_kind kind) {
  extauthz_server *server = worker->server;
  if (atomic_load_explicit(&server->stopping, memory_order_acquire)) return;
  unary_call *call = take(worker, kind);
  if (call == NULL) return;
  grpc_call_error error;
  if (kind == CALL_OTHER) {
    grpc_call_details_init(&call->details);
    error = grpc_server_request_call(
        server->server, &call->call, &call->details, &call->metadata, worker->queue, worker->queue, &call->arrived);
  } else {
    error = grpc_server_request_registered_call(
        server->server, server->methods[kind], &call->call, &call->deadline, &call->metadata, &call->payload, worker->queue,
        worker->queue, &call->arrived);
  }
  if (error != GRPC_CALL_OK) release(call, worker);
}

static void arrived(event *event, worker *worker, bool ok) {
  unary_call *call = (unary_call *)((char *)event - offsetof(unary_call, arrived));
  call_kind kind = call->kind;
  if (!ok) {
    // The server is shutting down; no call was handed over.
    call->call = NULL;
    release(call, worker);
    return;
  }
  count(worker, COUNT_STARTED);
  switch (kind) {
    case CALL_CHECK:
      check_answer(call, worker);
      break;
    case CALL_HEALTH_CHECK:
      health_answer(call, worker);
      break;
    default:
      count(worker, COUNT_UNIMPLEMENTED);
      call_fail(call, worker, GRPC_STATUS_UNIMPLEMENTED, "this server offers Authorization/Check and Health only");
      break;
  }
  // Only now, so that a call that comes while this worker is busy goes to a worker that is not.
  call_request(worker, kind);
}

static void finished(event *event, worker *worker, bool ok) {
  (void)ok;
  unary_call *call = (unary_call *)((char *)event - offsetof(unary_call, finished));
  if (call->cancelled != 0) count(worker, COUNT_CANCELLED);
  release(call, worker);
  count(worker, COUNT_ENDED);
}

static void start(unary_call *call, worker *worker, const grpc_op *operations, size_t operation_count) {
  if (worker->closed) {
    // Nobody waits for this answer: the server shuts down only when all clients are gone.
    count(worker, COUNT_CANCELLED);
    release(call, worker);
    count(worker, COUNT_ENDED);
    return;
  }
  if (grpc_call_start_batch(call->call, operations, operation_count, &call->finished, NULL) == GRPC_CALL_OK) return;
  // Nothing of the batch was started, so no event will come; dropping the call cancels it.
  count(worker, COUNT_INTERNAL_ERRORS);
  release(call, worker);
  count(worker, COUNT_ENDED);
}

void call_reply(unary_call *call, worker *worker, grpc_slice message) {
  grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&message, 1);
  grpc_slice_unref(message);
  grpc_op operations[4];
  memset(operations, 0, sizeof(operations));
  operations[0].op = GRPC_OP_SEND_INITIAL_METADATA;
  operations[1].op = GRPC_OP_SEND_MESSAGE;
  operations[1].data.send_message.send_message = buffer;
  operations[2].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
  operations[2].data.send_status_from_server.status = GRPC_STATUS_OK;
  operations[3].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
  operations[3].data.recv_close_on_server.cancelled = &call->cancelled;
  start(call, worker, operations, 4);
  // The call took the slices over when the batch started.
  grpc_byte_buffer_destroy(buffer);
}

void call_fail(unary_call *call, worker *worker, grpc_status_code code, const char *details) {
  grpc_slice text = grpc_slice_from_static_string(details);
  grpc_op operations[3];
  memset(operations, 0, sizeof(operations));
  operations[0].op = GRPC_OP_SEND_INITIAL_METADATA;
  operations[1].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
  // An OK without a message must not exist.
  operations[1].data.send_status_from_server.status = code == GRPC_STATUS_OK ? GRPC_STATUS_INTERNAL : code;
  operations[1].data.send_status_from_server.status_details = &text;
  operations[2].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
  operations[2].data.recv_close_on_server.cancelled = &call->cancelled;
  start(call, worker, operations, 3);
}

bool payload_is_compressed(const grpc_byte_buffer *payload) {
  return payload->type == GRPC_BB_RAW && payload->data.raw.compression != GRPC_COMPRESS_NONE;
}

bool payload_bytes(grpc_byte_buffer *payload, extauthz_arena *arena, extauthz_bytes *bytes) {
  static const uint8_t nothing = 0;
  bytes->data = &nothing;
  bytes->size = 0;
  grpc_byte_buffer_reader reader;
  if (!grpc_byte_buffer_reader_init(&reader, payload)) return false;
  size_t total = grpc_byte_buffer_length(payload);
  size_t copied = 0;
  uint8_t *copy = NULL;
  grpc_slice *slice = NULL;
  while (grpc_byte_buffer_reader_peek(&reader, &slice) != 0) {
    size_t size = GRPC_SLICE_LENGTH(*slice);
    if (size == 0) continue;
    if (copy == NULL && size == total) {
      bytes->data = GRPC_SLICE_START_PTR(*slice);
      bytes->size = size;
      break;
    }
    if (copy == NULL) copy = arena_allocate(arena, total);
    if (copy == NULL || size > total - copied) {
      grpc_byte_buffer_reader_destroy(&reader);
      return false;
    }
    memcpy(copy + copied, GRPC_SLICE_START_PTR(*slice), size);
    copied += size;
    bytes->data = copy;
    bytes->size = copied;
  }
  grpc_byte_buffer_reader_destroy(&reader);
  return true;
}
