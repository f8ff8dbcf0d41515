/*
 * compose.h - the settings in the form of the modules below.
 *
 * What they return borrows from `settings`, which must live until the module has
 * copied it.
 */
#ifndef AUTHLINKD_CONFIG_COMPOSE_H
#define AUTHLINKD_CONFIG_COMPOSE_H

#include "conductor/conductor.h"
#include "config/config.h"
#include "core/retry.h"
#include "queue/queue.h"

#include <stdbool.h>
#include <stddef.h>

/* Wants settings with a secret key. */
struct conductor_settings compose_conductor(const struct settings *settings);

/* `owner` is <instance>@<hostId>. Wants settings with a secret key. */
struct queue_settings compose_queue(const struct settings *settings, const char *owner);

struct retry_policy compose_retry(const struct settings *settings);

/*
 * Reads Redis' password afresh, for a connection that is greeted now: it may have been changed.
 * False: it cannot be read; then a line in `reterr_messages` says why.
 */
bool compose_redis_password(const struct settings *settings, char *target, size_t size,
                            struct buffer *reterr_messages);

#endif
