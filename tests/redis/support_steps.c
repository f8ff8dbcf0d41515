/* support_steps.c - claim, settle and reap, called as the daemon calls them. */
#include "support_steps.h"

#include "base/buffer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX_BYTES (512 * 1024)
#define JOB_WORDS       9

static const char *or_else(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

redisReply *claim(const struct claim_args *args)
{
    const char *lease = or_else(args->lease, LEASE);
    char lease_key[256];
    snprintf(lease_key, sizeof lease_key, "lease:%s", lease);

    const char *const keys[] = {"queue", "delayed", lease_key, "leases", "inflight", "limiter",
                                "holds", "events",  "dead",    "stats",  "meta"};
    const char *const words[] = {WORLD_PREFIX,
                                 lease,
                                 digits(args->want != 0 ? args->want : 256),
                                 digits(args->lease_ms != 0 ? args->lease_ms : 40000),
                                 or_else(args->key_fp, KEY_FP),
                                 or_else(args->publishable_key, "pk_test"),
                                 or_else(args->schema, "1"),
                                 or_else(args->settings, SETTINGS)};

    return call_step(LUA_STEP_claim, 11, keys, 8, words);
}

const char *word_of(const redisReply *reply)
{
    expect_fine(reply);
    return text_of(at(reply, 1));
}

size_t claimed_count(const redisReply *reply)
{
    ck_assert_str_eq(word_of(reply), "jobs");
    const redisReply *jobs = at(reply, 6);
    ck_assert_uint_eq(jobs->elements % JOB_WORDS, 0);
    return jobs->elements / JOB_WORDS;
}

struct claimed claimed_at(const redisReply *reply, size_t index)
{
    const redisReply *jobs = at(reply, 6);
    size_t first = index * JOB_WORDS;

    return (struct claimed){
        .user = text_of(at(jobs, first)),
        .job_key = text_of(at(jobs, first + 1)),
        .attempts = number_of(at(jobs, first + 2)),
        .recoveries = number_of(at(jobs, first + 3)),
        .age_ms = number_of(at(jobs, first + 4)),
        .slot_offset_us = number_of(at(jobs, first + 5)),
        .redirect_url = text_of(at(jobs, first + 6)),
        .link_expiry_mins = number_of(at(jobs, first + 7)),
        .ref = text_of(at(jobs, first + 8)),
    };
}

void push_bytes(const char *payload, size_t len)
{
    const char *queue = key_of("queue");
    const char *words[] = {"RPUSH", queue, payload};
    const size_t lens[] = {5, strlen(queue), len};

    expect_fine(world_command(3, words, lens));
}

void push(const char *payload)
{
    push_bytes(payload, strlen(payload));
}

void take(const char *payload, const char *lease)
{
    push(payload);
    ck_assert_uint_eq(claimed_count(CLAIM(.lease = lease, .want = 1)), 1);
}

static void append_text(struct buffer *json, const char *value)
{
    buffer_append_char(json, ',');
    buffer_append_json_string(json, or_else(value, ""), strlen(or_else(value, "")));
}

static void append_number(struct buffer *json, int64_t value)
{
    buffer_append_format(json, ",%" PRId64, value);
}

static void append_item(struct buffer *json, const struct item *item)
{
    static const char *const told[] = {[NOT_TOLD] = "null", [ACCEPTED] = "true", [REFUSED] = "false"};

    buffer_append_char(json, '[');
    const char *lease = or_else(item->lease, LEASE);
    buffer_append_json_string(json, lease, strlen(lease));
    append_text(json, item->user);
    append_text(json, item->kind);
    append_text(json, or_else(item->signal, "none"));
    append_text(json, or_else(item->key_fp, KEY_FP));
    buffer_append_format(json, ",%s", told[item->told]);
    append_number(json, item->age_ms);
    append_number(json, item->retry_after_ms);
    append_number(json, item->quota_reset_ms);
    append_number(json, item->life_ms != 0 ? item->life_ms : 1800000);
    append_number(json, item->link_expiry_mins != 0 ? item->link_expiry_mins : 30);
    append_text(json, item->session_id);
    append_text(json, item->auth_flow_url);
    append_text(json, "2026-01-01T00:00:00.000Z");
    append_text(json, "2026-01-01T00:30:00.000Z");
    append_text(json, item->request_id);
    append_text(json, item->redirect_url);
    append_text(json, item->ref);
    append_number(json, item->delay_ms);
    append_number(json, item->http_status);
    append_text(json, item->error_code);
    append_text(json, item->detail);
    buffer_append_char(json, ']');
}

static redisReply *call_settle(const char *boot, const char *settings, int64_t number,
                               const char *json)
{
    char settled_key[64];
    snprintf(settled_key, sizeof settled_key, "settled:%s", boot);

    const char *const keys[] = {"leases", "inflight", "delayed", "limiter",  "holds",
                                "events", "dead",     "stats",   settled_key};
    const char *const words[] = {WORLD_PREFIX, digits(number), settings, json};

    return call_step(LUA_STEP_settle, 9, keys, 4, words);
}

redisReply *settle_json(int64_t number, const char *json)
{
    return call_settle(BOOT, SETTINGS, number, json);
}

redisReply *settle_as(const struct settle_args *args)
{
    struct buffer json;

    buffer_init(&json, ITEMS_MAX_BYTES);
    buffer_append_format(&json, "{\"number\":%" PRId64 ",\"count\":%zu,%80s\"items\":[",
                         args->number, args->count, "");
    for (size_t i = 0; i < args->count; i++) {
        if (i > 0)
            buffer_append_char(&json, ',');
        append_item(&json, &args->items[i]);
    }
    buffer_append_str(&json, "]}");
    ck_assert(!json.failed);
    redisReply *reply = call_settle(or_else(args->boot, BOOT), or_else(args->settings, SETTINGS),
                                    args->number, buffer_text(&json));
    buffer_done(&json);
    return reply;
}

redisReply *settle(int64_t number, size_t count, const struct item *items)
{
    return settle_as(&(const struct settle_args){.number = number, .count = count, .items = items});
}

size_t fenced_count(const redisReply *reply)
{
    ck_assert_str_eq(word_of(reply), "done");
    return at(reply, 2)->elements;
}

redisReply *reap_as(const struct reap_args *args)
{
    static const char *const keys[] = {"leases", "inflight", "delayed", "dead", "events", "stats"};
    const char *words[64] = {WORLD_PREFIX, or_else(args->owner, OWNER), or_else(args->boot, BOOT),
                             args->foreign ? "1" : "0", or_else(args->settings, SETTINGS)};
    int count = 5;

    for (int i = 0; i < args->name_count; i++)
        words[count++] = args->names[i];
    return call_step(LUA_STEP_reap, 6, keys, count, words);
}

redisReply *reap(bool foreign, int name_count, const char *const *names)
{
    return reap_as(
        &(const struct reap_args){.foreign = foreign, .name_count = name_count, .names = names});
}

struct delayed only_delayed(void)
{
    const redisReply *all = COMMAND("ZRANGE", key_of("delayed"), "0", "-1", "WITHSCORES");

    ck_assert_uint_eq(all->elements, 2);
    struct delayed job = {.record = text_of(at(all, 0)), .due_ms = number_of(at(all, 1))};
    char *rest;
    const char *after_key = strchr(job.record, ' ');
    ck_assert_ptr_nonnull(after_key);
    job.attempts = strtoll(after_key, &rest, 10);
    job.recoveries = strtoll(rest, &rest, 10);
    strtoll(rest, &rest, 10);
    job.slot_us = strtoll(rest, &rest, 10);
    job.payload = rest + 1;
    return job;
}

static const redisReply *newest(const char *stream)
{
    return at(COMMAND("XREVRANGE", key_of(stream), "+", "-", "COUNT", "1"), 0);
}

const redisReply *last_event(void)
{
    return at(newest("events"), 1);
}

const redisReply *last_letter(void)
{
    return at(newest("dead"), 1);
}

const char *last_letter_id(void)
{
    return text_of(at(newest("dead"), 0));
}

void store_link(const char *user, int64_t valid_ms, const char *redirect_url,
                int64_t updated_ago_ms)
{
    char name[192];
    int64_t now_ms = server_now_ms();

    snprintf(name, sizeof name, "session:%s", user);
    COMMAND("HSET", key_of(name), "status", "ready", "endUserId", user, "sessionId",
            "auth_sess_old", "authFlowUrl", "https://old", "expiresAtMs", digits(now_ms + valid_ms),
            "redirectUrl", redirect_url, "updatedAtMs", digits(now_ms - updated_ago_ms));
}

void store_lease(const char *lease, const char *user, const char *record, int64_t deadline_ms)
{
    char name[256];

    snprintf(name, sizeof name, "lease:%s", lease);
    COMMAND("HSET", key_of(name), user, record);
    COMMAND("ZADD", key_of("leases"), digits(deadline_ms), lease);
    COMMAND("HSET", key_of("inflight"), user, lease);
    COMMAND("HINCRBY", key_of("stats"), "taken", "1");
}
