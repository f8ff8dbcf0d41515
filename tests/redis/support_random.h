/*
 * support_random.h - random numbers that can be had again: AUTHLINKD_SEED in the environment.
 */
#ifndef TESTS_REDIS_SUPPORT_RANDOM_H
#define TESTS_REDIS_SUPPORT_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* Seeds from the environment, else from the clock; prints and returns the seed. */
uint64_t random_start(void);

uint64_t random_bits(void);

/* 0 to count - 1 */
int random_below(int count);

bool random_chance(int per_mille);

#endif
