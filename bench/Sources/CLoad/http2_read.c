// The small client's frames in: replies to calls, and what a connection needs (settings, pings, windows). A frame that is not
// expected from a well-behaved gRPC server ends the round with a text; nothing is guessed.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "http2_frames.h"
#include "process.h"

// The call of a stream, or null.
static struct http2_call *find_call(struct http2_connection *connection, uint32_t stream) {
  uint32_t entry = connection->streams[stream / 2 % STREAM_TABLE];
  if (entry == 0) return NULL;
  struct http2_call *call = &connection->calls[entry - 1];
  return call->stream == stream ? call : NULL;
}

// Counts a call that has ended and begins the next one in its place.
static const char *end_call(struct http2_connection *connection, struct meter *meter, struct http2_call *call, uint64_t now) {
  const uint8_t *reply = call->reply;
  bool is_whole = call->reply_length >= GRPC_PREFIX && reply[0] == 0 && get_number(reply + 1) == call->reply_length - GRPC_PREFIX;
  if (is_whole) {
    meter_reply(
        meter, call->message, load_read_outcome(reply + GRPC_PREFIX, call->reply_length - GRPC_PREFIX), call->started, now);
  } else {
    meter_failure(meter, -1);
  }
  connection->streams[call->stream / 2 % STREAM_TABLE] = 0;
  call->stream = 0;
  connection->under_way--;
  if (meter->phase == ENDING) return NULL;
  return http2_start(connection, meter, (size_t)(call - connection->calls), now);
}

static const char *take_data(
    struct http2_connection *connection, struct http2_call *call, uint8_t flags, const uint8_t *payload, size_t length) {
  connection->unacknowledged += length;
  if (connection->unacknowledged >= WINDOW_GRANT / 2) {
    uint8_t grant[4];
    put_number(grant, (uint32_t)connection->unacknowledged);
    const char *problem = http2_frame(connection, FRAME_WINDOW_UPDATE, 0, 0, grant, sizeof grant);
    if (problem != NULL) return problem;
    connection->unacknowledged = 0;
  }
  if ((flags & FLAG_PADDED) != 0) return "the server pads its frames";
  if (call == NULL) return "a reply came for a call that nobody made";
  if (length > REPLY_LIMIT - call->reply_length) return "a reply is longer than any that is expected";
  memcpy(call->reply + call->reply_length, payload, length);
  call->reply_length += length;
  return NULL;
}

static const char *take_settings(struct http2_connection *connection, uint8_t flags, const uint8_t *payload, size_t length) {
  if ((flags & FLAG_ACK) != 0) return NULL;
  for (size_t i = 0; i + 6 <= length; i += 6) {
    uint32_t name = (uint32_t)payload[i] << 8 | payload[i + 1], value = get_number(payload + i + 2);
    if (name == SETTING_MAX_STREAMS && value < connection->call_count) return "the server allows fewer calls at once";
    if (name == SETTING_INITIAL_WINDOW && value < MAX_FRAME) return "the server's window is smaller than a frame";
  }
  return http2_frame(connection, FRAME_SETTINGS, FLAG_ACK, 0, payload, 0);
}

// The server accepts more: the calls that waited for that can go, the longest waiting first.
static const char *widen(struct http2_connection *connection, struct meter *meter, uint32_t bytes, uint64_t now) {
  connection->window += bytes;
  size_t count = connection->waiting_count;
  connection->waiting_count = 0;  // a call that still does not fit is put back, behind those already looked at
  for (size_t i = 0; i < count && meter->phase != ENDING; i++) {
    const char *problem = http2_start(connection, meter, connection->waiting[i], now);
    if (problem != NULL) return problem;
  }
  return NULL;
}

static const char *take_frame(struct http2_connection *connection, struct meter *meter, const uint8_t *frame, size_t length, uint64_t now) {
  const uint8_t *payload = frame + FRAME_HEADER;
  uint8_t type = frame[3], flags = frame[4];
  uint32_t stream = get_number(frame + 5) & 0x7fffffff;
  struct http2_call *call = stream == 0 ? NULL : find_call(connection, stream);
  const char *problem = NULL;
  switch (type) {
    case FRAME_DATA:
      problem = take_data(connection, call, flags, payload, length);
      break;
    case FRAME_HEADERS:
      break;  // initial or trailing metadata: only whether the stream ends with it matters
    case FRAME_RST_STREAM:
      if (call != NULL) call->reply_length = 0;
      flags = FLAG_END_STREAM;
      break;
    case FRAME_SETTINGS:
      return take_settings(connection, flags, payload, length);
    case FRAME_PING:
      return (flags & FLAG_ACK) != 0 ? NULL : http2_frame(connection, FRAME_PING, FLAG_ACK, 0, payload, length);
    case FRAME_GOAWAY:
      return "the server ended the connection";
    case FRAME_WINDOW_UPDATE:
      if (length != 4) return "a window update is broken";
      return stream == 0 ? widen(connection, meter, get_number(payload) & 0x7fffffff, now) : NULL;
    default:
      return NULL;
  }
  if (problem != NULL || (flags & FLAG_END_STREAM) == 0 || call == NULL) return problem;
  return end_call(connection, meter, call, now);
}

const char *http2_read(struct http2_connection *connection, struct meter *meter) {
  ssize_t count =
      recv(connection->socket, connection->input + connection->input_length, INPUT_SIZE - connection->input_length, 0);
  if (count == 0) return "the server closed the connection";
  if (count < 0) return errno == EAGAIN || errno == EINTR ? NULL : "the connection broke while a reply was read";
  connection->input_length += (size_t)count;
  uint64_t now = bench_now();
  meter_tick(meter, now);
  size_t at = 0;
  while (connection->input_length - at >= FRAME_HEADER) {
    const uint8_t *frame = connection->input + at;
    size_t length = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];
    if (length > MAX_FRAME) return "the server sent a frame that is too long";
    if (connection->input_length - at < FRAME_HEADER + length) break;
    const char *problem = take_frame(connection, meter, frame, length, now);
    if (problem != NULL) return problem;
    at += FRAME_HEADER + length;
  }
  memmove(connection->input, connection->input + at, connection->input_length - at);
  connection->input_length -= at;
  return NULL;
}
