/*
 * settle_item.h - one outcome as settle.lua reads it. Inside queue/ only.
 */
#ifndef AUTHLINKD_QUEUE_SETTLE_ITEM_H
#define AUTHLINKD_QUEUE_SETTLE_ITEM_H

#include "core/outcome.h"
#include "queue/server.h"
#include "queue/word_list.h"

/* settle.lua reads so many words as one item. */
#define SETTLE_ITEM_WORDS 15

/* Adds the item. Its age is counted at `now_us`. On failure `words` is as it was, but for
 * bytes.failed. */
MUST_CHECK enum result settle_item_write(struct word_list *words, const struct server *server,
                                         const struct job *job, const struct outcome *outcome,
                                         int64_t now_us);

#endif
