/*
 * timer.h - times of events in microseconds, as everything here counts.
 */
#ifndef AUTHLINKD_BASE_TIMER_H
#define AUTHLINKD_BASE_TIMER_H

#include <stdint.h>

struct event;

/*
 * `timer` comes in `wait_us` from now, once; if it was armed, the new time counts. What is past is
 * due at once. Fails only where there is no memory for one timer more: the watchdog sees to that.
 */
void timer_arm(struct event *timer, int64_t wait_us);

#endif
