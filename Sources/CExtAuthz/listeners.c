// Where the server listens. What enters: addresses. What leaves: bound ports, and a way to close the listeners while the
// connections go on, which gRPC itself does not offer: duplicates of its listening sockets. What never happens here: a
// listener that gives way to plaintext because its credentials could not be made.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

static const char unix_prefix[] = "unix:";

void write_error(char *error, size_t capacity, const char *format, ...) {
  if (capacity == 0) return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error, capacity, format, arguments);
  va_end(arguments);
}

static bool add_unix(
    extauthz_server *server, const extauthz_server_options *options, const char *path, grpc_server_credentials *credentials,
    char *error, size_t capacity) {
  socket_file *file = &server->socket_files[server->socket_file_count++];
  if (!socket_file_prepare(file, path, options->take_over, error, capacity)) return false;
  size_t size = sizeof(unix_prefix) + strlen(file->bound_path);
  char *address = malloc(size);
  if (address == NULL) {
    write_error(error, capacity, "out of memory");
    return false;
  }
  snprintf(address, size, "%s%s", unix_prefix, file->bound_path);
  int bound = grpc_server_add_http2_port(server->server, address, credentials);
  free(address);
  if (bound == 0) {
    write_error(error, capacity, "cannot listen on `unix:%s`", path);
    return false;
  }
  return socket_file_publish(file, error, capacity);
}

/// Does somebody listen on this TCP address? Our own socket could share any port with a server of ours, so we ask with one that
/// shares nothing.
static bool is_listened_on(const char *address) {
  const char *colon = strrchr(address, ':');
  if (colon == NULL || strcmp(colon + 1, "0") == 0) return false;
  char host[256];
  size_t length = (size_t)(colon - address);
  if (length >= 2 && address[0] == '[' && colon[-1] == ']') {
    address++;
    length -= 2;
  }
  if (length == 0 || length >= sizeof(host)) return false;
  memcpy(host, address, length);
  host[length] = '\0';
  struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  if (getaddrinfo(host, colon + 1, &hints, &found) != 0) return false;
  bool in_use = false;
  for (const struct addrinfo *one = found; one != NULL && !in_use; one = one->ai_next) {
    int descriptor = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) continue;
    // Connections that are still closing are no reason to refuse.
    int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    in_use = bind(descriptor, one->ai_addr, one->ai_addrlen) != 0 && errno == EADDRINUSE;
    close(descriptor);
  }
  freeaddrinfo(found);
  return in_use;
}

static bool add_one(
    extauthz_server *server, const extauthz_server_options *options, const extauthz_listener *listener,
    grpc_server_credentials *credentials, uint16_t *bound_port, char *error, size_t capacity) {
  if (strncmp(listener->address, unix_prefix, sizeof(unix_prefix) - 1) == 0) {
    *bound_port = 0;
    return add_unix(
        server, options, listener->address + sizeof(unix_prefix) - 1, credentials, error, capacity);
  }
  if (!options->take_over && is_listened_on(listener->address)) {
    write_error(error, capacity, "cannot listen on `%s`: another process listens there", listener->address);
    return false;
  }
  int port = grpc_server_add_http2_port(server->server, listener->address, credentials);
  if (port <= 0 || port > UINT16_MAX) {
    write_error(error, capacity, "cannot listen on `%s`: not an address of this machine, or in use", listener->address);
    return false;
  }
  *bound_port = (uint16_t)port;
  return true;
}

bool listeners_add(
    extauthz_server *server, const extauthz_server_options *options, uint16_t *bound_ports, char *error, size_t capacity) {
  grpc_server_credentials *plain = grpc_insecure_server_credentials_create();
  grpc_server_credentials *tls = NULL;
  bool added = true;
  for (size_t i = 0; added && i < options->listener_count; i++) {
    const extauthz_listener *listener = &options->listeners[i];
    if (listener->tls && tls == NULL) tls = tls_credentials(options, error, capacity);
    if (listener->tls && tls == NULL) {
      added = false;
    } else {
      uint16_t port = 0;
      added = add_one(server, options, listener, listener->tls ? tls : plain, &port, error, capacity);
      if (bound_ports != NULL) bound_ports[i] = port;
    }
  }
  if (tls != NULL) grpc_server_credentials_release(tls);
  grpc_server_credentials_release(plain);
  return added;
}

// MARK: Closing

static bool is_listening(int descriptor) {
  int value = 0;
  socklen_t size = sizeof(value);
  return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

listening_sockets listeners_snapshot(void) {
  listening_sockets found = {NULL, 0};
  DIR *directory = opendir("/proc/self/fd");
  if (directory == NULL) return found;
  size_t capacity = 0;
  for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
    char *end = NULL;
    long number = strtol(entry->d_name, &end, 10);
    if (end == entry->d_name || *end != '\0' || number < 0 || number > INT32_MAX || !is_listening((int)number)) continue;
    if (found.count == capacity) {
      capacity = capacity == 0 ? 16 : capacity * 2;
      int *grown = realloc(found.descriptors, capacity * sizeof(*grown));
      if (grown == NULL) break;
      found.descriptors = grown;
    }
    found.descriptors[found.count++] = (int)number;
  }
  closedir(directory);
  return found;
}

static bool contains(const listening_sockets *sockets, int descriptor) {
  for (size_t i = 0; i < sockets->count; i++) {
    if (sockets->descriptors[i] == descriptor) return true;
  }
  return false;
}

void listeners_keep_new(extauthz_server *server, const listening_sockets *before) {
  listening_sockets now = listeners_snapshot();
  size_t kept = 0;
  for (size_t i = 0; i < now.count; i++) {
    if (contains(before, now.descriptors[i])) continue;
    int duplicate = fcntl(now.descriptors[i], F_DUPFD_CLOEXEC, 0);
    if (duplicate >= 0) now.descriptors[kept++] = duplicate;
  }
  now.count = kept;
  server->sockets = now;
}

void listeners_close(extauthz_server *server) {
  for (size_t i = 0; i < server->sockets.count; i++) {
    // Acts on the socket, so gRPC's own descriptor stops listening as well.
    shutdown(server->sockets.descriptors[i], SHUT_RDWR);
    close(server->sockets.descriptors[i]);
  }
  server->sockets.count = 0;
}

void listeners_free(extauthz_server *server) {
  for (size_t i = 0; i < server->sockets.count; i++) close(server->sockets.descriptors[i]);
  free(server->sockets.descriptors);
  for (size_t i = 0; i < server->socket_file_count; i++) socket_file_remove(&server->socket_files[i]);
  free(server->socket_files);
}
