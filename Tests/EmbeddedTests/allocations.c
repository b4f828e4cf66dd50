/* A host that counts what a check asks of the allocator. Stands before the C library's entry points in the whole process.
 * usage: allocations POLICIES. Prints the number of calls during 2,000 checks after a first round; exit code 1 when an answer is wrong. */
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

static void round_of(portcullis_connection *allowed, portcullis_connection *denied, portcullis_connection_facts *facts, int count) {
  portcullis_header headers[] = {
      {portcullis_text("user-agent"), portcullis_text("host")}, {portcullis_text("x-team"), portcullis_text("a")}};
  portcullis_bytes names[] = {portcullis_text("sub")};
  portcullis_entry claims[] = {{names, 1, portcullis_text("someone"), 0, 0}};
  for (int index = 0; index < count; index++) {
    portcullis_request request = portcullis_request_init();
    request.protocol = PORTCULLIS_HTTP;
    request.method = portcullis_text("GET");
    request.host = portcullis_text("backend.shop:8080");
    request.path = portcullis_text(index % 2 ? "/orders/1?x=y" : "/a/rather/long/path/of/several/segments");
    request.header_form = PORTCULLIS_HEADERS_LINES;
    request.headers = headers;
    request.header_count = 2;
    request.token = PORTCULLIS_TOKEN_VERIFIED;
    request.claims = claims;
    request.claim_count = 1;
    portcullis_decision decision = portcullis_decision_init();
    portcullis_check(allowed, &request, &decision);
    wrong += decision.outcome != PORTCULLIS_ALLOW;
    portcullis_check(denied, &request, &decision);
    wrong += decision.outcome != PORTCULLIS_DENY || decision.error != NULL;
    /* Connections that are used again, and requests that are refused. */
    wrong += portcullis_connection_reset(denied, facts, NULL) != PORTCULLIS_OK;
    request.protocol = 0;
    wrong += portcullis_check(allowed, &request, &decision) != PORTCULLIS_BAD_ARGUMENT;
  }
}

int main(int count, char **words) {
  const char *paths[] = {count > 1 ? words[1] : ""};
  portcullis_options options = portcullis_options_init();
  options.paths = paths;
  options.path_count = 1;
  options.workload = "shop/backend";
  portcullis_engine *engine = NULL;
  portcullis_reader *reader = NULL;
  portcullis_connection *allowed = NULL, *denied = NULL;
  wrong += portcullis_engine_open(&options, &engine, NULL) != PORTCULLIS_OK;
  wrong += portcullis_reader_open(engine, &reader) != PORTCULLIS_OK;
  portcullis_connection_facts facts = portcullis_connection_facts_init();
  facts.peer_kind = PORTCULLIS_PEER_URI;
  facts.port = 8080;
  facts.peer = portcullis_text("spiffe://cluster.local/ns/shop/sa/frontend-sa");
  wrong += portcullis_connection_open(reader, &facts, &allowed, NULL) != PORTCULLIS_OK;
  facts.peer = portcullis_text("spiffe://cluster.local/ns/shop/sa/db-sa");
  wrong += portcullis_connection_open(reader, &facts, &denied, NULL) != PORTCULLIS_OK;
  round_of(allowed, denied, &facts, 10);
  unsigned long before = calls;
  round_of(allowed, denied, &facts, 1000);
  printf("%lu\n", calls - before);
  portcullis_connection_close(allowed);
  portcullis_connection_close(denied);
  portcullis_reader_close(reader);
  portcullis_engine_close(engine);
  return wrong != 0;
}
