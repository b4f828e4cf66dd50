#ifndef PORTCULLIS_COPENSSL_H
#define PORTCULLIS_COPENSSL_H
/* libcrypto, as Debian's libssl-dev installs it. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#endif
