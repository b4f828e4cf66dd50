/* See tls_client.h. */
#include "tls_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct tls_client_identity {
  SSL_CTX *context;
};

struct tls_client_connection {
  int descriptor;
  SSL *tls;
};

tls_client_identity *tls_client_identity_new(const char *certificate, const char *key) {
  /* libssl writes with write(2), which raises SIGPIPE when the peer has gone. */
  signal(SIGPIPE, SIG_IGN);
  tls_client_identity *identity = calloc(1, sizeof *identity);
  if (identity == NULL) return NULL;
  identity->context = SSL_CTX_new(TLS_client_method());
  if (identity->context != NULL) {
    SSL_CTX_set_verify(identity->context, SSL_VERIFY_NONE, NULL);
    if (certificate == NULL) return identity;
    if (SSL_CTX_use_certificate_chain_file(identity->context, certificate) == 1 &&
        SSL_CTX_use_PrivateKey_file(identity->context, key, SSL_FILETYPE_PEM) == 1)
      return identity;
  }
  tls_client_identity_free(identity);
  return NULL;
}

void tls_client_identity_free(tls_client_identity *identity) {
  SSL_CTX_free(identity->context);
  free(identity);
}

/* The address in a socket's form: its length, or 0. */
static socklen_t socket_address(const char *text, uint16_t port, struct sockaddr_storage *address) {
  memset(address, 0, sizeof *address);
  struct sockaddr_in *four = (struct sockaddr_in *)address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    return sizeof *four;
  }
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1) return 0;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  return sizeof *six;
}

static int connected_socket(const char *source, const char *destination, uint16_t port) {
  struct sockaddr_storage from;
  struct sockaddr_storage to;
  socklen_t from_size = socket_address(source, 0, &from);
  socklen_t to_size = socket_address(destination, port, &to);
  if (from_size == 0 || from_size != to_size) return -1;
  int descriptor = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  struct timeval limit = {.tv_sec = 20};
  int yes = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
  if (bind(descriptor, (struct sockaddr *)&from, from_size) == 0 && connect(descriptor, (struct sockaddr *)&to, to_size) == 0)
    return descriptor;
  close(descriptor);
  return -1;
}

static int send_all(int descriptor, const uint8_t *bytes, size_t count) {
  while (count > 0) {
    ssize_t sent = send(descriptor, bytes, count, MSG_NOSIGNAL);
    if (sent <= 0) return -1;
    bytes += sent;
    count -= (size_t)sent;
  }
  return 0;
}

tls_client_connection *tls_client_open(
    tls_client_identity *identity, const char *source, const char *destination, uint16_t port, const char *sni,
    const char *preface) {
  tls_client_connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) return NULL;
  connection->descriptor = connected_socket(source, destination, port);
  if (connection->descriptor < 0) {
    free(connection);
    return NULL;
  }
  if (preface != NULL && send_all(connection->descriptor, (const uint8_t *)preface, strlen(preface)) != 0) {
    tls_client_close(connection);
    return NULL;
  }
  if (identity == NULL) return connection;
  connection->tls = SSL_new(identity->context);
  if (connection->tls != NULL && SSL_set_fd(connection->tls, connection->descriptor) == 1 &&
      (sni == NULL || SSL_set_tlsext_host_name(connection->tls, sni) == 1) && SSL_connect(connection->tls) == 1)
    return connection;
  tls_client_close(connection);
  return NULL;
}

int tls_client_send(tls_client_connection *connection, const uint8_t *bytes, size_t count) {
  if (connection->tls != NULL) {
    size_t written = 0;
    return SSL_write_ex(connection->tls, bytes, count, &written) == 1 && written == count ? 0 : -1;
  }
  return send_all(connection->descriptor, bytes, count);
}

long tls_client_receive(tls_client_connection *connection, uint8_t *bytes, size_t count) {
  errno = 0;
  if (connection->tls != NULL) {
    size_t got = 0;
    if (SSL_read_ex(connection->tls, bytes, count, &got) == 1) return (long)got;
    return errno == EAGAIN || errno == EWOULDBLOCK ? -1 : 0;
  }
  ssize_t got = recv(connection->descriptor, bytes, count, 0);
  if (got >= 0) return got;
  return errno == EAGAIN || errno == EWOULDBLOCK ? -1 : 0;
}

void tls_client_close(tls_client_connection *connection) {
  SSL_free(connection->tls);
  /* Thousands of short connections: none stays behind in TIME_WAIT. */
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(connection->descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(connection->descriptor);
  free(connection);
}

static EVP_PKEY *private_key(const char *text) {
  BIO *source = BIO_new_mem_buf(text, -1);
  if (source == NULL) return NULL;
  EVP_PKEY *key = PEM_read_bio_PrivateKey(source, NULL, NULL, NULL);
  BIO_free(source);
  return key;
}

size_t tls_client_sign(const char *text, const uint8_t *bytes, size_t count, uint8_t *signature, size_t capacity) {
  EVP_PKEY *key = private_key(text);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  size_t length = capacity;
  if (key == NULL || context == NULL || EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) != 1 ||
      EVP_DigestSign(context, signature, &length, bytes, count) != 1)
    length = 0;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return length;
}

size_t tls_client_modulus(const char *text, uint8_t *modulus, size_t capacity) {
  EVP_PKEY *key = private_key(text);
  BIGNUM *number = NULL;
  size_t length = 0;
  if (key != NULL && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &number) == 1 && (size_t)BN_num_bytes(number) <= capacity)
    length = (size_t)BN_bn2bin(number, modulus);
  BN_free(number);
  EVP_PKEY_free(key);
  return length;
}
