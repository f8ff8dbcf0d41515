/* worker.c - the work cycle: claim -> slot -> request -> outcome -> settle. */
#include "app/worker.h"

#include "app/report.h"
#include "base/chance.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/timer.h"
#include "core/concurrency.h"
#include "core/pacer.h"

#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

/* A claim hands out 256 jobs at most, and one claim at most is under way. */
#define PACER_CAPACITY 8192

/* What may pass beyond a deadline before something counts as stuck. */
#define STUCK_SLACK_US (15 * US_PER_SEC)

/* A host without a network waits so long between two jobs (queue/own_network.c). */
#define LONGEST_WAIT_US (60 * US_PER_SEC)

struct worker {
    struct queue *queue;         /* owns */
    struct conductor *conductor; /* owns */
    struct pacer *pacer;         /* owns; borrows its jobs from the queue */
    struct event *slot_timer;    /* owns */
    struct report report;
    struct retry_policy retry;
    struct timing timing;
    int64_t request_timeout_us;
    uint32_t max_in_flight;
    struct concurrency seen;
    uint32_t begun_of_turn; /* requests, since the loop turned while some were due */
    bool is_draining;
    bool is_drained;
    struct worker_callbacks callbacks;
    void *user;
};

static void tell_room(struct worker *worker)
{
    uint32_t held = pacer_count(worker->pacer);

    queue_set_room(worker->queue, concurrency_room(&worker->seen, worker->max_in_flight,
                                                   conductor_in_flight(worker->conductor), held));
}

static void check_drained(struct worker *worker)
{
    if (!worker->is_draining || worker->is_drained || conductor_in_flight(worker->conductor) > 0 ||
        pacer_count(worker->pacer) > 0 || !queue_is_settled(worker->queue))
        return;
    worker->is_drained = true;
    worker->callbacks.on_drained(worker->user);
}

static void give_back(struct worker *worker, struct job *job, const char *why)
{
    struct outcome outcome;

    outcome_returned(why, &outcome);
    report_job(&worker->report, clock_mono_us(), job, &outcome);
    queue_settle(worker->queue, job, &outcome);
}

static void give_back_list(struct worker *worker, struct job *list, const char *why)
{
    while (list != NULL) {
        struct job *next = list->next;
        give_back(worker, list, why);
        list = next;
    }
}

/* Why this job must not be sent now; NULL: it may (steps.md C6, C7). */
static const char *find_obstacle(const struct worker *worker, const struct job *job, int64_t now_us)
{
    /* Read right before the sending: the boot clock goes on while the machine sleeps. */
    int64_t over_boot_us =
        clock_boot_us() + worker->request_timeout_us + worker->timing.start_margin_ms * US_PER_MS;

    if (now_us - job->slot_due_us > worker->timing.slot_grace_ms * US_PER_MS)
        return "its slot was missed";
    if (over_boot_us > job->lease_end_boot_us)
        return "a request could outlive its lease";
    return NULL;
}

static void send_job(struct worker *worker, struct job *job, int64_t now_us)
{
    const char *obstacle = find_obstacle(worker, job, now_us);

    if (obstacle == NULL) {
        worker->begun_of_turn++;
        enum result result = conductor_send(worker->conductor, job, now_us);
        if (result != RESULT_OK) {
            obstacle = "it could not be sent";
            report_unmade(&worker->report, now_us, job, result_text(result));
        }
    }
    if (obstacle != NULL)
        give_back(worker, job, obstacle);
}

/*
 * What send_job() is given next: what was missed, for it goes back, then what is due. With all
 * requests under way that waits for one to end, or to be missed; after some it waits for the next
 * turn of the loop.
 */
static enum result take_next(struct worker *worker, int64_t now_us, struct job **ret_job,
                             int64_t *reterr_wait_us)
{
    int64_t grace_us = worker->timing.slot_grace_ms * US_PER_MS;
    uint32_t in_flight = conductor_in_flight(worker->conductor);
    enum result result =
        pacer_take_missed(worker->pacer, now_us - grace_us, ret_job, reterr_wait_us);

    if (result != RESULT_LATER || in_flight >= worker->max_in_flight)
        return result;
    if (concurrency_may_begin(worker->max_in_flight, in_flight, worker->begun_of_turn) == 0) {
        *reterr_wait_us = 0;
        return RESULT_LATER;
    }
    return pacer_take_due(worker->pacer, now_us, ret_job, reterr_wait_us);
}

