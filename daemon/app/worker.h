/*
 * worker.h - the work cycle: claim -> slot -> request -> outcome -> settle.
 *
 * Decides nothing about a job: it carries jobs from the queue to their slot, to the API, and
 * back to the queue with what core/ made of the answer.
 */
#ifndef AUTHLINKD_APP_WORKER_H
#define AUTHLINKD_APP_WORKER_H

#include "conductor/conductor.h"
#include "core/retry.h"
#include "queue/queue.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct worker;

struct worker_settings {
    struct conductor_settings conductor;
    struct queue_settings queue;
    struct retry_policy retry;
};

struct worker_callbacks {
    /* Copies Redis' password, "" for none. False: it cannot be read. */
    bool (*on_password_wanted)(char *target, size_t size, void *user);
    /* Redis' state has changed; for people. */
    void (*on_redis_state)(const char *state, void *user);
    /* After worker_drain(): nothing is in hand any more. */
    void (*on_drained)(void *user);
};

/* What the worker has in hand. */
struct worker_load {
    uint32_t waiting; /* for their slots */
    uint32_t in_flight;
    uint64_t created; /* since the start */
};

/* What there is to show of it, for metrics. What it points to is lent until the next loop turn. */
struct worker_view {
    struct worker_load load;
    struct queue_view queue;
    const struct conductor_counters *requests;
    const uint64_t *outcomes; /* since the start, by kind */
    int64_t last_created_unix_ms; /* 0: none yet */
    bool is_draining;
};

/* NULL when memory is short. Borrows `base` and `user`. */
struct worker *worker_new(struct event_base *base, const struct worker_settings *settings,
                          const struct worker_callbacks *callbacks, void *user);

/* Accepts NULL. Returns NULL. */
struct worker *worker_free(struct worker *worker);

void worker_start(struct worker *worker);

/* New requests and claims go by these from now on. On failure nothing changes. */
MUST_CHECK enum result worker_reload(struct worker *worker, const struct worker_settings *settings);

/* Claims nothing more, gives back what was not sent; on_drained comes when the rest is written. */
void worker_drain(struct worker *worker);

struct worker_load worker_load(const struct worker *worker);

struct worker_view worker_view(const struct worker *worker);

/* The fleet is read from Redis every few seconds from now on, or no more. */
void worker_survey(struct worker *worker, bool is_wanted);

/* When the last running request is over at the latest, monotonic; 0: none is running. */
int64_t worker_last_deadline_us(const struct worker *worker);

/*
 * Does work go on as designed? True while each part has moved, or repeats what was refused,
 * within its time; false when one is stuck, and the watchdog must not be fed.
 */
bool worker_is_alive(const struct worker *worker, int64_t now_us);

/* What :instance:<owner> is to say. */
void worker_report(struct worker *worker, const char *state);

#endif
