/*
 * job_pool.h - the memory of jobs in hand: taken and given back, freed at the end. Inside queue/
 * only.
 */
#ifndef AUTHLINKD_QUEUE_JOB_POOL_H
#define AUTHLINKD_QUEUE_JOB_POOL_H

#include "base/slab.h"
#include "core/job.h"

struct job_pool {
    struct slab jobs; /* owns them, those in other hands included */
};

void job_pool_init(struct job_pool *pool);

/* NULL when memory is short. */
struct job *job_pool_take(struct job_pool *pool);

void job_pool_give_back(struct job_pool *pool, struct job *job);

/* A list by ->next. */
void job_pool_give_back_list(struct job_pool *pool, struct job *list);

void job_pool_done(struct job_pool *pool);

#endif
