/* pacer.c - a binary heap of jobs by their slots, and the line in which late ones go. */
#include "core/pacer.h"

#include <stdlib.h>

/* What is left of a lateness after so much time of slots is 1/e: 250 ms are caught up at 10 %, 50
 * ms at 2 %. */
#define LATENESS_FADES_US 2500000

struct pacer {
    uint32_t capacity;
    uint32_t count;
    int64_t line_us; /* when the job sent last had its turn; beyond now at most the tolerance */
    int64_t last_slot_us;    /* its slot, */
    uint64_t last_lease_seq; /* and the claim that it came by */
    int64_t gap_us;          /* between two slots of one claim, as seen last */
    struct job *heap[];      /* heap[0] is due first */
};

struct pacer *pacer_new(uint32_t capacity)
{
    struct pacer *pacer = calloc(1, sizeof *pacer + capacity * sizeof pacer->heap[0]);

    if (pacer == NULL)
        return NULL;
    pacer->capacity = capacity;
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

/* How far its slot is from that of the job sent last, as far as that is for this instance to keep.
 */
static int64_t distance_us(const struct pacer *pacer, const struct job *job)
{
    int64_t distance = llabs(job->slot_due_us - pacer->last_slot_us);
    bool is_same_claim = job->lease_seq == pacer->last_lease_seq;

    return is_same_claim || distance < pacer->gap_us ? distance : pacer->gap_us;
}

/* When the job has its turn, if it keeps that distance to the one before but for what it catches
 * up. */
static int64_t turn_us(const struct pacer *pacer, const struct job *job)
{
    int64_t distance = distance_us(pacer, job);
    int64_t late_us = pacer->line_us - pacer->last_slot_us;

    if (late_us > LATENESS_FADES_US)
        late_us = LATENESS_FADES_US;
    return pacer->line_us + distance - distance * late_us / LATENESS_FADES_US;
}

static void note_sent(struct pacer *pacer, const struct job *job, int64_t now_us)
{
    int64_t turn = turn_us(pacer, job);

    pacer->line_us = turn > now_us ? turn : now_us;
    if (job->lease_seq == pacer->last_lease_seq && job->slot_due_us != pacer->last_slot_us)
        pacer->gap_us = distance_us(pacer, job);
    pacer->last_slot_us = job->slot_due_us;
    pacer->last_lease_seq = job->lease_seq;
}

static struct job *take_first(struct pacer *pacer)
{
    struct job *job = pacer->heap[0];

    pacer->count--;
    pacer->heap[0] = pacer->heap[pacer->count];
    sift_down(pacer, 0);
    return job;
}

enum result pacer_take_due(struct pacer *pacer, int64_t now_us, struct job **ret_job,
                           int64_t *reterr_wait_us)
{
    if (pacer->count == 0)
        return RESULT_EMPTY;

    const struct job *first = pacer->heap[0];
    int64_t due_us = turn_us(pacer, first) - PACER_TOLERANCE_US;
    if (due_us < first->slot_due_us)
        due_us = first->slot_due_us;
    if (due_us > now_us) {
        *reterr_wait_us = due_us - now_us;
        return RESULT_LATER;
    }
    note_sent(pacer, first, now_us);
    *ret_job = take_first(pacer);
    return RESULT_OK;
}

enum result pacer_take_missed(struct pacer *pacer, int64_t before_us, struct job **ret_job,
                              int64_t *reterr_wait_us)
{
    if (pacer->count == 0)
        return RESULT_EMPTY;
    if (pacer->heap[0]->slot_due_us >= before_us) {
        *reterr_wait_us = pacer->heap[0]->slot_due_us - before_us + 1;
        return RESULT_LATER;
    }
    *ret_job = take_first(pacer);
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
