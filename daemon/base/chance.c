/* chance.c - random numbers by libevent's generator, seeded by the kernel. */
#include "base/chance.h"

#include <event2/util.h>

double chance_unit(void)
{
    uint32_t bits = 0;

    evutil_secure_rng_get_bytes(&bits, sizeof bits);
    return bits / 4294967296.0;
}

int64_t chance_between_us(int64_t min_us, int64_t max_us)
{
    return min_us + (int64_t)(chance_unit() * (double)(max_us - min_us));
}
