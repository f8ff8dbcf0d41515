/* push.c - jobs into the queue, many in one command. */
#include "ctl/push.h"

#include "base/clock.h"
#include "queue/replies.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_MAX_BYTES ((size_t)512 * 1024)

struct batch {
    int count; /* words: command, key, jobs */
    size_t bytes;
    const char *words[PUSH_BATCH_JOBS + 2];
    size_t lens[PUSH_BATCH_JOBS + 2];
};

static void start_batch(struct batch *batch, const struct dialog *dialog, bool is_first)
{
    batch->words[0] = is_first ? "LPUSH" : "RPUSH";
    batch->words[1] = dialog_keys(dialog)->queue;
    batch->lens[0] = 5;
    batch->lens[1] = strlen(batch->words[1]);
    batch->count = 2;
    batch->bytes = 0;
}

/* To the head they go in turned round: Redis puts the last one first. */
static void turn_round(struct batch *batch)
{
    for (int i = 2, j = batch->count - 1; i < j; i++, j--) {
        const char *word = batch->words[i];
        size_t len = batch->lens[i];
        batch->words[i] = batch->words[j];
        batch->lens[i] = batch->lens[j];
        batch->words[j] = word;
        batch->lens[j] = len;
    }
}

static enum result send(struct dialog *dialog, struct batch *batch, struct push *push)
{
    int64_t jobs = batch->count - 2;
    redisReply *reply = NULL;

    enum result result = dialog_call(dialog, batch->count, batch->words, batch->lens, 0, &reply);
    if (result == RESULT_OK) {
        push->pushed += jobs;
        freeReplyObject(reply);
    } else if (result == RESULT_DISCONNECTED) {
        push->uncertain = jobs;
    }
    return result;
}

enum result push_jobs(struct dialog *dialog, const struct job_list *list, int64_t skipped,
                      bool is_first, struct progress *progress, struct push *push)
{
    struct batch *batch = malloc(sizeof *batch);
    enum result result = RESULT_OK;
    size_t at = 0;
    const char *payload;
    size_t len;

    *push = (struct push){.pushed = 0};
    if (batch == NULL)
        return RESULT_NO_MEMORY;
    start_batch(batch, dialog, is_first);
    for (int64_t i = 0; i < skipped && job_list_next(list, &at, &payload, &len);)
        i++;
    for (bool is_more = true; is_more && result == RESULT_OK;) {
        is_more = job_list_next(list, &at, &payload, &len);
        if (is_more) {
            batch->words[batch->count] = payload;
            batch->lens[batch->count++] = len;
            batch->bytes += len;
        }
        bool is_full = batch->count == PUSH_BATCH_JOBS + 2 ||
                       (!is_first && batch->bytes >= BATCH_MAX_BYTES) || !is_more;
        if (!is_full || batch->count == 2)
            continue;
        if (is_first)
            turn_round(batch);
        result = send(dialog, batch, push);
        progress_show(progress, push->pushed, clock_mono_us());
        start_batch(batch, dialog, is_first);
        if (result == RESULT_OK && dialog_is_interrupted(dialog) &&
            skipped + push->pushed < list->count)
            result = RESULT_LATER;
    }
    free(batch);
    return result;
}
