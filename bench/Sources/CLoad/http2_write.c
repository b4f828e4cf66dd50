// The small client's frames out: opening, calls, acknowledgements. Header fields are put into the server's HPACK table when they
// are first used and then sent as an index, as Envoy does; the bytes of a request are sent as they were given.
#include "http2_connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "http2_frames.h"

enum { HPACK_STATIC_ENTRIES = 61, HPACK_TABLE_LIMIT = 4096, CONNECT_ATTEMPTS = 500 };

// What every call carries before its own metadata, as Envoy's gRPC client sends it.
static const struct pair common_fields[] = {
    {":method", "POST"},
    {":scheme", "http"},
    {":path", "/envoy.service.auth.v3.Authorization/Check"},
    {":authority", "portcullis"},
    {"te", "trailers"},
    {"content-type", "application/grpc"},
    {"grpc-timeout", "5000m"},
};
enum { COMMON_FIELDS = sizeof common_fields / sizeof *common_fields };

// Room for `length` more bytes of output; null if there is no memory.
static uint8_t *reserve(struct http2_connection *connection, size_t length) {
  size_t needed = connection->output_length + length;
  if (needed > connection->output_capacity) {
    size_t capacity = needed * 2;
    uint8_t *output = realloc(connection->output, capacity);
    if (output == NULL) return NULL;
    connection->output = output;
    connection->output_capacity = capacity;
  }
  return connection->output + connection->output_length;
}

const char *http2_frame(
    struct http2_connection *connection, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t length) {
  uint8_t *at = reserve(connection, FRAME_HEADER + length);
  if (at == NULL) return "no memory for the load";
  put_frame_header(at, type, flags, stream, length);
  memcpy(at + FRAME_HEADER, payload, length);
  connection->output_length += FRAME_HEADER + length;
  return NULL;
}

static uint8_t *put_hpack_number(uint8_t *at, uint8_t pattern, unsigned prefix_bits, size_t number) {
  size_t limit = ((size_t)1 << prefix_bits) - 1;
  if (number < limit) {
    *at++ = pattern | (uint8_t)number;
    return at;
  }
  *at++ = pattern | (uint8_t)limit;
  for (number -= limit; number >= 0x80; number >>= 7) *at++ = (uint8_t)(number & 0x7f) | 0x80;
  *at++ = (uint8_t)number;
  return at;
}

static uint8_t *put_hpack_text(uint8_t *at, const char *text, size_t length) {
  at = put_hpack_number(at, 0, 7, length);
  memcpy(at, text, length);
  return at + length;
}

// One header field: an index if the server has it, else the text, which the server keeps if its table has room.
static uint8_t *put_field(struct http2_connection *connection, uint8_t *at, size_t number, const struct pair *field) {
  if (connection->positions[number] != 0) {
    size_t newer = connection->table_entries - connection->positions[number];
    return put_hpack_number(at, 0x80, 7, HPACK_STATIC_ENTRIES + 1 + newer);
  }
  size_t key = strlen(field->key), value = strlen(field->value);
  bool kept = connection->table_size + key + value + 32 <= HPACK_TABLE_LIMIT;
  *at++ = kept ? 0x40 : 0x00;
  at = put_hpack_text(at, field->key, key);
  at = put_hpack_text(at, field->value, value);
  if (kept) {
    connection->table_size += key + value + 32;
    connection->positions[number] = (uint32_t)++connection->table_entries;
  }
  return at;
}

const char *http2_start(struct http2_connection *connection, struct meter *meter, size_t place, uint64_t now) {
  struct http2_call *call = &connection->calls[place];
  const struct load_messages *messages = meter->messages;
  const struct message *message = &messages->items[meter->next_message];
  size_t length = GRPC_SLICE_LENGTH(message->bytes), framed = length + GRPC_PREFIX;
  if (framed > MAX_FRAME) return "a message is larger than one HTTP/2 frame";
  if ((int64_t)framed > connection->window) {
    connection->waiting[connection->waiting_count++] = place;
    return NULL;
  }
  call->message = meter_next_message(meter);
  size_t text = 0;
  for (size_t i = 0; i < COMMON_FIELDS; i++) text += strlen(common_fields[i].key) + strlen(common_fields[i].value) + 16;
  for (size_t i = 0; i < message->metadata_count; i++) {
    const struct pair *pair = &messages->pairs[message->pairs[i]];
    text += strlen(pair->key) + strlen(pair->value) + 16;
  }
  uint8_t *start = reserve(connection, 2 * FRAME_HEADER + text + framed);
  if (start == NULL) return "no memory for the load";
  uint8_t *at = start + FRAME_HEADER;
  for (size_t i = 0; i < COMMON_FIELDS; i++) at = put_field(connection, at, i, &common_fields[i]);
  for (size_t i = 0; i < message->metadata_count; i++) {
    at = put_field(connection, at, COMMON_FIELDS + message->pairs[i], &messages->pairs[message->pairs[i]]);
  }
  uint32_t stream = connection->next_stream;
  put_frame_header(start, FRAME_HEADERS, FLAG_END_HEADERS, stream, (size_t)(at - start) - FRAME_HEADER);
  put_frame_header(at, FRAME_DATA, FLAG_END_STREAM, stream, framed);
  at += FRAME_HEADER;
  *at++ = 0;  // not compressed
  put_number(at, (uint32_t)length);
  memcpy(at + 4, GRPC_SLICE_START_PTR(message->bytes), length);
  at += 4 + length;
  connection->output_length += (size_t)(at - start);
  connection->window -= (int64_t)framed;
  uint32_t *entry = &connection->streams[stream / 2 % STREAM_TABLE];
  if (*entry != 0) return "a call was left behind while thousands of others were answered";
  *entry = (uint32_t)place + 1;
  connection->next_stream += 2;
  connection->under_way++;
  call->stream = stream;
  call->started = now;
  call->reply_length = 0;
  return NULL;
}

