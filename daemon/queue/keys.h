/*
 * keys.h - the names of what is in Redis (design.md section 2). Inside queue/ and ctl/.
 */
#ifndef AUTHLINKD_QUEUE_KEYS_H
#define AUTHLINKD_QUEUE_KEYS_H

#include "base/result.h"

#define KEY_MAX_LEN        320
#define KEY_PREFIX_MAX_LEN 32

struct keys {
    char prefix[KEY_PREFIX_MAX_LEN + 1];
    char queue[KEY_MAX_LEN];
    char delayed[KEY_MAX_LEN];
    char leases[KEY_MAX_LEN];
    char inflight[KEY_MAX_LEN];
    char limiter[KEY_MAX_LEN];
    char holds[KEY_MAX_LEN];
    char events[KEY_MAX_LEN];
    char dead[KEY_MAX_LEN];
    char stats[KEY_MAX_LEN];
    char meta[KEY_MAX_LEN];
    char settled[KEY_MAX_LEN];  /* of this boot */
    char instance[KEY_MAX_LEN]; /* of this owner */
};

/* `queue_key` "": <prefix>:queue. */
void keys_init(struct keys *keys, const char *prefix, const char *queue_key, const char *owner,
               const char *boot);

/* `<prefix>:lease:<lease>` into `target` of KEY_MAX_LEN bytes. */
void keys_lease(const struct keys *keys, const char *lease, char *target);

#endif
