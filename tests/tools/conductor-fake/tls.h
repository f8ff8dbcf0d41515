/*
 * tls.h - the fake over TLS, with good and with bad certificates.
 */
#ifndef CONDUCTOR_FAKE_TLS_H
#define CONDUCTOR_FAKE_TLS_H

#include "base/buffer.h"

#include <openssl/ssl.h>

enum certificate_kind {
    CERTIFICATE_GOOD,
    CERTIFICATE_EXPIRED,
    CERTIFICATE_WRONG_NAME,
    CERTIFICATE_UNKNOWN_CA,
};

extern const char *const certificate_names[]; /* ends with NULL */

/*
 * A server's context that shows this certificate out of the folder, whose files are
 * made when it has none. On failure *reterr_reason holds a sentence.
 */
MUST_CHECK enum result tls_context_make(const char *folder, enum certificate_kind kind,
                                        SSL_CTX **ret_context, struct buffer *reterr_reason);

#endif
