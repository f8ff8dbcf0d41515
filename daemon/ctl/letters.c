/* letters.c - dead letters: which of them are meant. */
#include "ctl/letters.h"

#include "base/text.h"
#include "ctl/fields.h"
#include "queue/replies.h"

#include <string.h>

struct reader {
    const struct letter_filter *filter;
    stream_on_entry on_letter;
    void *user;
    int64_t count;
};

static bool matches(const struct letter_filter *filter, const redisReply *flat)
{
    if (filter->reason != NULL && strcmp(filter->reason, field_text(flat, "reason")) != 0)
        return false;
    return filter->ref_prefix == NULL ||
           text_starts_with(field_text(flat, "ref"), filter->ref_prefix);
}

static enum result on_entry(const char *id, const redisReply *flat, void *user)
{
    struct reader *reader = user;

    if (!matches(reader->filter, flat))
        return RESULT_OK;
    if (reader->filter->max > 0 && reader->count == reader->filter->max)
        return RESULT_FULL;
    reader->count++;
    return reader->on_letter(id, flat, reader->user);
}

static enum result read_one(struct dialog *dialog, struct reader *reader, const char *id)
{
    redisReply *reply = NULL;

    enum result result =
        dialog_ask(dialog, &reply, "XRANGE", dialog_keys(dialog)->dead, id, id, NULL);
    if (result != RESULT_OK)
        return result;
    const redisReply *letter = reply_at(reply, 0);
    if (letter != NULL)
        result = on_entry(reply_text(reply_at(letter, 0)), reply_at(letter, 1), reader);
    freeReplyObject(reply);
    return result;
}

enum result letters_read(struct dialog *dialog, const struct letter_filter *filter,
                         stream_on_entry on_letter, void *user)
{
    struct reader reader = {.filter = filter, .on_letter = on_letter, .user = user};
    enum result result = RESULT_OK;

    for (int i = 0; i < filter->id_count && result == RESULT_OK; i++)
        result = read_one(dialog, &reader, filter->ids[i]);
    if (filter->id_count == 0)
        result = stream_read(dialog, dialog_keys(dialog)->dead, "-", on_entry, &reader);
    return result == RESULT_FULL ? RESULT_OK : result;
}
