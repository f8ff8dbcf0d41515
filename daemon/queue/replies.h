/*
 * replies.h - reads replies whose form is not taken for granted. Inside queue/ only.
 */
#ifndef AUTHLINKD_QUEUE_REPLIES_H
#define AUTHLINKD_QUEUE_REPLIES_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Element `index` of an array; NULL if there is none. */
const redisReply *reply_at(const redisReply *array, size_t index);

/*
 * No number that a step of ours answers is larger: they are doubles in Lua, and times in Unix ms.
 * So what comes of one can be turned to microseconds, and added to a time, without an overflow.
 */
#define REPLY_INT_MAX INT64_C(1000000000000000)

/* An integer reply within +-REPLY_INT_MAX, or `otherwise`. Accepts NULL. */
int64_t reply_int(const redisReply *reply, int64_t otherwise);

/* A text reply (bulk or status), "" if it is none. Accepts NULL. May hold NULs: see reply_len(). */
const char *reply_text(const redisReply *reply);
size_t reply_len(const redisReply *reply);

bool reply_is_array(const redisReply *reply);

/* Text reply that equals `word`. */
bool reply_is(const redisReply *reply, const char *word);

#endif
