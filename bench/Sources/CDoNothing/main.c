// The ceiling for Check: a gRPC server on the C core that decides nothing.
//
//   do-nothing-server ADDRESS WORKERS        ADDRESS: 127.0.0.1:PORT or unix:PATH
//
// What enters is any message sent to envoy.service.auth.v3.Authorization/Check; every byte of it is read, none is decoded.
// What leaves is always the same valid reply: allowed. It never decides, so it must never stand in front of anything real.
//
// It is as fast as the C core lets it be, so that nobody measures against a straw man: a registered method, the payload
// delivered with the call, a completion queue for each worker, one batch and one completion for the whole answer, calls
// prepared in advance, memory for a call reused, a reply that is never copied. SIGTERM and SIGINT end it.
#include <dlfcn.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PREPARED_CALLS = 128, MAX_WORKERS = 64 };

// CheckResponse{status{}, ok_response{}}: google.rpc.Status with code 0 is the empty message, and `status` is present.
static const uint8_t allow_reply[] = {0x0a, 0x00, 0x1a, 0x00};

struct worker;

// One call: asked for, then answered, then asked for again. `answering` says which of the two completions comes next.
struct prepared_call {
  struct worker *worker;
  grpc_call *call;
  gpr_timespec deadline;
  grpc_metadata_array metadata;
  grpc_byte_buffer *payload;
  int cancelled;
  int answering;
};

struct worker {
  grpc_server *server;
  void *method;
  grpc_completion_queue *queue;
  pthread_t thread;
  uint64_t seen;  // what became of the request's bytes: kept so that reading them is not optimized away
  struct prepared_call calls[PREPARED_CALLS];
};

static void ask_for_call(struct prepared_call *prepared) {
  struct worker *worker = prepared->worker;
  prepared->answering = 0;
  prepared->payload = NULL;
  grpc_call_error error = grpc_server_request_registered_call(
      worker->server, worker->method, &prepared->call, &prepared->deadline, &prepared->metadata, &prepared->payload,
      worker->queue, worker->queue, prepared);
  if (error != GRPC_CALL_OK) {
    fprintf(stderr, "do-nothing-server: cannot ask for a call: %s\n", grpc_call_error_to_string(error));
    exit(1);
  }
}

// Every byte of the request, added up: a server that decides must at least have seen them.
static uint64_t read_payload(grpc_byte_buffer *payload) {
  uint64_t sum = 0;
  grpc_byte_buffer_reader reader;
  if (payload == NULL || !grpc_byte_buffer_reader_init(&reader, payload)) return 0;
  grpc_slice *slice;
  while (grpc_byte_buffer_reader_peek(&reader, &slice)) {
    const uint8_t *bytes = GRPC_SLICE_START_PTR(*slice);
    size_t length = GRPC_SLICE_LENGTH(*slice);
    for (size_t i = 0; i < length; i++) sum += bytes[i];
  }
  grpc_byte_buffer_reader_destroy(&reader);
  return sum;
}

static void answer(struct prepared_call *prepared) {
  prepared->worker->seen += read_payload(prepared->payload);
  grpc_slice slice = grpc_slice_from_static_buffer(allow_reply, sizeof allow_reply);
  grpc_byte_buffer *reply = grpc_raw_byte_buffer_create(&slice, 1);
  grpc_op batch[4];
  memset(batch, 0, sizeof batch);
  batch[0].op = GRPC_OP_SEND_INITIAL_METADATA;
  batch[1].op = GRPC_OP_SEND_MESSAGE;
  batch[1].data.send_message.send_message = reply;
  batch[2].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
  batch[2].data.send_status_from_server.status = GRPC_STATUS_OK;
  batch[3].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
  batch[3].data.recv_close_on_server.cancelled = &prepared->cancelled;
  prepared->answering = 1;
  grpc_call_error error = grpc_call_start_batch(prepared->call, batch, 4, prepared, NULL);
  grpc_byte_buffer_destroy(reply);
  if (error != GRPC_CALL_OK) {
    fprintf(stderr, "do-nothing-server: cannot answer: %s\n", grpc_call_error_to_string(error));
    exit(1);
  }
}

