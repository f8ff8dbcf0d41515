/*
 * cadence.h - when to claim next, and how many.
 *
 * Pure: no I/O, and time is an argument (steps.md C10, C11).
 *
 * Units  _us microseconds on the monotonic clock.
 */
#ifndef AUTHLINKD_QUEUE_CADENCE_H
#define AUTHLINKD_QUEUE_CADENCE_H

#include "queue/own_network.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cadence {
    bool is_hungry;        /* there may be jobs: no need to wait for news */
    int64_t not_before_us; /* no claim before it */
    int64_t due_us;        /* when the next delayed job is due; 0: none is known */
    uint32_t refusals;     /* claims refused in a row */
    uint32_t most_room;    /* ever asked for */
    int64_t sent_us;       /* the last claim; 0: none yet */
    struct own_network network;
};

/* Connected afresh: there may be jobs. */
void cadence_start(struct cadence *cadence);

/* Something stands in the queue. */
void cadence_note_push(struct cadence *cadence);

/* The next delayed job is due in `next_due_ms`, -1: there is none. */
void cadence_note_due(struct cadence *cadence, int64_t now_us, int64_t next_due_ms);

/* Since when a claim could have been sent, but for the waits of a host without a network; 0: there
 * is nothing to claim. */
int64_t cadence_idle_since_us(const struct cadence *cadence, int64_t now_us);

/* A claim was sent. */
void cadence_note_sent(struct cadence *cadence, int64_t now_us);

/*
 * Claim `seq` handed out `jobs` jobs, and left `queue_len` elements in the queue. If none is left,
 * a push tells of the next: another claim would find nothing, and the links of these jobs would
 * wait behind it.
 */
void cadence_note_jobs(struct cadence *cadence, uint64_t seq, size_t jobs, int64_t queue_len);

/* No slot, a hold, foreign data: come again after `wait_ms`, and a random share (0..1) of a tenth.
 */
void cadence_note_wait(struct cadence *cadence, int64_t now_us, int64_t wait_ms,
                       double random_unit);

/* A claim was refused; the caller's back-off is `wait_us`. */
void cadence_note_refused(struct cadence *cadence, int64_t now_us, int64_t wait_us);

/*
 * How many jobs to claim now when there is room for `room`; 0: none, and *ret_wait_us is the
 * time after which to ask again, -1: when there is news.
 *
 * Under load claims are gathered: within 5 ms of the last one nothing is claimed before half
 * of the room is free. Room comes back a job at a time, and a round trip a job would cost
 * Redis more than the job itself.
 */
uint32_t cadence_want(struct cadence *cadence, int64_t now_us, uint32_t room, int64_t *ret_wait_us);

#endif
