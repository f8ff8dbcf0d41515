/*
 * settle_item.h - one outcome as settle.lua reads it. Inside queue/ only.
 */
#ifndef AUTHLINKD_QUEUE_SETTLE_ITEM_H
#define AUTHLINKD_QUEUE_SETTLE_ITEM_H

#include "base/buffer.h"
#include "core/outcome.h"
#include "queue/server.h"

/* Appends the item. Its age is counted at `now_us`. On failure `json` is as it was, but for `failed`. */
MUST_CHECK enum result settle_item_write(struct buffer *json, const struct server *server,
                                         const struct job *job, const struct outcome *outcome,
                                         int64_t now_us);

#endif
