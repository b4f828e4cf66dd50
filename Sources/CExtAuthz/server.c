// The server's life. What enters: options. What leaves: threads that answer until the server is drained. What never happens
// here: a half-started server, and a call that is lost because we stop.

#include <dlfcn.h>
#include <grpc/support/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static const uint32_t max_workers = 256;
static const uint32_t default_max_message_bytes = 4 * 1024 * 1024;

/// Starting is serialized in the process, so that the sockets which begin to listen meanwhile are this server's.
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;

static _Atomic(extauthz_log_handler) log_handler;

static void forward_log(gpr_log_func_args *arguments) {
  extauthz_log_handler handler = atomic_load(&log_handler);
  if (handler != NULL) handler((int32_t)arguments->severity, arguments->message);
}

/// Abseil built without NDEBUG, as Debian builds it, keeps a graph of the locks that each thread holds and aborts the process at an order
/// which it takes for a deadlock: 3 % of a Check's CPU, and a way to fall over that release builds of the C core do not have. It offers
/// a switch, in C++ and under a name of that build; where the name is another, nothing changes.
static void ignore_lock_order(void) {
  enum { ignore = 0 };
  void (*set_mode)(int) = NULL;
  void *symbol = dlsym(RTLD_DEFAULT, "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE");
  memcpy(&set_mode, &symbol, sizeof(set_mode));
  if (set_mode != NULL) set_mode(ignore);
}

static void *work(void *argument) {
  worker *self = argument;
  for (;;) {
    grpc_event next = grpc_completion_queue_next(self->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    if (next.type == GRPC_QUEUE_SHUTDOWN) return NULL;
    if (next.type == GRPC_OP_COMPLETE) {
      event *completed = next.tag;
      completed->run(completed, self, next.success != 0);
    }
  }
}

/// The last event that is sent to a worker on purpose. Calls whose clients are gone may still lie behind it.
static void close_queue(event *event, worker *worker, bool ok) {
  (void)event;
  (void)ok;
  worker->closed = true;
  grpc_completion_queue_shutdown(worker->queue);
}

/// Memory of all connections together, at least.
static const size_t min_quota = 256 * 1024 * 1024;

static grpc_server *create_server(const extauthz_server_options *options) {
  uint32_t max_message = options->max_message_bytes == 0 ? default_max_message_bytes : options->max_message_bytes;
  if (max_message > INT32_MAX) max_message = INT32_MAX;
  const struct {
    const char *key;
    int value;
  } settings[] = {
      {GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)max_message},
      {GRPC_ARG_MAX_METADATA_SIZE, 16 * 1024},
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, 1024},
      // Messages arrive as they were sent, so that compressed ones can be refused unopened.
      {GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0},
      // Proxies ping often, also without calls; that must not earn them ENHANCE_YOUR_CALM.
      {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000},
      {GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0},
      {GRPC_ARG_HTTP2_BDP_PROBE, 0},
      // Always, because a successor can only share a port with one that shares it.
      {GRPC_ARG_ALLOW_REUSEPORT, 1},
  };
  enum { setting_count = sizeof(settings) / sizeof(settings[0]) };
  grpc_arg arguments[setting_count + 1];
  memset(arguments, 0, sizeof(arguments));
  for (size_t i = 0; i < setting_count; i++) {
    arguments[i].type = GRPC_ARG_INTEGER;
    arguments[i].key = (char *)settings[i].key;
    arguments[i].value.integer = settings[i].value;
  }
  // Streams that never finish their message would otherwise hold as much memory as their sender likes.
  grpc_resource_quota *quota = grpc_resource_quota_create("portcullis");
  size_t memory = (size_t)max_message * 32;
  grpc_resource_quota_resize(quota, memory > min_quota ? memory : min_quota);
  arguments[setting_count] = (grpc_arg){GRPC_ARG_POINTER, GRPC_ARG_RESOURCE_QUOTA, {.pointer = {quota, grpc_resource_quota_arg_vtable()}}};
  grpc_channel_args list = {setting_count + 1, arguments};
  grpc_server *created = grpc_server_create(&list, NULL);
  grpc_resource_quota_unref(quota);
  return created;
}

