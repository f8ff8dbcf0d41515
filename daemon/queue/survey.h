/*
 * survey.h - what the fleet looks like, read from Redis every few seconds while somebody wants it.
 *
 * For metrics: who is scraped answers from the last reading and never asks Redis meanwhile. One
 * read-only step every five seconds (timing.h), far below any interval of scraping; nothing where
 * it is not wanted, so an idle daemon without metrics stays idle.
 *
 * Units    _us monotonic microseconds, _ms milliseconds, _unix_ms Redis' wall clock.
 */
#ifndef AUTHLINKD_QUEUE_SURVEY_H
#define AUTHLINKD_QUEUE_SURVEY_H

#include "queue/hold_watch.h"
#include "queue/server.h"

#include <stdbool.h>
#include <stdint.h>

/* The counters of :stats, each with its name there. */
#define SURVEY_COUNTERS(X)                                                                         \
    X(TAKEN, "taken")                                                                              \
    X(READY, "ready")                                                                              \
    X(REUSED, "reused")                                                                            \
    X(DEAD, "dead")                                                                                \
    X(REDRIVEN, "redriven")                                                                        \
    X(REMOVED, "removed")                                                                          \
    X(ATTEMPTS, "attempts")                                                                        \
    X(THROTTLED, "throttled")                                                                      \
    X(RETRIED, "retried")                                                                          \
    X(UNSENT, "unsent")                                                                            \
    X(RETURNED, "returned")                                                                        \
    X(FENCED, "fenced")                                                                            \
    X(LATE, "late")                                                                                \
    X(RECOVERED, "recovered")

enum survey_counter {
#define X(name, text) SURVEY_##name,
    SURVEY_COUNTERS(X)
#undef X
        SURVEY_COUNTER_COUNT
};

struct survey_reading {
    int64_t read_unix_ms;  /* by our own wall clock; 0: none yet */
    int64_t good_until_us; /* monotonic: three more were missed by then, and it is history */
    int64_t queue, delayed, leases, inflight, letters;
    int64_t head_age_ms;       /* -1: not known */
    int64_t overdue_ms;        /* of the first delayed job; 0: none is */
    int64_t memory_used_bytes; /* of Redis */
    int64_t memory_max_bytes;  /* 0: no limit */
    int64_t last_ready_unix_ms;
    double per_sec; /* 0: unknown */
    double pace_per_sec;
    bool binds[HOLD_KINDS];
    uint64_t counters[SURVEY_COUNTER_COUNT];
};

/* False: there is none, or it is too old to be shown. */
bool survey_is_fresh(const struct survey_reading *reading, int64_t now_us);

struct survey;

/* NULL when memory is short. Borrows base and server. Nothing is read yet. */
struct survey *survey_new(struct event_base *base, struct server *server);

/* Accepts NULL. Returns NULL. */
struct survey *survey_free(struct survey *survey);

/* Reads from now on, or no more. */
void survey_want(struct survey *survey, bool is_wanted);

/* The last reading, lent for as long as the survey lives. */
const struct survey_reading *survey_reading(const struct survey *survey);

#endif
