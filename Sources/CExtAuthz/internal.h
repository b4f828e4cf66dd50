// What the files of the server share. A server is a set of workers; a worker is a thread with a completion queue. Calls are
// asked for one at a time by each worker (a pull), so whichever worker is free takes the next call, whatever connection it
// came on.
//
// Ownership: a call object belongs to one worker from its creation on, and only that worker's thread touches it. What other
// threads may touch is atomic, or guarded by `lock`.
#pragma once

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <stdatomic.h>

#include "codec.h"

typedef struct worker worker;
typedef struct event event;

/// What a completion queue hands back: something that knows what to do.
struct event {
  void (*run)(event *event, worker *worker, bool ok);
};

typedef enum call_kind {
  CALL_CHECK,
  CALL_HEALTH_CHECK,
  /// Any method that was not registered.
  CALL_OTHER,
  CALL_KIND_COUNT,
} call_kind;

/// One unary call, from being asked for to being over, then asked for again.
typedef struct unary_call {
  event arrived;
  event finished;
  call_kind kind;
  grpc_call *call;
  gpr_timespec deadline;
  grpc_metadata_array metadata;
  /// For CALL_OTHER.
  grpc_call_details details;
  grpc_byte_buffer *payload;
  int cancelled;
  struct unary_call *next;
} unary_call;

typedef enum counter {
  COUNT_CHECKS,
  COUNT_ALLOWED,
  COUNT_DENIED,
  COUNT_MALFORMED,
  COUNT_TOO_LARGE,
  COUNT_DEADLINE_EXCEEDED,
  COUNT_INTERNAL_ERRORS,
  COUNT_CANCELLED,
  COUNT_UNIMPLEMENTED,
  COUNT_HEALTH_CHECKS,
  COUNT_HEALTH_WATCHES,
  /// Unary calls that arrived, and that ended: their difference is what is in flight.
  COUNT_STARTED,
  COUNT_ENDED,
  COUNT_LIMIT,
} counter;

struct worker {
  struct extauthz_server *server;
  uint32_t index;
  pthread_t thread;
  bool thread_started;
  grpc_completion_queue *queue;
  /// The queue takes no more operations: the core ends the process when one is begun all the same. Written and read by this
  /// worker's thread alone, which is why it closes its queue itself, when `close` comes.
  bool closed;
  event close;
  extauthz_arena *arena;
  /// Idle call objects.
  unary_call *idle;
  /// Written by this worker's thread alone.
  _Atomic uint64_t counters[COUNT_LIMIT];
};

/// A socket that listens, as we keep it: a duplicate, to close the port while gRPC's connections live on.
typedef struct listening_sockets {
  int *descriptors;
  size_t count;
} listening_sockets;

/// The socket file of a unix listener.
typedef struct socket_file {
  /// What clients connect to.
  char *path;
  /// What gRPC bound; renamed to `path` afterwards.
  char *bound_path;
  uint64_t device;
  uint64_t inode;
} socket_file;

struct watch;

struct extauthz_server {
  extauthz_handler handler;
  void *context;
  grpc_server *server;
  void *methods[CALL_OTHER];
  void *watch_method;
  worker *workers;
  uint32_t worker_count;
  listening_sockets sockets;
  socket_file *socket_files;
  size_t socket_file_count;
  /// No more calls are asked for.
  atomic_bool stopping;

  pthread_mutex_t lock;
  pthread_cond_t changed;
  // Guarded by `lock`:
  bool serving;
  bool ending_watches;
  struct watch *watches;
  bool draining;
  bool drained;
  bool drained_cleanly;
  bool shut_down;
  event shutdown_event;
};

void count(worker *worker, counter counter);
uint64_t count_total(const extauthz_server *server, counter counter);

// call.c: what all unary calls have in common.
/// Asks for a call of this kind. Without memory or while stopping, does nothing.
void call_request(worker *worker, call_kind kind);
/// Ends the call: with a message if there is one (ownership passes), else with the status.
void call_reply(unary_call *call, worker *worker, grpc_slice message);
void call_fail(unary_call *call, worker *worker, grpc_status_code code, const char *details);
/// The payload as contiguous bytes, borrowed from it or copied to the arena. False: no memory.
bool payload_bytes(grpc_byte_buffer *payload, extauthz_arena *arena, extauthz_bytes *bytes);
bool payload_is_compressed(const grpc_byte_buffer *payload);
void call_free_idle(worker *worker);

// check.c
void check_answer(unary_call *call, worker *worker);

// health.c
void health_answer(unary_call *call, worker *worker);
void watch_request(worker *worker);
void health_set(extauthz_server *server, bool serving);
/// Ends all watches, now and later ones.
void health_end_watches(extauthz_server *server);

// listeners.c
/// Adds all listeners to the server. False: `error` says why.
bool listeners_add(
    extauthz_server *server, const extauthz_server_options *options, uint16_t *bound_ports, char *error, size_t capacity);
/// Finds the sockets that listen now and did not before.
listening_sockets listeners_snapshot(void);
void listeners_keep_new(extauthz_server *server, const listening_sockets *before);
/// No new connections from now on.
void listeners_close(extauthz_server *server);
void listeners_free(extauthz_server *server);

// unix_socket.c
/// Makes room for a socket at `path` and decides where gRPC is to bind it. False: `error` says why.
bool socket_file_prepare(socket_file *file, const char *path, bool take_over, char *error, size_t capacity);
/// Moves the bound socket to where clients look for it.
bool socket_file_publish(socket_file *file, char *error, size_t capacity);
/// Removes the file if it is still ours.
void socket_file_remove(socket_file *file);

// tls.c
/// Null: `error` says why.
grpc_server_credentials *tls_credentials(const extauthz_server_options *options, char *error, size_t capacity);

// goaway.c
/// Tells all clients to open no more calls on their connections, and goes on accepting what they already sent. False: this
/// gRPC library does not offer it.
bool goaway_send(grpc_server *server);

/// Writes a terminated text.
void write_error(char *error, size_t capacity, const char *format, ...) __attribute__((format(printf, 3, 4)));