static void send_due(struct worker *worker)
{
    int64_t now_us = clock_mono_us();
    int64_t wait_us = 0;
    struct job *job = NULL;
    enum result result;

    while ((result = take_next(worker, now_us, &job, &wait_us)) == RESULT_OK)
        send_job(worker, job, now_us);
    if (result == RESULT_LATER)
        timer_arm(worker->slot_timer, wait_us);
    else
        worker->begun_of_turn = 0;
    tell_room(worker);
    check_drained(worker);
}

static void on_slot(evutil_socket_t fd, short what, void *user)
{
    struct worker *worker = user;

    (void)fd;
    (void)what;
    worker->begun_of_turn = 0;
    send_due(worker);
}

static void on_jobs(struct job *list, void *user)
{
    struct worker *worker = user;

    while (list != NULL) {
        struct job *next = list->next;
        if (worker->is_draining || pacer_add(worker->pacer, list) != RESULT_OK)
            give_back(worker, list, "shutting down");
        list = next;
    }
    send_due(worker);
    conductor_begin(worker->conductor); /* before the next claim or peek: somebody waits for them */
}

static bool is_any(const struct job *job, void *user)
{
    (void)job;
    (void)user;
    return true;
}

static bool is_no_probe(const struct job *job, void *user)
{
    (void)user;
    return !job->is_probe;
}

static bool is_of_lease(const struct job *job, void *user)
{
    const uint64_t *seq = user;

    return job->lease_seq == *seq;
}

static void on_hold(const char *cause, bool is_pause, void *user)
{
    struct worker *worker = user;

    give_back_list(worker, pacer_take_if(worker->pacer, is_pause ? is_any : is_no_probe, NULL),
                   cause);
    tell_room(worker);
}

static void on_lease_lost(uint64_t lease_seq, void *user)
{
    struct worker *worker = user;
    struct job *list = pacer_take_if(worker->pacer, is_of_lease, &lease_seq);

    while (list != NULL) {
        struct job *next = list->next;
        queue_drop(worker->queue, list);
        list = next;
    }
    tell_room(worker);
}

static void on_settled(void *user)
{
    check_drained(user);
}

static bool on_password_wanted(char *target, size_t size, void *user)
{
    struct worker *worker = user;

    return worker->callbacks.on_password_wanted(target, size, worker->user);
}

static void on_state(const char *state, void *user)
{
    struct worker *worker = user;

    worker->callbacks.on_redis_state(state, worker->user);
}

/* The job's age now: what it was at the claim, and what has passed since its slot. */
static int64_t age_ms(const struct job *job, int64_t now_us)
{
    int64_t since_slot_us = now_us - job->slot_due_us;

    return job->age_ms + (since_slot_us > 0 ? since_slot_us / US_PER_MS : 0);
}

static void on_answer(struct job *job, const struct answer *answer, int64_t began_us,
                      const char *key_fp, void *user)
{
    struct worker *worker = user;
    int64_t now_us = clock_mono_us();
    struct outcome outcome;

    outcome_of_answer(answer, job, age_ms(job, now_us), &worker->retry, chance_unit(), &outcome);
    outcome.began_us = began_us;
    text_copy(outcome.key_fp, sizeof outcome.key_fp, key_fp, strlen(key_fp));
    if (answer->state == ANSWER_WHOLE)
        concurrency_note(&worker->seen, now_us - began_us,
                         conductor_in_flight(worker->conductor) + 1);
    report_job(&worker->report, now_us, job, &outcome);
    queue_settle(worker->queue, job, &outcome);
    session_wipe(&outcome.answer.session);
    send_due(worker);
}

static void take_settings(struct worker *worker, const struct worker_settings *settings)
{
    worker->retry = settings->retry;
    worker->timing = settings->queue.timing;
    worker->request_timeout_us = settings->conductor.request_timeout_ms * US_PER_MS;
    worker->max_in_flight = settings->conductor.max_in_flight;
}

