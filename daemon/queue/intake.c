/* intake.c - claims whenever that is due, and waits for news when it is not. */
#include "queue/intake.h"

#include "base/chance.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"
#include "queue/cadence.h"
#include "queue/waiter.h"

#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>

/* Foreign data is looked at again after this: somebody may adopt it. */
#define FOREIGN_WAIT_MS 5000

struct intake {
    struct server *server;   /* borrows */
    struct link *peek_link;  /* owns */
    struct claimer *claimer; /* owns */
    struct waiter *waiter;   /* owns */
    struct event *timer;     /* owns */
    struct cadence cadence;
    uint32_t room;
    bool is_open;
    struct intake_callbacks callbacks;
    void *user;
};

void intake_look(struct intake *intake)
{
    int64_t now_us = clock_mono_us();
    int64_t wait_us = -1;

    if (!intake->is_open || intake_outstanding(intake) != 0 ||
        intake->callbacks.is_behind(intake->user))
        return;

    uint32_t want = cadence_want(&intake->cadence, now_us, intake->room, &wait_us);
    if (want > 0) {
        cadence_note_sent(&intake->cadence, now_us);
        if (claimer_send(intake->claimer, want) == RESULT_NO_MEMORY)
            wait_us = US_PER_SEC;
    }
    if (wait_us >= 0)
        timer_arm(intake->timer, wait_us);
    if (intake->cadence.is_hungry)
        waiter_end(intake->waiter);
    else
        waiter_begin(intake->waiter);
}

/* What the reply means for the next claim. */
static void note_reply(struct intake *intake, const struct claim_reply *reply)
{
    struct cadence *cadence = &intake->cadence;
    int64_t now_us = reply->received_us;

    switch (reply->word) {
    case CLAIM_JOBS:
        cadence_note_jobs(cadence, reply->seq, reply->job_count, reply->queue_len);
        cadence_note_due(cadence, now_us, reply->next_due_ms);
        break;
    case CLAIM_WAIT:
    case CLAIM_HOLD:
        cadence_note_wait(cadence, now_us, reply->wait_ms, chance_unit());
        break;
    case CLAIM_FOREIGN:
        cadence_note_wait(cadence, now_us, FOREIGN_WAIT_MS, chance_unit());
        break;
    case CLAIM_REFUSED:
        cadence_note_refused(cadence, now_us, server_backoff_us(cadence->refusals + 1));
        break;
    case CLAIM_LOST:
        break;
    }
}

static void on_claimed(const struct claim_reply *reply, void *user)
{
    struct intake *intake = user;
    size_t taken = reply->word == CLAIM_JOBS ? reply->job_count : 0;

    intake->room -=
        taken < intake->room ? (uint32_t)taken : intake->room; /* until it is told afresh */
    note_reply(intake, reply);
    intake->callbacks.on_claimed(reply, intake->user);
    intake_look(intake);
}

static void on_pushed(void *user)
{
    struct intake *intake = user;

    cadence_note_push(&intake->cadence);
    intake_look(intake);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    intake_look(user);
}

static void on_peek_up(void *user)
{
    struct intake *intake = user;

    waiter_link_up(intake->waiter);
}

static void on_peek_down(const char *why, void *user)
{
    const struct intake *intake = user;

    if (link_is_up(intake->server->link)) /* else both are lost for one reason, which is told */
        log_warn("peek.lost", log_str("why", why),
                 log_str("now", "connecting again; the queue is looked at every two seconds"));
}

static bool on_password_wanted(char *target, size_t size, void *user)
{
    struct intake *intake = user;

    return intake->callbacks.on_password_wanted(target, size, intake->user);
}

