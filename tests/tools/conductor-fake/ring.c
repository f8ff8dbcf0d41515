/* ring.c - the newest so many things. */
#include "ring.h"

#include <stdlib.h>

#define FIRST_CAP 1024

void ring_init(struct ring *ring, size_t max, void (*free_item)(void *item))
{
    *ring = (struct ring){.max = max, .next_number = 1, .free_item = free_item};
}

void ring_reset(struct ring *ring)
{
    for (size_t i = 0; i < ring->count; i++)
        ring->free_item(ring->items[(ring->start + i) % ring->cap]);
    ring->start = ring->count = 0;
    ring->next_number = 1;
}

void ring_done(struct ring *ring)
{
    ring_reset(ring);
    free(ring->items);
    ring_init(ring, ring->max, ring->free_item);
}

static enum result grow(struct ring *ring)
{
    size_t cap = ring->cap == 0 ? FIRST_CAP : ring->cap * 2;
    if (cap > ring->max)
        cap = ring->max;

    /* It grows only before the oldest was ever dropped: everything stands from place 0. */
    void **items = realloc(ring->items, cap * sizeof *items);
    if (items == NULL)
        return RESULT_NO_MEMORY;
    ring->items = items;
    ring->cap = cap;
    return RESULT_OK;
}

enum result ring_push(struct ring *ring, void *item)
{
    if (ring->count == ring->max) {
        ring->free_item(ring->items[ring->start]);
        ring->start = (ring->start + 1) % ring->cap;
        ring->count--;
    } else if (ring->count == ring->cap && grow(ring) != RESULT_OK) {
        return RESULT_NO_MEMORY;
    }
    ring->items[(ring->start + ring->count) % ring->cap] = item;
    ring->count++;
    ring->next_number++;
    return RESULT_OK;
}

uint64_t ring_oldest(const struct ring *ring)
{
    return ring->next_number - ring->count;
}

void *ring_get(const struct ring *ring, uint64_t number)
{
    uint64_t oldest = ring_oldest(ring);

    if (number < oldest || number >= ring->next_number)
        return NULL;
    return ring->items[(ring->start + (size_t)(number - oldest)) % ring->cap];
}
