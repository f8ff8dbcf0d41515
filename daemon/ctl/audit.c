/* audit.c - how many jobs are where, and how many ever were. */
#include "ctl/audit.h"

#include "base/text.h"
#include "core/job_check.h"
#include "ctl/fields.h"
#include "queue/replies.h"

#include <string.h>

/* The queue's head tells when it was enqueued, if its producer said so. */
static int64_t age_of_job(const redisReply *head, int64_t now_ms)
{
    static const struct host_list no_hosts;
    const struct job_rules rules = {
        .link_expiry_mins = JOB_LINK_EXPIRY_MIN, .redirect_url = "", .redirect_hosts = &no_hosts};
    struct job_request request;
    struct job_refusal refusal;

    if (job_check(reply_text(head), reply_len(head), &rules, &request, &refusal) != RESULT_OK ||
        request.enqueued_at_unix_ms <= 0)
        return -1;
    return now_ms - request.enqueued_at_unix_ms;
}

/* A record is <jobKey> <attempts> <recoveries> <firstSeenMs> ...; what is none has no age. */
static int64_t age_of_record(const redisReply *record, int64_t now_ms)
{
    const char *word = reply_text(record);
    int64_t first_seen_ms = 0;

    for (int i = 0; i < 3; i++) {
        word = strchr(word, ' ');
        if (word == NULL)
            return -1;
        word++;
    }
    if (text_to_int64(word, strcspn(word, " "), 0, now_ms, &first_seen_ms) != RESULT_OK)
        return -1;
    return now_ms - first_seen_ms;
}

enum result audit_read(struct dialog *dialog, struct audit *ret_audit)
{
    const struct keys *keys = dialog_keys(dialog);
    struct script_args args = {0};
    redisReply *reply = NULL;

    script_args_key(&args, keys->queue);
    script_args_key(&args, keys->delayed);
    script_args_key(&args, keys->leases);
    script_args_key(&args, keys->inflight);
    script_args_key(&args, keys->dead);
    script_args_key(&args, keys->stats);
    script_args_text(&args, keys->prefix);
    enum result result = dialog_step(dialog, LUA_STEP_audit, &args, &reply);
    if (result != RESULT_OK)
        return result;

    const redisReply *stats = reply_at(reply, 7);
    *ret_audit = (struct audit){
        .now_ms = reply_int(reply_at(reply, 0), 0),
        .queue = reply_int(reply_at(reply, 1), 0),
        .delayed = reply_int(reply_at(reply, 2), 0),
        .leases = reply_int(reply_at(reply, 3), 0),
        .in_leases = reply_int(reply_at(reply, 4), 0),
        .letters = reply_int(reply_at(reply, 6), 0),
        .last_ready_ms = field_int(stats, "lastReadyMs", 0),
    };
    ret_audit->oldest_age_ms = age_of_job(reply_at(reply, 8), ret_audit->now_ms);
    ret_audit->oldest_retry_ms = age_of_record(reply_at(reply, 9), ret_audit->now_ms);
#define X(name) ret_audit->name = field_int(stats, #name, 0);
    AUDIT_COUNTERS(X)
#undef X
    freeReplyObject(reply);
    return RESULT_OK;
}

int64_t audit_missing_jobs(const struct audit *audit)
{
    return audit->taken + audit->redriven - audit->ready - audit->reused - audit->dead -
           audit->delayed - audit->in_leases;
}

int64_t audit_missing_letters(const struct audit *audit)
{
    return audit->dead - audit->redriven - audit->removed - audit->letters;
}

bool audit_holds(const struct audit *audit)
{
    return audit_missing_jobs(audit) == 0 && audit_missing_letters(audit) == 0;
}

void audit_json(struct json *json, const struct audit *audit)
{
    json_int(json, "atMs", audit->now_ms);
    json_open_object(json, "places");
    json_int(json, "queue", audit->queue);
    json_int(json, "delayed", audit->delayed);
    json_int(json, "leases", audit->leases);
    json_int(json, "inFlight", audit->in_leases);
    json_int(json, "dead", audit->letters);
    json_close_object(json);
    json_open_object(json, "stats");
#define X(name) json_int(json, #name, audit->name);
    AUDIT_COUNTERS(X)
#undef X
    json_int(json, "lastReadyMs", audit->last_ready_ms);
    json_close_object(json);
}
