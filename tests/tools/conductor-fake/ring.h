/*
 * ring.h - the newest so many things, each under a number that only grows.
 */
#ifndef CONDUCTOR_FAKE_RING_H
#define CONDUCTOR_FAKE_RING_H

#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

struct ring {
    void **items; /* owns what it holds; freed by free_item */
    size_t cap;   /* allocated places */
    size_t max;   /* then the oldest goes */
    size_t start; /* place of the oldest */
    size_t count;
    uint64_t next_number; /* of the next item; the first is 1 */
    void (*free_item)(void *item);
};

void ring_init(struct ring *ring, size_t max, void (*free_item)(void *item));
void ring_done(struct ring *ring);

/* Empties it and starts the numbers again. */
void ring_reset(struct ring *ring);

/* Takes `item`. RESULT_NO_MEMORY: the item stays the caller's. */
MUST_CHECK enum result ring_push(struct ring *ring, void *item);

/* The number of the oldest item that is still there; next_number when there is none. */
uint64_t ring_oldest(const struct ring *ring);

/* NULL: gone, or not yet there. */
void *ring_get(const struct ring *ring, uint64_t number);

#endif
