/* chance.c - splitmix64 (Steele, Lea, Flood 2014) and what is drawn from it. */
#include "chance.h"

#include <math.h>

void chance_seed(struct chance *chance, uint64_t seed)
{
    chance->state = seed;
}

uint64_t chance_next(struct chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double chance_unit(struct chance *chance)
{
    return (double)(chance_next(chance) >> 11) * 0x1.0p-53;
}

double chance_normal(struct chance *chance)
{
    double radius = sqrt(-2.0 * log(1.0 - chance_unit(chance))); /* Box and Muller */

    return radius * cos(2.0 * M_PI * chance_unit(chance));
}

void chance_letters(struct chance *chance, char *target, size_t len)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    uint64_t bits = 0;

    for (size_t i = 0; i < len; i++) {
        if (i % 10 == 0) /* ten times six bits, of sixty-four */
            bits = chance_next(chance);
        target[i] = letters[(bits & 63) % (sizeof letters - 1)];
        bits >>= 6;
    }
    target[len] = '\0';
}
