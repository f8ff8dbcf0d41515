/*
 * job.h - one job: "this end user needs a link".
 *
 * Plain data. A job in hand is made from the reply of a claim, carried by app/
 * from its slot to the API, and given to a settle with its outcome. Until it is
 * settled it stands in its lease in Redis; what is here is a copy.
 *
 * Sources  Bounds: design.md section 2 (they are checked by claim.lua before a job
 *          gets here, and by job_check() before ctl pushes one).
 */
#ifndef AUTHLINKD_CORE_JOB_H
#define AUTHLINKD_CORE_JOB_H

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOB_PAYLOAD_MAX_BYTES  4096
#define JOB_ID_MAX_LEN         128
#define JOB_REF_MAX_LEN        128
#define JOB_REDIRECT_MAX_LEN   2048
#define JOB_KEY_MAX_LEN        31
#define JOB_LINK_EXPIRY_MIN    15
#define JOB_LINK_EXPIRY_MAX    10080

struct job {
    char end_user_id[JOB_ID_MAX_LEN + 1];
    char job_key[JOB_KEY_MAX_LEN + 1];
    char ref[JOB_REF_MAX_LEN + 1];                    /* "": none */
    char redirect_url[JOB_REDIRECT_MAX_LEN + 1];      /* "": none */
    uint32_t link_expiry_mins;
    uint32_t attempts;        /* before this one */
    uint32_t recoveries;
    int64_t age_ms;           /* since it was first seen, at the claim */
    uint64_t lease_seq;       /* of this boot: names the lease */
    bool is_probe;            /* the one job that may go out while a hold binds */
    int64_t slot_due_us;      /* monotonic clock: send at this instant (C7) */
    int64_t lease_end_boot_us; /* boot clock: the local deadline of its lease (C6) */
    struct job *next;         /* for whoever holds it: a list, a free list */
};

#endif
