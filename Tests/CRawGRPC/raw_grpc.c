// Channels and unary calls of the test client.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static char *read_file(const char *path) {
  if (path == NULL) return NULL;
  FILE *file = fopen(path, "re");
  if (file == NULL) return NULL;
  size_t capacity = 256 * 1024;
  char *text = calloc(1, capacity);
  if (text != NULL && fread(text, 1, capacity - 1, file) == 0) {
    free(text);
    text = NULL;
  }
  fclose(file);
  return text;
}

static grpc_channel_credentials *credentials(const raw_grpc_channel_options *options) {
  if (options->ca_path == NULL) return grpc_insecure_credentials_create();
  char *authorities = read_file(options->ca_path);
  char *certificate = read_file(options->certificate_path);
  char *key = read_file(options->key_path);
  grpc_channel_credentials *result = NULL;
  bool complete = authorities != NULL && (options->certificate_path == NULL || (certificate != NULL && key != NULL));
  if (complete) {
    grpc_ssl_pem_key_cert_pair pair = {key, certificate};
    result = grpc_ssl_credentials_create(authorities, certificate == NULL ? NULL : &pair, NULL, NULL);
  }
  free(authorities);
  free(certificate);
  free(key);
  return result;
}

raw_grpc_channel *raw_grpc_channel_create(const raw_grpc_channel_options *options) {
  grpc_init();
  grpc_arg arguments[5];
  size_t count = 0;
  memset(arguments, 0, sizeof(arguments));
  const struct {
    const char *key;
    int value;
  } numbers[] = {
      {GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1},
      // Transparent retries alone, as there is no service configuration: a call goes to a new connection only if it never
      // left this process or the server's GOAWAY says that it was not looked at.
      {GRPC_ARG_ENABLE_RETRIES, 1},
      {GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM, options->compress ? GRPC_COMPRESS_GZIP : GRPC_COMPRESS_NONE},
  };
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
    arguments[count].type = GRPC_ARG_INTEGER;
    arguments[count].key = (char *)numbers[i].key;
    arguments[count++].value.integer = numbers[i].value;
  }
  if (options->server_name != NULL) {
    arguments[count].type = GRPC_ARG_STRING;
    arguments[count].key = (char *)GRPC_SSL_TARGET_NAME_OVERRIDE_ARG;
    arguments[count++].value.string = (char *)options->server_name;
  }
  grpc_channel_credentials *made = credentials(options);
  raw_grpc_channel *channel = made == NULL ? NULL : calloc(1, sizeof(*channel));
  if (channel == NULL) {
    if (made != NULL) grpc_channel_credentials_release(made);
    grpc_shutdown();
    return NULL;
  }
  grpc_channel_args list = {count, arguments};
  channel->channel = grpc_channel_create(options->target, made, &list);
  grpc_channel_credentials_release(made);
  return channel;
}

void raw_grpc_channel_destroy(raw_grpc_channel *channel) {
  if (channel == NULL) return;
  grpc_channel_destroy(channel->channel);
  free(channel);
  grpc_shutdown();
}

size_t raw_call_begin(
    raw_call *call, raw_grpc_channel *channel, const raw_grpc_request *request, grpc_completion_queue *queue,
    grpc_op *operations) {
  memset(call, 0, sizeof(*call));
  grpc_metadata_array_init(&call->initial);
  grpc_metadata_array_init(&call->trailing);
  call->details = grpc_empty_slice();
  gpr_timespec deadline = gpr_time_add(
      gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(request->timeout_milliseconds, GPR_TIMESPAN));
  grpc_slice method = grpc_slice_from_copied_string(request->method);
  call->call = grpc_channel_create_call(
      channel->channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue, method, NULL, deadline, NULL);
  grpc_slice_unref(method);
  size_t metadata = request->metadata_count < 32 ? request->metadata_count : 32;
  for (size_t i = 0; i < metadata; i++) {
    call->metadata[i].key = grpc_slice_from_copied_string(request->metadata[2 * i]);
    call->metadata[i].value = grpc_slice_from_copied_string(request->metadata[2 * i + 1]);
  }
  size_t count = 0;
  operations[count].op = GRPC_OP_SEND_INITIAL_METADATA;
  operations[count].data.send_initial_metadata.metadata = call->metadata;
  operations[count].data.send_initial_metadata.count = metadata;
  count++;
  if (!request->without_message) {
    grpc_slice slice = grpc_slice_from_copied_buffer((const char *)request->bytes, request->size);
    call->sent = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    operations[count].op = GRPC_OP_SEND_MESSAGE;
    operations[count++].data.send_message.send_message = call->sent;
  }
  operations[count++].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
  operations[count].op = GRPC_OP_RECV_INITIAL_METADATA;
  operations[count++].data.recv_initial_metadata.recv_initial_metadata = &call->initial;
  return count;
}

