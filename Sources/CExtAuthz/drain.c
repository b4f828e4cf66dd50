// Stopping. What enters: a running server and how long it may take. What leaves: whether every call was answered. What never
// happens here: a call refused that a client sent before it could know.
//
// The order: health says NOT_SERVING; the listeners close, so new connections go to a successor; GOAWAY tells clients to open
// no more calls here, while those under way still get their answers; when it has been quiet for a while, or the grace is
// over, the server shuts down for good, which would lose calls only if some came after the quiet.

#include <stdlib.h>
#include <time.h>

#include "internal.h"

/// How long no call must have come before connections count as abandoned by their clients.
static const uint64_t quiet_milliseconds = 150;
static const uint64_t step_milliseconds = 10;
/// A connection that was just being made when the first GOAWAY was sent gets a later one.
static const uint64_t repeat_milliseconds = 50;

static uint64_t now_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pause_milliseconds(uint64_t milliseconds) {
  struct timespec duration = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
  nanosleep(&duration, NULL);
}

static uint64_t in_flight(const extauthz_server *server) {
  // In this order: what ended before was started before, so the difference is never negative.
  uint64_t ended = count_total(server, COUNT_ENDED);
  uint64_t begun = count_total(server, COUNT_STARTED);
  return begun - ended;
}

/// Serves what still comes. Returns when it is quiet or at the deadline.
static void see_clients_off(extauthz_server *server, uint64_t deadline) {
  if (!goaway_send(server->server)) return;
  uint64_t last_goaway = now_milliseconds();
  uint64_t last_activity = last_goaway;
  uint64_t begun = count_total(server, COUNT_STARTED);
  for (uint64_t now = last_goaway; now < deadline; now = now_milliseconds()) {
    uint64_t begun_now = count_total(server, COUNT_STARTED);
    if (begun_now != begun || in_flight(server) != 0) last_activity = now;
    begun = begun_now;
    if (now - last_activity >= quiet_milliseconds) return;
    if (now - last_goaway >= repeat_milliseconds) {
      goaway_send(server->server);
      last_goaway = now;
    }
    pause_milliseconds(step_milliseconds);
  }
}

/// With the lock held. False: the deadline passed first.
static bool wait_for_shutdown(extauthz_server *server, uint64_t deadline) {
  struct timespec until = {(time_t)(deadline / 1000), (long)(deadline % 1000) * 1000000};
  while (!server->shut_down) {
    if (pthread_cond_timedwait(&server->changed, &server->lock, &until) != 0) return server->shut_down;
  }
  return true;
}

static bool shut_down(extauthz_server *server, uint64_t deadline) {
  atomic_store_explicit(&server->stopping, true, memory_order_release);
  grpc_server_shutdown_and_notify(server->server, server->workers[0].queue, &server->shutdown_event);
  if (!server->workers[0].thread_started) {
    // Nobody reads the queues: the start failed, there is no connection and no call. What is in the queues, this server's
    // end included, is read by extauthz_server_destroy.
    return true;
  }
  pthread_mutex_lock(&server->lock);
  bool in_time = wait_for_shutdown(server, deadline);
  pthread_mutex_unlock(&server->lock);
  if (in_time) return true;
  // What is left are calls, or clients that keep idle connections open although they were asked to go.
  bool none_cancelled = in_flight(server) == 0;
  grpc_server_cancel_all_calls(server->server);
  pthread_mutex_lock(&server->lock);
  while (!server->shut_down) pthread_cond_wait(&server->changed, &server->lock);
  pthread_mutex_unlock(&server->lock);
  return none_cancelled;
}

bool extauthz_server_drain(extauthz_server *server, uint32_t grace_milliseconds) {
  pthread_mutex_lock(&server->lock);
  if (server->draining) {
    while (!server->drained) pthread_cond_wait(&server->changed, &server->lock);
    bool cleanly = server->drained_cleanly;
    pthread_mutex_unlock(&server->lock);
    return cleanly;
  }
  server->draining = true;
  pthread_mutex_unlock(&server->lock);

  uint64_t deadline = now_milliseconds() + grace_milliseconds;
  health_set(server, false);
  listeners_close(server);
  if (server->workers != NULL && server->workers[0].thread_started) see_clients_off(server, deadline);
  health_end_watches(server);
  bool cleanly = true;
  if (server->workers != NULL && server->workers[0].queue != NULL) cleanly = shut_down(server, deadline);

  pthread_mutex_lock(&server->lock);
  server->drained = true;
  server->drained_cleanly = cleanly;
  pthread_cond_broadcast(&server->changed);
  pthread_mutex_unlock(&server->lock);
  return cleanly;
}
