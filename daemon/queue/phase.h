/*
 * phase.h - how far the connection has come; drawn in queue.h. Inside queue/ only.
 *
 * Sources  steps.md C4: the order after (re)connecting.
 */
#ifndef AUTHLINKD_QUEUE_PHASE_H
#define AUTHLINKD_QUEUE_PHASE_H

enum phase {
    PHASE_DOWN,
    PHASE_RETURNING, /* outcomes in hand are settled first */
    PHASE_LISTING,   /* which leases are ours: strays are named and given back */
    PHASE_WORKING,
    PHASE_COUNT,
};

/* The one way from a phase to another; a step that is not drawn is our own bug. */
void phase_change(enum phase *phase, enum phase next);

#endif
