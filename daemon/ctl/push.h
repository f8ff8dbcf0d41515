/*
 * push.h - jobs into the queue, many in one command.
 *
 * One command is outstanding at a time, so at every moment it is known exactly which
 * jobs are pushed: the first `pushed` of the list. A command holds up to PUSH_BATCH_JOBS
 * jobs, so a million takes some hundred round trips.
 */
#ifndef AUTHLINKD_CTL_PUSH_H
#define AUTHLINKD_CTL_PUSH_H

#include "ctl/dialog.h"
#include "ctl/job_list.h"
#include "ctl/terminal.h"

/* All of a push to the head are one command, so that they keep their order. */
#define PUSH_BATCH_JOBS 4096

struct push {
    int64_t pushed;    /* these are in the queue */
    int64_t uncertain; /* and up to so many more, after a lost connection */
};

/*
 * Pushes the jobs from `skipped` on. RESULT_LATER: interrupted. Whatever the result, *push says
 * what is in the queue, `skipped` not counted.
 */
MUST_CHECK enum result push_jobs(struct dialog *dialog, const struct job_list *list,
                                 int64_t skipped, bool is_first, struct progress *progress,
                                 struct push *push);

#endif
