/*
 * load.h - what the programs that make requests for the bench have in common.
 */
#ifndef AUTHLINKD_TESTS_TOOLS_LOAD_H
#define AUTHLINKD_TESTS_TOOLS_LOAD_H

#include "base/clock.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define LOAD_BODY                                                                                  \
    "{\"publishableKey\":\"pk_conductor_fake\",\"endUserId\":\"end_usr_000001\","                  \
    "\"linkExpiryMins\":30}"

_Noreturn static inline void load_fail(const char *program, const char *why)
{
    fprintf(stderr, "%s: %s\n", program, why);
    exit(EXIT_FAILURE);
}

static inline double load_cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * US_PER_SEC +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Requests a second, and us of CPU a request. */
static inline void load_print(int64_t answered, int64_t began_us, double began_cpu_us)
{
    double took_sec = (double)(clock_mono_us() - began_us) / US_PER_SEC;

    printf("%.0f %.2f\n", (double)answered / took_sec,
           (load_cpu_us() - began_cpu_us) / (double)answered);
}

#endif