const char *http2_flush(struct http2_connection *connection) {
  while (connection->output_sent < connection->output_length) {
    ssize_t sent = send(
        connection->socket, connection->output + connection->output_sent, connection->output_length - connection->output_sent,
        MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR ? NULL : "the connection broke while a call was sent";
    connection->output_sent += (size_t)sent;
  }
  connection->output_sent = connection->output_length = 0;
  return NULL;
}

// A connected socket to 127.0.0.1:PORT or unix:PATH, or -1.
static int connect_to(const char *address) {
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  struct sockaddr_in remote = {.sin_family = AF_INET};
  const struct sockaddr *target = (struct sockaddr *)&remote;
  socklen_t length = sizeof remote;
  char host[64];
  unsigned short port;
  if (strncmp(address, "unix:", 5) == 0 && strlen(address + 5) < sizeof local.sun_path) {
    strcpy(local.sun_path, address + 5);
    target = (struct sockaddr *)&local;
    length = sizeof local;
  } else if (sscanf(address, "%63[0-9.]:%hu", host, &port) == 2 && inet_pton(AF_INET, host, &remote.sin_addr) == 1) {
    remote.sin_port = htons(port);
  } else {
    return -1;
  }
  for (int attempt = 0; attempt < CONNECT_ATTEMPTS; attempt++) {
    int sock = socket(target->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock >= 0 && connect(sock, target, length) == 0) return sock;
    if (sock >= 0) close(sock);
    nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
  }
  return -1;
}

const char *http2_open(struct http2_connection *connection, const struct meter *meter) {
  connection->call_count = meter->round->calls_per_connection;
  connection->position_count = COMMON_FIELDS + meter->messages->pair_count;
  connection->calls = calloc(connection->call_count, sizeof *connection->calls);
  connection->waiting = calloc(connection->call_count, sizeof *connection->waiting);
  connection->streams = calloc(STREAM_TABLE, sizeof *connection->streams);
  connection->positions = calloc(connection->position_count, sizeof *connection->positions);
  if (!connection->calls || !connection->waiting || !connection->streams || !connection->positions) return "no memory for the load";
  connection->next_stream = 1;
  connection->window = 65535;
  connection->socket = connect_to(meter->round->address);
  if (connection->socket < 0) return "the server could not be reached";
  int on = 1;
  setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // means nothing, and fails, on a unix socket
  if (fcntl(connection->socket, F_SETFL, O_NONBLOCK) != 0) return "the connection cannot be made non-blocking";

  // As Envoy opens a connection: no push, and windows so wide that the server never waits for us.
  static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  static const uint8_t settings[] = {0, 2, 0, 0, 0, 0, 0, 4, 0x01, 0, 0, 0};
  uint8_t grant[4];
  put_number(grant, WINDOW_GRANT);
  uint8_t *at = reserve(connection, sizeof preface - 1);
  if (at == NULL) return "no memory for the load";
  memcpy(at, preface, sizeof preface - 1);
  connection->output_length += sizeof preface - 1;
  const char *problem = http2_frame(connection, FRAME_SETTINGS, 0, 0, settings, sizeof settings);
  return problem ? problem : http2_frame(connection, FRAME_WINDOW_UPDATE, 0, 0, grant, sizeof grant);
}

void http2_close(struct http2_connection *connection) {
  if (connection->socket >= 0) close(connection->socket);
  free(connection->calls);
  free(connection->waiting);
  free(connection->streams);
  free(connection->positions);
  free(connection->output);
}
