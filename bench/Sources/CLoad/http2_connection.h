// One HTTP/2 connection of the small client: frames out, frames in, and the calls that are under way on it.
// Private to this target. It speaks just what a gRPC client needs with prior knowledge, and only to servers under measurement.
#ifndef BENCH_LOAD_HTTP2_CONNECTION_H
#define BENCH_LOAD_HTTP2_CONNECTION_H

#include "meter.h"

enum { REPLY_LIMIT = 4096, STREAM_TABLE = 1 << 16, INPUT_SIZE = 1 << 18 };

// A place for one call.
struct http2_call {
  uint32_t stream;  // 0: no call is under way here
  size_t message;
  uint64_t started;
  size_t reply_length;
  uint8_t reply[REPLY_LIMIT];
};

struct http2_connection {
  int socket;
  struct http2_call *calls;
  size_t call_count, under_way;
  size_t *waiting;  // places whose next call waits for the server's window
  size_t waiting_count;
  uint32_t *streams;  // stream number / 2, modulo the table's size, to place + 1
  uint32_t next_stream;
  int64_t window;          // bytes of DATA that the server still accepts on this connection
  uint64_t unacknowledged; // bytes of DATA that we have not yet given back
  // Header fields that the server's table holds: for each, its position + 1 in the order of insertion, or 0.
  uint32_t *positions;
  size_t position_count, table_entries, table_size;
  uint8_t *output;
  size_t output_length, output_sent, output_capacity;
  uint8_t input[INPUT_SIZE];
  size_t input_length;
};

// Connects (waiting for a server that has just been started) and queues the opening of the connection.
const char *http2_open(struct http2_connection *connection, const struct meter *meter);
void http2_close(struct http2_connection *connection);

// Queues a call at a place, or lets it wait for the server's window.
const char *http2_start(struct http2_connection *connection, struct meter *meter, size_t place, uint64_t now);

// Reads what has come, counts the calls that ended, and starts the calls that follow them.
const char *http2_read(struct http2_connection *connection, struct meter *meter);

// Sends what is queued, as far as the socket takes it.
const char *http2_flush(struct http2_connection *connection);

#endif
