/*
 * pacer.h - holds claimed jobs back until their slot comes, and spaces those that are late.
 *
 * Pure: no I/O and no clock of its own. Whoever calls passes `now_us`, so a test
 * runs hours of traffic without waiting. A binary heap by slot_due_us.
 *
 * When the process was held up, what it held is late at once, and a small bucket at the API would
 * refuse most of such a clump. So late jobs follow each other nearly as their slots do, and the
 * lateness fades: the greater it is the faster, for beyond its grace a slot is lost. Ordinary
 * lateness, of timers and turns of the loop, costs nothing: up to PACER_TOLERANCE_US of slots may
 * go at once.
 *
 * Only slots of one claim are known to follow each other; between those of two claims lie slots of
 * other instances. That time is no distance to keep, or one stall would shift this instance's
 * runs of slots onto those of the others for seconds.
 *
 * Units    time: microseconds on the monotonic clock (suffix _us).
 * Sources  GCRA: ITU-T I.371 annex A, with the distances of the slots for its increment.
 */
#ifndef AUTHLINKD_CORE_PACER_H
#define AUTHLINKD_CORE_PACER_H

#include "base/result.h"
#include "core/job.h"

#include <stdbool.h>
#include <stdint.h>

#define PACER_TOLERANCE_US 20000

struct pacer;

/* Creates an empty pacer for at most `capacity` jobs. NULL when memory is short. */
struct pacer *pacer_new(uint32_t capacity);

/* Accepts NULL. Returns NULL. The jobs in it stay their owner's. */
struct pacer *pacer_free(struct pacer *pacer);

/* Holds the job until its slot. RESULT_FULL: it stays the caller's. */
MUST_CHECK enum result pacer_add(struct pacer *pacer, struct job *job);

/*
 * Takes the job whose slot is due, unless those before it were so late that it must keep its
 * distance.
 *   RESULT_OK     *ret_job is the caller's now, to be sent at once.
 *   RESULT_LATER  none is due; *reterr_wait_us is the time until the next one.
 *   RESULT_EMPTY  none is held.
 */
MUST_CHECK enum result pacer_take_due(struct pacer *pacer, int64_t now_us, struct job **ret_job,
                                      int64_t *reterr_wait_us);

/*
 * Takes a job whose slot lies before `before_us`, as one that will not be sent: it keeps nobody
 * waiting. Results as above.
 */
MUST_CHECK enum result pacer_take_missed(struct pacer *pacer, int64_t before_us,
                                         struct job **ret_job, int64_t *reterr_wait_us);

/*
 * Takes every job for which `is_wanted` is true, as a list by ->next in no certain
 * order; NULL if there is none.
 */
struct job *pacer_take_if(struct pacer *pacer, bool (*is_wanted)(const struct job *job, void *user),
                          void *user);

uint32_t pacer_count(const struct pacer *pacer);

#endif
