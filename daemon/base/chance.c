/* chance.c - random numbers by libevent's generator, seeded by the kernel. */
#include "base/chance.h"

#include <event2/util.h>

/* Each question costs a system call (glibc's arc4random_buf() keeps nothing back): one for many. */
#define DRAWN_AT_ONCE 64

double chance_unit(void)
{
    static uint32_t drawn[DRAWN_AT_ONCE];
    static size_t left;

    if (left == 0) {
        evutil_secure_rng_get_bytes(drawn, sizeof drawn);
        left = DRAWN_AT_ONCE;
    }
    left--;
    return drawn[left] / 4294967296.0;
}

int64_t chance_between_us(int64_t min_us, int64_t max_us)
{
    return min_us + (int64_t)(chance_unit() * (double)(max_us - min_us));
}
