/* queue.c - our side of Redis: jobs come out, outcomes go in. */
#include "queue/queue.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "queue/cadence.h"
#include "queue/claim.h"
#include "queue/dns.h"
#include "queue/fleet.h"
#include "queue/hold_watch.h"
#include "queue/job_pool.h"
#include "queue/leases.h"
#include "queue/reap.h"
#include "queue/roll_call.h"
#include "queue/server.h"
#include "queue/settle.h"
#include "queue/waiter.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Foreign data is looked at again after this: somebody may adopt it. */
#define FOREIGN_WAIT_MS 5000

/* Reaps that follow one another at once, at most: what is still listed then is no hurry. */
#define REAPS_IN_A_ROW_MAX 64

/* After (re)connecting, in this order (steps.md C4). Drawn in queue.h. */
enum phase {
    PHASE_DOWN,
    PHASE_RETURNING, /* outcomes in hand are settled first */
    PHASE_LISTING,   /* which leases are ours: strays are named and given back */
    PHASE_WORKING,
    PHASE_COUNT,
};

struct queue {
    struct event_base *base; /* borrows */
    struct evdns_base *dns;  /* owns */
    struct server server;    /* owns the connection of the steps */
    struct link *peek_link;  /* owns */
    struct claimer *claimer; /* these own nothing but themselves */
    struct settler *settler;
    struct reaper *reaper;
    struct waiter *waiter;
    struct fleet *fleet;
    struct leases leases;
    struct job_pool jobs;
    struct cadence cadence;
    struct hold_watch holds;
    struct event *claim_timer; /* owns */
    struct event *reap_timer;  /* owns */
    enum phase phase;
    uint32_t to_return;      /* outcomes to be settled before the leases are listed */
    uint32_t reap_refusals;  /* in a row */
    uint32_t reaps_in_a_row; /* without a wait */
    int64_t up_since_us;
    uint32_t room;
    bool is_draining;
    bool is_foreign;
    char state[256];
    struct queue_callbacks callbacks;
    void *user;
};

static void work(struct queue *queue);

static void arm(struct event *timer, int64_t wait_us)
{
    struct timeval wait = {wait_us / US_PER_SEC, wait_us % US_PER_SEC};

    event_add(timer, &wait);
}

static double random_unit(void)
{
    uint32_t bits = 0;

    evutil_secure_rng_get_bytes(&bits, sizeof bits);
    return bits / 4294967296.0;
}

static void say_state(struct queue *queue, const char *state)
{
    if (strcmp(queue->state, state) == 0)
        return;
    text_copy(queue->state, sizeof queue->state, state, strlen(state));
    queue->callbacks.on_state(queue->state, queue->user);
}

static void set_phase(struct queue *queue, enum phase phase)
{
    static const char *const names[] = {[PHASE_DOWN] = "down",
                                        [PHASE_RETURNING] = "returning",
                                        [PHASE_LISTING] = "listing",
                                        [PHASE_WORKING] = "working"};

    /* clang-format off */
    static const bool is_legal[PHASE_COUNT][PHASE_COUNT] = {
        [PHASE_DOWN]      = {[PHASE_DOWN] = true, [PHASE_RETURNING] = true},
        [PHASE_RETURNING] = {[PHASE_DOWN] = true, [PHASE_LISTING] = true},
        [PHASE_LISTING]   = {[PHASE_DOWN] = true, [PHASE_WORKING] = true},
        [PHASE_WORKING]   = {[PHASE_DOWN] = true},
    };
    /* clang-format on */

    assert(is_legal[queue->phase][phase]);
    log_debug("queue.changed", log_str("from", names[queue->phase]), log_str("to", names[phase]));
    queue->phase = phase;
}

/* What the state is, from the phase and from what the last claims were told. */
static void show_state(struct queue *queue)
{
    const char *hold = hold_watch_binding(&queue->holds);
    char state[64];

    if (queue->phase == PHASE_DOWN)
        return; /* on_down has said why */
    snprintf(state, sizeof state, "held: %s", hold == NULL ? "" : hold);
    say_state(queue, queue->is_foreign ? "the data in Redis belongs to another project or schema"
                     : hold != NULL    ? state
                                       : "working");
}

