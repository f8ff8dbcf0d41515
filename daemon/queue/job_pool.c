/* job_pool.c - the memory of jobs in hand. */
#include "queue/job_pool.h"

#include <stdlib.h>

struct pooled_job {
    struct job job;
    struct pooled_job *next_of_all;
};

struct job *job_pool_take(struct job_pool *pool)
{
    struct job *job = pool->first_free;

    if (job != NULL) {
        pool->first_free = job->next;
        return job;
    }
    struct pooled_job *pooled = malloc(sizeof *pooled);
    if (pooled == NULL)
        return NULL;
    pooled->next_of_all = pool->all;
    pool->all = pooled;
    return &pooled->job;
}

void job_pool_give_back(struct job_pool *pool, struct job *job)
{
    job->next = pool->first_free;
    pool->first_free = job;
}

void job_pool_give_back_list(struct job_pool *pool, struct job *list)
{
    while (list != NULL) {
        struct job *next = list->next;
        job_pool_give_back(pool, list);
        list = next;
    }
}

void job_pool_done(struct job_pool *pool)
{
    while (pool->all != NULL) {
        struct pooled_job *next = pool->all->next_of_all;
        free(pool->all);
        pool->all = next;
    }
    pool->first_free = NULL;
}
