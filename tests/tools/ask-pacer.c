/*
 * ask-pacer.c - core/pacer.c as a program, to be held against its model in the simulation.
 *
 * Reads lines `add SLOT_US CLAIM`, `drop BEFORE_US` and `take NOW_US`. Prints for each take
 * `sent SLOT_US`, `later WAIT_US` or `empty`.
 */
#include "core/pacer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY 8192

static void fail(const char *why)
{
    fprintf(stderr, "ask-pacer: %s\n", why);
    exit(EXIT_FAILURE);
}

static void add(struct pacer *pacer, int64_t slot_us, uint64_t claim)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        fail("memory is short");
    job->slot_due_us = slot_us;
    job->lease_seq = claim;
    if (pacer_add(pacer, job) != RESULT_OK)
        fail("too many jobs");
}

static void drop(struct pacer *pacer, int64_t before_us)
{
    struct job *job = NULL;
    int64_t wait_us = 0;

    while (pacer_take_missed(pacer, before_us, &job, &wait_us) == RESULT_OK)
        free(job);
}

static void take(struct pacer *pacer, int64_t now_us)
{
    struct job *job = NULL;
    int64_t wait_us = 0;
    enum result result = pacer_take_due(pacer, now_us, &job, &wait_us);

    if (result == RESULT_OK)
        printf("sent %" PRId64 "\n", job->slot_due_us);
    else if (result == RESULT_LATER)
        printf("later %" PRId64 "\n", wait_us);
    else
        printf("empty\n");
    if (result == RESULT_OK)
        free(job);
}

int main(void)
{
    struct pacer *pacer = pacer_new(CAPACITY);
    char line[128], word[8];

    if (pacer == NULL)
        fail("memory is short");
    while (fgets(line, sizeof line, stdin) != NULL) {
        int64_t time_us = 0;
        uint64_t claim = 0;
        if (sscanf(line, "%7s %" SCNd64 " %" SCNu64, word, &time_us, &claim) < 2)
            fail("no such line");
        if (strcmp(word, "add") == 0)
            add(pacer, time_us, claim);
        else if (strcmp(word, "drop") == 0)
            drop(pacer, time_us);
        else
            take(pacer, time_us);
    }
    drop(pacer, INT64_MAX);
    pacer_free(pacer);
    return EXIT_SUCCESS;
}
