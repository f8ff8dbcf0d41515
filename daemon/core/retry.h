/*
 * retry.h - when to try a job again, and when to stop.
 *
 * Pure. Full jitter: a random share of min(base * 2^(attempts - 1), max), so that
 * many jobs that failed at once do not come back at once.
 *
 * Sources  AWS Architecture Blog, "Exponential Backoff And Jitter" (full jitter).
 */
#ifndef AUTHLINKD_CORE_RETRY_H
#define AUTHLINKD_CORE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* Absurd values of Retry-After end here: ten minutes (design.md section 4). */
#define RETRY_AFTER_MAX_MS INT64_C(600000)

struct retry_policy {
    uint32_t max_attempts;    /* 1..; a failed attempt of this number is the last one */
    int64_t give_up_after_ms; /* age at which a failed attempt is the last one */
    int64_t base_delay_ms;
    int64_t max_delay_ms;
};

/* Delay before the attempt after `attempts` failed ones (>= 1), `random_unit` in [0, 1). */
int64_t retry_delay_ms(const struct retry_policy *policy, uint32_t attempts, double random_unit);

/* True when the failed attempt number `attempts` (>= 1) of a job this old was its last. */
bool retry_is_over(const struct retry_policy *policy, uint32_t attempts, int64_t age_ms);

#endif
