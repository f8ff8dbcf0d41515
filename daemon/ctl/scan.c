/* scan.c - all keys of one kind. */
#include "ctl/scan.h"

#include "base/text.h"
#include "queue/replies.h"

#include <stdio.h>
#include <string.h>

#define KEYS_A_STEP "1000"

/* A prefix is taken as it is, whatever it holds: SCAN matches by a glob. */
static void make_pattern(const char *prefix, const char *kind, char *target, size_t size)
{
    size_t len = 0;

    for (const char *c = prefix; *c != '\0' && len + 3 < size; c++) {
        if (strchr("*?[]\\^", *c) != NULL)
            target[len++] = '\\';
        target[len++] = *c;
    }
    snprintf(target + len, size - len, ":%s:*", kind);
}

enum result scan_keys(struct dialog *dialog, const char *kind, scan_on_key on_key, void *user)
{
    char cursor[24] = "0";
    char pattern[2 * KEY_PREFIX_MAX_LEN + 32];
    enum result result = RESULT_OK;

    make_pattern(dialog_keys(dialog)->prefix, kind, pattern, sizeof pattern);
    do {
        redisReply *reply = NULL;
        result = dialog_ask(dialog, &reply, "SCAN", cursor, "MATCH", pattern, "COUNT", KEYS_A_STEP,
                            NULL);
        if (result != RESULT_OK)
            return result;
        const redisReply *next = reply_at(reply, 0);
        const redisReply *keys = reply_at(reply, 1);
        if (text_copy(cursor, sizeof cursor, reply_text(next), reply_len(next)) != RESULT_OK)
            result = RESULT_INVALID;
        for (size_t i = 0; result == RESULT_OK && keys != NULL && i < keys->elements; i++)
            result = on_key(reply_text(keys->element[i]), reply_len(keys->element[i]), user);
        freeReplyObject(reply);
    } while (result == RESULT_OK && strcmp(cursor, "0") != 0 && !dialog_is_interrupted(dialog));
    return result;
}
