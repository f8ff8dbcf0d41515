/* queue.c - our side of Redis: jobs come out, outcomes go in. */
#include "queue/queue.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "queue/dns.h"
#include "queue/fleet.h"
#include "queue/hold_watch.h"
#include "queue/intake.h"
#include "queue/job_pool.h"
#include "queue/lease_keeper.h"
#include "queue/phase.h"
#include "queue/server.h"
#include "queue/settle.h"
#include "queue/survey.h"

#include <event2/event.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct queue {
    struct event_base *base; /* borrows */
    struct evdns_base *dns;  /* owns */
    struct server server;    /* owns the connection of the steps */
    struct intake *intake;   /* owns these five; none of them owns what another has */
    struct settler *settler;
    struct lease_keeper *leases;
    struct fleet *fleet;
    struct survey *survey;
    struct job_pool jobs;
    struct hold_watch holds;
    enum phase phase;
    uint32_t to_return; /* outcomes to be settled before the leases are listed */
    bool is_draining;
    bool is_foreign;
    bool is_relapsing; /* refused at every connection for one reason, which has been told */
    char lost_why[LINK_WHY_MAX_LEN + 1];
    char state[LINK_WHY_MAX_LEN + 16];
    struct queue_callbacks callbacks;
    void *user;
};

static void say_state(struct queue *queue, const char *state)
{
    if (strcmp(queue->state, state) == 0)
        return;
    text_copy(queue->state, sizeof queue->state, state, strlen(state));
    queue->callbacks.on_state(queue->state, queue->user);
}

/* What the state is, from the phase and from what the last claims were told. */
static void show_state(struct queue *queue)
{
    const char *hold = hold_watch_binding(&queue->holds);
    char state[64];

    if (queue->phase != PHASE_WORKING)
        return; /* on_down and on_up have said it */
    snprintf(state, sizeof state, "held: %s", hold == NULL ? "" : hold);
    say_state(queue, queue->is_foreign ? "the data in Redis belongs to another project or schema"
                     : hold != NULL    ? state
                                       : "working");
}

/* When the outcomes that were in hand at the connection are in Redis, the leases are looked at. */
static void finish_returning(struct queue *queue)
{
    if (queue->phase != PHASE_RETURNING || queue->to_return > 0)
        return;
    phase_change(&queue->phase, PHASE_LISTING);
    lease_keeper_start(queue->leases);
}

static void on_leases_listed(int64_t next_due_ms, void *user)
{
    struct queue *queue = user;

    if (queue->phase == PHASE_LISTING) {
        phase_change(&queue->phase, PHASE_WORKING);
        queue->is_relapsing = false;
        log_notice("redis.connected", log_str("owner", queue->server.owner),
                   log_str("boot", queue->server.boot));
        show_state(queue);
        if (!queue->is_draining)
            intake_open(queue->intake);
    }
    intake_note_due(queue->intake, next_due_ms);
}

static void on_lease_lost(uint64_t seq, void *user)
{
    struct queue *queue = user;

    queue->callbacks.on_lease_lost(seq, queue->user);
}

static uint64_t outstanding_claim(void *user)
{
    const struct queue *queue = user;

    return intake_outstanding(queue->intake);
}

/* Jobs that are not taken out of the reply are left to their lease: it is a stray then. */
static void hand_out(struct queue *queue, const struct claim_reply *reply)
{
    struct job *list = NULL;
    uint32_t count = 0;

    if (claim_read_jobs(reply, &queue->jobs, &list, &count) != RESULT_OK) {
        server_reject(&queue->server, "a job of a claim");
        return;
    }
    if (count == 0)
        return;
    if (lease_keeper_begin(queue->leases, reply->seq, count) != RESULT_OK) {
        job_pool_give_back_list(&queue->jobs, list);
        return;
    }
    queue->callbacks.on_jobs(list, queue->user);
}

/* What is in hand and not sent goes back, but for a probe (steps.md C8). */
static void tell_hold(struct queue *queue)
{
    const char *binding = hold_watch_binding(&queue->holds);

    if (binding != NULL)
        queue->callbacks.on_hold(binding, hold_watch_is_paused(&queue->holds), queue->user);
}

/* Nothing is on its way any more, in either direction. */
static void tell_settled(struct queue *queue)
{
    if (settler_count(queue->settler) == 0 && (!queue->is_draining || queue_is_settled(queue)))
        queue->callbacks.on_settled(queue->user);
}

static void tell_foreign(struct queue *queue, const struct claim_reply *reply)
{
    if (queue->is_foreign)
        return;
    queue->is_foreign = true;
    log_error("data.foreign", log_str("what", reply->cause), log_str("theirs", reply->detail),
              log_str("now", "nothing is claimed"),
              log_str("advice",
                      "give each project a redis.key_prefix of its own, or run authlinkctl adopt"));
}

