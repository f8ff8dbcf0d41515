/*
 * settle_item.h - outcomes in words, as settle.lua reads them: groups of items that have much in
 * common. Inside queue/ only.
 */
#ifndef AUTHLINKD_QUEUE_SETTLE_ITEM_H
#define AUTHLINKD_QUEUE_SETTLE_ITEM_H

#include "core/outcome.h"
#include "queue/server.h"
#include "queue/word_list.h"

/* settle.lua reads so many words as the head of a group, and as one item. */
#define SETTLE_GROUP_WORDS 9
#define SETTLE_ITEM_WORDS  7

/* A job and what became of it. Borrows both. */
struct settled {
    const struct job *job;
    const struct outcome *outcome;
};

/* Both can stand in one group. */
bool settle_group_fits(struct settled a, struct settled b);

/* Adds the head of a group of `count` items, of which this is one. Where there is no room
 * words->bytes.failed is set, here and below. */
void settle_group_write(struct word_list *words, const struct server *server, uint32_t count,
                        struct settled item);

/* Adds the item. Its age is counted at `now_us`. */
void settle_item_write(struct word_list *words, struct settled item, int64_t now_us);

#endif
