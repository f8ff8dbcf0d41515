/*
 * lease_keeper.h - knows the leases in hand, and compares them with what Redis says. Inside queue/
 * only.
 *
 * A reap every two seconds: what Redis lists and nobody here has in hand is given back by its
 * name; what is in hand and no longer listed is lost; leases of others that are past their
 * deadline are given back, too, once this connection has lasted.
 *
 * Sources  steps.md C4, C5.
 */
#ifndef AUTHLINKD_QUEUE_LEASE_KEEPER_H
#define AUTHLINKD_QUEUE_LEASE_KEEPER_H

#include "queue/server.h"

struct lease_keeper;

struct lease_keeper_callbacks {
    /* The number of the claim that is unanswered; 0: none is. */
    uint64_t (*outstanding_claim)(void *user);
    /* The jobs of this lease in hand are somebody else's now. */
    void (*on_lost)(uint64_t seq, void *user);
    /* No stray is left. The next delayed job is due in `next_due_ms`, -1: there is none. */
    void (*on_listed)(int64_t next_due_ms, void *user);
};

/* NULL when memory is short. Borrows base, server and user. */
struct lease_keeper *lease_keeper_new(struct event_base *base, struct server *server,
                                      const struct lease_keeper_callbacks *callbacks, void *user);

/* Accepts NULL. Returns NULL. */
struct lease_keeper *lease_keeper_free(struct lease_keeper *keeper);

/* Connected, and past settling: the leases are listed now, and every two seconds from now on. */
void lease_keeper_start(struct lease_keeper *keeper);

/* The connection is lost. */
void lease_keeper_stop(struct lease_keeper *keeper);

/* Jobs of a lease are in hand. RESULT_NO_MEMORY: they are not, and the lease is a stray. */
MUST_CHECK enum result lease_keeper_begin(struct lease_keeper *keeper, uint64_t seq, uint32_t jobs);

/* One job of the lease is no longer in hand. */
void lease_keeper_end_job(struct lease_keeper *keeper, uint64_t seq);

#endif
