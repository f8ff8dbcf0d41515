/*
 * waiter.h - waits for a job without taking it.
 *
 * BLMOVE from the queue to itself, on a connection of its own, is a blocking peek: it moves
 * nothing, needs nothing from producers, and a client that died moves nothing either
 * (queues.md 3.5, measured).
 */
#ifndef AUTHLINKD_QUEUE_WAITER_H
#define AUTHLINKD_QUEUE_WAITER_H

#include "queue/server.h"

struct waiter;

/* Something stands in the queue. */
typedef void (*waiter_on_job)(void *user);

/* NULL when memory is short. Borrows everything. */
struct waiter *waiter_new(struct event_base *base, struct link *link, struct server *server,
                          waiter_on_job on_job, void *user);
struct waiter *waiter_free(struct waiter *waiter);

/* Wants to hear of the next job; goes on peeking until one is there. Nothing if it does already. */
void waiter_begin(struct waiter *waiter);

/* What comes is of no interest any more. */
void waiter_end(struct waiter *waiter);

/* Its connection came up, or was lost. */
void waiter_link_up(struct waiter *waiter);

/* Wants to hear of a job, and cannot: no connection, or the peek is refused. */
bool waiter_is_blind(const struct waiter *waiter);

/* When the peek that is out comes back by itself, monotonic; 0: none is out. */
int64_t waiter_due_us(const struct waiter *waiter);

/* When the last peek came back, monotonic; 0: none did. */
int64_t waiter_last_reply_us(const struct waiter *waiter);

#endif
