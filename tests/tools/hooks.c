/*
 * hooks.c - what the hooks do in the test build, `authlinkd-hooked`.
 *
 * Linked before the libraries, so that these definitions stand for those of
 * base/hooks.c and core/timing.c. The program that is shipped has none of this.
 *
 *   AUTHLINKD_CRASH_AT=point[:N]   SIGKILL to itself when the point is reached the Nth time (1)
 *   AUTHLINKD_STOP_AT=point[:N]    SIGSTOP likewise
 *   AUTHLINKD_WEDGE=step           its replies are lost inside: claim, settle, reap, peek
 *   AUTHLINKD_TIMING=name=ms,...   other values for members of struct timing, without the _ms
 */
#include "base/hooks.h"
#include "base/text.h"
#include "core/timing.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Counts down to the Nth time that `point` is reached; true at that time. */
static bool is_reached(const char *wanted, const char *point, long *count)
{
    if (wanted == NULL)
        return false;

    size_t len = strcspn(wanted, ":");
    if (strlen(point) != len || memcmp(wanted, point, len) != 0)
        return false;
    long nth = wanted[len] == ':' ? strtol(wanted + len + 1, NULL, 10) : 1;
    return ++*count == nth;
}

void hook_reach(const char *point)
{
    static long crash_count;
    static long stop_count;

    if (is_reached(getenv("AUTHLINKD_CRASH_AT"), point, &crash_count))
        kill(getpid(), SIGKILL);
    if (is_reached(getenv("AUTHLINKD_STOP_AT"), point, &stop_count))
        kill(getpid(), SIGSTOP);
}

bool hook_is_wedged(const char *step)
{
    const char *wanted = getenv("AUTHLINKD_WEDGE");

    return wanted != NULL && strcmp(wanted, step) == 0;
}

#define TIMING_MEMBERS(X)                                                                          \
    X(lease_margin, 10000)                                                                         \
    X(start_margin, 2000)                                                                          \
    X(slot_grace, 250)                                                                             \
    X(reap_interval, 2000)                                                                         \
    X(foreign_after, 10000)                                                                        \
    X(peek, 5000)                                                                                  \
    X(command_timeout, 5000)                                                                       \
    X(reconnect_min, 100)                                                                          \
    X(reconnect_max, 3000)                                                                         \
    X(hold_backoff_min, 1000)                                                                      \
    X(hold_backoff_max, 60000)                                                                     \
    X(outage_quiet, 1000)                                                                          \
    X(instance_interval, 5000)                                                                     \
    X(instance_ttl, 30000)                                                                         \
    X(survey_interval, 5000)

static void set_member(struct timing *timing, const char *name, size_t name_len, int64_t value)
{
#define X(member, release_ms)                                                                      \
    if (strlen(#member) == name_len && memcmp(#member, name, name_len) == 0) {                     \
        timing->member##_ms = value;                                                               \
        return;                                                                                    \
    }
    TIMING_MEMBERS(X)
#undef X
    fprintf(stderr, "AUTHLINKD_TIMING: unknown member %.*s\n", (int)name_len, name);
    exit(2);
}

struct timing timing_get(void)
{
    struct timing timing = {
#define X(member, release_ms) .member##_ms = (release_ms),
        TIMING_MEMBERS(X)
#undef X
    };
    const char *rest = getenv("AUTHLINKD_TIMING");

    while (rest != NULL && rest[0] != '\0') {
        size_t len = strcspn(rest, ",");
        const char *equals = memchr(rest, '=', len);
        int64_t value = 0;
        if (equals == NULL || text_to_int64(equals + 1, len - (size_t)(equals + 1 - rest), 0,
                                            INT32_MAX, &value) != RESULT_OK) {
            fprintf(stderr, "AUTHLINKD_TIMING: name=ms,... expected\n");
            exit(2);
        }
        set_member(&timing, rest, (size_t)(equals - rest), value);
        rest += len + (rest[len] == ',');
    }
    return timing;
}