static void send_reap(struct queue *queue, const struct reap_names *names)
{
    int64_t connected_us = clock_mono_us() - queue->up_since_us;
    bool is_foreign = queue->phase == PHASE_WORKING &&
                      connected_us >= queue->server.timing.foreign_after_ms * US_PER_MS;

    /* RESULT_LATER: one is under way, and its answer looks at all of this again. */
    if (reaper_send(queue->reaper, is_foreign, names) == RESULT_NO_MEMORY)
        arm(queue->reap_timer, queue->server.timing.reap_interval_ms * US_PER_MS);
}

/* When the outcomes that were in hand at the connection are in Redis, the leases are looked at. */
static void finish_returning(struct queue *queue)
{
    if (queue->phase != PHASE_RETURNING || queue->to_return > 0)
        return;
    set_phase(queue, PHASE_LISTING);
    send_reap(queue, NULL);
}

/* Leases in hand that Redis does not list: somebody gave them back. */
static void tell_lost_leases(struct queue *queue)
{
    const struct lease *lease;

    while ((lease = roll_call_next_lost(&queue->leases)) != NULL) {
        log_warn("lease.lost", log_int("lease", (int64_t)lease->seq), log_int("jobs", lease->jobs),
                 log_str("now", "jobs not yet sent are dropped here; another instance has them"));
        queue->callbacks.on_lease_lost(lease->seq, queue->user); /* may end the lease */
    }
}

static void begin_working(struct queue *queue)
{
    set_phase(queue, PHASE_WORKING);
    cadence_start(&queue->cadence);
    show_state(queue);
}

/* What the list of leases asks for: strays are named, the rest is fetched, and then work begins. */
static void answer_roll_call(struct queue *queue, const struct reap_reply *reply)
{
    struct reap_names strays;

    roll_call(&queue->server, &queue->leases, claimer_outstanding(queue->claimer), reply->mine,
              &strays);
    tell_lost_leases(queue);
    if (strays.count > 0)
        log_info("leases.given_back", log_int("leases", strays.count));
    if ((strays.count > 0 || reply->is_more) && ++queue->reaps_in_a_row <= REAPS_IN_A_ROW_MAX) {
        send_reap(queue, &strays);
        return;
    }
    queue->reaps_in_a_row = 0;
    if (queue->phase == PHASE_LISTING)
        begin_working(queue);
}

static void on_reaped(const struct reap_reply *reply, void *user)
{
    struct queue *queue = user;

    if (reply->word == REAP_LOST)
        return;
    arm(queue->reap_timer, queue->server.timing.reap_interval_ms * US_PER_MS);
    if (reply->word == REAP_REFUSED) {
        queue->reap_refusals++;
        if (queue->phase == PHASE_LISTING)
            arm(queue->reap_timer, server_backoff_us(queue->reap_refusals));
        return;
    }
    queue->reap_refusals = 0;
    if (reply->recovered > 0)
        log_notice("jobs.recovered", log_int("jobs", reply->recovered),
                   log_str("why", "their lease was over: its process or host is gone"));
    cadence_note_due(&queue->cadence, clock_mono_us(), reply->next_due_ms);
    if (waiter_is_blind(queue->waiter)) /* nobody would tell of a push: look */
        cadence_note_push(&queue->cadence);
    answer_roll_call(queue, reply);
    work(queue);
}

static void on_reap_timer(evutil_socket_t fd, short what, void *user)
{
    struct queue *queue = user;

    (void)fd;
    (void)what;
    if (queue->phase == PHASE_LISTING || queue->phase == PHASE_WORKING)
        send_reap(queue, NULL);
}

static void give_back_list(struct queue *queue, struct job *list)
{
    while (list != NULL) {
        struct job *next = list->next;
        job_pool_give_back(&queue->jobs, list);
        list = next;
    }
}

/*
 * The jobs of the reply, as a list. RESULT_INVALID: a job has not the form it must have, and none
 * is taken. Where memory is short, fewer are; the rest is given back with the lease.
 */
static enum result read_jobs(struct queue *queue, const struct claim_reply *reply,
                             struct job **ret_list, uint32_t *ret_count)
{
    struct job *first = NULL;
    struct job **tail = &first;
    uint32_t count = 0;

