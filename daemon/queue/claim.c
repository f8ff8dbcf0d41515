/* claim.c - asks for jobs, and reads what was handed out. */
#include "queue/claim.h"

#include "base/clock.h"
#include "base/hooks.h"
#include "base/log.h"
#include "base/text.h"
#include "queue/replies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_A_JOB       9
#define FIELDS_A_PLAIN_JOB 3

/* A slot lies at most 250 ms ahead; what is beyond a minute is no slot of ours. */
#define MAX_SLOT_US (60 * US_PER_SEC)

struct claimer {
    struct server *server; /* borrows */
    claimer_on_reply on_reply;
    void *user;
    uint64_t seq; /* of the last claim sent */
    bool is_outstanding;
    int64_t sent_us;
    int64_t lease_end_boot_us; /* of that claim (C6) */
};

struct claimer *claimer_new(struct server *server, claimer_on_reply on_reply, void *user)
{
    struct claimer *claimer = calloc(1, sizeof *claimer);

    if (claimer == NULL)
        return NULL;
    claimer->server = server;
    claimer->on_reply = on_reply;
    claimer->user = user;
    return claimer;
}

struct claimer *claimer_free(struct claimer *claimer)
{
    free(claimer);
    return NULL;
}

uint64_t claimer_outstanding(const struct claimer *claimer)
{
    return claimer->is_outstanding ? claimer->seq : 0;
}

int64_t claimer_sent_us(const struct claimer *claimer)
{
    return claimer->is_outstanding ? claimer->sent_us : 0;
}

uint64_t claimer_last(const struct claimer *claimer)
{
    return claimer->seq;
}

static int64_t lease_ms(const struct server *server)
{
    return server->request_timeout_ms + server->timing.lease_margin_ms;
}

/* False: the lists have not the form they must have. */
static bool note_lists(struct claim_reply *claim)
{
    if (!reply_is_array(claim->jobs) || !reply_is_array(claim->plain_jobs))
        return false;

    size_t words = claim->jobs->elements, plain_words = claim->plain_jobs->elements;
    claim->plain_count = plain_words / FIELDS_A_PLAIN_JOB;
    claim->job_count = claim->plain_count + words / FIELDS_A_JOB;
    return words % FIELDS_A_JOB == 0 && plain_words % FIELDS_A_PLAIN_JOB == 0;
}

/* False: the reply has not the form it must have. */
static bool read_reply(const redisReply *reply, struct claim_reply *claim)
{
    const redisReply *word = reply_at(reply, 1);

    if (reply_is(word, "jobs")) {
        claim->word = CLAIM_JOBS;
        claim->is_probe = reply_int(reply_at(reply, 2), 0) == 1;
        claim->queue_len = reply_int(reply_at(reply, 3), 0);
        claim->next_due_ms = reply_int(reply_at(reply, 4), -1);
        claim->rate = reply_text(reply_at(reply, 5));
        claim->jobs = reply_at(reply, 6);
        claim->plain_jobs = reply_at(reply, 7);
        return note_lists(claim);
    }
    if (reply_is(word, "wait")) {
        claim->word = CLAIM_WAIT;
        claim->wait_ms = reply_int(reply_at(reply, 2), -1);
        return claim->wait_ms >= 0;
    }
    if (reply_is(word, "hold")) {
        claim->word = CLAIM_HOLD;
        claim->cause = reply_text(reply_at(reply, 2));
        claim->wait_ms = reply_int(reply_at(reply, 3), -1);
        claim->detail = reply_text(reply_at(reply, 4));
        return claim->wait_ms >= 0;
    }
    claim->word = CLAIM_FOREIGN;
    claim->cause = reply_text(reply_at(reply, 2));
    claim->detail = reply_text(reply_at(reply, 3));
    return reply_is(word, "foreign");
}

static void on_reply(const redisReply *reply, void *user)
{
    struct claimer *claimer = user;
    struct claim_reply claim = {
        .word = CLAIM_LOST,
        .server = claimer->server,
        .seq = claimer->seq,
        .lease_end_boot_us = claimer->lease_end_boot_us,
        .received_us = clock_mono_us(),
        .cause = "",
        .detail = "",
        .rate = "",
        .next_due_ms = -1,
    };

    claimer->is_outstanding = false;
    if (reply == NULL)
        goto out;
    hook_reach("claim.received");
    if (reply->type == REDIS_REPLY_ERROR) {
        claim.word = CLAIM_REFUSED;
        if (!server_react(claimer->server, "claim", reply))
            claim.word = CLAIM_LOST;
        goto out;
    }
    if (reply_int(reply_at(reply, 0), -1) < 0 || !read_reply(reply, &claim)) {
        claim.word = CLAIM_LOST;
        server_reject(claimer->server, "claim");
        goto out;
    }
    server_note_reply(claimer->server, reply_int(reply_at(reply, 0), 0));
out:
    claimer->on_reply(&claim, claimer->user);
}

enum result claimer_send(struct claimer *claimer, uint32_t want)
{
    struct server *server = claimer->server;
    struct script_args args = {0};
    char lease[LEASE_NAME_MAX + 1];
    char lease_key[KEY_MAX_LEN];
    char want_text[16];
    char lease_ms_text[24];
    char schema[16];

    if (claimer->is_outstanding)
        return RESULT_LATER;
    claimer->seq++; /* a name is sent once and never again */
    server_lease_name(server, claimer->seq, lease);
    keys_lease(&server->keys, lease, lease_key);
    snprintf(want_text, sizeof want_text, "%" PRIu32, want);
    snprintf(lease_ms_text, sizeof lease_ms_text, "%" PRId64, lease_ms(server));
    snprintf(schema, sizeof schema, "%d", QUEUE_SCHEMA);

