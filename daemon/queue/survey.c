/* survey.c - what the fleet looks like, read from Redis every few seconds. */
#include "queue/survey.h"

#include "base/clock.h"
#include "base/text.h"
#include "base/timer.h"
#include "queue/replies.h"

#include <event2/event.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How soon a connection that is there again is seen. */
#define CONNECT_WAIT_US (250 * US_PER_MS)

/* A reading is shown until so many more should have come. */
#define READINGS_MISSED 3

struct survey {
    struct server *server; /* borrows */
    struct event *timer;   /* owns */
    bool is_wanted;
    bool is_outstanding;
    bool is_refused; /* and that has been told */
    struct survey_reading reading;
};

bool survey_is_fresh(const struct survey_reading *reading, int64_t now_us)
{
    return reading->read_unix_ms != 0 && now_us <= reading->good_until_us;
}

static int64_t interval_us(const struct survey *survey)
{
    return survey->server->timing.survey_interval_ms * US_PER_MS;
}

static int64_t natural(const redisReply *reply)
{
    int64_t number = reply_int(reply, 0);

    return number > 0 ? number : 0;
}

/* What stands in the hashes may have been written by anybody. */
static int64_t natural_text(const redisReply *reply)
{
    int64_t number = 0;

    return text_to_int64(reply_text(reply), reply_len(reply), 0, INT64_MAX, &number) == RESULT_OK
               ? number
               : 0;
}

static double rate_text(const redisReply *reply)
{
    double number = strtod(reply_text(reply), NULL);

    return isfinite(number) && number > 0 ? number : 0;
}

static void read_counters(const redisReply *flat, struct survey_reading *reading)
{
    static const char *const names[] = {
#define X(name, text) text,
        SURVEY_COUNTERS(X)
#undef X
    };

    for (size_t i = 0; reply_at(flat, i + 1) != NULL; i += 2) {
        const redisReply *value = reply_at(flat, i + 1);
        if (reply_is(reply_at(flat, i), "lastReadyMs"))
            reading->last_ready_unix_ms = natural_text(value);
        for (size_t counter = 0; counter < SURVEY_COUNTER_COUNT; counter++)
            if (reply_is(reply_at(flat, i), names[counter]))
                reading->counters[counter] = (uint64_t)natural_text(value);
    }
}

/* Only causes that bind this key are in the reply: the kind is what stands before a colon. */
static void read_holds(const redisReply *causes, struct survey_reading *reading)
{
    for (size_t i = 0; reply_at(causes, i) != NULL; i++) {
        const char *cause = reply_text(reply_at(causes, i));
        size_t len = strcspn(cause, ":");
        for (int kind = 0; kind < HOLD_KINDS; kind++) {
            const char *name = hold_kind_name(kind);
            if (strlen(name) == len && memcmp(name, cause, len) == 0)
                reading->binds[kind] = true;
        }
    }
}

static void read_reply(const redisReply *reply, int64_t good_until_us,
                       struct survey_reading *reading)
{
    *reading = (struct survey_reading){
        .read_unix_ms = clock_wall_unix_ms(),
        .good_until_us = good_until_us,
        .queue = natural(reply_at(reply, 1)),
        .delayed = natural(reply_at(reply, 2)),
        .leases = natural(reply_at(reply, 3)),
        .inflight = natural(reply_at(reply, 4)),
        .letters = natural(reply_at(reply, 5)),
        .head_age_ms = reply_int(reply_at(reply, 6), -1),
        .overdue_ms = natural(reply_at(reply, 7)),
        .memory_used_bytes = natural(reply_at(reply, 8)),
        .memory_max_bytes = natural(reply_at(reply, 9)),
        .per_sec = rate_text(reply_at(reply, 11)),
        .pace_per_sec = rate_text(reply_at(reply, 12)),
    };
    read_holds(reply_at(reply, 10), reading);
    read_counters(reply_at(reply, 13), reading);
}

/*
 * A survey moves no job: its replies are no sign of progress for the watchdog (server_note_reply),
 * and a refusal is told once, however often it comes.
 */
static void on_reply(const redisReply *reply, void *user)
{
    struct survey *survey = user;

    survey->is_outstanding = false;
    if (reply == NULL)
        return;
    if (reply->type == REDIS_REPLY_ERROR) {
        if (!survey->is_refused) {
            survey->is_refused = true;
            server_react(survey->server, "survey", reply);
        }
        return;
    }
    if (!reply_is_array(reply_at(reply, 13))) {
        server_reject(survey->server, "survey");
        return;
    }
    survey->is_refused = false;
    read_reply(reply, clock_mono_us() + READINGS_MISSED * interval_us(survey), &survey->reading);
}

static void send_survey(struct survey *survey)
{
    struct server *server = survey->server;
    const struct keys *keys = &server->keys;
    const char *const names[] = {keys->queue, keys->delayed, keys->leases, keys->inflight,
                                 keys->dead,  keys->stats,   keys->holds,  keys->limiter};
    struct script_args args = {0};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        script_args_key(&args, names[i]);
    script_args_text(&args, keys->prefix);
    script_args_text(&args, server->key_fp);
    survey->is_outstanding =
        scripts_call(server->scripts, LUA_STEP_survey, &args, on_reply, survey) == RESULT_OK;
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
    struct survey *survey = user;
    int64_t wait_us = interval_us(survey);

    (void)fd;
    (void)what;
    if (!link_is_up(survey->server->link))
        wait_us = CONNECT_WAIT_US;
    else if (!survey->is_outstanding)
        send_survey(survey);
    timer_arm(survey->timer, wait_us);
}

struct survey *survey_new(struct event_base *base, struct server *server)
{
    struct survey *survey = calloc(1, sizeof *survey);

    if (survey == NULL)
        return NULL;
    survey->server = server;
    survey->timer = evtimer_new(base, on_timer, survey);
    return survey->timer == NULL ? survey_free(survey) : survey;
}

struct survey *survey_free(struct survey *survey)
{
    if (survey == NULL)
        return NULL;
    if (survey->timer != NULL)
        event_free(survey->timer);
    free(survey);
    return NULL;
}

void survey_want(struct survey *survey, bool is_wanted)
{
    if (survey->is_wanted == is_wanted)
        return;
    survey->is_wanted = is_wanted;
    if (is_wanted)
        timer_arm(survey->timer, 0);
    else
        event_del(survey->timer);
}

const struct survey_reading *survey_reading(const struct survey *survey)
{
    return &survey->reading;
}