static bool create_workers(extauthz_server *server, const extauthz_server_options *options) {
  uint32_t wanted = options->workers;
  if (wanted == 0) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    wanted = processors < 1 ? 1 : (uint32_t)processors;
  }
  if (wanted > max_workers) wanted = max_workers;
  server->workers = calloc(wanted, sizeof(*server->workers));
  if (server->workers == NULL) return false;
  server->worker_count = wanted;
  for (uint32_t i = 0; i < wanted; i++) {
    server->workers[i].server = server;
    server->workers[i].index = i;
    server->workers[i].close.run = close_queue;
    server->workers[i].queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(server->server, server->workers[i].queue, NULL);
    server->workers[i].arena = extauthz_arena_create(0);
    if (server->workers[i].arena == NULL) return false;
  }
  return true;
}

static bool register_methods(extauthz_server *server) {
  const grpc_server_register_method_payload_handling read_message = GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER;
  server->methods[CALL_CHECK] =
      grpc_server_register_method(server->server, "/envoy.service.auth.v3.Authorization/Check", NULL, read_message, 0);
  server->methods[CALL_HEALTH_CHECK] =
      grpc_server_register_method(server->server, "/grpc.health.v1.Health/Check", NULL, read_message, 0);
  server->watch_method = grpc_server_register_method(server->server, "/grpc.health.v1.Health/Watch", NULL, read_message, 0);
  return server->methods[CALL_CHECK] != NULL && server->methods[CALL_HEALTH_CHECK] != NULL && server->watch_method != NULL;
}

/// How many checks each worker asks for in advance. Several workers ask for one at a time each, so that a call goes to whoever is free,
/// also when all come on one connection. One worker alone has nobody to leave calls to, and saves gRPC the queueing of those that wait.
static uint32_t checks_in_advance(const extauthz_server *server) { return server->worker_count == 1 ? 64 : 1; }

static bool start_threads(extauthz_server *server) {
  for (uint32_t i = 0; i < server->worker_count; i++) {
    for (uint32_t n = 0; n < checks_in_advance(server); n++) call_request(&server->workers[i], CALL_CHECK);
  }
  // What is rare is the first worker's.
  call_request(&server->workers[0], CALL_HEALTH_CHECK);
  call_request(&server->workers[0], CALL_OTHER);
  watch_request(&server->workers[0]);
  for (uint32_t i = 0; i < server->worker_count; i++) {
    worker *each = &server->workers[i];
    if (pthread_create(&each->thread, NULL, work, each) != 0) return false;
    each->thread_started = true;
    char name[16];
    snprintf(name, sizeof(name), "extauthz-%u", (unsigned)i);
    pthread_setname_np(each->thread, name);
  }
  return true;
}

static void shutdown_finished(event *event, worker *worker, bool ok) {
  (void)event;
  (void)ok;
  pthread_mutex_lock(&worker->server->lock);
  worker->server->shut_down = true;
  pthread_cond_broadcast(&worker->server->changed);
  pthread_mutex_unlock(&worker->server->lock);
}

/// Everything up to the running threads. False: `error` says why, and the server is to be destroyed.
static bool assemble(
    extauthz_server *server, const extauthz_server_options *options, char *error, size_t capacity, uint16_t *bound_ports) {
  server->server = create_server(options);
  server->socket_files = calloc(options->listener_count, sizeof(*server->socket_files));
  if (server->socket_files == NULL || !register_methods(server) || !create_workers(server, options)) {
    write_error(error, capacity, "out of memory");
    return false;
  }
  listening_sockets before = listeners_snapshot();
  bool added = listeners_add(server, options, bound_ports, error, capacity);
  // Also after a failure: a server that was never started cannot be shut down.
  grpc_server_start(server->server);
  if (added) listeners_keep_new(server, &before);
  free(before.descriptors);
  if (!added) atomic_store(&server->stopping, true);
  if (start_threads(server)) return added;
  if (added) write_error(error, capacity, "cannot create a thread");
  return false;
}

