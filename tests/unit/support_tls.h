/*
 * support_tls.h - authorities and server certificates for one test.
 */
#ifndef AUTHLINKD_TESTS_SUPPORT_TLS_H
#define AUTHLINKD_TESTS_SUPPORT_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct tls_authority {
    EVP_PKEY *key;
    X509 *certificate;
    char file[64]; /* its certificate, PEM; a file in memory */
    int fd;
};

void tls_authority_make(struct tls_authority *authority);

void tls_authority_done(struct tls_authority *authority);

/* A server with a new certificate; `name` as in "DNS:localhost" or "IP:127.0.0.1". */
SSL_CTX *tls_server(const struct tls_authority *authority, const char *name, bool is_expired);

#endif
