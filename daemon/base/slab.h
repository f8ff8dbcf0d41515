/*
 * slab.h - memory for objects of one size that come in bursts.
 *
 * In chunks of its own, apart from malloc's heap: the burst's chunks go back to the system when it
 * is over, and no object of another lifetime can stand in the way. A taken object comes from the
 * oldest chunk that has room, so the younger ones run empty. One empty chunk is kept.
 */
#ifndef AUTHLINKD_BASE_SLAB_H
#define AUTHLINKD_BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_CHUNK_BYTES ((size_t)256 * 1024)

struct slab_chunk;

struct slab {
    size_t stride_bytes; /* from one object to the next */
    uint32_t objects_a_chunk;
    uint32_t in_use; /* objects */
    uint32_t chunk_count;
    struct slab_chunk *oldest; /* owns, with all objects */
    struct slab_chunk *youngest;
};

/* Allocates nothing. A chunk must have room for an object at least. */
void slab_init(struct slab *slab, size_t object_bytes);

/* Its content is left over from the last use. NULL when memory is short. */
void *slab_take(struct slab *slab);

/* `object` was taken from this slab; NULL is none. */
void slab_give_back(struct slab *slab, void *object);

/* Ends all objects, those in other hands included. The slab may be used again as after init. */
void slab_done(struct slab *slab);

#endif