    for (size_t i = 0; i < reply->job_count; i++) {
        struct job *job = job_pool_take(&queue->jobs);
        if (job == NULL) {
            log_error("jobs.left", log_str("why", "out of memory"),
                      log_int("jobs", (int64_t)(reply->job_count - i)));
            break;
        }
        *tail = job;
        enum result result = claim_read_job(reply, i, job);
        tail = &job->next;
        if (result != RESULT_OK) {
            give_back_list(queue, first);
            return result;
        }
        count++;
    }
    *ret_list = first;
    *ret_count = count;
    return RESULT_OK;
}

/* Jobs that are not taken out of the reply are left to their lease: a stray, given back by its
 * name. */
static void hand_out(struct queue *queue, const struct claim_reply *reply)
{
    struct job *list = NULL;
    uint32_t count = 0;

    if (read_jobs(queue, reply, &list, &count) != RESULT_OK) {
        server_reject(&queue->server, "a job of a claim");
        return;
    }
    if (count == 0)
        return;
    if (leases_begin(&queue->leases, reply->seq, count) != RESULT_OK) {
        give_back_list(queue, list);
        return;
    }
    queue->callbacks.on_jobs(list, queue->user);
}

static void on_claimed_jobs(struct queue *queue, const struct claim_reply *reply)
{
    if (!reply->is_probe && reply->job_count > 0)
        hold_watch_note_none(&queue->holds);
    cadence_note_jobs(&queue->cadence, reply->job_count, reply->queue_len);
    cadence_note_due(&queue->cadence, reply->received_us, reply->next_due_ms);
    fleet_note_rate(queue->fleet, reply->rate);
    hand_out(queue, reply);
}

