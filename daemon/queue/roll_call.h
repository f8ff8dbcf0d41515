/*
 * roll_call.h - compares the leases in hand with those that Redis lists. Inside queue/ only.
 *
 * Sources  steps.md C4: listed and not in hand is a stray, or a dead process's; in hand and
 *          not listed is lost.
 */
#ifndef AUTHLINKD_QUEUE_ROLL_CALL_H
#define AUTHLINKD_QUEUE_ROLL_CALL_H

#include "queue/leases.h"
#include "queue/reap.h"

/*
 * Sets is_listed of each lease in hand, and collects into `strays` what is to be named in
 * the next reap; what has no place there comes with the call after it. A lease of this
 * process is no stray while its claim (`outstanding_seq`, 0: none) is unanswered: then it
 * will be in hand in a moment. Commands are answered in order, so every other one was.
 */
void roll_call(const struct server *server, struct leases *leases, uint64_t outstanding_seq,
               const redisReply *mine, struct reap_names *strays);

/* A lease in hand that was not listed, and is told for the first time; NULL: there is none (left).
 */
struct lease *roll_call_next_lost(struct leases *leases);

#endif
