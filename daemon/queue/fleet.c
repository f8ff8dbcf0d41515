/* fleet.c - this instance among others. */
#include "queue/fleet.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/timer.h"
#include "queue/replies.h"
#include "queue/server_check.h"

#include <event2/event.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBERS 7 /* in what is written of an instance */

/* Until the first reply of Redis has told its time. */
#define FIRST_WRITE_WAIT_MS 100

/* Connections that come and go do not repeat the warnings. */
#define CHECK_PAUSE_US (60 * US_PER_SEC)

struct fleet {
    struct server *server; /* borrows */
    struct event *timer;   /* owns */
    bool is_rate_due;      /* ours is still to be set */
    uint32_t rates_unanswered;
    bool is_rate_warned;
    double pace_logged;
    int64_t checked_us; /* the server's fitness; 0: not yet */
    char state[160];
    uint32_t in_flight;
    uint32_t waiting;
    char told_key_fp[KEY_FP_LEN + 1]; /* of the key that the hash named last */
    int64_t started_ms;               /* Redis time; 0: not known yet */
    int64_t progress_ms;
};

static void on_rate_reply(const redisReply *reply, void *user)
{
    struct fleet *fleet = user;
    const struct server *server = fleet->server;

    fleet->rates_unanswered--;
    if (reply == NULL)
        return; /* is still due at the next connection */
    if (reply->type == REDIS_REPLY_ERROR) {
        server_react(fleet->server, "rate", reply);
        return;
    }
    /* An older one's reply says nothing of the one that was sent after it. */
    fleet->is_rate_due = fleet->rates_unanswered > 0;
    fleet->is_rate_warned = false;
    if (reply_int(reply_at(reply, 1), 0) == 1)
        log_notice("rate.set", log_double("per_sec", server->per_sec),
                   log_double("burst", server->burst),
                   log_double("max_per_sec", server->max_per_sec),
                   log_str("before", reply_text(reply_at(reply, 2))));
}

static void send_rate(struct fleet *fleet)
{
    struct server *server = fleet->server;
    struct script_args args = {0};
    char per_sec[32];
    char burst[32];
    char max_per_sec[32];

    snprintf(per_sec, sizeof per_sec, "%.17g", server->per_sec);
    snprintf(burst, sizeof burst, "%.17g", server->burst);
    snprintf(max_per_sec, sizeof max_per_sec, "%.17g", server->max_per_sec);
    script_args_key(&args, server->keys.limiter);
    script_args_text(&args, server->keys.prefix);
    script_args_text(&args, per_sec);
    script_args_text(&args, burst);
    script_args_text(&args, max_per_sec);
    if (scripts_call(server->scripts, LUA_STEP_rate, &args, on_rate_reply, fleet) == RESULT_OK)
        fleet->rates_unanswered++;
}

void fleet_set_rate(struct fleet *fleet)
{
    fleet->is_rate_due = true;
    if (link_is_up(fleet->server->link))
        send_rate(fleet);
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fmax(1.0, fabs(b));
}

void fleet_note_rate(struct fleet *fleet, const char *rate)
{
    const struct server *server = fleet->server;
    double values[4] = {0};
    const char *rest = rate;

    for (int i = 0; i < 4; i++) {
        char *end = NULL;
        values[i] = strtod(rest, &end);
        if (end == rest)
            return;
        rest = end;
    }
    bool is_ours = is_near(values[0], server->per_sec) && is_near(values[1], server->burst) &&
                   is_near(values[2], server->max_per_sec);
    if (!is_ours && !fleet->is_rate_due && !fleet->is_rate_warned) {
        fleet->is_rate_warned = true;
        log_warn("rate.differs", log_double("fleet_per_sec", values[0]),
                 log_double("own_per_sec", server->per_sec), log_double("fleet_burst", values[1]),
                 log_double("own_burst", server->burst), log_double("fleet_max_per_sec", values[2]),
                 log_double("own_max_per_sec", server->max_per_sec),
                 log_str("now", "the fleet's holds: the instance started or reloaded last set it"));
    }
    if (fleet->pace_logged == 0 ||
        fabs(values[3] - fleet->pace_logged) > 0.1 * fleet->pace_logged) {
        log_notice("pace.changed", log_double("per_sec", values[3]),
                   log_double("before", fleet->pace_logged));
        fleet->pace_logged = values[3];
    }
}

static void on_info_reply(const redisReply *reply, void *user)
{
    struct fleet *fleet = user;

    if (reply == NULL)
        return;
    fleet->checked_us = clock_mono_us();
    if (reply->type == REDIS_REPLY_ERROR)
        log_info("redis.unchecked",
                 log_bytes("reply", reply->str, reply->len < 120 ? reply->len : 120),
                 log_str("now", "version, persistence and eviction of Redis are not looked at"));
    else
        server_check_info(reply_text(reply), reply_len(reply));
}

