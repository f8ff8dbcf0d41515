/*
 * job_list.h - the jobs of one enqueue, checked, as they will be pushed.
 *
 * All are checked before the first is pushed, so they are kept: about as many bytes as the
 * payloads have, JOB_LIST_MAX_BYTES at most.
 */
#ifndef AUTHLINKD_CTL_JOB_LIST_H
#define AUTHLINKD_CTL_JOB_LIST_H

#include "base/buffer.h"
#include "core/job_check.h"

#include <stdbool.h>
#include <stdint.h>

#define JOB_LIST_MAX_BYTES ((size_t)4 << 30)

/* What is said of every job that was given as a bare ID. */
struct job_defaults {
    int64_t link_expiry_mins; /* 0: not said */
    const char *redirect_url; /* NULL: not said */
    const char *ref;          /* the same */
    bool force;
    int64_t enqueued_at_unix_ms;
};

struct job_list {
    struct buffer bytes; /* a uint32_t length before each payload */
    int64_t count;
};

void job_list_init(struct job_list *list);
void job_list_done(struct job_list *list);

/*
 * Adds one job: a bare ID, which gets `defaults` and `ref` ("": that of the defaults), or an
 * object, which is taken as it is.
 *   RESULT_INVALID  it is no job; *reterr_refusal says why.
 */
MUST_CHECK enum result job_list_add(struct job_list *list, const char *text, size_t len,
                                    const char *ref, size_t ref_len,
                                    const struct job_defaults *defaults,
                                    const struct job_rules *rules,
                                    struct job_refusal *reterr_refusal);

/* Moves *at (0 at first) behind the next payload. False: there is none. */
bool job_list_next(const struct job_list *list, size_t *at, const char **ret_payload,
                   size_t *ret_len);

#endif
