// grpc.health.v1. What enters: Check and Watch calls, and the one bit that the process sets. What leaves: statuses, and for
// those that watch a message at each change. What never happens here: SERVING before the process says so or once it drains.

#include <stdlib.h>
#include <string.h>

#include "generated/health.pb-c.h"
#include "internal.h"

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;
#define STATUS(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

/// A Watch call. Its events come on the worker's thread, but a change of status comes on any: all of it is guarded by the
/// server's lock.
typedef struct watch {
  event arrived;
  event sent;
  event closed;
  grpc_call *call;
  gpr_timespec deadline;
  grpc_metadata_array metadata;
  grpc_byte_buffer *payload;
  int cancelled;
  bool known_service;
  /// A batch is under way; its end looks whether there is more to say.
  bool sending;
  bool initial_metadata_sent;
  bool ended;
  bool is_closed;
  /// What was said last; -1 for nothing.
  int last_sent;
  struct watch *previous;
  struct watch *next;
} watch;

static bool service_is_known(extauthz_bytes service) {
  static const char authorization[] = "envoy.service.auth.v3.Authorization";
  return service.size == 0 || (service.size == sizeof(authorization) - 1 &&
                               memcmp(service.data, authorization, sizeof(authorization) - 1) == 0);
}

/// Which service is asked about? False: not a HealthCheckRequest.
static bool read_service(grpc_byte_buffer *payload, extauthz_arena *arena, bool *known) {
  if (payload == NULL || payload_is_compressed(payload)) return false;
  arena_begin(arena, grpc_byte_buffer_length(payload));
  extauthz_bytes bytes;
  if (!payload_bytes(payload, arena, &bytes)) return false;
  extauthz_bytes service = {NULL, 0};
  if (bytes.size > 0) {
    Grpc__Health__V1__HealthCheckRequest *request =
        grpc__health__v1__health_check_request__unpack(arena_allocator(arena), bytes.size, bytes.data);
    if (request == NULL || !decode_text(request->service, &service)) return false;
  }
  *known = service_is_known(service);
  return true;
}

static grpc_slice encode_status(serving_status status) {
  Grpc__Health__V1__HealthCheckResponse response;
  grpc__health__v1__health_check_response__init(&response);
  response.status = status;
  grpc_slice message = grpc_slice_malloc(grpc__health__v1__health_check_response__get_packed_size(&response));
  grpc__health__v1__health_check_response__pack(&response, GRPC_SLICE_START_PTR(message));
  return message;
}

/// With the lock held.
static serving_status current_status(const extauthz_server *server) {
  return server->serving ? STATUS(SERVING) : STATUS(NOT_SERVING);
}

void health_answer(unary_call *call, worker *worker) {
  count(worker, COUNT_HEALTH_CHECKS);
  bool known = false;
  if (!read_service(call->payload, worker->arena, &known)) {
    call_fail(call, worker, GRPC_STATUS_INVALID_ARGUMENT, "the message is not a HealthCheckRequest");
    return;
  }
  if (!known) {
    call_fail(call, worker, GRPC_STATUS_NOT_FOUND, "unknown service");
    return;
  }
  pthread_mutex_lock(&worker->server->lock);
  serving_status status = current_status(worker->server);
  pthread_mutex_unlock(&worker->server->lock);
  call_reply(call, worker, encode_status(status));
}

// MARK: Watch

static void send_initial_metadata(watch *watch, grpc_op *operations, size_t *operation_count) {
  if (watch->initial_metadata_sent) return;
  operations[(*operation_count)++].op = GRPC_OP_SEND_INITIAL_METADATA;
  watch->initial_metadata_sent = true;
}

/// With the lock held and nothing under way.
static void end(watch *watch, grpc_status_code code, const char *details) {
  grpc_slice text = grpc_slice_from_static_string(details);
  grpc_op operations[2];
  size_t operation_count = 0;
  memset(operations, 0, sizeof(operations));
  send_initial_metadata(watch, operations, &operation_count);
  grpc_op *operation = &operations[operation_count++];
  operation->op = GRPC_OP_SEND_STATUS_FROM_SERVER;
  operation->data.send_status_from_server.status = code;
  operation->data.send_status_from_server.status_details = &text;
  watch->ended = true;
  watch->sending = grpc_call_start_batch(watch->call, operations, operation_count, &watch->sent, NULL) == GRPC_CALL_OK;
}

