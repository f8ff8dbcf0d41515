/* clock.c - clock_gettime() in microseconds. */
#include "base/clock.h"

#include <assert.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    int failed = clock_gettime(id, &now);

    assert(failed == 0); /* fails for an unknown clock only, and these are constants */
    return (int64_t)now.tv_sec * US_PER_SEC + now.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_boot_us(void)
{
    return read_us(CLOCK_BOOTTIME);
}

int64_t clock_wall_unix_ms(void)
{
    return read_us(CLOCK_REALTIME) / US_PER_MS;
}
