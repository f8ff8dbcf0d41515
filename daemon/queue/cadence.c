/* cadence.c - when to claim next, and how many. */
#include "queue/cadence.h"

#include "base/clock.h"

#define MAX_WANT          256
#define FAILURES_TO_PAUSE 5
#define FAILURE_PAUSE_MIN_US (1 * US_PER_SEC)
#define FAILURE_PAUSE_MAX_US (60 * US_PER_SEC)

static void not_before(struct cadence *cadence, int64_t at_us)
{
    if (at_us > cadence->not_before_us)
        cadence->not_before_us = at_us;
}

void cadence_start(struct cadence *cadence)
{
    cadence->is_hungry = true;
    cadence->due_us = 0;
    cadence->refusals = 0;
}

void cadence_note_push(struct cadence *cadence)
{
    cadence->is_hungry = true;
}

void cadence_note_due(struct cadence *cadence, int64_t now_us, int64_t next_due_ms)
{
    cadence->due_us = next_due_ms < 0 ? 0 : now_us + next_due_ms * US_PER_MS;
}

void cadence_note_jobs(struct cadence *cadence, bool is_more)
{
    cadence->is_hungry = is_more;
    cadence->refusals = 0;
}

void cadence_note_wait(struct cadence *cadence, int64_t now_us, int64_t wait_ms, double random_unit)
{
    int64_t wait_us = (wait_ms < 1 ? 1 : wait_ms) * US_PER_MS;

    cadence->is_hungry = true;
    cadence->refusals = 0;
    not_before(cadence, now_us + wait_us + (int64_t)(0.1 * random_unit * (double)wait_us));
}

void cadence_note_refused(struct cadence *cadence, int64_t now_us, int64_t wait_us)
{
    cadence->is_hungry = true;
    cadence->refusals++;
    not_before(cadence, now_us + wait_us);
}

void cadence_note_request(struct cadence *cadence, int64_t now_us, bool is_network_failure)
{
    if (!is_network_failure) {
        cadence->own_failures = 0;
        cadence->failure_pause_us = 0;
        return;
    }
    cadence->own_failures++;
    if (cadence->own_failures < FAILURES_TO_PAUSE)
        return;
    cadence->failure_pause_us *= 2;
    if (cadence->failure_pause_us < FAILURE_PAUSE_MIN_US)
        cadence->failure_pause_us = FAILURE_PAUSE_MIN_US;
    if (cadence->failure_pause_us > FAILURE_PAUSE_MAX_US)
        cadence->failure_pause_us = FAILURE_PAUSE_MAX_US;
    not_before(cadence, now_us + cadence->failure_pause_us);
}

uint32_t cadence_want(const struct cadence *cadence, int64_t now_us, uint32_t room,
                      int64_t *ret_wait_us)
{
    bool is_due = cadence->due_us != 0 && now_us >= cadence->due_us;

    *ret_wait_us = -1;
    if (room == 0)
        return 0;
    if (!cadence->is_hungry && !is_due) {
        if (cadence->due_us != 0)
            *ret_wait_us = cadence->due_us - now_us;
        return 0;
    }
    if (now_us < cadence->not_before_us) {
        *ret_wait_us = cadence->not_before_us - now_us;
        return 0;
    }
    if (cadence->own_failures >= FAILURES_TO_PAUSE)
        return 1;
    return room < MAX_WANT ? room : MAX_WANT;
}
