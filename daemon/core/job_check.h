/*
 * job_check.h - whether a queue element is a job, before it is pushed.
 *
 * claim.lua decides (jobs.lua); this says the same beforehand, so that authlinkctl
 * can refuse a wrong job where it is made. Both run through tests/cases/jobs.tsv and
 * must change together.
 *
 * Sources  design.md section 2, "A job".
 */
#ifndef AUTHLINKD_CORE_JOB_CHECK_H
#define AUTHLINKD_CORE_JOB_CHECK_H

#include "base/result.h"
#include "core/host_list.h"
#include "core/job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOB_DETAIL_MAX_LEN 255

/* The words of dead letters (claim.lua). */
#define JOB_REASONS(X)                                                                             \
    X(BAD_JSON, "bad_json")                                                                        \
    X(BAD_MEMBER, "bad_member")                                                                    \
    X(BAD_ID, "bad_id")                                                                            \
    X(BAD_EXPIRY, "bad_expiry")                                                                    \
    X(BAD_REDIRECT, "bad_redirect")                                                                \
    X(BAD_REF, "bad_ref")                                                                          \
    X(TOO_LONG, "too_long")                                                                        \
    X(TOO_LATE, "too_late")

enum job_reason {
#define X(name, text) JOB_##name,
    JOB_REASONS(X)
#undef X
};

/* What of the settings a job is checked against. */
struct job_rules {
    uint32_t link_expiry_mins;              /* where the job says nothing */
    const char *redirect_url;               /* where the job says nothing; its host is allowed */
    const struct host_list *redirect_hosts; /* allowed besides */
    int64_t now_unix_ms;                    /* against notAfterMs */
};

/* A sound job, defaults filled in. */
struct job_request {
    char end_user_id[JOB_ID_MAX_LEN + 1];
    char redirect_url[JOB_REDIRECT_MAX_LEN + 1]; /* "": none */
    char ref[JOB_REF_MAX_LEN + 1];               /* "": none */
    uint32_t link_expiry_mins;
    bool force;
    int64_t enqueued_at_unix_ms; /* 0: not said */
    int64_t not_after_unix_ms;   /* 0: never too late */
};

struct job_refusal {
    enum job_reason reason;
    char detail[JOB_DETAIL_MAX_LEN + 1]; /* for people; printable */
};

/* RESULT_INVALID: no job; *reterr_refusal says why. */
MUST_CHECK enum result job_check(const char *payload, size_t len, const struct job_rules *rules,
                                 struct job_request *ret_request,
                                 struct job_refusal *reterr_refusal);

const char *job_reason_name(enum job_reason reason);

#endif
