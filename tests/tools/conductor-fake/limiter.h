/*
 * limiter.h - the rate limit of the API, in three forms that are common.
 *
 * Pure: the caller passes the time. The forms differ in what they let through
 * together: a token bucket `burst`, a fixed window its whole number twice around
 * its edge, a sliding log never more than its number in any window.
 */
#ifndef CONDUCTOR_FAKE_LIMITER_H
#define CONDUCTOR_FAKE_LIMITER_H

#include "settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limiter {
    double tokens;        /* of the bucket; below the burst */
    int64_t filled_us;    /* when they were counted; 0: the bucket is full */
    int64_t window_us;    /* start of the window now open */
    int64_t window_count; /* let through in it */
    int64_t *log_us;      /* owns; ring of the newest `log_cap` times let through */
    size_t log_cap;
    size_t log_at; /* place of the oldest */
};

/* Whether a request at `now_us` passes. If not, *reterr_wait_us is when the next would. */
bool limiter_take(struct limiter *limiter, const struct settings *settings, int64_t now_us,
                  int64_t *reterr_wait_us);

struct quota {
    int64_t left;     /* requests that would pass at once */
    int64_t reset_us; /* until no request counts any more */
};

/* What is left after the request at `now_us`. */
struct quota limiter_quota(const struct limiter *limiter, const struct settings *settings,
                           int64_t now_us);

/* As if no request had come. */
void limiter_reset(struct limiter *limiter);

#endif
