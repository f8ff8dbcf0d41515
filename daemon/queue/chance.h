/*
 * chance.h - random waits, so that many instances do not do the same thing at the same time. Inside queue/ only.
 */
#ifndef AUTHLINKD_QUEUE_CHANCE_H
#define AUTHLINKD_QUEUE_CHANCE_H

#include <stdint.h>

/* A random time between the two (full jitter). */
int64_t chance_between_us(int64_t min_us, int64_t max_us);

/* This wait, and up to a tenth of it more. */
int64_t chance_stretch_us(int64_t wait_us);

#endif
