/* support_steps.c - claim, settle and reap, called as the daemon calls them. */
#include "support_steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOB_WORDS       9
#define PLAIN_JOB_WORDS 3

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

/* Jobs that were nothing but an ID. */
static size_t plain_count(const redisReply *reply)
{
    size_t words = at(reply, 7)->elements;

    ck_assert_uint_eq(words % PLAIN_JOB_WORDS, 0);
    return words / PLAIN_JOB_WORDS;
}

size_t claimed_count(const redisReply *reply)
{
    ck_assert_str_eq(word_of(reply), "jobs");
    const redisReply *jobs = at(reply, 6);
    ck_assert_uint_eq(jobs->elements % JOB_WORDS, 0);
    return plain_count(reply) + jobs->elements / JOB_WORDS;
}

static struct claimed plain_at(const redisReply *jobs, size_t index)
{
    size_t first = index * PLAIN_JOB_WORDS;

    return (struct claimed){
        .user = text_of(at(jobs, first)),
        .job_key = text_of(at(jobs, first + 1)),
        .slot_offset_us = number_of(at(jobs, first + 2)),
        .redirect_url = "", /* as SETTINGS say */
        .link_expiry_mins = 30,
        .ref = "",
    };
}

static struct claimed listed_at(const redisReply *reply, size_t index)
{
    const redisReply *jobs = at(reply, 6);
    size_t plain = plain_count(reply);

    if (index < plain)
        return plain_at(at(reply, 7), index);
    size_t first = (index - plain) * JOB_WORDS;
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

/* How many of the jobs come before this one. */
static size_t rank_of(const redisReply *reply, size_t index, size_t count)
{
    int64_t slot_us = listed_at(reply, index).slot_offset_us;
    size_t rank = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t other_us = listed_at(reply, i).slot_offset_us;
        rank += other_us < slot_us || (other_us == slot_us && i < index);
    }
    return rank;
}

struct claimed claimed_at(const redisReply *reply, size_t index)
{
    size_t count = claimed_count(reply), plain = plain_count(reply), i = 0;

    if (plain == 0 || plain == count) /* each list has that order */
        return listed_at(reply, index);
    while (rank_of(reply, i, count) != index)
        i++;
    return listed_at(reply, i);
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

/* Texts that the words of items point to. */
struct item_texts {
    char count[24];
    char meaning[64];
    char numbers[6][24];
};

#define GROUP_WORDS 9

static const char *number_text(char *text, int64_t number)
{
    snprintf(text, 24, "%" PRId64, number);
    return text;
}

/* As a group of one. */
static void write_item(const char **words, struct item_texts *texts, const struct item *item)
{
    static const char *const told[] = {[NOT_TOLD] = "-", [ACCEPTED] = "1", [REFUSED] = "0"};
    char(*numbers)[24] = texts->numbers;
    bool is_link = strcmp(item->kind, "created") == 0;
    int64_t life_ms = item->life_ms != 0 ? item->life_ms : 1800000;

    snprintf(texts->meaning, sizeof texts->meaning, "%s %s %s", item->kind,
             or_else(item->signal, "none"), told[item->told]);
    number_text(texts->count, 1);
    const char *const common[] = {
        texts->count,
        or_else(item->lease, LEASE),
        texts->meaning,
        or_else(item->key_fp, KEY_FP),
        number_text(numbers[0], item->link_expiry_mins != 0 ? item->link_expiry_mins : 30),
        or_else(item->redirect_url, ""),
        or_else(item->ref, ""),
        number_text(numbers[1], item->quota_reset_ms),
        number_text(numbers[2], is_link ? life_ms : item->retry_after_ms),
        item->user,
        number_text(numbers[3], item->age_ms),
        or_else(item->request_id, "")};
    const char *const of_link[] = {or_else(item->session_id, ""), "2026-01-01T00:00:00.000Z",
                                   "2026-01-01T00:30:00.000Z", or_else(item->auth_flow_url, "")};
    const char *const of_other[] = {number_text(numbers[4], item->delay_ms),
                                    number_text(numbers[5], item->http_status),
                                    or_else(item->error_code, ""), or_else(item->detail, "")};
    const size_t count = sizeof common / sizeof common[0];
    memcpy(words, common, sizeof common);
    memcpy(words + count, is_link ? of_link : of_other, sizeof of_link);
}

static bool is_same_head(const char *const *a, const char *const *b)
{
    for (int i = 1; i < GROUP_WORDS; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return true;
}

static redisReply *call_settle(const struct settle_args *args, int count, const char *const *items)
{
    static const char *words[4 + SETTLE_SHADE_WORDS + SETTLE_MAX_ITEMS * SETTLE_ONE_WORDS];
    char settled_key[64];

    ck_assert_int_le(count, SETTLE_MAX_ITEMS * SETTLE_ONE_WORDS);
    snprintf(settled_key, sizeof settled_key, "settled:%s", or_else(args->boot, BOOT));
    const char *const keys[] = {"leases", "inflight", "delayed", "limiter",  "holds",
                                "events", "dead",     "stats",   settled_key};
    words[0] = WORLD_PREFIX;
    words[1] = digits(args->number);
    words[2] = or_else(args->settings, SETTINGS);
    words[3] = "604800000";
    for (int i = 0; i < SETTLE_SHADE_WORDS; i++)
        words[4 + i] = "";
    memcpy(words + 4 + SETTLE_SHADE_WORDS, items, (size_t)count * sizeof items[0]);
    return call_step(LUA_STEP_settle, 9, keys, 4 + SETTLE_SHADE_WORDS + count, words);
}

redisReply *settle_words(int64_t number, int count, const char *const *words)
{
    return call_settle(&(const struct settle_args){.number = number}, count, words);
}

/* Items go as the daemon sends them: with neighbours that have the same head. */
redisReply *settle_as(const struct settle_args *args)
{
    static const char *words[SETTLE_MAX_ITEMS * SETTLE_ONE_WORDS];
    static struct item_texts texts[SETTLE_MAX_ITEMS];
    int count = 0, head = -1;
    int64_t of_group = 0;

    ck_assert_uint_le(args->count, SETTLE_MAX_ITEMS);
    for (size_t i = 0; i < args->count; i++) {
        const char *one[SETTLE_ONE_WORDS];
        write_item(one, &texts[i], &args->items[i]);
        bool is_new = head < 0 || !is_same_head(one, words + head);
        int skipped = is_new ? 0 : GROUP_WORDS;
        memcpy(words + count, one + skipped, (size_t)(SETTLE_ONE_WORDS - skipped) * sizeof one[0]);
        head = is_new ? count : head;
        of_group = is_new ? 1 : of_group + 1;
        words[head] = number_text(texts[i].count, of_group);
        count += SETTLE_ONE_WORDS - skipped;
    }
    return call_settle(args, count, words);
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