/// Says what there is to say, if nothing is under way. With the lock held.
static void push(extauthz_server *server, watch *watch) {
  if (watch->sending || watch->ended || watch->is_closed) return;
  int status = watch->known_service ? (int)current_status(server) : (int)STATUS(SERVICE_UNKNOWN);
  if (status == watch->last_sent) {
    if (server->ending_watches) end(watch, GRPC_STATUS_UNAVAILABLE, "the server is shutting down");
    return;
  }
  grpc_slice message = encode_status((serving_status)status);
  grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&message, 1);
  grpc_slice_unref(message);
  grpc_op operations[2];
  size_t operation_count = 0;
  memset(operations, 0, sizeof(operations));
  send_initial_metadata(watch, operations, &operation_count);
  grpc_op *operation = &operations[operation_count++];
  operation->op = GRPC_OP_SEND_MESSAGE;
  operation->data.send_message.send_message = buffer;
  watch->sending = grpc_call_start_batch(watch->call, operations, operation_count, &watch->sent, NULL) == GRPC_CALL_OK;
  watch->last_sent = status;
  grpc_byte_buffer_destroy(buffer);
}

static void watch_free(watch *watch) {
  if (watch->payload != NULL) grpc_byte_buffer_destroy(watch->payload);
  grpc_metadata_array_destroy(&watch->metadata);
  if (watch->call != NULL) grpc_call_unref(watch->call);
  free(watch);
}

/// With the lock held: takes the watch off the list once nothing will come for it any more. True: free it.
static bool unlink_if_over(extauthz_server *server, watch *watch) {
  if (!watch->is_closed || watch->sending) return false;
  if (watch->previous != NULL) watch->previous->next = watch->next;
  if (watch->next != NULL) watch->next->previous = watch->previous;
  if (server->watches == watch) server->watches = watch->next;
  return true;
}

static void watch_sent(event *event, worker *worker, bool ok) {
  watch *sent = (watch *)((char *)event - offsetof(watch, sent));
  pthread_mutex_lock(&worker->server->lock);
  sent->sending = false;
  // A failed batch means that the client is gone; the other event says so too.
  if (!ok) sent->ended = true;
  push(worker->server, sent);
  bool over = unlink_if_over(worker->server, sent);
  pthread_mutex_unlock(&worker->server->lock);
  if (over) watch_free(sent);
}

static void watch_closed(event *event, worker *worker, bool ok) {
  (void)ok;
  watch *closed = (watch *)((char *)event - offsetof(watch, closed));
  pthread_mutex_lock(&worker->server->lock);
  closed->is_closed = true;
  bool over = unlink_if_over(worker->server, closed);
  pthread_mutex_unlock(&worker->server->lock);
  if (over) watch_free(closed);
}

static void watch_arrived(event *event, worker *worker, bool ok) {
  watch *arrived = (watch *)((char *)event - offsetof(watch, arrived));
  if (!ok) {
    arrived->call = NULL;
    watch_free(arrived);
    return;
  }
  watch_request(worker);
  if (worker->closed) {
    watch_free(arrived);
    return;
  }
  count(worker, COUNT_HEALTH_WATCHES);
  bool readable = read_service(arrived->payload, worker->arena, &arrived->known_service);
  grpc_op operation;
  memset(&operation, 0, sizeof(operation));
  operation.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
  operation.data.recv_close_on_server.cancelled = &arrived->cancelled;
  if (grpc_call_start_batch(arrived->call, &operation, 1, &arrived->closed, NULL) != GRPC_CALL_OK) {
    watch_free(arrived);
    return;
  }
  extauthz_server *server = worker->server;
  pthread_mutex_lock(&server->lock);
  arrived->next = server->watches;
  if (arrived->next != NULL) arrived->next->previous = arrived;
  server->watches = arrived;
  if (readable) {
    push(server, arrived);
  } else {
    end(arrived, GRPC_STATUS_INVALID_ARGUMENT, "the message is not a HealthCheckRequest");
  }
  pthread_mutex_unlock(&server->lock);
}

void watch_request(worker *worker) {
  extauthz_server *server = worker->server;
  if (atomic_load_explicit(&server->stopping, memory_order_acquire)) return;
  watch *requested = calloc(1, sizeof(*requested));
  if (requested == NULL) return;
  requested->arrived.run = watch_arrived;
  requested->sent.run = watch_sent;
  requested->closed.run = watch_closed;
  requested->last_sent = -1;
  grpc_metadata_array_init(&requested->metadata);
  grpc_call_error error = grpc_server_request_registered_call(
      server->server, server->watch_method, &requested->call, &requested->deadline, &requested->metadata,
      &requested->payload, worker->queue, worker->queue, &requested->arrived);
  if (error != GRPC_CALL_OK) watch_free(requested);
}

static void push_all(extauthz_server *server) {
  for (watch *each = server->watches; each != NULL; each = each->next) push(server, each);
}

void health_set(extauthz_server *server, bool serving) {
  pthread_mutex_lock(&server->lock);
  server->serving = serving && !server->draining;
  push_all(server);
  pthread_mutex_unlock(&server->lock);
}

void health_end_watches(extauthz_server *server) {
  pthread_mutex_lock(&server->lock);
  server->ending_watches = true;
  push_all(server);
  pthread_mutex_unlock(&server->lock);
}
