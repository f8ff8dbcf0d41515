/*
 * support_places.h - reads the whole data and checks that every job is in exactly one place.
 */
#ifndef TESTS_REDIS_SUPPORT_PLACES_H
#define TESTS_REDIS_SUPPORT_PLACES_H

#include <stdint.h>

#define PLACES_JOBS_MAX 200000

/* Nothing has happened yet. */
void places_start(void);

/*
 * Every job taken is delayed, in one lease, or ended, and has ended once. Leases, deadlines
 * and index agree. `pushed`: elements that were pushed; none is lost.
 */
void places_check(int64_t pushed);

/* Lists what no single check can afford: no lease without a deadline. */
void places_check_orphans(void);

/* This job has ended, and begins again. */
void places_redriven(int64_t job_key);

/* Around SAVE and the loss of what came after it. */
void places_save(void);
void places_restore(void);

/* A link that is valid and was made later is never replaced by an older one. */
void places_check_link(const char *user);

#endif
