/*
 * audit.h - how many jobs are where, and how many ever were: one atomic read.
 *
 * Sources  design.md section 2, the conservation law.
 */
#ifndef AUTHLINKD_CTL_AUDIT_H
#define AUTHLINKD_CTL_AUDIT_H

#include "ctl/dialog.h"
#include "ctl/json.h"

#define AUDIT_COUNTERS(X)                                                                          \
    X(taken)                                                                                       \
    X(ready)                                                                                       \
    X(reused)                                                                                      \
    X(dead)                                                                                        \
    X(redriven)                                                                                    \
    X(removed)                                                                                     \
    X(attempts)                                                                                    \
    X(throttled)                                                                                   \
    X(retried)                                                                                     \
    X(unsent)                                                                                      \
    X(returned)                                                                                    \
    X(fenced)                                                                                      \
    X(late)                                                                                        \
    X(recovered)

struct audit {
    int64_t now_ms; /* of Redis */
    int64_t queue, delayed, leases, in_leases, letters;
    int64_t last_ready_ms; /* 0: never */
    int64_t oldest_age_ms;   /* of the queue's head, by its enqueuedAtMs; -1: not known */
    int64_t oldest_retry_ms; /* of the first delayed job, since it was first seen; -1: none */
#define X(name) int64_t name;
    AUDIT_COUNTERS(X)
#undef X
};

MUST_CHECK enum result audit_read(struct dialog *dialog, struct audit *ret_audit);

bool audit_holds(const struct audit *audit);

/* Taken but nowhere; below 0: somewhere but never taken. */
int64_t audit_missing_jobs(const struct audit *audit);
int64_t audit_missing_letters(const struct audit *audit);

/* Members `atMs`, `places` and `stats` of the object that is open. */
void audit_json(struct json *json, const struct audit *audit);

#endif
