/* A proxy in miniature: it loads policies, takes a connection whose peer it has verified, and decides requests on it.
 *
 *     cc host.c $(pkg-config --cflags --libs portcullis) -o host
 *     ./host examples/shop shop/backend spiffe://cluster.local/ns/shop/sa/frontend-sa GET /orders
 *
 * Prints the decision and why. Exit code: 0 allowed, 1 denied, 2 it could not be asked. */
#include <portcullis.h>
#include <stdio.h>

static int fail(const char *what, portcullis_status status, const char *detail) {
  fprintf(stderr, "%s: %s%s%s\n", what, portcullis_status_text(status), detail ? ": " : "", detail ? detail : "");
  return 2;
}

int main(int count, char **words) {
  if (count != 6) {
    fprintf(stderr, "usage: %s POLICIES NAMESPACE/WORKLOAD SPIFFE-URI METHOD PATH\n", words[0]);
    return 2;
  }

  /* Once in the life of the process. */
  const char *paths[] = {words[1]};
  portcullis_options options = portcullis_options_init();
  options.paths = paths;
  options.path_count = 1;
  options.workload = words[2];
  portcullis_engine *engine;
  char *message;
  portcullis_status status = portcullis_engine_open(&options, &engine, &message);
  if (status != PORTCULLIS_OK) return fail("open", status, message);
  portcullis_text_free(message); /* warnings, or null */

  /* Once a thread. */
  portcullis_reader *reader;
  status = portcullis_reader_open(engine, &reader);
  if (status != PORTCULLIS_OK) return fail("reader", status, NULL);

  /* Once a connection, after the handshake: what will not change. */
  portcullis_connection_facts facts = portcullis_connection_facts_init();
  facts.peer_kind = PORTCULLIS_PEER_URI;
  facts.peer = portcullis_text(words[3]);
  facts.port = 8080;
  portcullis_connection *connection;
  const char *problem;
  status = portcullis_connection_open(reader, &facts, &connection, &problem);
  if (status != PORTCULLIS_OK) return fail("connection", status, problem);

  /* Once a request: the rest. This one has no headers and no token, and says so. */
  portcullis_request request = portcullis_request_init();
  request.protocol = PORTCULLIS_HTTP;
  request.method = portcullis_text(words[4]);
  request.path = portcullis_text(words[5]);
  request.header_form = PORTCULLIS_HEADERS_LINES;
  request.token = PORTCULLIS_TOKEN_NONE;
  portcullis_decision decision = portcullis_decision_init();
  status = portcullis_check(connection, &request, &decision);
  if (status != PORTCULLIS_OK) return fail("check", status, decision.error);
  printf("%s (%s)%s%s\n", portcullis_outcome_name(decision.outcome), decision.reason_code, decision.policy.size ? " by " : "",
         decision.policy.data);

  portcullis_connection_close(connection);
  portcullis_reader_close(reader);
  portcullis_engine_close(engine);
  return decision.outcome == PORTCULLIS_ALLOW ? 0 : 1;
}
