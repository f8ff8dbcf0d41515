/*
 * conductor.h - our side of the API: a job goes out, an answer comes back.
 *
 * The face of the layer. What the answer means is decided in core/outcome.
 *
 * Units    now_us, began_us: microseconds on the monotonic clock.
 * Sources  conductor-api.md.
 */
#ifndef AUTHLINKD_CONDUCTOR_CONDUCTOR_H
#define AUTHLINKD_CONDUCTOR_CONDUCTOR_H

#include "core/host_list.h"
#include "core/job.h"
#include "core/outcome.h"

#include <stdint.h>

struct event_base;
struct conductor;

/* Everything is copied. */
struct conductor_settings {
    const char *base_url; /* as endpoint.h takes it */
    const char *secret_key;
    const char *key_fp; /* KEY_FP_LEN hex digits, for holds and logs */
    const char *publishable_key;
    const char *ca_file; /* "": the system's */
    const struct host_list *link_hosts;
    int64_t request_timeout_ms;
    uint32_t max_in_flight;
};

/* Upper bounds of the buckets of durations; the last bucket takes what is longer. */
#define CONDUCTOR_DURATION_BOUNDS_MS                                                               \
    {                                                                                              \
        5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000                               \
    }
#define CONDUCTOR_DURATION_BUCKETS 13

/* Since the start. `started` is the sum of those that ended and those in flight. */
struct conductor_counters {
    uint64_t started;
    uint64_t unsent;             /* no connection */
    uint64_t broken;             /* sent, no whole answer */
    uint64_t by_status_class[6]; /* whole answers: [2] counts 2xx; [0] what is no HTTP status */
    uint64_t throttled;          /* 429; also in by_status_class[4] */
    uint64_t by_duration[CONDUCTOR_DURATION_BUCKETS]; /* whole answers, each in one bucket */
    int64_t duration_sum_us;                          /* of whole answers */
};

/*
 * The request of `job` is over, whole or not; the job is the caller's again. `answer` is lent
 * until the call returns. May send further jobs; must not free the conductor.
 */
typedef void (*conductor_on_answer)(struct job *job, const struct answer *answer, int64_t began_us,
                                    const char *key_fp, void *user);

/*
 * NULL when memory is short, or base_url or secret_key are unsound (config/ has told people so
 * before). Borrows `base` and `user`.
 */
struct conductor *conductor_new(struct event_base *base, const struct conductor_settings *settings,
                                conductor_on_answer on_answer, void *user);

/* Accepts NULL. Returns NULL. Running requests are cut off, without a callback. */
struct conductor *conductor_free(struct conductor *conductor);

/*
 * Sends the request for `job`, which is lent until on_answer.
 *   RESULT_FULL       max_in_flight are under way.
 *   RESULT_NO_MEMORY  nothing was sent.
 *   RESULT_INVALID    likewise: no body of REQUEST_MAX_BYTES can be made of it.
 */
MUST_CHECK enum result conductor_send(struct conductor *conductor, struct job *job, int64_t now_us);

/*
 * Begins the requests sent so far now, instead of at the next turn of the loop: before whatever
 * the caller does next. May call on_answer; not from within it.
 */
void conductor_begin(struct conductor *conductor);

/*
 * New requests go by the new settings, running ones end by the old. On failure, as of
 * conductor_new(), nothing changes.
 */
MUST_CHECK enum result conductor_reload(struct conductor *conductor,
                                        const struct conductor_settings *settings);

uint32_t conductor_in_flight(const struct conductor *conductor);

/* When the last of the running requests is over at the latest; 0: none is running. */
int64_t conductor_last_deadline_us(const struct conductor *conductor);

/* When the first of the running requests must be over, each by its own time-out; 0: none is running. */
int64_t conductor_first_deadline_us(const struct conductor *conductor);

const struct conductor_counters *conductor_counters(const struct conductor *conductor);

#endif
