/*
 * An Envoy that answers as a test says: what a real one is asked by the module, with the answers that a real one never gives.
 *
 * Enters: a connection with its answers, in place of Envoy's object. Leaves: what the module did to it, and its words in the log. Never here: a
 * socket, a thread, a decision. Texts are borrowed; a null text is an answer that is refused.
 */
#ifndef PORTCULLIS_FAKE_ENVOY_H
#define PORTCULLIS_FAKE_ENVOY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One connection, and the one request on it. */
typedef struct fake_connection {
  uint64_t number;
  bool is_tls;
  bool has_certificate;
  /* The certificate's names. There are `uri_count` URI names, all the same. */
  const char *uri;
  size_t uri_count;
  const char *dns_name;
  const char *subject;
  /* Which lists of names are refused, though their size is told. */
  bool refuses_uris;
  bool refuses_dns_names;
  /* As the network filter and as the HTTP filter see it. */
  const char *server_name;
  const char *server_name_attribute;
  const char *path;
  const char *host;
  /* The addresses of both ends, as an HTTP filter sees them. */
  const char *address;

  /* What became of it: the status of an answer, whether it was closed, the reason in the metadata. */
  uint32_t status;
  bool is_closed;
  char reason[64];
} fake_connection;

/* Copies what was logged so far, as far as there is room, with a NUL behind it. Any thread. */
void fake_envoy_log(char *room, size_t size);

#endif
