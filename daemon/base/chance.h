/*
 * chance.h - random waits, so that many instances do not do the same thing at the same time.
 */
#ifndef AUTHLINKD_BASE_CHANCE_H
#define AUTHLINKD_BASE_CHANCE_H

#include <stdint.h>

/* From 0 up to, and not, 1. */
double chance_unit(void);

/* A random time between the two (full jitter). */
int64_t chance_between_us(int64_t min_us, int64_t max_us);

#endif
