/* retry.c - exponential back-off with full jitter, and its end. */
#include "core/retry.h"

/* Beyond this many doublings every base delay has reached every maximum. */
#define MAX_DOUBLINGS 32

int64_t retry_delay_ms(const struct retry_policy *policy, uint32_t attempts, double random_unit)
{
    int64_t ceiling_ms = policy->base_delay_ms;

    for (uint32_t i = 1; i < attempts && i < MAX_DOUBLINGS && ceiling_ms < policy->max_delay_ms; i++)
        ceiling_ms *= 2;
    if (ceiling_ms > policy->max_delay_ms)
        ceiling_ms = policy->max_delay_ms;
    return (int64_t)(random_unit * (double)ceiling_ms);
}

bool retry_is_over(const struct retry_policy *policy, uint32_t attempts, int64_t age_ms)
{
    return attempts >= policy->max_attempts || age_ms >= policy->give_up_after_ms;
}