static void on_claimed(const struct claim_reply *reply, void *user)
{
    struct queue *queue = user;

    switch (reply->word) {
    case CLAIM_JOBS:
        queue->is_foreign = false;
        if (!reply->is_probe && reply->job_count > 0)
            hold_watch_note_none(&queue->holds);
        fleet_note_rate(queue->fleet, reply->rate);
        hand_out(queue, reply);
        break;
    case CLAIM_HOLD:
        queue->is_foreign = false;
        hold_watch_note_cause(&queue->holds, reply->cause, reply->detail);
        tell_hold(queue);
        break;
    case CLAIM_FOREIGN:
        tell_foreign(queue, reply);
        break;
    case CLAIM_WAIT:
    case CLAIM_REFUSED:
    case CLAIM_LOST:
        break;
    }
    show_state(queue);
    if (queue->is_draining) /* this was the last thing on its way, perhaps */
        tell_settled(queue);
}

static bool is_behind(void *user)
{
    const struct queue *queue = user;

    return settler_is_behind(queue->settler, clock_mono_us());
}

static void on_settled(struct job *list, void *user)
{
    struct queue *queue = user;

    while (list != NULL) {
        struct job *next = list->next;
        lease_keeper_end_job(queue->leases, list->lease_seq);
        job_pool_give_back(&queue->jobs, list);
        queue->to_return -= queue->to_return > 0;
        list = next;
    }
    finish_returning(queue);
    intake_look(queue->intake);
    tell_settled(queue);
}

static void on_holds(const redisReply *holds, void *user)
{
    struct queue *queue = user;

    hold_watch_note_all(&queue->holds, holds);
    tell_hold(queue);
    show_state(queue);
}

static void on_up(void *user)
{
    struct queue *queue = user;

    queue->server.connects++;
    queue->to_return = settler_count(queue->settler);
    phase_change(&queue->phase, PHASE_RETURNING);
    if (!queue->is_relapsing)
        say_state(queue, "connected to Redis");
    fleet_connected(queue->fleet);
    settler_resume(queue->settler);
    finish_returning(queue);
}

/* A server that takes the connection and refuses the first step does so every few seconds: once is
 * enough to tell. */
static void tell_loss(struct queue *queue, const char *why)
{
    queue->is_relapsing = queue->phase != PHASE_WORKING && strcmp(queue->lost_why, why) == 0;
    text_copy(queue->lost_why, sizeof queue->lost_why, why, strlen(why));
    if (!queue->is_relapsing)
        log_warn("redis.lost", log_str("why", why),
                 log_int("outcomes_kept", settler_count(queue->settler)),
                 log_str("now", "connecting again; nothing is lost"));
}

static void on_down(const char *why, void *user)
{
    struct queue *queue = user;
    char state[LINK_WHY_MAX_LEN + 16];

    tell_loss(queue, why);
    snprintf(state, sizeof state, "no Redis: %s", why);
    phase_change(&queue->phase, PHASE_DOWN);
    settler_pause(queue->settler);
    intake_close(queue->intake);
    lease_keeper_stop(queue->leases);
    say_state(queue, state);
}

static bool on_password_wanted(char *target, size_t size, void *user)
{
    struct queue *queue = user;

    return queue->callbacks.on_password_wanted(target, size, queue->user);
}

static bool make_parts(struct queue *queue, const struct queue_settings *settings)
{
    static const struct link_callbacks link_callbacks = {
        .on_up = on_up, .on_down = on_down, .on_password_wanted = on_password_wanted};
    static const struct settler_callbacks settler_callbacks = {.on_settled = on_settled,
                                                               .on_holds = on_holds};
    static const struct lease_keeper_callbacks keeper_callbacks = {.outstanding_claim =
                                                                       outstanding_claim,
                                                                   .on_lost = on_lease_lost,
                                                                   .on_listed = on_leases_listed};
    static const struct intake_callbacks intake_callbacks = {
        .on_claimed = on_claimed, .is_behind = is_behind, .on_password_wanted = on_password_wanted};
    struct link_times times = server_link_times(&settings->timing);
    struct server *server = &queue->server;

    server->link = link_new(queue->base, queue->dns, "authlinkd", &settings->address, &times,
                            &link_callbacks, queue);
    if (server->link == NULL)
        return false;
    server->scripts = scripts_new(server->link);
    queue->settler = settler_new(queue->base, server, &settler_callbacks, queue);
    queue->leases = lease_keeper_new(queue->base, server, &keeper_callbacks, queue);
    queue->fleet = fleet_new(queue->base, server);
    queue->survey = survey_new(queue->base, server);
    queue->intake = intake_new(queue->base, queue->dns, settings, server, &intake_callbacks, queue);
    return server->scripts != NULL && queue->settler != NULL && queue->leases != NULL &&
           queue->fleet != NULL && queue->survey != NULL && queue->intake != NULL;
}

