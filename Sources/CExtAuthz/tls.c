// TLS for listeners. What enters: paths of PEM files. What leaves: credentials that read the files again at intervals, demand
// a client certificate and verify it. What never happens here: a listener without client verification.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static const uint32_t default_refresh_seconds = 10;

/// gRPC's file watcher starts even when it can read nothing, and then fails every handshake in silence; so look first.
static bool looks_like_pem(const char *path, const char *what, char *error, size_t capacity) {
  if (path == NULL) {
    write_error(error, capacity, "a listener with TLS needs %s", what);
    return false;
  }
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    write_error(error, capacity, "cannot read %s `%s`: %s", what, path, strerror(errno));
    return false;
  }
  char line[256];
  bool found = false;
  while (!found && fgets(line, sizeof(line), file) != NULL) found = strncmp(line, "-----BEGIN ", 11) == 0;
  fclose(file);
  if (!found) write_error(error, capacity, "%s `%s` holds no PEM block", what, path);
  return found;
}

grpc_server_credentials *tls_credentials(const extauthz_server_options *options, char *error, size_t capacity) {
  if (!looks_like_pem(options->certificate_path, "a certificate file", error, capacity) ||
      !looks_like_pem(options->key_path, "a key file", error, capacity) ||
      !looks_like_pem(options->client_ca_path, "a file of client authorities", error, capacity)) {
    return NULL;
  }
  uint32_t seconds = options->refresh_seconds == 0 ? default_refresh_seconds : options->refresh_seconds;
  grpc_tls_certificate_provider *provider = grpc_tls_certificate_provider_file_watcher_create(
      options->key_path, options->certificate_path, options->client_ca_path, seconds);
  if (provider == NULL) {
    write_error(error, capacity, "cannot watch the certificate files");
    return NULL;
  }
  grpc_tls_credentials_options *tls = grpc_tls_credentials_options_create();
  grpc_tls_credentials_options_set_certificate_provider(tls, provider);
  grpc_tls_credentials_options_watch_root_certs(tls);
  grpc_tls_credentials_options_watch_identity_key_cert_pairs(tls);
  // The chain is verified during the handshake. There is no name of a client to compare, so nothing is left for a verifier
  // to do afterwards; the default one would compare host names.
  grpc_tls_credentials_options_set_cert_request_type(tls, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  grpc_tls_certificate_verifier *verifier = grpc_tls_certificate_verifier_no_op_create();
  grpc_tls_credentials_options_set_certificate_verifier(tls, verifier);
  grpc_tls_certificate_verifier_release(verifier);
  grpc_tls_credentials_options_set_check_call_host(tls, 0);
  grpc_server_credentials *credentials = grpc_tls_server_credentials_create(tls);
  grpc_tls_certificate_provider_release(provider);
  if (credentials == NULL) write_error(error, capacity, "gRPC refused the TLS settings");
  return credentials;
}
