/*
 * pacer.h - holds claimed jobs back until their slot comes.
 *
 * Pure: no I/O and no clock of its own. Whoever calls passes `now_us`, so a test
 * runs hours of traffic without waiting. A binary heap by slot_due_us.
 *
 * Units  time: microseconds on the monotonic clock (suffix _us).
 */
#ifndef AUTHLINKD_CORE_PACER_H
#define AUTHLINKD_CORE_PACER_H

#include "base/result.h"
#include "core/job.h"

#include <stdbool.h>
#include <stdint.h>

struct pacer;

/* Creates an empty pacer for at most `capacity` jobs. NULL when memory is short. */
struct pacer *pacer_new(uint32_t capacity);

/* Accepts NULL. Returns NULL. The jobs in it stay their owner's. */
struct pacer *pacer_free(struct pacer *pacer);

/* Holds the job until its slot. RESULT_FULL: it stays the caller's. */
MUST_CHECK enum result pacer_add(struct pacer *pacer, struct job *job);

/*
 * Takes the job whose slot is due.
 *   RESULT_OK     *ret_job is the caller's now.
 *   RESULT_LATER  none is due; *reterr_wait_us is the time until the next one.
 *   RESULT_EMPTY  none is held.
 */
MUST_CHECK enum result pacer_take_due(struct pacer *pacer, int64_t now_us, struct job **ret_job,
                                      int64_t *reterr_wait_us);

/*
 * Takes every job for which `is_wanted` is true, as a list by ->next in no certain
 * order; NULL if there is none.
 */
struct job *pacer_take_if(struct pacer *pacer, bool (*is_wanted)(const struct job *job, void *user),
                          void *user);

uint32_t pacer_count(const struct pacer *pacer);

#endif
