/* status.c - a picture of the fleet, read from Redis. */
#include "ctl/status.h"

#include "base/clock.h"
#include "base/text.h"
#include "ctl/fields.h"
#include "ctl/scan.h"
#include "ctl/stream.h"
#include "queue/replies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS     INT64_C(60000)
#define EVENTS_A_READ "500"

static enum result read_minute(struct dialog *dialog, struct status *status)
{
    char oldest[STREAM_ID_SIZE];
    char newest[STREAM_ID_SIZE] = "+";
    int64_t seen = 0;

    snprintf(oldest, sizeof oldest, "%" PRId64, status->audit.now_ms - MINUTE_MS);
    status->minute.span_ms = MINUTE_MS;
    for (size_t count = 1; count > 0;) {
        redisReply *reply = NULL;
        enum result result = dialog_ask(dialog, &reply, "XREVRANGE", dialog_keys(dialog)->events,
                                        newest, oldest, "COUNT", EVENTS_A_READ, NULL);
        if (result != RESULT_OK)
            return result;
        count = reply->elements;
        for (size_t i = 0; i < count; i++) {
            const redisReply *id = reply_at(reply->element[i], 0);
            const redisReply *flat = reply_at(reply->element[i], 1);
            const char *type = field_text(flat, "type");
            status->minute.ready += strcmp(type, "ready") == 0;
            status->minute.reused += strcmp(type, "reused") == 0;
            status->minute.failed += strcmp(type, "failed") == 0;
            status->minute.requests +=
                strcmp(type, "reused") == 0 ? 0 : field_int(flat, "attempts", 0);
            snprintf(newest, sizeof newest, "(%s", reply_text(id));
        }
        freeReplyObject(reply);
        seen += (int64_t)count;
        if (seen >= STATUS_EVENTS_MAX) {
            int64_t last_ms = strtoll(newest + 1, NULL, 10);
            status->minute.span_ms = status->audit.now_ms - last_ms;
            break;
        }
    }
    return RESULT_OK;
}

static enum result note_key(const char *key, size_t len, void *user)
{
    struct status_roster *roster = user;

    for (size_t i = 0; i < roster->count; i++) /* SCAN may say a key twice */
        if (strlen(roster->keys[i]) == len && memcmp(roster->keys[i], key, len) == 0)
            return RESULT_OK;
    if (roster->count < STATUS_INSTANCES_MAX &&
        text_copy(roster->keys[roster->count], KEY_MAX_LEN, key, len) == RESULT_OK)
        roster->count++;
    return RESULT_OK;
}

static enum result read_instances(struct dialog *dialog, struct status_roster *roster,
                                  struct status *status)
{
    int64_t now_us = clock_mono_us();
    enum result result = RESULT_OK;

    if (roster->found_us == 0 || now_us - roster->found_us >= STATUS_ROSTER_SEC * US_PER_SEC) {
        roster->count = 0;
        roster->found_us = now_us;
        result = scan_keys(dialog, "instance", note_key, roster);
    }
    for (size_t i = 0; i < roster->count && result == RESULT_OK; i++) {
        redisReply *reply = NULL;
        result = dialog_ask(dialog, &reply, "HGETALL", roster->keys[i], NULL);
        if (result == RESULT_OK && reply->elements > 0)
            status->instances[status->instance_count++] = reply;
        else if (result == RESULT_OK)
            freeReplyObject(reply); /* its last word is 30 s old */
    }
    return result;
}

static int compare_instances(const void *a, const void *b)
{
    const redisReply *const *left = a;
    const redisReply *const *right = b;
    int order = strcmp(field_text(*left, "instance"), field_text(*right, "instance"));

    return order != 0 ? order : strcmp(field_text(*left, "hostId"), field_text(*right, "hostId"));
}

static enum result read_all(struct dialog *dialog, struct status_roster *roster,
                            struct status *status)
{
    const struct keys *keys = dialog_keys(dialog);

    enum result result = audit_read(dialog, &status->audit);
    if (result == RESULT_OK)
        result = dialog_ask(dialog, &status->holds, "HGETALL", keys->holds, NULL);
    if (result == RESULT_OK)
        result = dialog_ask(dialog, &status->limiter, "HGETALL", keys->limiter, NULL);
    if (result == RESULT_OK)
        result = dialog_ask(dialog, &status->meta, "HGETALL", keys->meta, NULL);
    if (result == RESULT_OK)
        result = read_instances(dialog, roster, status);
    if (result == RESULT_OK)
        result = read_minute(dialog, status);
    qsort(status->instances, status->instance_count, sizeof status->instances[0],
          compare_instances);
    return result;
}

