/* pacer.c - a binary heap of jobs by their slots, and the line in which late ones go. */
#include "core/pacer.h"

#include <stdlib.h>

/* After so much time of slots 1/e of a lateness is left: 250 ms are caught up at 10 %. */
#define LATENESS_FADES_US 2500000

struct pacer {
    uint32_t capacity;
    uint32_t count;
    int64_t line_us;         /* the turn of the job sent last: its sending, or a little later */
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

static int64_t later_us(int64_t a_us, int64_t b_us)
{
    return a_us > b_us ? a_us : b_us;
}

/* How far its slot is from that of the job sent last, as far as this instance must keep that. */
static int64_t distance_us(const struct pacer *pacer, const struct job *job)
{
    int64_t apart_us = llabs(job->slot_due_us - pacer->last_slot_us);
    bool is_same_claim = job->lease_seq == pacer->last_lease_seq;

    return is_same_claim || apart_us < pacer->gap_us ? apart_us : pacer->gap_us;
}

/* When the job has its turn: a distance after the one before, less what it catches up. */
static int64_t turn_us(const struct pacer *pacer, const struct job *job)
{
    int64_t kept_us = distance_us(pacer, job);
    int64_t late_us = pacer->line_us - pacer->last_slot_us;

    if (late_us > LATENESS_FADES_US)
        late_us = LATENESS_FADES_US;
    return pacer->line_us + kept_us - kept_us * late_us / LATENESS_FADES_US;
}

static void move_line(struct pacer *pacer, const struct job *sent, int64_t line_us)
{
    pacer->line_us = line_us;
    if (sent->lease_seq == pacer->last_lease_seq && sent->slot_due_us != pacer->last_slot_us)
        pacer->gap_us = distance_us(pacer, sent);
    pacer->last_slot_us = sent->slot_due_us;
    pacer->last_lease_seq = sent->lease_seq;
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
    int64_t its_turn_us = turn_us(pacer, first);
    int64_t due_us = later_us(first->slot_due_us, its_turn_us - PACER_TOLERANCE_US);
    if (due_us > now_us) {
        *reterr_wait_us = due_us - now_us;
        return RESULT_LATER;
    }
    move_line(pacer, first, later_us(its_turn_us, now_us));
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