struct worker *worker_new(struct event_base *base, const struct worker_settings *settings,
                          const struct worker_callbacks *callbacks, void *user)
{
    static const struct queue_callbacks queue_callbacks = {
        .on_jobs = on_jobs,
        .on_hold = on_hold,
        .on_lease_lost = on_lease_lost,
        .on_settled = on_settled,
        .on_password_wanted = on_password_wanted,
        .on_state = on_state,
    };
    struct worker *worker = calloc(1, sizeof *worker);

    if (worker == NULL)
        return NULL;
    worker->callbacks = *callbacks;
    worker->user = user;
    take_settings(worker, settings);
    report_init(&worker->report, clock_mono_us());
    worker->pacer = pacer_new(PACER_CAPACITY);
    worker->slot_timer = evtimer_new(base, on_slot, worker);
    worker->conductor = conductor_new(base, &settings->conductor, on_answer, worker);
    worker->queue = queue_new(base, &settings->queue, &queue_callbacks, worker);
    if (worker->pacer == NULL || worker->slot_timer == NULL || worker->conductor == NULL ||
        worker->queue == NULL)
        return worker_free(worker);
    return worker;
}

struct worker *worker_free(struct worker *worker)
{
    if (worker == NULL)
        return NULL;
    conductor_free(worker->conductor);
    pacer_free(worker->pacer);
    queue_free(worker->queue);
    if (worker->slot_timer != NULL)
        event_free(worker->slot_timer);
    free(worker);
    return NULL;
}

void worker_start(struct worker *worker)
{
    queue_start(worker->queue);
    tell_room(worker);
}

enum result worker_reload(struct worker *worker, const struct worker_settings *settings)
{
    enum result result = conductor_reload(worker->conductor, &settings->conductor);

    if (result == RESULT_OK)
        result = queue_reload(worker->queue, &settings->queue);
    if (result == RESULT_OK)
        take_settings(worker, settings);
    tell_room(worker);
    return result;
}

void worker_drain(struct worker *worker)
{
    if (!worker->is_draining) {
        worker->is_draining = true;
        queue_drain(worker->queue);
        give_back_list(worker, pacer_take_if(worker->pacer, is_any, NULL), "shutting down");
    }
    check_drained(worker);
}

struct worker_load worker_load(const struct worker *worker)
{
    return (struct worker_load){.waiting = pacer_count(worker->pacer),
                                .in_flight = conductor_in_flight(worker->conductor),
                                .created = worker->report.totals[OUTCOME_CREATED]};
}

struct worker_view worker_view(const struct worker *worker)
{
    return (struct worker_view){.load = worker_load(worker),
                                .queue = queue_view(worker->queue),
                                .requests = conductor_counters(worker->conductor),
                                .outcomes = worker->report.totals,
                                .last_created_unix_ms = worker->report.last_created_unix_ms,
                                .is_draining = worker->is_draining};
}

void worker_survey(struct worker *worker, bool is_wanted)
{
    queue_survey(worker->queue, is_wanted);
}

int64_t worker_last_deadline_us(const struct worker *worker)
{
    return conductor_last_deadline_us(worker->conductor);
}

static int64_t max_int64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool is_busy(const struct worker *worker)
{
    return conductor_in_flight(worker->conductor) > 0 || pacer_count(worker->pacer) > 0;
}

/*
 * Alive is what makes progress: claims, settles and peeks are answered or repeated, requests end,
 * and what could be claimed is claimed. A connection alone proves nothing.
 */
bool worker_is_alive(const struct worker *worker, int64_t now_us)
{
    struct queue_progress progress = queue_progress(worker->queue);
    int64_t deadline_us = conductor_first_deadline_us(worker->conductor);
    int64_t queue_us = max_int64(progress.last_reply_us, progress.last_attempt_us);
    /* The reaper asks every two seconds, a connection is tried at least every five (C5). */
    int64_t queue_patience_us =
        (worker->timing.command_timeout_ms + worker->timing.reconnect_max_ms) * US_PER_MS +
        STUCK_SLACK_US;

    if (deadline_us != 0 && now_us > deadline_us + STUCK_SLACK_US)
        return false;
    if (progress.unanswered_us != 0 && now_us - progress.unanswered_us > queue_patience_us)
        return false;
    if (progress.idle_since_us != 0 && !is_busy(worker) &&
        now_us - progress.idle_since_us > LONGEST_WAIT_US + STUCK_SLACK_US)
        return false;
    return queue_us == 0 || now_us - queue_us <= queue_patience_us;
}

void worker_report(struct worker *worker, const char *state)
{
    report_tick(&worker->report, clock_mono_us());
    queue_report(worker->queue, state, conductor_in_flight(worker->conductor),
                 pacer_count(worker->pacer));
    check_drained(worker);
}