static void finish(struct prepared_call *prepared) {
  grpc_byte_buffer_destroy(prepared->payload);
  prepared->payload = NULL;
  grpc_call_unref(prepared->call);
  prepared->call = NULL;
}

static void *work(void *argument) {
  struct worker *worker = argument;
  for (size_t i = 0; i < PREPARED_CALLS; i++) {
    worker->calls[i].worker = worker;
    grpc_metadata_array_init(&worker->calls[i].metadata);
    ask_for_call(&worker->calls[i]);
  }
  for (;;) {
    grpc_event event = grpc_completion_queue_next(worker->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    if (event.type == GRPC_QUEUE_SHUTDOWN) break;
    if (event.type != GRPC_OP_COMPLETE || event.tag == NULL) continue;
    struct prepared_call *prepared = event.tag;
    if (!prepared->answering) {
      if (event.success) answer(prepared);  // not so only when the server shuts down: then nobody asks again
    } else {
      finish(prepared);
      ask_for_call(prepared);
    }
  }
  return NULL;
}

// The options that Portcullis gives its own server, as far as they touch speed: the ceiling must not be higher or lower for them.
static grpc_server *create_server(void) {
  static const struct {
    const char *key;
    int value;
  } settings[] = {
      {GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 4 * 1024 * 1024},
      {GRPC_ARG_MAX_METADATA_SIZE, 16 * 1024},
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, 4096},
      {GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0},
      {GRPC_ARG_HTTP2_BDP_PROBE, 0},
  };
  enum { COUNT = sizeof settings / sizeof *settings };
  grpc_arg arguments[COUNT];
  memset(arguments, 0, sizeof arguments);
  for (size_t i = 0; i < COUNT; i++) {
    arguments[i].type = GRPC_ARG_INTEGER;
    arguments[i].key = (char *)settings[i].key;
    arguments[i].value.integer = settings[i].value;
  }
  grpc_channel_args list = {COUNT, arguments};
  return grpc_server_create(&list, NULL);
}

int main(int count, char **arguments) {
  int workers = count == 3 ? atoi(arguments[2]) : 0;
  if (workers < 1 || workers > MAX_WORKERS) {
    fprintf(stderr, "usage: do-nothing-server ADDRESS WORKERS (1 to %d)\n", MAX_WORKERS);
    return 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);  // before any thread: all of them leave the signals to `sigwait`

  // As portcullis does: Debian's Abseil looks for deadlocks, and the ceiling must not pay for that alone.
  void (*set_mode)(int) = NULL;
  void *symbol = dlsym(RTLD_DEFAULT, "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE");
  memcpy(&set_mode, &symbol, sizeof(set_mode));
  if (set_mode != NULL) set_mode(0);
  grpc_init();
  grpc_server *server = create_server();
  void *method = grpc_server_register_method(
      server, "/envoy.service.auth.v3.Authorization/Check", NULL, GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
  struct worker *all = calloc((size_t)workers, sizeof *all);
  if (all == NULL) return 1;
  for (int i = 0; i < workers; i++) {
    all[i].server = server;
    all[i].method = method;
    all[i].queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(server, all[i].queue, NULL);
  }
  grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
  int port = grpc_server_add_http2_port(server, arguments[1], credentials);
  grpc_server_credentials_release(credentials);
  if (port == 0) {
    fprintf(stderr, "do-nothing-server: cannot listen on %s\n", arguments[1]);
    return 2;
  }
  grpc_server_start(server);
  for (int i = 0; i < workers; i++) {
    if (pthread_create(&all[i].thread, NULL, work, &all[i]) != 0) return 1;
  }
  printf("listening on %s with %d workers\n", arguments[1], workers);
  fflush(stdout);

  int signal = 0;
  sigwait(&signals, &signal);
  _exit(0);  // nothing is owed to anybody: the load has ended before the signal comes
}