static void on_foreign(struct queue *queue, const struct claim_reply *reply)
{
    if (!queue->is_foreign)
        log_error(
            "data.foreign", log_str("what", reply->cause), log_str("theirs", reply->detail),
            log_str("now", "nothing is claimed"),
            log_str(
                "advice",
                "use a redis.key_prefix of its own for each project, or run authlinkctl adopt"));
    queue->is_foreign = true;
    cadence_note_wait(&queue->cadence, reply->received_us, FOREIGN_WAIT_MS, random_unit());
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

static void on_claimed(const struct claim_reply *reply, void *user)
{
    struct queue *queue = user;

    if (reply->word == CLAIM_LOST) {
        tell_settled(queue);
        return;
    }
    queue->is_foreign = queue->is_foreign && reply->word == CLAIM_FOREIGN;
    switch (reply->word) {
    case CLAIM_JOBS:
        on_claimed_jobs(queue, reply);
        break;
    case CLAIM_WAIT:
        cadence_note_wait(&queue->cadence, reply->received_us, reply->wait_ms, random_unit());
        break;
    case CLAIM_HOLD:
        hold_watch_note_cause(&queue->holds, reply->cause, reply->detail);
        cadence_note_wait(&queue->cadence, reply->received_us, reply->wait_ms, random_unit());
        tell_hold(queue);
        break;
    case CLAIM_FOREIGN:
        on_foreign(queue, reply);
        break;
    case CLAIM_REFUSED:

        cadence_note_refused(&queue->cadence, reply->received_us,
                             server_backoff_us(queue->cadence.refusals + 1));
        break;
    case CLAIM_LOST:
        break;
    }
    show_state(queue);
    work(queue);
    tell_settled(queue);
}

/* Claims if that is due; else waits for the time, or for news. */
static void work(struct queue *queue)
{
    int64_t now_us = clock_mono_us();
    int64_t wait_us = -1;

    if (queue->phase != PHASE_WORKING || queue->is_draining ||
        claimer_outstanding(queue->claimer) != 0 || settler_is_behind(queue->settler, now_us))
        return;

    uint32_t want = cadence_want(&queue->cadence, now_us, queue->room, &wait_us);
    if (want > 0) {
        cadence_note_sent(&queue->cadence, now_us);
        if (claimer_send(queue->claimer, want) == RESULT_NO_MEMORY)
            wait_us = US_PER_SEC;
    }
    if (wait_us >= 0)
        arm(queue->claim_timer, wait_us);
    if (queue->cadence.is_hungry)
        waiter_end(queue->waiter);
    else
        waiter_begin(queue->waiter);
}

static void on_claim_timer(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    work(user);
}

static void on_pushed(void *user)
{
    struct queue *queue = user;

    cadence_note_push(&queue->cadence);
    work(queue);
}

static void on_settled(struct job *list, void *user)
{
    struct queue *queue = user;

    while (list != NULL) {
        struct job *next = list->next;
        leases_end_job(&queue->leases, list->lease_seq);
        job_pool_give_back(&queue->jobs, list);
        queue->to_return -= queue->to_return > 0;
        list = next;
    }
    finish_returning(queue);
    work(queue);
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

    log_notice("redis.connected", log_str("owner", queue->server.owner),
               log_str("boot", queue->server.boot));
    queue->up_since_us = clock_mono_us();
    queue->to_return = settler_count(queue->settler);
    set_phase(queue, PHASE_RETURNING);
    say_state(queue, "connected to Redis");
    fleet_connected(queue->fleet);
    settler_resume(queue->settler);
    finish_returning(queue);
}

static void on_down(const char *why, void *user)
{
    struct queue *queue = user;
    char state[256];

    log_warn("redis.lost", log_str("why", why),
             log_int("outcomes_kept", settler_count(queue->settler)),
             log_str("now", "connecting again; nothing is lost"));
    snprintf(state, sizeof state, "no Redis: %s", why);
    set_phase(queue, PHASE_DOWN);
    settler_pause(queue->settler);
    event_del(queue->claim_timer);
    event_del(queue->reap_timer);
    say_state(queue, state);
}

static bool on_password_wanted(char *target, size_t size, void *user)
{
    struct queue *queue = user;

    return queue->callbacks.on_password_wanted(target, size, queue->user);
}

static void on_peek_up(void *user)
{
    struct queue *queue = user;

    waiter_link_up(queue->waiter);
}

static void on_peek_down(const char *why, void *user)
{
    const struct queue *queue = user;

    if (link_is_up(queue->server.link)) /* else both are lost for one reason, which is told */
        log_warn("peek.lost", log_str("why", why),
                 log_str("now", "connecting again; the queue is looked at every two seconds"));
}

static struct link_times link_times_of(const struct timing *timing)
{
    return (struct link_times){.command_timeout_us = timing->command_timeout_ms * US_PER_MS,
                               .reconnect_min_us = timing->reconnect_min_ms * US_PER_MS,
                               .reconnect_max_us = timing->reconnect_max_ms * US_PER_MS};
}

static bool connect_parts(struct queue *queue, const struct queue_settings *settings)
{
    static const struct link_callbacks step_callbacks = {
        .on_up = on_up, .on_down = on_down, .on_password_wanted = on_password_wanted};
    static const struct link_callbacks peek_callbacks = {
        .on_up = on_peek_up, .on_down = on_peek_down, .on_password_wanted = on_password_wanted};
    static const struct settler_callbacks settler_callbacks = {.on_settled = on_settled,
                                                               .on_holds = on_holds};
    struct link_times times = link_times_of(&settings->timing);
    struct server *server = &queue->server;

    server->link = link_new(queue->base, queue->dns, "authlinkd", &settings->address, &times,
                            &step_callbacks, queue);
    queue->peek_link = link_new(queue->base, queue->dns, "authlinkd-peek", &settings->address,
                                &times, &peek_callbacks, queue);
    if (server->link == NULL || queue->peek_link == NULL)
        return false;
    server->scripts = scripts_new(server->link);
    queue->claimer = claimer_new(server, on_claimed, queue);
    queue->settler = settler_new(queue->base, server, &settler_callbacks, queue);
    queue->reaper = reaper_new(server, on_reaped, queue);
    queue->waiter = waiter_new(queue->base, queue->peek_link, server, on_pushed, queue);
    queue->fleet = fleet_new(queue->base, server);
    queue->claim_timer = evtimer_new(queue->base, on_claim_timer, queue);
    queue->reap_timer = evtimer_new(queue->base, on_reap_timer, queue);
    return server->scripts != NULL && queue->claimer != NULL && queue->settler != NULL &&
           queue->reaper != NULL && queue->waiter != NULL && queue->fleet != NULL &&
           queue->claim_timer != NULL && queue->reap_timer != NULL;
}

static void draw_boot(char *boot)
{
    unsigned char bytes[BOOT_LEN / 2];

    evutil_secure_rng_get_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(boot + 2 * i, 3, "%02x", bytes[i]);
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
    draw_boot(queue->server.boot);
    keys_init(&queue->server.keys, settings->key_prefix, settings->queue_key, settings->owner,
              queue->server.boot);
    hold_watch_set_key(&queue->holds, settings->key_fp);
    queue->dns = dns_new(base);
    if (queue->dns == NULL || server_configure(&queue->server, settings) != RESULT_OK ||
        !connect_parts(queue, settings))
        return queue_free(queue);
    return queue;
}

struct queue *queue_free(struct queue *queue)
{
    if (queue == NULL)
        return NULL;
    waiter_free(queue->waiter);
    fleet_free(queue->fleet);
    claimer_free(queue->claimer);
    reaper_free(queue->reaper);
    settler_free(queue->settler);
    server_done(&queue->server);
    link_free(queue->peek_link);
    queue->dns = dns_free(queue->dns);
    if (queue->claim_timer != NULL)
        event_free(queue->claim_timer);
    if (queue->reap_timer != NULL)
        event_free(queue->reap_timer);
    leases_done(&queue->leases);
    job_pool_done(&queue->jobs);
    free(queue);
    return NULL;
}

void queue_start(struct queue *queue)
{
    link_start(queue->server.link);
    link_start(queue->peek_link);
}

void queue_set_room(struct queue *queue, uint32_t room)
{
    bool is_more = room > queue->room;

    queue->room = room;
    if (is_more)
        work(queue);
}

void queue_drop(struct queue *queue, struct job *job)
{
    own_network_forget(&queue->cadence.network, job->lease_seq, clock_mono_us());
    leases_end_job(&queue->leases, job->lease_seq);
    job_pool_give_back(&queue->jobs, job);
}

/* A host without a network claims one job at a time, and says so (steps.md C11). */
static void note_network(struct queue *queue, const struct job *job, const struct outcome *outcome)
{
    struct own_network *network = &queue->cadence.network;
    bool was_alone = own_network_is_alone(network);

    own_network_note(network, outcome, job->lease_seq, claimer_last(queue->claimer),
                     clock_mono_us());
    bool is_alone = own_network_is_alone(network);
    if (is_alone && !was_alone)
        log_warn("network.failed", log_str("what", "five requests in a row came to no answer"),
                 log_str("now", "one job at a time, 1 to 60 s apart, until one is answered"));
    if (was_alone && !is_alone)
        log_notice("network.recovered", log_str("now", "claiming as before"));
    if (was_alone || is_alone)
        work(queue); /* its claim waits for this, not for room */
}

void queue_settle(struct queue *queue, struct job *job, const struct outcome *outcome)
{
    note_network(queue, job, outcome);
    if (settler_add(queue->settler, job, outcome) == RESULT_OK)
        return;
    log_error("outcome.dropped", log_str("end_user", job->end_user_id),
              log_str("why", "out of memory"),
              log_str("now", "its lease is given back, and the job done again"));
    queue_drop(queue, job);
}

void queue_drain(struct queue *queue)
{
    queue->is_draining = true;
    event_del(queue->claim_timer);
    waiter_end(queue->waiter);
}

bool queue_is_settled(const struct queue *queue)
{
    return settler_count(queue->settler) == 0 && claimer_outstanding(queue->claimer) == 0;
}

enum result queue_reload(struct queue *queue, const struct queue_settings *settings)
{
    enum result result = server_configure(&queue->server, settings);

    if (result != RESULT_OK)
        return result;
    hold_watch_set_key(&queue->holds, settings->key_fp);
    fleet_set_rate(queue->fleet);
    work(queue);
    return RESULT_OK;
}

void queue_report(struct queue *queue, const char *state, uint32_t in_flight, uint32_t waiting)
{
    fleet_report(queue->fleet, state, in_flight, waiting);
}

struct queue_progress queue_progress(const struct queue *queue)
{
    int64_t attempt_us = link_last_attempt_us(queue->server.link);
    int64_t refusal_us = queue->server.last_refusal_us;

    return (struct queue_progress){
        .last_reply_us = queue->server.last_reply_us,
        .last_attempt_us = attempt_us > refusal_us ? attempt_us : refusal_us,
        .is_working = queue->phase == PHASE_WORKING,
    };
}

const char *queue_boot(const struct queue *queue)
{
    return queue->server.boot;
}
