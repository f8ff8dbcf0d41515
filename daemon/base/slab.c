/* slab.c - memory for objects of one size that come in bursts. */
#include "base/slab.h"

#include <assert.h>
#include <stdalign.h>
#include <sys/mman.h>

/* Before each object; aligned as malloc aligns. */
struct header {
    alignas(max_align_t) struct slab_chunk *chunk;
    struct header *next_free;
};

struct slab_chunk {
    struct slab_chunk *older, *younger;
    struct header *first_free;
    uint32_t in_use;
    uint32_t begun; /* objects that were ever used: the pages behind them are untouched */
    alignas(max_align_t) char objects[];
};

void slab_init(struct slab *slab, size_t object_bytes)
{
    const size_t unit = alignof(max_align_t);
    size_t stride_bytes = sizeof(struct header) + (object_bytes + unit - 1) / unit * unit;

    *slab = (struct slab){
        .stride_bytes = stride_bytes,
        .objects_a_chunk =
            (uint32_t)((SLAB_CHUNK_BYTES - sizeof(struct slab_chunk)) / stride_bytes),
    };
    assert(slab->objects_a_chunk > 0);
}

static struct slab_chunk *add_chunk(struct slab *slab)
{
    struct slab_chunk *chunk =
        mmap(NULL, SLAB_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (chunk == MAP_FAILED)
        return NULL;
    chunk->older = slab->youngest; /* the rest is zero: fresh pages are */
    *(chunk->older != NULL ? &chunk->older->younger : &slab->oldest) = chunk;
    slab->youngest = chunk;
    slab->chunk_count++;
    return chunk;
}

static void remove_chunk(struct slab *slab, struct slab_chunk *chunk)
{
    *(chunk->older != NULL ? &chunk->older->younger : &slab->oldest) = chunk->younger;
    *(chunk->younger != NULL ? &chunk->younger->older : &slab->youngest) = chunk->older;
    slab->chunk_count--;
    munmap(chunk, SLAB_CHUNK_BYTES);
}

static struct slab_chunk *find_room(struct slab *slab)
{
    struct slab_chunk *chunk = slab->oldest;

    while (chunk != NULL && chunk->in_use == slab->objects_a_chunk)
        chunk = chunk->younger;
    return chunk != NULL ? chunk : add_chunk(slab);
}

void *slab_take(struct slab *slab)
{
    struct slab_chunk *chunk = find_room(slab);

    if (chunk == NULL)
        return NULL;
    struct header *header = chunk->first_free;
    if (header != NULL)
        chunk->first_free = header->next_free;
    else
        header = (void *)(chunk->objects + chunk->begun++ * slab->stride_bytes);
    header->chunk = chunk;
    chunk->in_use++;
    slab->in_use++;
    return header + 1;
}

/* Of two that are empty the younger one goes: the oldest is used again first. */
static void remove_youngest_empty(struct slab *slab)
{
    struct slab_chunk *chunk = slab->youngest;

    while (chunk != slab->oldest && chunk->in_use > 0)
        chunk = chunk->older;
    if (chunk != slab->oldest)
        remove_chunk(slab, chunk);
}

void slab_give_back(struct slab *slab, void *object)
{
    if (object == NULL)
        return;
    struct header *header = (struct header *)object - 1;
    struct slab_chunk *chunk = header->chunk;

    header->next_free = chunk->first_free;
    chunk->first_free = header;
    chunk->in_use--;
    slab->in_use--;
    /* Kept as long as the others have less than a chunk to spare: no mapping back and forth. */
    uint32_t spare = slab->chunk_count * slab->objects_a_chunk - slab->in_use;
    if (chunk->in_use == 0 && spare >= 2 * slab->objects_a_chunk)
        remove_youngest_empty(slab);
}

void slab_done(struct slab *slab)
{
    while (slab->oldest != NULL)
        remove_chunk(slab, slab->oldest);
    slab->in_use = 0;
}
