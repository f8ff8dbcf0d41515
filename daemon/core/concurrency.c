/* concurrency.c - Little's law with the horizon of the slots. */
#include "core/concurrency.h"

#include <math.h>

/* One weight for all: about the last sixteen answers decide. */
#define WEIGHT 8

/* Below it a request ends before the loop turns; the division stays finite. */
#define MIN_LATENCY_US INT64_C(500)

static int64_t mean_with(int64_t mean, int64_t measured)
{
    if (mean == 0)
        return measured;
    return mean + (measured - mean) / WEIGHT;
}

void concurrency_note(struct concurrency *seen, int64_t latency_us, uint32_t in_flight)
{
    seen->latency_us = mean_with(seen->latency_us, latency_us);
    seen->in_flight_milli = mean_with(seen->in_flight_milli, INT64_C(1000) * in_flight);
}

/* Held jobs cost memory, and a tenth of a second of them at 10,000 a second is far enough ahead. */
#define MAX_HELD 1024

uint32_t concurrency_room(const struct concurrency *seen, uint32_t max_in_flight,
                          uint32_t in_flight, uint32_t held)
{
    int64_t ending = 0; /* requests that end before the farthest slot comes */

    if (seen->latency_us > 0) {
        int64_t latency_us = seen->latency_us < MIN_LATENCY_US ? MIN_LATENCY_US : seen->latency_us;
        int64_t mean = seen->in_flight_milli * CONCURRENCY_HORIZON_US / latency_us / 1000;
        /* They end by chance: what is held for one that does not end goes back unsent. */
        ending = mean - (int64_t)ceil(2 * sqrt((double)mean));
        ending = ending < 0 ? 0 : ending > MAX_HELD ? MAX_HELD : ending;
    }

    int64_t room = (int64_t)max_in_flight + ending - in_flight - held;
    return room < 0 ? 0 : room > UINT32_MAX ? UINT32_MAX : (uint32_t)room;
}

uint32_t concurrency_may_begin(uint32_t max_in_flight, uint32_t in_flight, uint32_t begun)
{
    uint32_t of_turn = begun < CONCURRENCY_BEGUN_A_TURN ? CONCURRENCY_BEGUN_A_TURN - begun : 0;
    uint32_t of_all = in_flight < max_in_flight ? max_in_flight - in_flight : 0;

    return of_turn < of_all ? of_turn : of_all;
}
