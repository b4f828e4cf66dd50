#ifndef PORTCULLIS_TLS_CLIENT_H
#define PORTCULLIS_TLS_CLIENT_H
/* A client for tests: one TCP or TLS connection with a chosen source address, certificate and server name. And what a signed token needs.
   Enters: files, addresses, bytes. Leaves: bytes. Never here: verification of the server (a test calls its own), a wait of more than 20 s. */
#include <stddef.h>
#include <stdint.h>

typedef struct tls_client_identity tls_client_identity;
typedef struct tls_client_connection tls_client_connection;

/* What a client shows: the certificate and key of these PEM files, or none when `certificate` is NULL. NULL when they cannot be read. */
tls_client_identity *_Nullable tls_client_identity_new(const char *_Nullable certificate, const char *_Nullable key);
void tls_client_identity_free(tls_client_identity *_Nonnull identity);

/* Connects from `source` to `destination` (two IPv4 or two IPv6 addresses); sends `preface`, if there is one, before anything else; without
   `identity` there is no TLS, without `sni` no server name. NULL on failure. */
tls_client_connection *_Nullable tls_client_open(
    tls_client_identity *_Nullable identity, const char *_Nonnull source, const char *_Nonnull destination, uint16_t port,
    const char *_Nullable sni, const char *_Nullable preface);
/* Sends everything: 0, or -1 when the connection is gone. */
int tls_client_send(tls_client_connection *_Nonnull connection, const uint8_t *_Nonnull bytes, size_t count);
/* The number of bytes that came, 0 when the peer closed or reset the connection, -1 when nothing came in time. */
long tls_client_receive(tls_client_connection *_Nonnull connection, uint8_t *_Nonnull bytes, size_t count);
void tls_client_close(tls_client_connection *_Nonnull connection);

/* Signs with the RSA key of a PEM text (SHA-256, PKCS 1): the length of the signature, at most `capacity`, or 0. */
size_t tls_client_sign(
    const char *_Nonnull key, const uint8_t *_Nonnull bytes, size_t count, uint8_t *_Nonnull signature, size_t capacity);
/* The modulus of an RSA key, most significant byte first: its length, at most `capacity`, or 0. The exponent is 65537. */
size_t tls_client_modulus(const char *_Nonnull key, uint8_t *_Nonnull modulus, size_t capacity);
#endif
