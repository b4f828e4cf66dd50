/* A host whose threads do everything at once, to be run under a sanitizer: readers that check, reset, ask and explain, each on its own reader,
 * while one thread replaces the policies again and again and asks how things are, another watches an engine do so by itself, and an intruder
 * uses a reader that is not its own. usage: threads DIRECTORY ROUNDS. Exit code 1 when an answer is none that the policies before or after
 * could give. */
#include <portcullis.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READERS = 3 };

static const char *const peers[] = {"spiffe://cluster.local/ns/shop/sa/frontend-sa", "spiffe://cluster.local/ns/shop/sa/other-sa"};
static const char pod[] = "apiVersion: v1\nkind: Pod\nmetadata: {namespace: shop, name: backend, labels: {app: backend}}\n---\n";
static const char policy[] =
    "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {namespace: shop, name: one}\n"
    "spec: {action: %s, rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/frontend-sa]}}]}]}\n";

static char directory[4000];
static char hashes[2][24];
static atomic_int wrong, over, checks[READERS];
static portcullis_connection *first;

static void expect(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "threads: %s\n", what);
  atomic_fetch_add(&wrong, 1);
}

/* Policies that allow the frontend alone (0), or deny it alone (1). */
static void write_policies(int kind) {
  char name[4096], beside[4096];
  snprintf(name, sizeof name, "%s/policies.yaml", directory);
  snprintf(beside, sizeof beside, "%s/.policies", directory);
  FILE *file = fopen(beside, "w");
  if (file == NULL) exit(2);
  fputs(pod, file);
  fprintf(file, policy, kind == 0 ? "ALLOW" : "DENY");
  if (fclose(file) != 0 || rename(beside, name) != 0) exit(2);
}

static portcullis_request request(void) {
  portcullis_request value = portcullis_request_init();
  value.protocol = PORTCULLIS_HTTP;
  value.method = portcullis_text("GET");
  value.path = portcullis_text("/a%20b");
  return value;
}

static portcullis_connection_facts facts(int peer, int by_labels) {
  portcullis_connection_facts value = portcullis_connection_facts_init();
  value.peer_kind = PORTCULLIS_PEER_URI;
  value.peer = portcullis_text(peers[peer]);
  if (by_labels) {
    value.workload_namespace = portcullis_text("shop");
    value.workload_labels = portcullis_text("app=backend");
  } else {
    value.workload = portcullis_text("shop/backend");
  }
  return value;
}

/* Whether a decision is that of one set of policies or the other. */
static int is_right(const portcullis_decision *decision, int peer) {
  for (int kind = 0; kind < 2; kind++) {
    if (strcmp(decision->snapshot, hashes[kind]) == 0) return decision->outcome == (kind == peer ? PORTCULLIS_ALLOW : PORTCULLIS_DENY);
  }
  return 0;
}

struct work {
  portcullis_engine *engine;
  int number;
  portcullis_reader *reader;
  portcullis_connection *connection;
};

static void *read_on(void *argument) {
  struct work *work = argument;
  for (unsigned round = 0; !atomic_load(&over); round++) {
    int peer = round / 4 % 2;
    portcullis_connection_facts value = facts(peer, work->number % 2);
    portcullis_status status = portcullis_connection_reset(work->connection, &value, NULL);
    portcullis_request question = request();
    portcullis_decision decision = portcullis_decision_init();
    portcullis_status checked = portcullis_check(work->connection, &question, &decision);
    /* The intruder may be in between: then nothing passes. */
    if (status == PORTCULLIS_OK && checked == PORTCULLIS_OK) {
      expect(is_right(&decision, peer), "a decision that is none of either set");
      atomic_fetch_add(&checks[work->number], 1);
    } else {
      expect(work->number == 0 && decision.outcome == PORTCULLIS_DENY, "a refusal without an intruder, or one that lets pass");
    }
    uint32_t tested = 0;
    status = portcullis_tested_facts(work->connection, &tested);
    expect(status == PORTCULLIS_OK ? tested == PORTCULLIS_FACT_PEER : work->number == 0 && tested == UINT32_MAX, "other facts that matter");
    if (round % 64 == 0) {
      char *text = NULL;
      portcullis_explain(work->connection, &question, &text);
      portcullis_text_free(text);
    }
  }
  return NULL;
}

