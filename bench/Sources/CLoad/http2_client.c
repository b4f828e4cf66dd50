// The small client: one thread, one epoll set, connections that always have the same number of calls under way. What enters is a
// meter with a round to run; replies and failures go back to it. It exists because the C core's own client costs as much as
// the server that it asks: on two equal cores it would be the client that is measured.
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "http2_connection.h"
#include "process.h"

enum { EVENTS = 64, PATIENCE_MS = 5000 };

static const char *watch(int set, struct http2_connection *connection, int how) {
  uint32_t writable = connection->output_length > 0 ? EPOLLOUT : 0;
  struct epoll_event event = {.events = EPOLLIN | writable, .data.ptr = connection};
  return epoll_ctl(set, how, connection->socket, &event) == 0 ? NULL : "a connection cannot be watched";
}

static size_t under_way(const struct http2_connection *connections, size_t count) {
  size_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += connections[i].under_way;
  return sum;
}

static int wait_for_replies(int set, struct epoll_event *events, bool is_awake) {
  if (!is_awake) return epoll_wait(set, events, EVENTS, PATIENCE_MS);
  uint64_t end = bench_now() + (uint64_t)PATIENCE_MS * 1000000;
  int ready = 0;
  while (ready == 0 && bench_now() < end) ready = epoll_wait(set, events, EVENTS, 0);
  return ready;
}

static const char *drive(struct meter *meter, struct http2_connection *connections, size_t count, int set) {
  uint64_t now = bench_now();
  const char *problem = NULL;
  meter_start(meter, now);
  for (size_t i = 0; i < count; i++) {
    for (size_t place = 0; place < connections[i].call_count; place++) {
      problem = http2_start(&connections[i], meter, place, now);
      if (problem != NULL) return problem;
    }
    problem = http2_flush(&connections[i]);
    if (problem == NULL) problem = watch(set, &connections[i], EPOLL_CTL_ADD);
    if (problem != NULL) return problem;
  }
  while (meter->phase != ENDING || under_way(connections, count) > 0) {
    struct epoll_event events[EVENTS];
    int ready = wait_for_replies(set, events, meter->round->is_awake);
    if (ready == 0) return "the server has not answered for 5 s";
    for (int i = 0; i < ready; i++) {
      struct http2_connection *connection = events[i].data.ptr;
      bool was_full = connection->output_length > 0;
      if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) problem = http2_read(connection, meter);
      if (problem == NULL) problem = http2_flush(connection);
      if (problem == NULL && was_full != (connection->output_length > 0)) problem = watch(set, connection, EPOLL_CTL_MOD);
      if (problem != NULL) return problem;
    }
  }
  return NULL;
}

const char *http2_client_run(struct meter *meter) {
  size_t count = meter->round->connections;
  struct http2_connection *connections = calloc(count, sizeof *connections);
  if (connections == NULL) return "no memory for the load";
  for (size_t i = 0; i < count; i++) connections[i].socket = -1;
  int set = epoll_create1(EPOLL_CLOEXEC);
  const char *problem = set < 0 ? "no epoll set" : NULL;
  for (size_t i = 0; i < count && problem == NULL; i++) problem = http2_open(&connections[i], meter);
  if (problem == NULL) problem = drive(meter, connections, count, set);
  for (size_t i = 0; i < count; i++) http2_close(&connections[i]);
  if (set >= 0) close(set);
  free(connections);
  return problem;
}
