/* chance.h - random numbers that a seed repeats. Not for secrets. */
#ifndef CONDUCTOR_FAKE_CHANCE_H
#define CONDUCTOR_FAKE_CHANCE_H

#include <stddef.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

void chance_seed(struct chance *chance, uint64_t seed);

uint64_t chance_next(struct chance *chance);

/* At least 0, below 1. */
double chance_unit(struct chance *chance);

/* Of the standard normal distribution. */
double chance_normal(struct chance *chance);

/* Writes `len` letters and digits and a NUL. */
void chance_letters(struct chance *chance, char *target, size_t len);

#endif
