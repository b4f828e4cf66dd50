/* A host that counts what checks and resets ask of the allocator. Stands before the C library's entry points in the whole process.
 * usage: allocations POLICIES. Prints the number of calls during 4,000 checks and the resets that shall not allocate, after a first round;
 * exit code 1 when an answer is wrong. */
#include <malloc.h>
#include <portcullis.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static _Thread_local unsigned long calls;

void *malloc(size_t size) {
  calls += 1;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  calls += 1;
  return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
  calls += 1;
  return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  calls += 1;
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
  calls += 1;
  *block = __libc_memalign(alignment, size);
  return *block == NULL;
}

static int wrong;

/* Paths that the normalization must look at closely, whoever chose them: a fixed point and some that are none. */
static const char *const paths[] = {
    "/orders/1?x=y", "/a/rather/long/path/of/several/segments", "/a%20b", "/.x", "/caf\xc3\xa9", "/a/../b//c%2f%2e", "/a#b"};
enum { PATHS = sizeof paths / sizeof paths[0] };

/* Connections of every kind, and what makes each of them again. `resets_freely`: whether that may not allocate. */
struct subject {
  portcullis_connection *connection;
  portcullis_connection_facts facts;
  int resets_freely, is_allowed;
};

static void round_of(struct subject *subjects, int subject_count, int count, unsigned long *counted) {
  portcullis_header headers[] = {
      {portcullis_text("user-agent"), portcullis_text("host")}, {portcullis_text("x-team"), portcullis_text("a")}};
  portcullis_bytes names[] = {portcullis_text("sub")};
  portcullis_entry claims[] = {{names, 1, portcullis_text("someone"), 0, 0}};
  for (int index = 0; index < count; index++) {
    struct subject *subject = &subjects[index % subject_count];
    portcullis_request request = portcullis_request_init();
    request.protocol = PORTCULLIS_HTTP;
    request.method = portcullis_text("GET");
    request.host = portcullis_text("backend.shop:8080");
    request.path = portcullis_text(paths[index / subject_count % PATHS]);
    request.header_form = PORTCULLIS_HEADERS_LINES;
    request.headers = headers;
    request.header_count = 2;
    request.token = PORTCULLIS_TOKEN_VERIFIED;
    request.claims = claims;
    request.claim_count = 1;
    portcullis_decision decision = portcullis_decision_init();
    unsigned long before = calls;
    portcullis_check(subject->connection, &request, &decision);
    *counted += calls - before;
    wrong += decision.error != NULL || decision.outcome != (subject->is_allowed ? PORTCULLIS_ALLOW : PORTCULLIS_DENY);
    /* A request that is refused. */
    request.protocol = 0;
    before = calls;
    wrong += portcullis_check(subject->connection, &request, &decision) != PORTCULLIS_BAD_ARGUMENT;
    *counted += calls - before;
    before = calls;
    wrong += portcullis_connection_reset(subject->connection, &subject->facts, NULL) != PORTCULLIS_OK;
    if (subject->resets_freely) *counted += calls - before;
  }
}

int main(int count, char **words) {
  const char *sources[] = {count > 1 ? words[1] : ""};
  portcullis_options options = portcullis_options_init();
  options.paths = sources;
  options.path_count = 1;
  options.workload = "shop/backend";
  portcullis_engine *engine = NULL;
  portcullis_reader *reader = NULL;
  wrong += portcullis_engine_open(&options, &engine, NULL) != PORTCULLIS_OK;
  wrong += portcullis_reader_open(engine, &reader) != PORTCULLIS_OK;
  enum { ALLOWED, DENIED, LABELLED, WAYPOINT, SUBJECTS };
  struct subject subjects[SUBJECTS];
  for (int index = 0; index < SUBJECTS; index++) {
    portcullis_connection_facts facts = portcullis_connection_facts_init();
    facts.peer_kind = PORTCULLIS_PEER_URI;
    facts.port = 8080;
    facts.peer = portcullis_text("spiffe://cluster.local/ns/shop/sa/frontend-sa");
    if (index == DENIED) facts.peer = portcullis_text("spiffe://cluster.local/ns/shop/sa/db-sa");
    if (index == LABELLED || index == WAYPOINT) {
      facts.workload_namespace = portcullis_text("shop");
      facts.workload_labels =
          portcullis_text(index == LABELLED ? "app=backend" : "app=backend,gateway.networking.k8s.io/gateway-name=waypoint");
    }
    if (index == WAYPOINT) {
      facts.profile = PORTCULLIS_PROFILE_WAYPOINT;
      facts.service = portcullis_text("shop/backend");
    }
    subjects[index].facts = facts;
    subjects[index].resets_freely = index == ALLOWED || index == DENIED;
    subjects[index].is_allowed = index != DENIED;
    wrong += portcullis_connection_open(reader, &facts, &subjects[index].connection, NULL) != PORTCULLIS_OK;
  }
  unsigned long counted = 0;
  round_of(subjects, SUBJECTS, 2 * PATHS * SUBJECTS, &counted);
  counted = 0;
  round_of(subjects, SUBJECTS, 2000, &counted);
  printf("%lu\n", counted);
  for (int index = 0; index < SUBJECTS; index++) portcullis_connection_close(subjects[index].connection);
  portcullis_reader_close(reader);
  portcullis_engine_close(engine);
  return wrong != 0;
}