static void draw_boot(char *boot)
{
    unsigned char bytes[BOOT_LEN / 2];

    evutil_secure_rng_get_bytes(bytes, sizeof bytes);
    text_hex(bytes, sizeof bytes, boot);
}

struct queue *queue_new(struct event_base *base, const struct queue_settings *settings,
                        const struct queue_callbacks *callbacks, void *user)
{
    struct queue *queue = calloc(1, sizeof *queue);

    if (queue == NULL)
        return NULL;
    queue->base = base;
    queue->callbacks = *callbacks;
    queue->user = user;
    job_pool_init(&queue->jobs);
    draw_boot(queue->server.boot);
    keys_init(&queue->server.keys, settings->key_prefix, settings->queue_key, settings->owner,
              queue->server.boot);
    hold_watch_set_key(&queue->holds, settings->key_fp);
    queue->dns = dns_new(base);
    if (queue->dns == NULL || server_configure(&queue->server, settings) != RESULT_OK ||
        !make_parts(queue, settings))
        return queue_free(queue);
    return queue;
}

struct queue *queue_free(struct queue *queue)
{
    if (queue == NULL)
        return NULL;
    intake_free(queue->intake);
    survey_free(queue->survey);
    fleet_free(queue->fleet);
    lease_keeper_free(queue->leases);
    settler_free(queue->settler);
    server_done(&queue->server);
    queue->dns = dns_free(queue->dns);
    job_pool_done(&queue->jobs);
    free(queue);
    return NULL;
}

void queue_start(struct queue *queue)
{
    link_start(queue->server.link);
    intake_start(queue->intake);
}

void queue_set_room(struct queue *queue, uint32_t room)
{
    intake_set_room(queue->intake, room);
}

static void end_job(struct queue *queue, struct job *job)
{
    lease_keeper_end_job(queue->leases, job->lease_seq);
    job_pool_give_back(&queue->jobs, job);
}

void queue_drop(struct queue *queue, struct job *job)
{
    intake_note_drop(queue->intake, job);
    end_job(queue, job);
}

void queue_settle(struct queue *queue, struct job *job, const struct outcome *outcome)
{
    intake_note_outcome(queue->intake, job, outcome);
    if (settler_add(queue->settler, job, outcome) == RESULT_OK)
        return;
    log_error("outcome.dropped", log_str("end_user", job->end_user_id),
              log_str("why", "out of memory"),
              log_str("now", "its lease is given back, and the job done again"));
    end_job(queue, job);
}

void queue_drain(struct queue *queue)
{
    queue->is_draining = true;
    intake_close(queue->intake);
}

bool queue_is_settled(const struct queue *queue)
{
    return settler_count(queue->settler) == 0 && intake_outstanding(queue->intake) == 0;
}

enum result queue_reload(struct queue *queue, const struct queue_settings *settings)
{
    enum result result = server_configure(&queue->server, settings);

    if (result != RESULT_OK)
        return result;
    hold_watch_set_key(&queue->holds, settings->key_fp);
    fleet_set_rate(queue->fleet);
    link_hurry(queue->server.link); /* the password was wrong, perhaps, and is mended */
    intake_hurry(queue->intake);
    return RESULT_OK;
}

void queue_report(struct queue *queue, const char *state, uint32_t in_flight, uint32_t waiting)
{
    fleet_report(queue->fleet, state, in_flight, waiting);
}

static int64_t oldest(int64_t a_us, int64_t b_us)
{
    return a_us == 0 || (b_us != 0 && b_us < a_us) ? b_us : a_us;
}

struct queue_progress queue_progress(const struct queue *queue)
{
    int64_t attempt_us = link_last_attempt_us(queue->server.link);
    int64_t refusal_us = queue->server.last_refusal_us;

    return (struct queue_progress){
        .last_reply_us = queue->server.last_reply_us,
        .last_attempt_us = attempt_us > refusal_us ? attempt_us : refusal_us,
        .unanswered_us =
            oldest(settler_sent_us(queue->settler), intake_unanswered_us(queue->intake)),
        .idle_since_us = intake_idle_since_us(queue->intake, clock_mono_us()),
        .is_working = queue->phase == PHASE_WORKING,
    };
}

void queue_survey(struct queue *queue, bool is_wanted)
{
    survey_want(queue->survey, is_wanted);
}

struct queue_view queue_view(const struct queue *queue)
{
    uint64_t connects = queue->server.connects;

    return (struct queue_view){
        .reading = survey_reading(queue->survey),
        .hold = hold_watch_binding(&queue->holds),
        .unsettled = settler_count(queue->settler),
        .reconnects = connects == 0 ? 0 : connects - 1,
        .is_connected = queue->phase != PHASE_DOWN,
        .is_working = queue->phase == PHASE_WORKING,
        .is_foreign = queue->is_foreign,
    };
}

const char *queue_boot(const struct queue *queue)
{
    return queue->server.boot;
}
