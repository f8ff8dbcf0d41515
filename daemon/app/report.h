/*
 * report.h - what the log says of jobs.
 *
 * One line a job at info; when more of them end than anybody reads, a summary each
 * minute instead. (journald drops what exceeds 10,000 lines in 30 s.)
 */
#ifndef AUTHLINKD_APP_REPORT_H
#define AUTHLINKD_APP_REPORT_H

#include "core/outcome.h"

#include <stdbool.h>
#include <stdint.h>

#define REPORT_KIND_COUNT (OUTCOME_RETURNED + 1)

struct report {
    int64_t minute_start_us;
    uint64_t counts[REPORT_KIND_COUNT]; /* outcomes in this minute */
    uint64_t lines;                     /* written in this minute */
    uint64_t hushed;                    /* not written in this minute */
    bool is_warned;                     /* in this minute, that requests cannot be made */
    uint64_t totals[REPORT_KIND_COUNT]; /* outcomes since the start */
    int64_t last_created_unix_ms;       /* 0: none yet */
};

void report_init(struct report *report, int64_t now_us);

/* A job's attempt has ended with `outcome`. */
void report_job(struct report *report, int64_t now_us, const struct job *job,
                const struct outcome *outcome);

/* A request could not be made; its job goes back. Said once a minute: it repeats itself while the
 * cause lasts. */
void report_unmade(struct report *report, int64_t now_us, const struct job *job, const char *why);

/* To be called now and then: writes the summary of a minute that is over, if lines were left out.
 */
void report_tick(struct report *report, int64_t now_us);

#endif
