/* support_random.c - random numbers that can be had again (splitmix64). */
#include "support_random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t state;

uint64_t random_start(void)
{
    const char *seed = getenv("AUTHLINKD_SEED");

    state = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    printf("AUTHLINKD_SEED=%" PRIu64 "\n", state);
    return state;
}

uint64_t random_bits(void)
{
    state += 0x9e3779b97f4a7c15U;
    uint64_t bits = state;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
    return bits ^ (bits >> 31);
}

int random_below(int count)
{
    return (int)(random_bits() % (uint64_t)count);
}

bool random_chance(int per_mille)
{
    return random_below(1000) < per_mille;
}
