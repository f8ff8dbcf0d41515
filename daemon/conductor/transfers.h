/*
 * transfers.h - POST requests over libcurl's multi interface, on the caller's loop.
 *
 * Each transfer ends exactly once, with a report of how far it got. Whatever a peer can
 * send is bounded; one deadline covers resolve, connect, TLS, request and whole body.
 *
 * A POST is never sent twice: libcurl re-sends one silently on a fresh connection when a
 * reused one died (reliability.md B2, measured), but asks before each sending, and is
 * refused the second.
 *
 * HTTP/1.1 only: over TLS to nginx, HTTP/2 costs libcurl 7.88 half as much CPU a request again
 * (128 at once) to three quarters (16 at once; scripts/bench measures it), and one broken
 * connection would end all requests on it.
 *
 * Sources  libcurl-security(3), the man pages of the options set in handle.c.
 */
#ifndef AUTHLINKD_CONDUCTOR_TRANSFERS_H
#define AUTHLINKD_CONDUCTOR_TRANSFERS_H

#include "base/buffer.h"
#include "conductor/endpoint.h"
#include "conductor/headers.h"
#include "core/outcome.h"

#include <stdint.h>

#define TRANSFER_BODY_MAX_BYTES   65536 /* a real answer has about 1 KiB */
#define TRANSFER_HEADER_MAX_BYTES 32768
#define TRANSFER_HEADER_MAX_LINES 200

struct event_base;
struct transfers;

/* Where requests go. Shared by reference count: a transfer keeps the one that it began with. */
struct transfer_target;

struct transfer_report {
    enum answer_state state;
    int http_status;               /* with ANSWER_WHOLE */
    const struct headers *headers; /* lent until the callback returns */
    const struct buffer *body;     /* lent likewise */
    const char *failure;           /* unless ANSWER_WHOLE: a sentence for people, lent likewise */
};

/* May start further transfers, and may ask for the loop's end; must not free the transfers. */
typedef void (*transfers_on_done)(void *tag, const struct transfer_report *report, void *user);

/*
 * `secret_key` goes into the Authorization header and is copied. `ca_file` "" means the
 * system's. NULL when memory is short, or the key holds what a header must not.
 */
struct transfer_target *transfer_target_new(const struct endpoint *endpoint, const char *secret_key,
                                            const char *ca_file, int64_t timeout_ms);

/* Gives the caller's reference back. Accepts NULL. Returns NULL. */
struct transfer_target *transfer_target_release(struct transfer_target *target);

/* At most `max_running` at once. NULL when memory is short. Borrows `base` and `user`. */
struct transfers *transfers_new(struct event_base *base, uint32_t max_running,
                                transfers_on_done on_done, void *user);

/* Accepts NULL. Returns NULL. Running transfers are cut off, without a callback. */
struct transfers *transfers_free(struct transfers *transfers);

/*
 * Starts a POST of `body`, which is copied. `tag` comes back in the callback.
 *   RESULT_FULL       max_running are under way.
 *   RESULT_NO_MEMORY  nothing was started.
 */
MUST_CHECK enum result transfers_start(struct transfers *transfers, struct transfer_target *target,
                                       const struct buffer *body, void *tag);

/*
 * Begins what was started now, instead of at the next turn of the loop. May call back; not from
 * within a callback.
 */
void transfers_begin(struct transfers *transfers);

uint32_t transfers_running(const struct transfers *transfers);

/* Changes how many may run at once; those under way go on. */
void transfers_set_max(struct transfers *transfers, uint32_t max_running);

/* No request will begin with `target` any more: its key is forgotten as soon as none uses it. */
void transfers_retire_target(struct transfers *transfers, struct transfer_target *target);

#endif
