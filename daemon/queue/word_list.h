/*
 * word_list.h - words of a command that has more of them than a struct script_args has room for,
 * as Redis reads them. Inside queue/ only.
 *
 * They are written out at once, one after the other, so that thousands take one allocation, which
 * is kept. They may be credentials: they are wiped when they go.
 *
 * Sources  bulk strings: RESP specification, redis.io/docs/reference/protocol-spec.
 */
#ifndef AUTHLINKD_QUEUE_WORD_LIST_H
#define AUTHLINKD_QUEUE_WORD_LIST_H

#include "base/buffer.h"

#include <stdint.h>

struct word_list {
    struct buffer bytes; /* bulk strings */
    size_t count;
};

/* Starts empty; allocates nothing. Words beyond `max_bytes` in all are refused. */
void word_list_init(struct word_list *list, size_t max_bytes);

/* Wipes and frees the words. */
void word_list_done(struct word_list *list);

/* Wipes the words, and empties the list. */
void word_list_reset(struct word_list *list);

/* A word that finds no room sets bytes.failed, so a list of many is checked once at its end. */
void word_list_add(struct word_list *list, const char *bytes, size_t len);
void word_list_add_text(struct word_list *list, const char *text);
void word_list_add_number(struct word_list *list, int64_t number);

#endif
