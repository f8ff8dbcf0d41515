/*
 * secret.h - the API's secret key and Redis' password: where they are found, how they are held.
 *
 * Looked for in this order: the file that the configuration names, the systemd
 * credential ($CREDENTIALS_DIRECTORY/<name>), the environment. The first one found
 * counts; a later one that differs is warned about. What is found but cannot be used
 * is a fault, never a reason to look further.
 *
 * A secret lies in pages of its own: kept out of swap where the limits allow it
 * (mlock(2)), out of core dumps (MADV_DONTDUMP), and wiped before they go.
 *
 * Sources  reliability.md B1, B5.
 */
#ifndef AUTHLINKD_CONFIG_SECRET_H
#define AUTHLINKD_CONFIG_SECRET_H

#include "base/buffer.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>

#define SECRET_MAX_LEN         8192
#define SECRET_FINGERPRINT_LEN 12
#define SECRET_SOURCE_MAX_LEN  1100

struct secret;

/* Where one kind of secret may be; any of the three may be NULL or, the file, "". */
struct secret_places {
    const char *setting; /* that names the file: for messages */
    const char *file;
    const char *credential; /* name in $CREDENTIALS_DIRECTORY */
    const char *env_variable;
    size_t max_len; /* at most SECRET_MAX_LEN */
};

/*
 * Finds and reads the secret; blanks and line ends around it are not part of it.
 *   RESULT_OK         *ret_secret is the caller's.
 *   RESULT_NOT_FOUND  no place has one; no message.
 *   RESULT_INVALID    it is empty, too long, or holds control bytes; or its file cannot be read, or
 *                     too many may read or write it. A line in `reterr_messages` says what to do.
 *   RESULT_NO_MEMORY
 */
MUST_CHECK enum result secret_load(const struct secret_places *places, struct secret **ret_secret,
                                   struct buffer *reterr_messages);

/* Accepts NULL. Returns NULL. Wipes it. */
struct secret *secret_free(struct secret *secret);

/* NUL-terminated; lent until secret_free(). */
const char *secret_text(const struct secret *secret);

/* The first SECRET_FINGERPRINT_LEN hex digits of its SHA-256. */
const char *secret_fingerprint(const struct secret *secret);

/* Such as "file /etc/authlinkd/conductor-secret-key": for the log. */
const char *secret_source(const struct secret *secret);

/* A place that was not used and has another secret; NULL if there is none. For a warning. */
const char *secret_shadowed(const struct secret *secret);

#endif
