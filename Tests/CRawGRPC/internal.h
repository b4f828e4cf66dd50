// What the files of the test client share.
#pragma once

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>

#include "raw_grpc.h"

struct raw_grpc_channel {
  grpc_channel *channel;
};

/// One call under way, unary or not. It does not move while under way.
typedef struct raw_call {
  grpc_call *call;
  grpc_metadata metadata[32];
  grpc_metadata_array initial;
  grpc_metadata_array trailing;
  grpc_byte_buffer *sent;
  grpc_byte_buffer *received;
  grpc_status_code status;
  grpc_slice details;
} raw_call;

/// Creates the call and the operations that send the request. Returns how many.
size_t raw_call_begin(
    raw_call *call, raw_grpc_channel *channel, const raw_grpc_request *request, grpc_completion_queue *queue, grpc_op *operations);
void raw_call_end(raw_call *call);
/// Copies a message out; null leaves the result without one.
void raw_result_take_message(raw_grpc_result *result, grpc_byte_buffer *buffer);
void raw_result_take_status(raw_grpc_result *result, const raw_call *call);