extauthz_server *extauthz_server_start(
    const extauthz_server_options *options, char *error, size_t capacity, uint16_t *bound_ports) {
  write_error(error, capacity, "%s", "");
  if (options->listener_count == 0 || options->listeners == NULL) {
    write_error(error, capacity, "no address to listen on");
    return NULL;
  }
  extauthz_server *server = calloc(1, sizeof(*server));
  if (server == NULL) {
    write_error(error, capacity, "out of memory");
    return NULL;
  }
  server->handler = options->handler;
  server->context = options->context;
  server->shutdown_event.run = shutdown_finished;
  pthread_mutex_init(&server->lock, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&server->changed, &attributes);
  pthread_condattr_destroy(&attributes);

  // Threads inherit the mask: signals are the business of the process, not of a thread that decides or polls.
  sigset_t all;
  sigset_t previous;
  sigfillset(&all);
  pthread_mutex_lock(&starting);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  if (options->log != NULL) {
    atomic_store(&log_handler, options->log);
    gpr_set_log_function(forward_log);
  }
  ignore_lock_order();
  grpc_init();
  bool assembled = assemble(server, options, error, capacity, bound_ports);
  pthread_sigmask(SIG_SETMASK, &previous, NULL);
  pthread_mutex_unlock(&starting);
  if (assembled) return server;
  extauthz_server_destroy(server);
  return NULL;
}

void extauthz_server_set_serving(extauthz_server *server, bool serving) { health_set(server, serving); }

void extauthz_server_counters(extauthz_server *server, extauthz_server_counters_values *values) {
  values->checks = count_total(server, COUNT_CHECKS);
  values->allowed = count_total(server, COUNT_ALLOWED);
  values->denied = count_total(server, COUNT_DENIED);
  values->malformed = count_total(server, COUNT_MALFORMED);
  values->too_large = count_total(server, COUNT_TOO_LARGE);
  values->deadline_exceeded = count_total(server, COUNT_DEADLINE_EXCEEDED);
  values->internal_errors = count_total(server, COUNT_INTERNAL_ERRORS);
  values->cancelled = count_total(server, COUNT_CANCELLED);
  values->unimplemented = count_total(server, COUNT_UNIMPLEMENTED);
  values->health_checks = count_total(server, COUNT_HEALTH_CHECKS);
  values->health_watches = count_total(server, COUNT_HEALTH_WATCHES);
}

void extauthz_server_destroy(extauthz_server *server) {
  if (server == NULL) return;
  extauthz_server_drain(server, 0);
  for (uint32_t i = 0; i < server->worker_count; i++) {
    worker *each = &server->workers[i];
    // The server has shut down, so this says so once more, at once: that is how an event of ours gets into a queue.
    if (each->queue != NULL) grpc_server_shutdown_and_notify(server->server, each->queue, &each->close);
  }
  for (uint32_t i = 0; i < server->worker_count; i++) {
    worker *each = &server->workers[i];
    if (each->thread_started) {
      pthread_join(each->thread, NULL);
    } else if (each->queue != NULL) {
      work(each);
    }
  }
  grpc_server_destroy(server->server);
  for (uint32_t i = 0; i < server->worker_count; i++) {
    worker *each = &server->workers[i];
    if (each->queue != NULL) grpc_completion_queue_destroy(each->queue);
    call_free_idle(each);
    extauthz_arena_destroy(each->arena);
  }
  free(server->workers);
  listeners_free(server);
  pthread_cond_destroy(&server->changed);
  pthread_mutex_destroy(&server->lock);
  free(server);
  grpc_shutdown();
}
