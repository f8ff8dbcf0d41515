/* stream.c - the entries of a stream, read some at a time. */
#include "ctl/stream.h"

#include "base/text.h"
#include "ctl/fields.h"
#include "queue/replies.h"

#include <stdio.h>
#include <string.h>

/* Dead letters have up to 4 KiB and a bit each, a reply at most 1 MiB. */
#define ENTRIES_A_READ "100"

enum result stream_last_id(struct dialog *dialog, const char *key, char *target)
{
    redisReply *reply = NULL;

    enum result result = dialog_ask(dialog, &reply, "XREVRANGE", key, "+", "-", "COUNT", "1", NULL);
    if (result != RESULT_OK)
        return result;
    const redisReply *id = reply_at(reply_at(reply, 0), 0);
    if (id == NULL)
        result = text_copy(target, STREAM_ID_SIZE, "0-0", 3);
    else
        result = text_copy(target, STREAM_ID_SIZE, reply_text(id), reply_len(id));
    freeReplyObject(reply);
    return result;
}

/* *ret_count entries were read; `from` is moved behind them. */
static enum result read_some(struct dialog *dialog, const char *key, char *from, const char *last,
                             stream_on_entry on_entry, void *user, size_t *ret_count)
{
    redisReply *reply = NULL;

    enum result result =
        dialog_ask(dialog, &reply, "XRANGE", key, from, last, "COUNT", ENTRIES_A_READ, NULL);
    if (result != RESULT_OK)
        return result;
    for (size_t i = 0; i < reply->elements && result == RESULT_OK; i++) {
        const char *id = reply_text(reply_at(reply->element[i], 0));
        snprintf(from, STREAM_ID_SIZE, "(%s", id);
        result = on_entry(id, reply_at(reply->element[i], 1), user);
    }
    *ret_count = reply->elements;
    freeReplyObject(reply);
    return result;
}

enum result stream_read(struct dialog *dialog, const char *key, const char *from,
                        stream_on_entry on_entry, void *user)
{
    char next[STREAM_ID_SIZE];
    char last[STREAM_ID_SIZE];
    size_t count = 1;

    enum result result = stream_last_id(dialog, key, last);
    snprintf(next, sizeof next, "%s", from);
    while (result == RESULT_OK && count > 0) {
        result = read_some(dialog, key, next, last, on_entry, user, &count);
        if (result == RESULT_OK && dialog_is_interrupted(dialog))
            result = RESULT_LATER;
    }
    return result;
}

void stream_entry_json(struct json *json, const char *id, const redisReply *flat)
{
    static const char *const numbers[] = {"attempts", "recoveries", "payloadBytes", "httpStatus",
                                          NULL};

    json_open_object(json, NULL);
    json_text(json, "id", id, strlen(id));
    fields_json(json, flat, numbers);
    json_close_object(json);
}

bool stream_id_is_sound(const char *id)
{
    const char *hyphen = strchr(id, '-');
    int64_t unused;

    return hyphen != NULL &&
           text_to_int64(id, (size_t)(hyphen - id), 0, INT64_MAX, &unused) == RESULT_OK &&
           text_to_int64(hyphen + 1, strlen(hyphen + 1), 0, INT64_MAX, &unused) == RESULT_OK;
}
