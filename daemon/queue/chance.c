/* chance.c - random waits. */
#include "queue/chance.h"

#include <event2/util.h>

static double random_unit(void)
{
    uint32_t bits = 0;

    evutil_secure_rng_get_bytes(&bits, sizeof bits);
    return bits / 4294967296.0;
}

int64_t chance_between_us(int64_t min_us, int64_t max_us)
{
    return min_us + (int64_t)(random_unit() * (double)(max_us - min_us));
}

int64_t chance_stretch_us(int64_t wait_us)
{
    return chance_between_us(wait_us, wait_us + wait_us / 10);
}
