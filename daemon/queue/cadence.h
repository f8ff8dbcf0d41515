/*
 * cadence.h - when to claim next, and how many.
 *
 * Pure: no I/O, and time is an argument (steps.md C10, C11).
 *
 * Units  _us microseconds on the monotonic clock.
 */
#ifndef AUTHLINKD_QUEUE_CADENCE_H
#define AUTHLINKD_QUEUE_CADENCE_H

#include <stdbool.h>
#include <stdint.h>

struct cadence {
    bool is_hungry;         /* there may be jobs: no need to wait for news */
    int64_t not_before_us;  /* no claim before it */
    int64_t due_us;         /* when the next delayed job is due; 0: none is known */
    uint32_t refusals;      /* claims refused in a row */
    uint32_t own_failures;  /* requests of this instance that got no answer, in a row */
    int64_t failure_pause_us; /* between single jobs while that goes on */
};

/* Connected afresh: there may be jobs. */
void cadence_start(struct cadence *cadence);

/* Something stands in the queue. */
void cadence_note_push(struct cadence *cadence);

/* The next delayed job is due in `next_due_ms`, -1: there is none. */
void cadence_note_due(struct cadence *cadence, int64_t now_us, int64_t next_due_ms);

/* A claim was answered with jobs; `is_more`: it had some, or some are left. */
void cadence_note_jobs(struct cadence *cadence, bool is_more);

/* No slot, a hold, foreign data: come again after `wait_ms`, and a random share (0..1) of a tenth. */
void cadence_note_wait(struct cadence *cadence, int64_t now_us, int64_t wait_ms, double random_unit);

/* A claim was refused; the caller's back-off is `wait_us`. */
void cadence_note_refused(struct cadence *cadence, int64_t now_us, int64_t wait_us);

/* A request ended; `is_network_failure`: without an answer of the API. */
void cadence_note_request(struct cadence *cadence, int64_t now_us, bool is_network_failure);

/*
 * How many jobs to claim now when there is room for `room`; 0: none, and *ret_wait_us is the
 * time after which to ask again, -1: when there is news.
 */
uint32_t cadence_want(const struct cadence *cadence, int64_t now_us, uint32_t room,
                      int64_t *ret_wait_us);

#endif
