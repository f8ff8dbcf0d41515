/*
 * reply_reader.h - cuts a stream of bytes into replies, within bounds. Inside queue/ only.
 *
 * hiredis' reader, told where to stop: a reply that grows too long, or an array that announces
 * more elements than any of ours has, is refused before memory is spent on it.
 */
#ifndef AUTHLINKD_QUEUE_REPLY_READER_H
#define AUTHLINKD_QUEUE_REPLY_READER_H

#include "base/result.h"

#include <hiredis/hiredis.h>
#include <stddef.h>

/* A claim's reply has 9 elements a job, 256 jobs; a reap's two a lease. */
#define REPLY_MAX_ELEMENTS 65536

struct reply_reader;

/* NULL when memory is short. */
struct reply_reader *reply_reader_new(size_t max_bytes);

/* Accepts NULL. Returns NULL. */
struct reply_reader *reply_reader_free(struct reply_reader *reader);

/* Takes bytes as they came. On failure *reterr_why is for people; the stream cannot be followed any
 * more. */
MUST_CHECK enum result reply_reader_feed(struct reply_reader *reader, const char *bytes, size_t len,
                                         const char **reterr_why);

/*
 * The next whole reply.
 *   RESULT_OK       *ret_reply is the caller's now: freeReplyObject().
 *   RESULT_EMPTY    none is whole yet.
 *   RESULT_INVALID  what came is no reply, or beyond the bounds; *reterr_why is for people.
 */
MUST_CHECK enum result reply_reader_next(struct reply_reader *reader, redisReply **ret_reply,
                                         const char **reterr_why);

#endif
