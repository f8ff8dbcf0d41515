/* timer.c - event_add() in microseconds. */
#include "base/timer.h"

#include "base/clock.h"

#include <event2/event.h>

void timer_arm(struct event *timer, int64_t wait_us)
{
    if (wait_us < 0)
        wait_us = 0;
    struct timeval wait = {.tv_sec = wait_us / US_PER_SEC, .tv_usec = wait_us % US_PER_SEC};
    event_add(timer, &wait);
}
