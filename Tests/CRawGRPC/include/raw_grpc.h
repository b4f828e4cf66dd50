// A gRPC client for tests that sends and receives raw bytes. What enters: any bytes as a request. What leaves: the status and
// the raw bytes of the reply. What never happens here: encoding, decoding, or a retry of a call that
// the server may have seen.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// One connection: channels never share one.
typedef struct raw_grpc_channel raw_grpc_channel;

typedef struct raw_grpc_channel_options {
  /// `127.0.0.1:9191` or `unix:/path`.
  const char *_Nonnull target;
  /// A PEM file of authorities turns TLS on.
  const char *_Nullable ca_path;
  /// PEM files of the client's own certificate; both or none.
  const char *_Nullable certificate_path;
  const char *_Nullable key_path;
  /// The name that the server's certificate must have, instead of the target's.
  const char *_Nullable server_name;
  /// Sends messages compressed with gzip.
  bool compress;
} raw_grpc_channel_options;

/// Null if a file cannot be read.
raw_grpc_channel *_Nullable raw_grpc_channel_create(const raw_grpc_channel_options *_Nonnull options);
void raw_grpc_channel_destroy(raw_grpc_channel *_Nullable channel);

typedef struct raw_grpc_request {
  /// `/package.Service/Method`.
  const char *_Nonnull method;
  const uint8_t *_Nullable bytes;
  size_t size;
  /// Ends the call without any message.
  bool without_message;
  uint32_t timeout_milliseconds;
  /// Name, value, name, value.
  const char *_Nonnull const *_Nullable metadata;
  size_t metadata_count;
} raw_grpc_request;

typedef struct raw_grpc_result {
  /// gRPC status code: 0 is OK.
  int32_t status;
  /// Terminated; cut if long.
  char message[256];
  /// A reply message came. `bytes` is to be freed with raw_grpc_result_clear.
  bool has_message;
  uint8_t *_Nullable bytes;
  size_t size;
} raw_grpc_result;

void raw_grpc_call(
    raw_grpc_channel *_Nonnull channel, const raw_grpc_request *_Nonnull request, raw_grpc_result *_Nonnull result);
void raw_grpc_result_clear(raw_grpc_result *_Nonnull result);

/// Many calls on one channel.
typedef struct raw_grpc_load raw_grpc_load;

typedef struct raw_grpc_load_summary {
  uint64_t finished;
  /// Calls by status code; codes above 16 count as 2 (UNKNOWN).
  uint64_t by_status[17];
  /// OK without a message, or with one of size 0.
  uint64_t empty_replies;
  /// OK whose message is not the same as the first one's.
  uint64_t different_replies;
  /// Text of the first status that is not OK; terminated.
  char first_failure[256];
} raw_grpc_load_summary;

/// Keeps `in_flight` calls going, in a thread of its own, until `total` calls were made (0: until stopped).
raw_grpc_load *_Nullable raw_grpc_load_start(
    raw_grpc_channel *_Nonnull channel, const raw_grpc_request *_Nonnull request, uint32_t in_flight, uint64_t total);
/// How many calls have finished.
uint64_t raw_grpc_load_finished(const raw_grpc_load *_Nonnull load);
/// Starts no further call.
void raw_grpc_load_stop(raw_grpc_load *_Nonnull load);
/// Waits for the calls under way, and frees the load.
void raw_grpc_load_join(raw_grpc_load *_Nonnull load, raw_grpc_load_summary *_Nonnull summary);

/// A call whose replies come one by one.
typedef struct raw_grpc_stream raw_grpc_stream;
raw_grpc_stream *_Nullable raw_grpc_stream_open(
    raw_grpc_channel *_Nonnull channel, const raw_grpc_request *_Nonnull request);
/// Waits for the next message. False: the stream ended, and `result` holds its status.
bool raw_grpc_stream_next(raw_grpc_stream *_Nonnull stream, raw_grpc_result *_Nonnull result);
/// Cancels if it has not ended, and frees.
void raw_grpc_stream_close(raw_grpc_stream *_Nonnull stream);
