/*
 * concurrency.h - how many more jobs this instance may take in hand, and how many requests may
 * begin.
 *
 * Pure. Little's law: requests in flight = rate x latency, by what is seen of both. Of the jobs
 * that wait for their slot only as many may be held as requests will surely end (the mean less
 * two standard deviations) before the farthest slot comes; so a fast API is kept
 * busy up to max_in_flight, and a slow one lowers the rate instead of piling jobs up behind it, as
 * does a host that is slow itself.
 *
 * Sources  Little, "A Proof for the Queuing Formula L = lambda W", 1961. The horizon
 *          of slots is that of the claim (design.md section 4: 250 ms).
 */
#ifndef AUTHLINKD_CORE_CONCURRENCY_H
#define AUTHLINKD_CORE_CONCURRENCY_H

#include <stdint.h>

#define CONCURRENCY_HORIZON_US INT64_C(250000)

/* What is seen at answers; all 0: none seen yet. */
struct concurrency {
    int64_t latency_us;      /* mean */
    int64_t in_flight_milli; /* thousandths of the mean of requests under way */
};

/* An answer after `latency_us`, with `in_flight` requests under way, itself counted. */
void concurrency_note(struct concurrency *seen, int64_t latency_us, uint32_t in_flight);

/*
 * Room for jobs when `in_flight` requests run and `held` jobs wait for their slots. Nothing seen
 * yet: as if a request took longer than the horizon.
 */
uint32_t concurrency_room(const struct concurrency *seen, uint32_t max_in_flight,
                          uint32_t in_flight, uint32_t held);

/*
 * Requests begun in one turn of the loop, at most. Where answers come back within a turn, more of
 * them under way make nothing faster: each connection has its memory, here, in the kernel and at
 * the server, and with 128 in turn a job took a quarter longer than with these. Where answers take
 * longer, a few turns bring as many under way as may be.
 */
#define CONCURRENCY_BEGUN_A_TURN 8

/* How many requests may begin now, when this turn of the loop has begun `begun` already. */
uint32_t concurrency_may_begin(uint32_t max_in_flight, uint32_t in_flight, uint32_t begun);

#endif
