// GOAWAY without shutting down. What enters: a server. What leaves: GOAWAY frames on all its connections. What never happens
// here: a call that is refused.
//
// grpc_server_shutdown_and_notify sends GOAWAY too, but from that moment on the C core drops calls that clients had already
// sent, and calls that wait for a worker; clients see them as CANCELLED. The core has what is needed, a graceful GOAWAY that
// goes on accepting for one round trip, but only behind a C++ method, Server::SendGoaways. It is exported by the shared
// library, and `grpc_server` is the C name of that class, so it is called here by its symbol, if the library has it and is of
// the line that this was verified with (core version 29, gRPC 1.51). Otherwise a drain is what the C interface offers.
//
// The method needs the thread's execution context, which exists only while the core runs something. The functor of a
// callback completion queue is run by the core, in such a context.

#include <string.h>

#include "internal.h"

// NOLINTNEXTLINE: the mangled name of grpc_core::Server::SendGoaways().
extern void grpc_core_server_send_goaways(grpc_server *server) __asm__("_ZN9grpc_core6Server11SendGoawaysEv")
    __attribute__((weak));

typedef struct errand {
  grpc_completion_queue_functor functor;
  grpc_server *server;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool done;
} errand;

static void run(grpc_completion_queue_functor *functor, int ok) {
  (void)ok;
  errand *errand_to_run = (errand *)functor;
  grpc_core_server_send_goaways(errand_to_run->server);
  pthread_mutex_lock(&errand_to_run->lock);
  errand_to_run->done = true;
  pthread_cond_signal(&errand_to_run->changed);
  pthread_mutex_unlock(&errand_to_run->lock);
}

bool goaway_send(grpc_server *server) {
  if (grpc_core_server_send_goaways == NULL || strncmp(grpc_version_string(), "29.", 3) != 0) return false;
  errand errand_to_run = {.functor = {.functor_run = run}, .server = server};
  pthread_mutex_init(&errand_to_run.lock, NULL);
  pthread_cond_init(&errand_to_run.changed, NULL);
  grpc_completion_queue *queue = grpc_completion_queue_create_for_callback(&errand_to_run.functor, NULL);
  // An empty queue is drained at once, and says so by running the functor.
  grpc_completion_queue_shutdown(queue);
  pthread_mutex_lock(&errand_to_run.lock);
  while (!errand_to_run.done) pthread_cond_wait(&errand_to_run.changed, &errand_to_run.lock);
  pthread_mutex_unlock(&errand_to_run.lock);
  grpc_completion_queue_destroy(queue);
  pthread_cond_destroy(&errand_to_run.changed);
  pthread_mutex_destroy(&errand_to_run.lock);
  return true;
}
