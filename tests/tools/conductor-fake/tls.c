/* tls.c - the context that every connection's TLS is made from. */
#include "tls.h"

#include "certificates.h"

#include <openssl/err.h>
#include <stdio.h>

const char *const certificate_names[] = {"good", "expired", "wrongname", "unknown", NULL};

#define PATH_SIZE 4096

static const char *const files[] = {
    [CERTIFICATE_GOOD] = "server.pem",
    [CERTIFICATE_EXPIRED] = "expired.pem",
    [CERTIFICATE_WRONG_NAME] = "wrongname.pem",
    [CERTIFICATE_UNKNOWN_CA] = "unknown.pem",
};

enum result tls_context_make(const char *folder, enum certificate_kind kind, SSL_CTX **ret_context,
                             struct buffer *reterr_reason)
{
    char certificate[PATH_SIZE];
    char key[PATH_SIZE];
    enum result result = certificates_make(folder, reterr_reason);

    if (result != RESULT_OK)
        return result;
    if (snprintf(certificate, sizeof certificate, "%s/%s", folder, files[kind]) >= PATH_SIZE ||
        snprintf(key, sizeof key, "%s/" CERTIFICATES_KEY, folder) >= PATH_SIZE)
        return RESULT_FULL;

    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context != NULL && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
        SSL_CTX_use_certificate_chain_file(context, certificate) == 1 &&
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1) {
        *ret_context = context;
        return RESULT_OK;
    }
    buffer_append_format(reterr_reason, "%s: %s", certificate,
                         ERR_reason_error_string(ERR_peek_last_error()));
    SSL_CTX_free(context);
    return RESULT_SYSTEM;
}