void fleet_connected(struct fleet *fleet)
{
    const char *words[] = {"INFO"};
    const size_t lens[] = {4};

    if (fleet->is_rate_due)
        send_rate(fleet);
    timer_arm(fleet->timer, 0); /* the hash may have ended meanwhile */
    if (fleet->checked_us != 0 && clock_mono_us() - fleet->checked_us < CHECK_PAUSE_US)
        return;
    /* Not sent: the connection is gone again, and comes here again. */
    (void)!link_command(fleet->server->link, 1, words, lens, on_info_reply, fleet);
}

void fleet_report(struct fleet *fleet, const char *state, uint32_t in_flight, uint32_t waiting)
{
    text_copy(fleet->state, sizeof fleet->state, state, strlen(state));
    fleet->in_flight = in_flight;
    fleet->waiting = waiting;
}

static void on_written(const redisReply *reply, void *user)
{
    struct fleet *fleet = user;

    if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
        server_react(fleet->server, "instance", reply);
}

/*
 * A key that was replaced is refused no longer, so nobody would ever end its hold by a probe.
 * Should others still bear it, their next refusal begins it anew.
 */
static void end_hold_of_old_key(struct fleet *fleet)
{
    struct server *server = fleet->server;
    char cause[sizeof "account:" + KEY_FP_LEN];

    if (strcmp(fleet->told_key_fp, server->key_fp) == 0)
        return;
    snprintf(cause, sizeof cause, "account:%s", fleet->told_key_fp);
    const char *hdel[] = {"HDEL", server->keys.holds, cause};
    const size_t lens[] = {4, strlen(hdel[1]), strlen(cause)};

    if (fleet->told_key_fp[0] == '\0' ||
        link_command(server->link, 3, hdel, lens, on_written, fleet) == RESULT_OK)
        text_copy(fleet->told_key_fp, sizeof fleet->told_key_fp, server->key_fp,
                  strlen(server->key_fp));
}

static void write_instance(struct fleet *fleet)
{
    struct server *server = fleet->server;
    const char *at = strrchr(server->owner, '@');
    char instance[QUEUE_OWNER_MAX_LEN + 1];
    char numbers[NUMBERS][24];
    struct script_args args = {0};

    text_copy(instance, sizeof instance, server->owner,
              at == NULL ? strlen(server->owner) : (size_t)(at - server->owner));
    const int64_t values[NUMBERS] = {server->timing.instance_ttl_ms,
                                     getpid(),
                                     QUEUE_SCHEMA,
                                     fleet->in_flight,
                                     fleet->waiting,
                                     fleet->started_ms,
                                     fleet->progress_ms};
    for (size_t i = 0; i < NUMBERS; i++)
        snprintf(numbers[i], sizeof numbers[i], "%" PRId64, values[i]);
    const char *const fields[][2] = {
        {"instance", instance},
        {"hostId", at == NULL ? "" : at + 1},
        {"pid", numbers[1]},
        {"boot", server->boot},
        {"version", AUTHLINKD_VERSION},
        {"schema", numbers[2]},
        {"keyFp", server->key_fp},
        {"state", fleet->state},
        {"inFlight", numbers[3]},
        {"waiting", numbers[4]},
        {"startedMs", numbers[5]},
        {"lastProgressMs", numbers[6]},
    };
    script_args_key(&args, server->keys.instance);
    script_args_text(&args, server->keys.prefix);
    script_args_text(&args, numbers[0]);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        script_args_text(&args, fields[i][0]);
        script_args_text(&args, fields[i][1]);
    }
    /* Not sent: the connection is gone, and the next write comes after it is back. */
    (void)!scripts_call(server->scripts, LUA_STEP_instance, &args, on_written, fleet);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
    struct fleet *fleet = user;
    const struct server *server = fleet->server;
    int64_t wait_ms = server->timing.instance_interval_ms;

    (void)fd;
    (void)what;
    if (fleet->started_ms == 0)
        fleet->started_ms = server_now_ms(server);
    fleet->progress_ms = server->last_reply_us == 0
                             ? 0
                             : server->clock_offset_ms + server->last_reply_us / US_PER_MS;
    if (link_is_up(server->link) && fleet->is_rate_due && fleet->rates_unanswered == 0)
        send_rate(fleet); /* it was refused */
    if (link_is_up(server->link) && fleet->started_ms != 0) {
        write_instance(fleet);
        end_hold_of_old_key(fleet);
    } else if (link_is_up(server->link) && wait_ms > FIRST_WRITE_WAIT_MS) {
        wait_ms = FIRST_WRITE_WAIT_MS;
    }
    timer_arm(fleet->timer, wait_ms * US_PER_MS);
}

struct fleet *fleet_new(struct event_base *base, struct server *server)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);

    if (fleet == NULL)
        return NULL;
    fleet->server = server;
    fleet->is_rate_due = true;
    fleet->timer = evtimer_new(base, on_timer, fleet);
    if (fleet->timer == NULL)
        return fleet_free(fleet);
    timer_arm(fleet->timer, 0);
    return fleet;
}

struct fleet *fleet_free(struct fleet *fleet)
{
    if (fleet == NULL)
        return NULL;
    if (fleet->timer != NULL)
        event_free(fleet->timer);
    free(fleet);
    return NULL;
}
