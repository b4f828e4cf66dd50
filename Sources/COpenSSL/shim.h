#ifndef PORTCULLIS_COPENSSL_H
#define PORTCULLIS_COPENSSL_H
/* libcrypto, as Debian's libssl-dev installs it, and one line for each thing that Swift cannot say: stack and BIO macros,
   a flag set that is an expression of casts, and a union that must not be read before its kind. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

/* `sk_GENERAL_NAME_num` is a macro. */
static inline int portcullis_general_name_count(const GENERAL_NAMES *_Nonnull names) {
  return sk_GENERAL_NAME_num(names);
}

/* The text of name `index` if it is of `kind` (GEN_URI or GEN_DNS, both IA5String), else NULL. The kind is tested here, before the
   union is read: other kinds hold other types in it. */
static inline const ASN1_STRING *_Nullable portcullis_general_name_text(
    const GENERAL_NAMES *_Nonnull names, int index, int kind) {
  const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
  if (name == NULL || name->type != kind || (kind != GEN_URI && kind != GEN_DNS)) return NULL;
  return name->d.ia5;
}

/* `XN_FLAG_RFC2253` is an expression. Returns -1 when the name cannot be printed. */
static inline int portcullis_print_rfc2253(BIO *_Nonnull out, const X509_NAME *_Nonnull name) {
  return X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253);
}

/* `BIO_get_mem_data` is a macro. The bytes belong to the BIO. */
static inline long portcullis_bio_bytes(BIO *_Nonnull bio, char *_Nullable *_Nonnull bytes) {
  return BIO_get_mem_data(bio, bytes);
}

#endif