static void *intrude(void *argument) {
  (void)argument;
  while (!atomic_load(&over)) {
    portcullis_request question = request();
    portcullis_decision decision = portcullis_decision_init();
    portcullis_status status = portcullis_check(first, &question, &decision);
    expect(status == PORTCULLIS_OK || decision.outcome == PORTCULLIS_DENY, "a refusal that lets pass");
    sched_yield();
  }
  return NULL;
}

static void ask_how_things_are(portcullis_engine *engine) {
  uint64_t generation = 0;
  char *text = NULL;
  expect(portcullis_engine_generation(engine, &generation) == PORTCULLIS_OK && generation > 0, "no generation");
  expect(portcullis_engine_describe(engine, &text) == PORTCULLIS_OK, "no description");
  portcullis_text_free(text);
}

/* The hash of the policies in force. */
static void learn(portcullis_connection *connection, char *hash) {
  portcullis_request question = request();
  portcullis_decision decision = portcullis_decision_init();
  expect(portcullis_check(connection, &question, &decision) == PORTCULLIS_OK, "no decision");
  memcpy(hash, decision.snapshot, sizeof decision.snapshot);
}

int main(int count, char **words) {
  if (count != 3) return 2;
  snprintf(directory, sizeof directory, "%s", words[1]);
  const char *paths[] = {directory};
  portcullis_options options = portcullis_options_init();
  options.paths = paths;
  options.path_count = 1;
  portcullis_engine *engine = NULL, *watching = NULL;
  write_policies(1);
  if (portcullis_engine_open(&options, &engine, NULL) != PORTCULLIS_OK) return 2;
  struct work work[READERS + 1];
  for (int index = 0; index <= READERS; index++) {
    /* The last one is the watching engine's. */
    if (index == READERS) {
      options.flags = PORTCULLIS_WATCH;
      if (portcullis_engine_open(&options, &watching, NULL) != PORTCULLIS_OK) return 2;
    }
    work[index] = (struct work){index < READERS ? engine : watching, index, NULL, NULL};
    portcullis_connection_facts value = facts(0, index % 2);
    if (portcullis_reader_open(work[index].engine, &work[index].reader) != PORTCULLIS_OK) return 2;
    if (portcullis_connection_open(work[index].reader, &value, &work[index].connection, NULL) != PORTCULLIS_OK) return 2;
    if (index == 0) {
      learn(work[0].connection, hashes[1]);
      write_policies(0);
      expect(portcullis_engine_reload(engine, NULL) == PORTCULLIS_OK, "no reload");
      learn(work[0].connection, hashes[0]);
    }
  }
  first = work[0].connection;
  pthread_t readers[READERS], intruder;
  for (int index = 0; index < READERS; index++) pthread_create(&readers[index], NULL, read_on, &work[index]);
  pthread_create(&intruder, NULL, intrude, NULL);
  for (int round = 0; round < atoi(words[2]); round++) {
    int before[READERS], kind = round % 2 == 0;
    for (int index = 0; index < READERS; index++) before[index] = atomic_load(&checks[index]);
    write_policies(kind);
    expect(portcullis_engine_reload(engine, NULL) == PORTCULLIS_OK, "no reload");
    ask_how_things_are(engine);
    ask_how_things_are(watching);
    /* Until every reader, and the engine that watches, has gone on. */
    for (int index = 0; index < READERS; index++) {
      while (atomic_load(&checks[index]) < before[index] + 2) sched_yield();
    }
    portcullis_request question = request();
    portcullis_decision decision = portcullis_decision_init();
    do {
      expect(portcullis_check(work[READERS].connection, &question, &decision) == PORTCULLIS_OK, "no decision");
      sched_yield();
    } while (strcmp(decision.snapshot, hashes[kind]) != 0);
    expect(is_right(&decision, 0), "a decision that is none of either set");
  }
  atomic_store(&over, 1);
  pthread_join(intruder, NULL);
  for (int index = 0; index < READERS; index++) pthread_join(readers[index], NULL);
  for (int index = 0; index <= READERS; index++) {
    expect(portcullis_connection_close(work[index].connection) == PORTCULLIS_OK, "no end of a connection");
    expect(portcullis_reader_close(work[index].reader) == PORTCULLIS_OK, "no end of a reader");
  }
  portcullis_engine_close(engine);
  portcullis_engine_close(watching);
  printf("%d wrong\n", atomic_load(&wrong));
  return atomic_load(&wrong) != 0;
}
