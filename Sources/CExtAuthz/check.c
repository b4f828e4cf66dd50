// One check. What enters: a call with its payload. What leaves: the handler's decision, encoded, or an error that says why
// there is none. What never happens here: an answer to a question that could not be read in full, and a handler that is
// asked after the deadline, when nobody waits for what it says.

#include <string.h>

#include "internal.h"

/// Takes the call's metadata over into the request. False: no memory.
static bool add_call_metadata(const unary_call *call, extauthz_arena *arena, extauthz_request *request) {
  size_t count = call->metadata.count;
  if (count == 0) return true;
  extauthz_pair *pairs = arena_allocate_array(arena, count, sizeof(*pairs));
  if (pairs == NULL) return false;
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    const grpc_metadata *entry = &call->metadata.metadata[i];
    // By reference: short text lies within the slice itself.
    extauthz_bytes key = {GRPC_SLICE_START_PTR(entry->key), GRPC_SLICE_LENGTH(entry->key)};
    extauthz_bytes value = {GRPC_SLICE_START_PTR(entry->value), GRPC_SLICE_LENGTH(entry->value)};
    if (key.size > 0 && key.data[0] == ':') continue;
    pairs[kept].key = key;
    pairs[kept].value = value;
    kept++;
  }
  request->call_metadata = pairs;
  request->call_metadata_count = kept;
  return true;
}

static void refuse(unary_call *call, worker *worker, const extauthz_error *error) {
  if (error->status == EXTAUTHZ_STATUS_TOO_LARGE) {
    count(worker, COUNT_TOO_LARGE);
    call_fail(call, worker, GRPC_STATUS_RESOURCE_EXHAUSTED, error->reason);
  } else {
    count(worker, COUNT_MALFORMED);
    call_fail(call, worker, GRPC_STATUS_INVALID_ARGUMENT, error->reason);
  }
}

/// Reads the question. The request borrows from the call and from the worker's arena.
static bool read_request(unary_call *call, worker *worker, extauthz_request *request, extauthz_error *error) {
  static const extauthz_error no_message = {EXTAUTHZ_STATUS_MALFORMED, "the call carries no message"};
  static const extauthz_error compressed = {EXTAUTHZ_STATUS_MALFORMED, "compressed messages are not accepted"};
  static const extauthz_error no_memory = {EXTAUTHZ_STATUS_TOO_LARGE, "the message needs more memory than allowed"};
  if (call->payload == NULL) {
    *error = no_message;
    return false;
  }
  // A small compressed message could expand to a huge one, and no proxy compresses checks.
  if (payload_is_compressed(call->payload)) {
    *error = compressed;
    return false;
  }
  arena_begin(worker->arena, grpc_byte_buffer_length(call->payload));
  extauthz_bytes bytes;
  if (!payload_bytes(call->payload, worker->arena, &bytes)) {
    *error = no_memory;
    return false;
  }
  if (!decode_into(worker->arena, bytes, request, error)) return false;
  if (!add_call_metadata(call, worker->arena, request)) {
    *error = no_memory;
    return false;
  }
  return true;
}

static void send_reply(unary_call *call, worker *worker, const extauthz_reply *reply) {
  encoding prepared;
  size_t size = encoding_begin(&prepared, reply);
  if (size > 0) {
    grpc_slice message = grpc_slice_malloc(size);
    if (encoding_pack(&prepared, GRPC_SLICE_START_PTR(message), size)) {
      count(worker, prepared.is_allow ? COUNT_ALLOWED : COUNT_DENIED);
      call_reply(call, worker, message);
      encoding_finish(&prepared);
      return;
    }
    grpc_slice_unref(message);
  }
  encoding_finish(&prepared);
  count(worker, COUNT_INTERNAL_ERRORS);
  call_fail(call, worker, GRPC_STATUS_INTERNAL, "the reply could not be encoded");
}

void check_answer(unary_call *call, worker *worker) {
  count(worker, COUNT_CHECKS);
  if (gpr_time_cmp(gpr_now(call->deadline.clock_type), call->deadline) >= 0) {
    count(worker, COUNT_DEADLINE_EXCEEDED);
    call_fail(call, worker, GRPC_STATUS_DEADLINE_EXCEEDED, "the deadline passed before the check began");
    return;
  }
  extauthz_request request;
  extauthz_error error;
  if (read_request(call, worker, &request, &error)) {
    extauthz_reply reply;
    memset(&reply, 0, sizeof(reply));
    worker->server->handler(worker->server->context, worker->index, &request, &reply);
    send_reply(call, worker, &reply);
  } else {
    refuse(call, worker, &error);
  }
  extauthz_arena_reset(worker->arena);
}
