/* pacer.c - a binary heap of jobs by their slots. */
#include "core/pacer.h"

#include <stdlib.h>

struct pacer {
    uint32_t capacity;
    uint32_t count;
    struct job *heap[]; /* heap[0] is due first */
};

struct pacer *pacer_new(uint32_t capacity)
{
    struct pacer *pacer = malloc(sizeof *pacer + capacity * sizeof pacer->heap[0]);

    if (pacer == NULL)
        return NULL;
    pacer->capacity = capacity;
    pacer->count = 0;
    return pacer;
}

struct pacer *pacer_free(struct pacer *pacer)
{
    free(pacer);
    return NULL;
}

static void swap(struct pacer *pacer, uint32_t a, uint32_t b)
{
    struct job *job = pacer->heap[a];

    pacer->heap[a] = pacer->heap[b];
    pacer->heap[b] = job;
}

static bool is_before(const struct pacer *pacer, uint32_t a, uint32_t b)
{
    return pacer->heap[a]->slot_due_us < pacer->heap[b]->slot_due_us;
}

static void sift_up(struct pacer *pacer, uint32_t at)
{
    while (at > 0 && is_before(pacer, at, (at - 1) / 2)) {
        swap(pacer, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct pacer *pacer, uint32_t at)
{
    for (;;) {
        uint32_t first = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < pacer->count; child++)
            if (is_before(pacer, child, first))
                first = child;
        if (first == at)
            return;
        swap(pacer, at, first);
        at = first;
    }
}

enum result pacer_add(struct pacer *pacer, struct job *job)
{
    if (pacer->count == pacer->capacity)
        return RESULT_FULL;
    pacer->heap[pacer->count] = job;
    pacer->count++;
    sift_up(pacer, pacer->count - 1);
    return RESULT_OK;
}

enum result pacer_take_due(struct pacer *pacer, int64_t now_us, struct job **ret_job,
                           int64_t *reterr_wait_us)
{
    if (pacer->count == 0)
        return RESULT_EMPTY;

    struct job *job = pacer->heap[0];
    if (job->slot_due_us > now_us) {
        *reterr_wait_us = job->slot_due_us - now_us;
        return RESULT_LATER;
    }
    pacer->count--;
    pacer->heap[0] = pacer->heap[pacer->count];
    sift_down(pacer, 0);
    *ret_job = job;
    return RESULT_OK;
}

struct job *pacer_take_if(struct pacer *pacer, bool (*is_wanted)(const struct job *job, void *user),
                          void *user)
{
    struct job *taken = NULL;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < pacer->count; i++) {
        struct job *job = pacer->heap[i];
        if (is_wanted(job, user)) {
            job->next = taken;
            taken = job;
        } else {
            pacer->heap[kept++] = job;
        }
    }
    pacer->count = kept;
    for (uint32_t i = kept / 2; i > 0; i--)
        sift_down(pacer, i - 1);
    return taken;
}

uint32_t pacer_count(const struct pacer *pacer)
{
    return pacer->count;
}
