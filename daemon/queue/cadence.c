/* cadence.c - when to claim next, and how many. */
#include "queue/cadence.h"

#include "base/clock.h"

#define MAX_WANT  256
#define GATHER_US (5 * US_PER_MS)

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
    own_network_start(&cadence->network);
}

void cadence_note_push(struct cadence *cadence)
{
    cadence->is_hungry = true;
}

void cadence_note_due(struct cadence *cadence, int64_t now_us, int64_t next_due_ms)
{
    cadence->due_us = next_due_ms < 0 ? 0 : now_us + next_due_ms * US_PER_MS;
}

int64_t cadence_idle_since_us(const struct cadence *cadence, int64_t now_us)
{
    bool is_due = cadence->due_us != 0 && now_us >= cadence->due_us;
    int64_t since_us = cadence->sent_us;

    if (!cadence->is_hungry && !is_due)
        return 0;
    if (cadence->not_before_us > since_us)
        since_us = cadence->not_before_us;
    if (!cadence->is_hungry && cadence->due_us > since_us)
        since_us = cadence->due_us;
    return since_us;
}

void cadence_note_sent(struct cadence *cadence, int64_t now_us)
{
    cadence->sent_us = now_us;
}

void cadence_note_jobs(struct cadence *cadence, uint64_t seq, size_t jobs, int64_t queue_len)
{
    cadence->is_hungry = queue_len > 0;
    cadence->refusals = 0;
    if (jobs > 0)
        own_network_handed_out(&cadence->network, seq);
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

/* The time before which no claim goes out; INT64_MAX: only news will tell. */
static int64_t earliest_us(const struct cadence *cadence, int64_t now_us, uint32_t room)
{
    int64_t earliest_us = cadence->not_before_us;
    int64_t rest_us = own_network_wait_us(&cadence->network, now_us);
    bool is_half_free = room >= (cadence->most_room + 1) / 2;

    if (rest_us < 0)
        return INT64_MAX;
    if (now_us + rest_us > earliest_us)
        earliest_us = now_us + rest_us;
    if (cadence->sent_us != 0 && !is_half_free && cadence->sent_us + GATHER_US > earliest_us)
        earliest_us = cadence->sent_us + GATHER_US;
    return earliest_us;
}

uint32_t cadence_want(struct cadence *cadence, int64_t now_us, uint32_t room, int64_t *ret_wait_us)
{
    bool is_due = cadence->due_us != 0 && now_us >= cadence->due_us;

    *ret_wait_us = -1;
    if (room > cadence->most_room)
        cadence->most_room = room;
    if (room == 0)
        return 0;
    if (!cadence->is_hungry && !is_due) {
        if (cadence->due_us != 0)
            *ret_wait_us = cadence->due_us - now_us;
        return 0;
    }

    int64_t at_us = earliest_us(cadence, now_us, room);
    if (now_us < at_us) {
        *ret_wait_us = at_us == INT64_MAX ? -1 : at_us - now_us;
        return 0;
    }
    if (own_network_is_alone(&cadence->network))
        return 1;
    return room < MAX_WANT ? room : MAX_WANT;
}
