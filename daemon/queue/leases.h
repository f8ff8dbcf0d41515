/*
 * leases.h - the leases of this process whose jobs are in hand.
 *
 * Pure bookkeeping. A lease begins with a claim's reply and ends with its last job.
 */
#ifndef AUTHLINKD_QUEUE_LEASES_H
#define AUTHLINKD_QUEUE_LEASES_H

#include "base/result.h"

#include <stdbool.h>
#include <stdint.h>

struct lease {
    uint64_t seq;
    uint32_t jobs;  /* in hand */
    bool is_listed; /* stood in the list being looked at */
    bool is_lost;   /* told so once */
    struct lease *next;
};

struct leases {
    struct lease *first; /* owns */
};

/* RESULT_NO_MEMORY: nothing was added. */
MUST_CHECK enum result leases_begin(struct leases *leases, uint64_t seq, uint32_t jobs);

/* NULL if it is not in hand. */
struct lease *leases_find(struct leases *leases, uint64_t seq);

/* One job of the lease is no longer in hand. */
void leases_end_job(struct leases *leases, uint64_t seq);

void leases_done(struct leases *leases);

#endif
