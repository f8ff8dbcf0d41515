/*
 * request.h - the body of POST /v1/auth-sessions.
 *
 * Pure. Sources  conductor-api.md 2.1: exactly these four names, none of them null;
 * a name the API does not know is an error there.
 */
#ifndef AUTHLINKD_CONDUCTOR_REQUEST_H
#define AUTHLINKD_CONDUCTOR_REQUEST_H

#include "base/buffer.h"
#include "core/job.h"

/* A body that holds the longest fields of a job, each byte escaped, and a key of 512 bytes. */
#define REQUEST_MAX_BYTES 16384

/*
 * Replaces what `body` holds by the JSON for `job`.
 *   RESULT_FULL, RESULT_NO_MEMORY  it does not fit; `body` holds nothing of use.
 */
MUST_CHECK enum result request_write(struct buffer *body, const char *publishable_key,
                                     const struct job *job);

#endif
