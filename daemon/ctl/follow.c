/* follow.c - waits until the jobs that were pushed have ended. */
#include "ctl/follow.h"

#include "base/clock.h"
#include "base/text.h"
#include "ctl/fields.h"
#include "ctl/id_set.h"
#include "ctl/stream.h"
#include "queue/replies.h"

#include <stdio.h>
#include <string.h>

#define BLOCK_MS      INT64_C(500)
#define FAILURES_TOLD 20

enum result follow_begin(struct dialog *dialog, struct follow *follow)
{
    *follow = (struct follow){.ready = 0};
    return stream_last_id(dialog, dialog_keys(dialog)->events, follow->last_id);
}

static void tell_failure(const struct follow *follow, const redisReply *event)
{
    if (follow->failed > FAILURES_TOLD)
        return;
    fputs("failed: ", stderr);
    terminal_put(stderr, field_text(event, "endUserId"), strlen(field_text(event, "endUserId")));
    fputs(": ", stderr);
    terminal_put(stderr, field_text(event, "reason"), strlen(field_text(event, "reason")));
    fputs(follow->failed == FAILURES_TOLD ? " (and more: authlinkctl dead list)\n" : "\n", stderr);
}

static void count(struct follow *follow, struct id_set *waiting, const redisReply *event)
{
    const redisReply *user = field_of(event, "endUserId");
    const char *type = field_text(event, "type");

    if (!id_set_take(waiting, reply_text(user), reply_len(user)))
        return;
    if (strcmp(type, "ready") == 0) {
        follow->ready++;
    } else if (strcmp(type, "reused") == 0) {
        follow->reused++;
    } else {
        follow->failed++;
        tell_failure(follow, event);
    }
}

static enum result read_events(struct dialog *dialog, struct follow *follow, struct id_set *waiting)
{
    struct dialog_words words = {0};
    redisReply *reply = NULL;

    dialog_words_add(&words, "XREAD");
    dialog_words_add(&words, "COUNT");
    dialog_words_add(&words, "500");
    dialog_words_add(&words, "BLOCK");
    dialog_words_add(&words, "500");
    dialog_words_add(&words, "STREAMS");
    dialog_words_add(&words, dialog_keys(dialog)->events);
    dialog_words_add(&words, follow->last_id);
    enum result result = dialog_command(dialog, &words, BLOCK_MS, &reply);
    if (result != RESULT_OK)
        return result;
    const redisReply *entries = reply_at(reply_at(reply, 0), 1);
    for (size_t i = 0; entries != NULL && i < entries->elements && result == RESULT_OK; i++) {
        const redisReply *id = reply_at(entries->element[i], 0);
        count(follow, waiting, reply_at(entries->element[i], 1));
        result = text_copy(follow->last_id, sizeof follow->last_id, reply_text(id), reply_len(id));
    }
    freeReplyObject(reply);
    return result;
}

static enum result collect(struct id_set *waiting, const struct job_list *list, int64_t skipped,
                           const struct job_rules *rules)
{
    struct job_request request;
    struct job_refusal refusal;
    enum result result = RESULT_OK;
    const char *payload;
    size_t at = 0;
    size_t len;
    uint32_t unused;

    for (int64_t i = 0; result == RESULT_OK && job_list_next(list, &at, &payload, &len); i++) {
        if (i < skipped || job_check(payload, len, rules, &request, &refusal) != RESULT_OK)
            continue;
        result = id_set_add(waiting, request.end_user_id, strlen(request.end_user_id), &unused);
    }
    return result;
}

enum result follow_jobs(struct dialog *dialog, struct follow *follow, const struct job_list *list,
                        int64_t skipped, const struct job_rules *rules, int64_t timeout_ms,
                        struct progress *progress)
{
    int64_t end_us = clock_mono_us() + timeout_ms * US_PER_MS;
    int64_t total = list->count - skipped;
    int64_t done = 0;
    struct id_set waiting;

    id_set_init(&waiting);
    enum result result = collect(&waiting, list, skipped, rules);
    while (result == RESULT_OK && done < total) {
        int64_t now_us = clock_mono_us();
        if (dialog_is_interrupted(dialog))
            result = RESULT_LATER;
        else if (timeout_ms > 0 && now_us >= end_us)
            result = RESULT_TIMED_OUT;
        else
            result = read_events(dialog, follow, &waiting);
        done = follow->ready + follow->reused + follow->failed;
        progress_show(progress, done, clock_mono_us());
    }
    progress_end(progress, done, clock_mono_us());
    id_set_done(&waiting);
    return result;
}
