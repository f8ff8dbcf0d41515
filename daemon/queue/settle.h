/*
 * settle.h - outcomes on their way into Redis.
 *
 * What is given here is kept until Redis has it. One settle is outstanding at a time, numbered;
 * unanswered or refused it is sent again with the same number and items, until Redis says done or
 * again (steps.md C3). What comes meanwhile goes with the next one, so batches grow with load.
 */
#ifndef AUTHLINKD_QUEUE_SETTLE_H
#define AUTHLINKD_QUEUE_SETTLE_H

#include "queue/server.h"

struct settler;

struct settler_callbacks {
    /* Redis has the outcomes of these jobs: a list by ->next, the owner's again. */
    void (*on_settled)(struct job *list, void *user);
    /* The holds as they stand now: flat triples of cause, ms or -1, detail. */
    void (*on_holds)(const redisReply *holds, void *user);
};

/* NULL when memory is short. Borrows server and user. */
struct settler *settler_new(struct event_base *base, struct server *server,
                            const struct settler_callbacks *callbacks, void *user);

/* Accepts NULL. Returns NULL. The jobs in it stay their owner's. */
struct settler *settler_free(struct settler *settler);

/* Takes the job; copies the outcome. Sent at the end of this loop turn; under load, with others. */
MUST_CHECK enum result settler_add(struct settler *settler, struct job *job,
                                   const struct outcome *outcome);

/* The connection is there: send what is outstanding, then what waits. */
void settler_resume(struct settler *settler);

/* The connection is gone. */
void settler_pause(struct settler *settler);

/* Outcomes not yet known to be in Redis. */
uint32_t settler_count(const struct settler *settler);

/* Refused, unanswered for over a second, or too many waiting: then nothing is claimed (C9). */
bool settler_is_behind(const struct settler *settler, int64_t now_us);

/* When the settle that is unanswered was sent, monotonic; 0: none is. */
int64_t settler_sent_us(const struct settler *settler);

#endif
