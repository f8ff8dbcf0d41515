/*
 * link_tls.h - TLS towards Redis: what one connection is made of, and why it was refused. Inside
 * queue/ only.
 *
 * TLS 1.2 or newer; the server's certificate must be valid and bear the name or address of
 * redis.url. There is no switch for less. Everything is built of the files as they are at that
 * moment, so what is renewed is taken up by the next connection.
 *
 * Sources  RFC 9325 (versions, names); SSL_set1_host(3), X509_VERIFY_PARAM_set_flags(3).
 */
#ifndef AUTHLINKD_QUEUE_LINK_TLS_H
#define AUTHLINKD_QUEUE_LINK_TLS_H

#include "queue/link.h"

#include <openssl/types.h>

/* The caller's, for one connection. NULL: `reterr_why` says which file is wrong, for people. */
SSL *link_tls_open(const struct link_address *address, char *reterr_why, size_t size);

/*
 * Why TLS failed: from the verdict on the server's certificate, else from `error`, OpenSSL's code.
 * False: neither knows; the connection itself broke.
 */
bool link_tls_explain(const struct link_address *address, SSL *ssl, unsigned long error,
                      char *reterr_why, size_t size);

/* The same for a connection that ended, or stays silent, without a word. */
void link_tls_explain_silence(const struct link_address *address, bool is_agreed, char *reterr_why,
                              size_t size);

#endif
