/* replies.c - reads replies whose form is not taken for granted. */
#include "queue/replies.h"

#include <string.h>

bool reply_is_array(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_ARRAY;
}

const redisReply *reply_at(const redisReply *array, size_t index)
{
    if (!reply_is_array(array) || index >= array->elements)
        return NULL;
    return array->element[index];
}

int64_t reply_int(const redisReply *reply, int64_t otherwise)
{
    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER)
        return otherwise;
    return reply->integer >= -REPLY_INT_MAX && reply->integer <= REPLY_INT_MAX ? reply->integer
                                                                               : otherwise;
}

static bool is_text(const redisReply *reply)
{
    return reply != NULL &&
           (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS);
}

const char *reply_text(const redisReply *reply)
{
    return is_text(reply) ? reply->str : "";
}

size_t reply_len(const redisReply *reply)
{
    return is_text(reply) ? (size_t)reply->len : 0;
}

bool reply_is(const redisReply *reply, const char *word)
{
    return reply_len(reply) == strlen(word) && memcmp(reply_text(reply), word, strlen(word)) == 0;
}
