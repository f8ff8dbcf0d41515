/* lease_keeper.c - knows the leases in hand, and compares them with what Redis says. */
#include "queue/lease_keeper.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"
#include "queue/reap.h"
#include "queue/roll_call.h"

#include <event2/event.h>
#include <stdlib.h>

/* Reaps that follow one another at once, at most: what is still listed then is no hurry. */
#define REAPS_IN_A_ROW_MAX 64

struct lease_keeper {
    struct server *server; /* borrows */
    struct reaper *reaper; /* owns */
    struct event *timer;   /* owns */
    struct leases leases;
    struct lease_keeper_callbacks callbacks;
    void *user;
    bool is_started;
    bool was_listed; /* since the start */
    int64_t started_us;
    uint32_t refusals;       /* in a row */
    uint32_t reaps_in_a_row; /* without a wait */
};

static void send_reap(struct lease_keeper *keeper, const struct reap_names *names)
{
    int64_t lasted_us = clock_mono_us() - keeper->started_us;
    bool is_foreign =
        keeper->was_listed && lasted_us >= keeper->server->timing.foreign_after_ms * US_PER_MS;

    /* RESULT_LATER: one is under way, and its answer looks at all of this again. */
    if (reaper_send(keeper->reaper, is_foreign, names) == RESULT_NO_MEMORY)
        timer_arm(keeper->timer, keeper->server->timing.reap_interval_ms * US_PER_MS);
}

/* Leases in hand that Redis does not list: somebody gave them back. */
static void tell_lost_leases(struct lease_keeper *keeper)
{
    const struct lease *lease;

    while ((lease = roll_call_next_lost(&keeper->leases)) != NULL) {
        log_warn("lease.lost", log_int("lease", (int64_t)lease->seq), log_int("jobs", lease->jobs),
                 log_str("now", "jobs not yet sent are dropped here; another instance has them"));
        keeper->callbacks.on_lost(lease->seq, keeper->user); /* may end the lease */
    }
}

/* Strays are named, what one call left over is fetched, and then the list is as it should be. */
static void answer_roll_call(struct lease_keeper *keeper, const struct reap_reply *reply)
{
    struct reap_names strays;

    roll_call(keeper->server, &keeper->leases, keeper->callbacks.outstanding_claim(keeper->user),
              reply->mine, &strays);
    tell_lost_leases(keeper);
    if (strays.count > 0)
        log_info("leases.given_back", log_int("leases", strays.count));
    if ((strays.count > 0 || reply->is_more) && ++keeper->reaps_in_a_row <= REAPS_IN_A_ROW_MAX) {
        send_reap(keeper, &strays);
        return;
    }
    keeper->reaps_in_a_row = 0;
    keeper->was_listed = true;
    keeper->callbacks.on_listed(reply->next_due_ms, keeper->user);
}

static void on_reaped(const struct reap_reply *reply, void *user)
{
    struct lease_keeper *keeper = user;

    if (reply->word == REAP_LOST || !keeper->is_started)
        return;
    timer_arm(keeper->timer, keeper->server->timing.reap_interval_ms * US_PER_MS);
    if (reply->word == REAP_REFUSED) {
        keeper->refusals++;
        if (!keeper->was_listed) /* work waits for it */
            timer_arm(keeper->timer, server_backoff_us(keeper->refusals));
        return;
    }
    keeper->refusals = 0;
    if (reply->recovered > 0)
        log_notice("jobs.recovered", log_int("jobs", reply->recovered),
                   log_str("why", "their lease was over: its process or host is gone"));
    answer_roll_call(keeper, reply);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
    struct lease_keeper *keeper = user;

    (void)fd;
    (void)what;
    send_reap(keeper, NULL);
}

struct lease_keeper *lease_keeper_new(struct event_base *base, struct server *server,
                                      const struct lease_keeper_callbacks *callbacks, void *user)
{
    struct lease_keeper *keeper = calloc(1, sizeof *keeper);

    if (keeper == NULL)
        return NULL;
    keeper->server = server;
    keeper->callbacks = *callbacks;
    keeper->user = user;
    keeper->reaper = reaper_new(server, on_reaped, keeper);
    keeper->timer = evtimer_new(base, on_timer, keeper);
    if (keeper->reaper == NULL || keeper->timer == NULL)
        return lease_keeper_free(keeper);
    return keeper;
}

struct lease_keeper *lease_keeper_free(struct lease_keeper *keeper)
{
    if (keeper == NULL)
        return NULL;
    reaper_free(keeper->reaper);
    if (keeper->timer != NULL)
        event_free(keeper->timer);
    leases_done(&keeper->leases);
    free(keeper);
    return NULL;
}

void lease_keeper_start(struct lease_keeper *keeper)
{
    keeper->is_started = true;
    keeper->was_listed = false;
    keeper->started_us = clock_mono_us();
    keeper->refusals = 0;
    keeper->reaps_in_a_row = 0;
    send_reap(keeper, NULL);
}

void lease_keeper_stop(struct lease_keeper *keeper)
{
    keeper->is_started = false;
    event_del(keeper->timer);
}

enum result lease_keeper_begin(struct lease_keeper *keeper, uint64_t seq, uint32_t jobs)
{
    return leases_begin(&keeper->leases, seq, jobs);
}

void lease_keeper_end_job(struct lease_keeper *keeper, uint64_t seq)
{
    leases_end_job(&keeper->leases, seq);
}