void raw_call_end(raw_call *call) {
  for (size_t i = 0; i < 32; i++) {
    grpc_slice_unref(call->metadata[i].key);
    grpc_slice_unref(call->metadata[i].value);
  }
  grpc_metadata_array_destroy(&call->initial);
  grpc_metadata_array_destroy(&call->trailing);
  grpc_slice_unref(call->details);
  if (call->sent != NULL) grpc_byte_buffer_destroy(call->sent);
  if (call->received != NULL) grpc_byte_buffer_destroy(call->received);
  if (call->call != NULL) grpc_call_unref(call->call);
}

void raw_result_take_message(raw_grpc_result *result, grpc_byte_buffer *buffer) {
  if (buffer == NULL) return;
  grpc_byte_buffer_reader reader;
  if (!grpc_byte_buffer_reader_init(&reader, buffer)) return;
  grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
  grpc_byte_buffer_reader_destroy(&reader);
  result->has_message = true;
  result->size = GRPC_SLICE_LENGTH(all);
  result->bytes = malloc(result->size == 0 ? 1 : result->size);
  if (result->bytes == NULL) result->size = 0;
  if (result->size > 0) memcpy(result->bytes, GRPC_SLICE_START_PTR(all), result->size);
  grpc_slice_unref(all);
}

void raw_result_take_status(raw_grpc_result *result, const raw_call *call) {
  result->status = (int32_t)call->status;
  size_t size = GRPC_SLICE_LENGTH(call->details);
  if (size >= sizeof(result->message)) size = sizeof(result->message) - 1;
  memcpy(result->message, GRPC_SLICE_START_PTR(call->details), size);
  result->message[size] = '\0';
}

void raw_grpc_call(raw_grpc_channel *channel, const raw_grpc_request *request, raw_grpc_result *result) {
  memset(result, 0, sizeof(*result));
  grpc_completion_queue *queue = grpc_completion_queue_create_for_next(NULL);
  grpc_op operations[8];
  memset(operations, 0, sizeof(operations));
  raw_call call;
  size_t count = raw_call_begin(&call, channel, request, queue, operations);
  operations[count].op = GRPC_OP_RECV_MESSAGE;
  operations[count++].data.recv_message.recv_message = &call.received;
  operations[count].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
  operations[count].data.recv_status_on_client.trailing_metadata = &call.trailing;
  operations[count].data.recv_status_on_client.status = &call.status;
  operations[count++].data.recv_status_on_client.status_details = &call.details;
  if (grpc_call_start_batch(call.call, operations, count, &call, NULL) == GRPC_CALL_OK) {
    grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    raw_result_take_message(result, call.received);
    raw_result_take_status(result, &call);
  } else {
    result->status = GRPC_STATUS_INTERNAL;
  }
  raw_call_end(&call);
  grpc_completion_queue_shutdown(queue);
  while (grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type != GRPC_QUEUE_SHUTDOWN) {
  }
  grpc_completion_queue_destroy(queue);
}

void raw_grpc_result_clear(raw_grpc_result *result) {
  free(result->bytes);
  result->bytes = NULL;
  result->size = 0;
}
