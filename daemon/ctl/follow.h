/*
 * follow.h - waits until the jobs that were pushed have ended, by the stream of events.
 *
 * Jobs have no name before they are taken, so their end users are followed: an event for one
 * of them counts, whoever asked.
 */
#ifndef AUTHLINKD_CTL_FOLLOW_H
#define AUTHLINKD_CTL_FOLLOW_H

#include "ctl/dialog.h"
#include "ctl/job_list.h"
#include "ctl/stream.h"
#include "ctl/terminal.h"

struct follow {
    int64_t ready, reused, failed;
    char last_id[STREAM_ID_SIZE]; /* the last event that was seen */
};

/* Before the jobs are pushed: what happens from now on counts. */
MUST_CHECK enum result follow_begin(struct dialog *dialog, struct follow *follow);

/*
 * Follows the jobs of the list from `skipped` on. RESULT_LATER: interrupted; RESULT_TIMED_OUT:
 * `timeout_ms` (0: none) passed. The first failures are told on stderr.
 */
MUST_CHECK enum result follow_jobs(struct dialog *dialog, struct follow *follow,
                                   const struct job_list *list, int64_t skipped,
                                   const struct job_rules *rules, int64_t timeout_ms,
                                   struct progress *progress);

#endif
