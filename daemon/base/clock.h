/*
 * clock.h - the clocks of this machine.
 *
 * Everything inside counts int64_t microseconds on the monotonic clock, read
 * once a loop turn and passed by value. Leases count on the boot clock, which
 * goes on while the machine is suspended. Wall time stands in logs only.
 */
#ifndef AUTHLINKD_BASE_CLOCK_H
#define AUTHLINKD_BASE_CLOCK_H

#include <stdint.h>

#define US_PER_MS  INT64_C(1000)
#define US_PER_SEC INT64_C(1000000)
#define MS_PER_SEC INT64_C(1000)

int64_t clock_mono_us(void);
int64_t clock_boot_us(void);
int64_t clock_wall_unix_ms(void);

#endif
