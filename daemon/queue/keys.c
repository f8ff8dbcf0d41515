/* keys.c - the names of what is in Redis. */
#include "queue/keys.h"

#include <stdio.h>

static void name(char *target, const char *prefix, const char *rest)
{
    snprintf(target, KEY_MAX_LEN, "%s:%s", prefix, rest);
}

void keys_init(struct keys *keys, const char *prefix, const char *queue_key, const char *owner,
               const char *boot)
{
    snprintf(keys->prefix, sizeof keys->prefix, "%s", prefix);
    name(keys->queue, prefix, "queue");
    if (queue_key[0] != '\0')
        snprintf(keys->queue, KEY_MAX_LEN, "%s", queue_key);
    name(keys->delayed, prefix, "delayed");
    name(keys->leases, prefix, "leases");
    name(keys->inflight, prefix, "inflight");
    name(keys->limiter, prefix, "limiter");
    name(keys->holds, prefix, "holds");
    name(keys->events, prefix, "events");
    name(keys->dead, prefix, "dead");
    name(keys->stats, prefix, "stats");
    name(keys->meta, prefix, "meta");
    snprintf(keys->settled, KEY_MAX_LEN, "%s:settled:%s", prefix, boot);
    snprintf(keys->instance, KEY_MAX_LEN, "%s:instance:%s", prefix, owner);
}

void keys_lease(const struct keys *keys, const char *lease, char *target)
{
    snprintf(target, KEY_MAX_LEN, "%s:lease:%s", keys->prefix, lease);
}
