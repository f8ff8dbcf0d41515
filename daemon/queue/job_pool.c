/* job_pool.c - the memory of jobs in hand. */
#include "queue/job_pool.h"

void job_pool_init(struct job_pool *pool)
{
    slab_init(&pool->jobs, sizeof(struct job));
}

struct job *job_pool_take(struct job_pool *pool)
{
    return slab_take(&pool->jobs);
}

void job_pool_give_back(struct job_pool *pool, struct job *job)
{
    slab_give_back(&pool->jobs, job);
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
    slab_done(&pool->jobs);
}
