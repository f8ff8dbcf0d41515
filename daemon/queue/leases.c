/* leases.c - the leases of this process whose jobs are in hand. */
#include "queue/leases.h"

#include <assert.h>
#include <stdlib.h>

enum result leases_begin(struct leases *leases, uint64_t seq, uint32_t jobs)
{
    struct lease *lease = malloc(sizeof *lease);

    if (lease == NULL)
        return RESULT_NO_MEMORY;
    *lease = (struct lease){.seq = seq, .jobs = jobs, .next = leases->first};
    leases->first = lease;
    return RESULT_OK;
}

struct lease *leases_find(struct leases *leases, uint64_t seq)
{
    struct lease *lease = leases->first;

    while (lease != NULL && lease->seq != seq)
        lease = lease->next;
    return lease;
}

void leases_end_job(struct leases *leases, uint64_t seq)
{
    for (struct lease **link = &leases->first; *link != NULL; link = &(*link)->next) {
        struct lease *lease = *link;
        if (lease->seq != seq)
            continue;
        assert(lease->jobs > 0);
        lease->jobs--;
        if (lease->jobs == 0) {
            *link = lease->next;
            free(lease);
        }
        return;
    }
}

void leases_done(struct leases *leases)
{
    while (leases->first != NULL) {
        struct lease *next = leases->first->next;
        free(leases->first);
        leases->first = next;
    }
}