    const char *const keys[] = {server->keys.queue,  server->keys.delayed,  lease_key,
                                server->keys.leases, server->keys.inflight, server->keys.limiter,
                                server->keys.holds,  server->keys.events,   server->keys.dead,
                                server->keys.stats,  server->keys.meta};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        script_args_key(&args, keys[i]);
    const char *const texts[] = {
        server->keys.prefix,     lease, want_text, lease_ms_text, server->key_fp,
        server->publishable_key, schema};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        script_args_text(&args, texts[i]);
    script_args_bytes(&args, buffer_text(&server->settings_json), server->settings_json.len);

    claimer->lease_end_boot_us = clock_boot_us() + lease_ms(server) * US_PER_MS;
    enum result result = scripts_call(server->scripts, LUA_STEP_claim, &args, on_reply, claimer);
    claimer->is_outstanding = result == RESULT_OK;
    claimer->sent_us = clock_mono_us();
    if (claimer->is_outstanding)
        hook_reach("claim.sent");
    return result;
}

static bool copy(char *target, size_t size, const redisReply *text)
{
    return memchr(reply_text(text), '\0', reply_len(text)) == NULL &&
           text_copy(target, size, reply_text(text), reply_len(text)) == RESULT_OK;
}

/* As claim.lua lets it pass; the ID goes into names of keys and into a URL of ours. */
static bool is_sound_id(const char *id)
{
    return id[0] != '\0' &&
           id[strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")] ==
               '\0';
}

static bool is_in(int64_t value, int64_t min, int64_t max)
{
    return value >= min && value <= max;
}

/* A job's fields, in the order of FIELDS_A_JOB. */
static enum result read_fields(const struct claim_reply *reply, const redisReply *const *fields,
                               struct job *job)
{
    int64_t attempts = reply_int(fields[2], -1);
    int64_t recoveries = reply_int(fields[3], -1);
    int64_t slot_us = reply_int(fields[5], -1);
    int64_t link_expiry_mins = reply_int(fields[7], 0);

    *job = (struct job){.lease_seq = reply->seq,
                        .is_probe = reply->is_probe,
                        .lease_end_boot_us = reply->lease_end_boot_us};
    if (!copy(job->end_user_id, sizeof job->end_user_id, fields[0]) ||
        !copy(job->job_key, sizeof job->job_key, fields[1]) ||
        !copy(job->redirect_url, sizeof job->redirect_url, fields[6]) ||
        !copy(job->ref, sizeof job->ref, fields[8]))
        return RESULT_INVALID;
    if (!is_sound_id(job->end_user_id) || !is_in(slot_us, 0, MAX_SLOT_US) ||
        !is_in(link_expiry_mins, JOB_LINK_EXPIRY_MIN, JOB_LINK_EXPIRY_MAX) ||
        !is_in(attempts, 0, INT32_MAX) || !is_in(recoveries, 0, INT32_MAX))
        return RESULT_INVALID;
    job->attempts = (uint32_t)attempts;
    job->recoveries = (uint32_t)recoveries;
    job->age_ms = reply_int(fields[4], 0);
    job->slot_due_us = reply->received_us + slot_us;
    job->link_expiry_mins = (uint32_t)link_expiry_mins;
    return RESULT_OK;
}

/* A job that was nothing but an ID goes by the settings. */
static enum result read_plain_job(const struct claim_reply *reply, const redisReply *const *own,
                                  struct job *job)
{
    static char empty[] = "";
    static const redisReply nought = {.type = REDIS_REPLY_INTEGER},
                            no_text = {.type = REDIS_REPLY_STRING, .str = empty};
    const struct server *server = reply->server;
    const redisReply url = {.type = REDIS_REPLY_STRING,
                            .str = server->redirect_url,
                            .len = strlen(server->redirect_url)};
    const redisReply mins = {.type = REDIS_REPLY_INTEGER, .integer = server->link_expiry_mins};
    const redisReply *const fields[FIELDS_A_JOB] = {own[0], own[1], &nought, &nought, &nought,
                                                    own[2], &url,   &mins,   &no_text};

    return read_fields(reply, fields, job);
}

/* The plain ones come first. */
static enum result read_job(const struct claim_reply *reply, size_t index, struct job *job)
{
    const redisReply *const *all;

    if (index < reply->plain_count) {
        all = (const redisReply *const *)reply->plain_jobs->element;
        return read_plain_job(reply, all + index * FIELDS_A_PLAIN_JOB, job);
    }
    all = (const redisReply *const *)reply->jobs->element;
    return read_fields(reply, all + (index - reply->plain_count) * FIELDS_A_JOB, job);
}

enum result claim_read_jobs(const struct claim_reply *reply, struct job_pool *pool,
                            struct job **ret_list, uint32_t *ret_count)
{
    struct job *first = NULL;
    struct job **tail = &first;
    uint32_t count = 0;

    for (size_t i = 0; i < reply->job_count; i++) {
        struct job *job = job_pool_take(pool);
        if (job == NULL) {
            log_error("jobs.left", log_str("why", "out of memory"),
                      log_int("jobs", (int64_t)(reply->job_count - i)));
            break;
        }
        enum result result = read_job(reply, i, job);
        *tail = job;
        tail = &job->next;
        if (result != RESULT_OK) {
            job_pool_give_back_list(pool, first);
            return result;
        }
        count++;
    }
    *tail = NULL;
    *ret_list = first;
    *ret_count = count;
    return RESULT_OK;
}
