/*
 * own_network.h - does this host reach the API at all?
 *
 * Five requests in a row that came to no answer: from then on this instance claims one job
 * at a time, with a back-off of its own, so that a host without a network does not use up
 * the slots of the fleet (steps.md C11). Any whole answer ends that.
 *
 * Pure. Time: microseconds on the monotonic clock.
 */
#ifndef AUTHLINKD_QUEUE_OWN_NETWORK_H
#define AUTHLINKD_QUEUE_OWN_NETWORK_H

#include "core/outcome.h"

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: it does. */
struct own_network {
    uint32_t failures;       /* in a row */
    uint64_t alone_from_seq; /* leases from this one on were claimed for a single job; 0: none */
    int64_t backoff_us;
    int64_t next_us; /* no claim before; INT64_MAX: its single job is out */
};

/* What became of a job of lease `seq`; `last_seq` is the lease claimed last. */
void own_network_note(struct own_network *network, const struct outcome *outcome, uint64_t seq,
                      uint64_t last_seq, int64_t now_us);

/* A job of lease `seq` is gone without an outcome. */
void own_network_forget(struct own_network *network, uint64_t seq, int64_t now_us);

/*
 * Lease `seq` was handed out. If it was claimed for a single job, nothing more until that is back;
 * the answer to a claim sent before, for many, is none to wait for.
 */
void own_network_handed_out(struct own_network *network, uint64_t seq);

/* Connected anew: what a lost lease was waited for may never come back. */
void own_network_start(struct own_network *network);

bool own_network_is_alone(const struct own_network *network);

/* How long until a single job may be claimed; 0: now; -1: when the one that is out is back. */
int64_t own_network_wait_us(const struct own_network *network, int64_t now_us);

#endif
