// Names and layout of HTTP/2 frames (RFC 9113) for the small client. Private to this target.
#ifndef BENCH_LOAD_HTTP2_FRAMES_H
#define BENCH_LOAD_HTTP2_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "http2_connection.h"

enum {
  FRAME_HEADER = 9,
  MAX_FRAME = 16384,
  GRPC_PREFIX = 5,
  WINDOW_GRANT = 1 << 30,

  FRAME_DATA = 0,
  FRAME_HEADERS = 1,
  FRAME_RST_STREAM = 3,
  FRAME_SETTINGS = 4,
  FRAME_PING = 6,
  FRAME_GOAWAY = 7,
  FRAME_WINDOW_UPDATE = 8,

  FLAG_ACK = 1,
  FLAG_END_STREAM = 1,
  FLAG_END_HEADERS = 4,
  FLAG_PADDED = 8,

  SETTING_MAX_STREAMS = 3,
  SETTING_INITIAL_WINDOW = 4,
};

static inline void put_number(uint8_t *at, uint32_t number) {
  at[0] = (uint8_t)(number >> 24);
  at[1] = (uint8_t)(number >> 16);
  at[2] = (uint8_t)(number >> 8);
  at[3] = (uint8_t)number;
}

static inline uint32_t get_number(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void put_frame_header(uint8_t *at, uint8_t type, uint8_t flags, uint32_t stream, size_t length) {
  at[0] = (uint8_t)(length >> 16);
  at[1] = (uint8_t)(length >> 8);
  at[2] = (uint8_t)length;
  at[3] = type;
  at[4] = flags;
  put_number(at + 5, stream);
}

// Queues a frame. Returns null, or what is wrong.
const char *http2_frame(
    struct http2_connection *connection, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t length);

#endif
