// Calls of the test client whose replies come one by one.

#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct raw_grpc_stream {
  raw_call call;
  grpc_completion_queue *queue;
  /// Its address tags the end of the call.
  int status_tag;
  bool ended;
};

raw_grpc_stream *raw_grpc_stream_open(raw_grpc_channel *channel, const raw_grpc_request *request) {
  raw_grpc_stream *stream = calloc(1, sizeof(*stream));
  if (stream == NULL) return NULL;
  stream->queue = grpc_completion_queue_create_for_next(NULL);
  grpc_op operations[8];
  memset(operations, 0, sizeof(operations));
  size_t count = raw_call_begin(&stream->call, channel, request, stream->queue, operations);
  grpc_op status;
  memset(&status, 0, sizeof(status));
  status.op = GRPC_OP_RECV_STATUS_ON_CLIENT;
  status.data.recv_status_on_client.trailing_metadata = &stream->call.trailing;
  status.data.recv_status_on_client.status = &stream->call.status;
  status.data.recv_status_on_client.status_details = &stream->call.details;
  if (grpc_call_start_batch(stream->call.call, &status, 1, &stream->status_tag, NULL) != GRPC_CALL_OK) abort();
  if (grpc_call_start_batch(stream->call.call, operations, count, stream, NULL) != GRPC_CALL_OK) abort();
  return stream;
}

/// Handles events until the one with this tag came.
static void wait_for(raw_grpc_stream *stream, void *tag) {
  for (;;) {
    grpc_event event = grpc_completion_queue_next(stream->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    if (event.tag == &stream->status_tag) stream->ended = true;
    if (event.tag == tag) return;
  }
}

bool raw_grpc_stream_next(raw_grpc_stream *stream, raw_grpc_result *result) {
  memset(result, 0, sizeof(*result));
  grpc_op operation;
  memset(&operation, 0, sizeof(operation));
  operation.op = GRPC_OP_RECV_MESSAGE;
  operation.data.recv_message.recv_message = &stream->call.received;
  if (grpc_call_start_batch(stream->call.call, &operation, 1, &operation, NULL) != GRPC_CALL_OK) abort();
  wait_for(stream, &operation);
  if (stream->call.received != NULL) {
    raw_result_take_message(result, stream->call.received);
    grpc_byte_buffer_destroy(stream->call.received);
    stream->call.received = NULL;
    return true;
  }
  if (!stream->ended) wait_for(stream, &stream->status_tag);
  raw_result_take_status(result, &stream->call);
  return false;
}

void raw_grpc_stream_close(raw_grpc_stream *stream) {
  if (!stream->ended) grpc_call_cancel(stream->call.call, NULL);
  grpc_completion_queue_shutdown(stream->queue);
  while (grpc_completion_queue_next(stream->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type != GRPC_QUEUE_SHUTDOWN) {
  }
  raw_call_end(&stream->call);
  grpc_completion_queue_destroy(stream->queue);
  free(stream);
}
