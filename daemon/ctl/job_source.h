/*
 * job_source.h - where the jobs of an enqueue come from: words, lines, a CSV file.
 *
 * Each job is checked; what is wrong with it is told as `place: reason: detail`, the first
 * JOB_SOURCE_FAULTS_TOLD times.
 */
#ifndef AUTHLINKD_CTL_JOB_SOURCE_H
#define AUTHLINKD_CTL_JOB_SOURCE_H

#include "ctl/job_list.h"

#include <stdint.h>

#define JOB_SOURCE_FAULTS_TOLD 20

struct job_source {
    struct job_defaults defaults;
    struct job_rules rules;
    const char *column;     /* NULL: the usual names */
    const char *ref_column; /* NULL: none */
    struct job_list list;
    int64_t bad;
};

/* RESULT_INVALID: the source itself cannot be used, told; RESULT_NO_MEMORY. Bad jobs are counted.
 */
MUST_CHECK enum result job_source_read_words(struct job_source *source, int count, char **words);
MUST_CHECK enum result job_source_read_lines(struct job_source *source);
MUST_CHECK enum result job_source_read_csv(struct job_source *source, const char *path);

#endif
