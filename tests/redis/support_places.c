/* support_places.c - reads the whole data and checks that every job is in exactly one place. */
#include "support_places.h"

#include "support_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERS_MAX 64

/* What is known of the events read so far; copied whole around SAVE. */
struct known {
    char last_event[64];            /* ID; "" before the first */
    uint8_t ended[PLACES_JOBS_MAX]; /* by job key */
    int64_t ready, reused;
};

struct link_seen {
    char user[32];
    long number; /* sessions are numbered as they are made */
    int64_t expires_ms;
};

static struct known known, saved;
static struct link_seen links[USERS_MAX];

void places_start(void)
{
    known = (struct known){0};
    memset(links, 0, sizeof links);
}

void places_save(void)
{
    saved = known;
}

void places_restore(void)
{
    known = saved;
    memset(links, 0, sizeof links);
}

void places_redriven(int64_t job_key)
{
    known.ended[job_key] = 0;
}

static void read_new_events(void)
{
    char start[80];

    snprintf(start, sizeof start, known.last_event[0] != '\0' ? "(%s" : "-%s", known.last_event);
    const redisReply *events = COMMAND("XRANGE", key_of("events"), start, "+");
    if (events->type != REDIS_REPLY_ARRAY)
        return;
    for (size_t i = 0; i < events->elements; i++) {
        const redisReply *fields = at(at(events, i), 1);
        const char *type = field_of(fields, "type");
        long long job_key = strtoll(field_of(fields, "jobKey"), NULL, 10);
        if (job_key >= PLACES_JOBS_MAX)
            ck_abort_msg("job %lld is beyond the table", job_key);
        known.ended[job_key]++;
        known.ready += strcmp(type, "ready") == 0;
        known.reused += strcmp(type, "reused") == 0;
        snprintf(known.last_event, sizeof known.last_event, "%s", text_of(at(at(events, i), 0)));
    }
}

static void found(uint8_t *places, const char *record)
{
    long long job_key = strtoll(record, NULL, 10);

    if (job_key >= PLACES_JOBS_MAX)
        ck_abort_msg("job %lld is beyond the table", job_key);
    places[job_key]++;
}

static size_t find_in_lease(uint8_t *places, const char *lease, const redisReply *index)
{
    char name[128];
    snprintf(name, sizeof name, "lease:%s", lease);
    const redisReply *jobs = COMMAND("HGETALL", key_of(name));

    ck_assert_msg(jobs->elements > 0, "%s is empty, but has a deadline", lease);
    for (size_t i = 0; i < jobs->elements; i += 2) {
        const char *user = text_of(at(jobs, i));
        if (strcmp(field_of(index, user), lease) != 0)
            ck_abort_msg("%s is in %s, but not in the index", user, lease);
        found(places, text_of(at(jobs, i + 1)));
    }
    return jobs->elements / 2;
}

static void find_all(uint8_t *places)
{
    const redisReply *delayed = COMMAND("ZRANGE", key_of("delayed"), "0", "-1");
    const redisReply *leases = COMMAND("ZRANGE", key_of("leases"), "0", "-1");
    const redisReply *index = COMMAND("HGETALL", key_of("inflight"));
    size_t in_leases = 0;

    for (size_t i = 0; i < delayed->elements; i++)
        found(places, text_of(at(delayed, i)));
    for (size_t i = 0; i < leases->elements; i++)
        in_leases += find_in_lease(places, text_of(at(leases, i)), index);
    ck_assert_uint_eq(index->elements / 2, in_leases);
}

static long long counter_in(const redisReply *counters, const char *name)
{
    return strtoll(field_of(counters, name), NULL, 10);
}

void places_check(int64_t pushed)
{
    static uint8_t places[PLACES_JOBS_MAX];
    const redisReply *counters = COMMAND("HGETALL", key_of("stats"));
    long long taken = counter_in(counters, "taken");

    ck_assert_int_lt(taken, PLACES_JOBS_MAX);
    read_new_events();
    memcpy(places, known.ended, (size_t)taken + 1);
    find_all(places);
    for (long long job = 1; job <= taken; job++)
        if (places[job] != 1)
            ck_abort_msg("job %lld is in %d places", job, places[job]);
    ck_assert_int_eq(counter_in(counters, "ready"), known.ready);
    ck_assert_int_eq(counter_in(counters, "reused"), known.reused);
    ck_assert_int_eq(taken + number_of(COMMAND("LLEN", key_of("queue"))), pushed);
    check_law();
}

void places_check_orphans(void)
{
    const redisReply *names = COMMAND("KEYS", WORLD_PREFIX ":lease:*");

    ck_assert_int_eq((long long)names->elements, number_of(COMMAND("ZCARD", key_of("leases"))));
}

static struct link_seen *seen_of(const char *user)
{
    for (size_t i = 0; i < USERS_MAX; i++) {
        if (links[i].user[0] == '\0')
            snprintf(links[i].user, sizeof links[i].user, "%s", user);
        if (strcmp(links[i].user, user) == 0)
            return &links[i];
    }
    ck_abort_msg("more than %d users", USERS_MAX);
}

void places_check_link(const char *user)
{
    char name[64];
    snprintf(name, sizeof name, "session:%s", user);
    const redisReply *session =
        COMMAND("HMGET", key_of(name), "status", "sessionId", "expiresAtMs");
    struct link_seen *seen = seen_of(user);

    if (session->type != REDIS_REPLY_ARRAY || strcmp(text_of(at(session, 0)), "ready") != 0)
        return;
    long session_number = strtol(text_of(at(session, 1)) + 1, NULL, 10);
    ck_assert_msg(session_number >= seen->number || seen->expires_ms <= server_now_ms(),
                  "%s: link %ld was replaced by the older %ld", user, seen->number, session_number);
    seen->number = session_number;
    seen->expires_ms = number_of(at(session, 2));
}