struct intake *intake_new(struct event_base *base, struct evdns_base *dns,
                          const struct queue_settings *settings, struct server *server,
                          const struct intake_callbacks *callbacks, void *user)
{
    static const struct link_callbacks link_callbacks = {
        .on_up = on_peek_up, .on_down = on_peek_down, .on_password_wanted = on_password_wanted};
    struct link_times times = server_link_times(&settings->timing);
    struct intake *intake = calloc(1, sizeof *intake);

    if (intake == NULL)
        return NULL;
    intake->server = server;
    intake->callbacks = *callbacks;
    intake->user = user;
    intake->claimer = claimer_new(server, on_claimed, intake);
    intake->timer = evtimer_new(base, on_timer, intake);
    intake->peek_link =
        link_new(base, dns, "authlinkd-peek", &settings->address, &times, &link_callbacks, intake);
    if (intake->claimer == NULL || intake->timer == NULL || intake->peek_link == NULL)
        return intake_free(intake);
    intake->waiter = waiter_new(base, intake->peek_link, server, on_pushed, intake);
    return intake->waiter == NULL ? intake_free(intake) : intake;
}

struct intake *intake_free(struct intake *intake)
{
    if (intake == NULL)
        return NULL;
    claimer_free(intake->claimer);
    waiter_free(intake->waiter);
    link_free(intake->peek_link);
    if (intake->timer != NULL)
        event_free(intake->timer);
    free(intake);
    return NULL;
}

void intake_start(struct intake *intake)
{
    link_start(intake->peek_link);
}

void intake_hurry(struct intake *intake)
{
    link_hurry(intake->peek_link);
}

void intake_open(struct intake *intake)
{
    intake->is_open = true;
    cadence_start(&intake->cadence);
    intake_look(intake);
}

void intake_close(struct intake *intake)
{
    intake->is_open = false;
    event_del(intake->timer);
    waiter_end(intake->waiter);
}

void intake_set_room(struct intake *intake, uint32_t room)
{
    bool is_more = room > intake->room;

    intake->room = room;
    if (is_more)
        intake_look(intake);
}

void intake_note_due(struct intake *intake, int64_t next_due_ms)
{
    cadence_note_due(&intake->cadence, clock_mono_us(), next_due_ms);
    if (waiter_is_blind(intake->waiter)) /* nobody would tell of a push: look */
        cadence_note_push(&intake->cadence);
    intake_look(intake);
}

void intake_note_outcome(struct intake *intake, const struct job *job,
                         const struct outcome *outcome)
{
    struct own_network *network = &intake->cadence.network;
    bool was_alone = own_network_is_alone(network);

    own_network_note(network, outcome, job->lease_seq, claimer_last(intake->claimer),
                     clock_mono_us());
    bool is_alone = own_network_is_alone(network);
    if (is_alone && !was_alone)
        log_warn("network.failed", log_str("what", "five requests in a row came to no answer"),
                 log_str("now", "one job at a time, 1 to 60 s apart, until one is answered"));
    if (was_alone && !is_alone)
        log_notice("network.recovered", log_str("now", "claiming as before"));
    if (was_alone || is_alone)
        intake_look(intake); /* its claim waits for this, not for room */
}

void intake_note_drop(struct intake *intake, const struct job *job)
{
    own_network_forget(&intake->cadence.network, job->lease_seq, clock_mono_us());
    if (own_network_is_alone(&intake->cadence.network))
        intake_look(intake);
}

int64_t intake_unanswered_us(const struct intake *intake)
{
    int64_t claim_us = claimer_sent_us(intake->claimer);
    int64_t peek_us = waiter_due_us(intake->waiter);

    return claim_us == 0 || (peek_us != 0 && peek_us < claim_us) ? peek_us : claim_us;
}

int64_t intake_idle_since_us(const struct intake *intake, int64_t now_us)
{
    if (!intake->is_open || intake->room == 0 || intake_outstanding(intake) != 0 ||
        intake->callbacks.is_behind(intake->user))
        return 0;
    return cadence_idle_since_us(&intake->cadence, now_us);
}

uint64_t intake_outstanding(const struct intake *intake)
{
    return claimer_outstanding(intake->claimer);
}