/* A hold of a key binds the instances that bear it; while none runs, those that will. */
static bool is_of_no_instance(const struct status *status, const struct status_hold *hold)
{
    const char *key_fp = strchr(hold->cause, ':');

    for (size_t i = 0; i < status->instance_count && key_fp != NULL; i++)
        if (strcmp(field_text(status->instances[i], "keyFp"), key_fp + 1) == 0)
            return false;
    return key_fp != NULL && status->instance_count > 0;
}

/*
 * Holds that hold nobody any more: of a key that was replaced, and a pause that is over, which
 * stays until the next claim takes it away.
 */
static void drop_ended_holds(struct status *status)
{
    redisReply *holds = status->holds;
    struct status_hold hold;

    for (size_t i = 0; status_hold_at(status, i, &hold);) {
        bool is_over = hold.until_ms != 0 && hold.until_ms <= status->audit.now_ms;
        if (!is_over && !is_of_no_instance(status, &hold)) {
            i++;
            continue;
        }
        freeReplyObject(holds->element[2 * i]);
        freeReplyObject(holds->element[2 * i + 1]);
        holds->elements -= 2;
        memmove(&holds->element[2 * i], &holds->element[2 * i + 2],
                (holds->elements - 2 * i) * sizeof *holds->element);
    }
}

enum result status_read(struct dialog *dialog, struct status_roster *roster,
                        struct status *ret_status)
{
    *ret_status = (struct status){.instance_count = 0};
    enum result result = read_all(dialog, roster, ret_status);
    if (result == RESULT_OK)
        drop_ended_holds(ret_status);
    else
        status_done(ret_status);
    return result;
}

static redisReply *free_reply(redisReply *reply)
{
    if (reply != NULL)
        freeReplyObject(reply);
    return NULL;
}

void status_done(struct status *status)
{
    status->holds = free_reply(status->holds);
    status->limiter = free_reply(status->limiter);
    status->meta = free_reply(status->meta);
    while (status->instance_count > 0)
        free_reply(status->instances[--status->instance_count]);
}

int64_t status_backlog(const struct status *status)
{
    return status->audit.queue + status->audit.delayed + status->audit.in_leases;
}

static double a_second(const struct status *status, int64_t count)
{
    return status->minute.span_ms > 0 ? 1000.0 * (double)count / (double)status->minute.span_ms : 0;
}

double status_jobs_per_sec(const struct status *status)
{
    return a_second(status, status->minute.ready + status->minute.reused + status->minute.failed);
}

double status_limit_per_sec(const struct status *status)
{
    double known = field_double(status->limiter, "perSec", 0);

    return known > 0 ? known : field_double(status->limiter, "pace", 0);
}

int64_t status_eta_ms(const struct status *status)
{
    double per_sec = field_double(status->limiter, "pace", 0);

    if (status_backlog(status) == 0)
        return 0;
    if (status->holds->elements > 0 || status->instance_count == 0 || !(per_sec > 0)) /* NaN too */
        return -1;
    double eta_ms = 1000.0 * (double)status_backlog(status) / per_sec;
    return eta_ms > (double)REPLY_INT_MAX ? -1 : (int64_t)eta_ms;
}

bool status_hold_at(const struct status *status, size_t index, struct status_hold *ret_hold)
{
    const redisReply *cause = reply_at(status->holds, 2 * index);
    const redisReply *value = reply_at(status->holds, 2 * index + 1);
    int64_t numbers[4] = {0};

    if (cause == NULL || value == NULL)
        return false;
    const char *rest = reply_text(value);
    for (int i = 0; i < 4; i++) {
        char *end = NULL;
        numbers[i] = strtoll(rest, &end, 10);
        if (llabs(numbers[i] / 2) > REPLY_INT_MAX / 2) /* nobody's time; sums would overflow */
            numbers[i] = 0;
        rest = *end == ' ' ? end + 1 : end;
    }
    const char *behind_probe = strchr(rest, ' ');
    const char *detail = behind_probe == NULL ? "" : behind_probe + 1;
    *ret_hold = (struct status_hold){
        .cause = reply_text(cause),
        .cause_len = reply_len(cause),
        .detail = detail,
        .detail_len = strlen(detail),
        .since_ms = numbers[0],
        .until_ms = numbers[1],
        .next_ms = numbers[2],
    };
    return true;
}

const char *status_hold_advice(const struct status_hold *hold)
{
    if (text_starts_with(hold->cause, "pause"))
        return "authlinkctl resume";
    if (text_starts_with(hold->cause, "account:"))
        return "mend the key or the account at Conductor; a probe then ends the hold";
    if (text_starts_with(hold->cause, "unknown_users:"))
        return "are these the keys of the right project? If so: authlinkctl resume account";
    return "nothing: it is probed, and ends when the API answers";
}
