/*
 * status.h - a picture of the fleet, read from Redis.
 *
 * Numbers of jobs come from one atomic read (audit.h); the rest is read right after it.
 * The last minute is counted from the events, at most STATUS_EVENTS_MAX of them; where there
 * were more, the minute is a shorter one (span_ms).
 */
#ifndef AUTHLINKD_CTL_STATUS_H
#define AUTHLINKD_CTL_STATUS_H

#include "ctl/audit.h"
#include "ctl/dialog.h"

#include <stdint.h>

#define STATUS_INSTANCES_MAX 256
#define STATUS_EVENTS_MAX    20000

struct status {
    struct audit audit;
    redisReply *holds;   /* owns, as the next ones; HGETALL */
    redisReply *limiter; /* HGETALL */
    redisReply *meta;    /* HGETALL */
    redisReply *instances[STATUS_INSTANCES_MAX];
    size_t instance_count;
    struct {
        int64_t span_ms; /* how long the minute was, 60,000 at most */
        int64_t ready, reused, failed, requests;
    } minute;
};

/*
 * The keys of the instances. Finding them means a walk over all keys of Redis, so whoever reads
 * again and again keeps them, and the walk is done every STATUS_ROSTER_SEC only. Begin with zeros.
 */
#define STATUS_ROSTER_SEC 10
struct status_roster {
    int64_t found_us; /* 0: not yet */
    size_t count;
    char keys[STATUS_INSTANCES_MAX][KEY_MAX_LEN];
};

/* On failure nothing is to be freed. */
MUST_CHECK enum result status_read(struct dialog *dialog, struct status_roster *roster,
                                   struct status *ret_status);

void status_done(struct status *status);

/* Jobs that are not finished. */
int64_t status_backlog(const struct status *status);

/* Finished jobs per second in the last minute. */
double status_jobs_per_sec(const struct status *status);

/* Requests per second that are allowed: the known limit, else the learned pace; 0: no instance yet.
 */
double status_limit_per_sec(const struct status *status);

/* How long the backlog will take, ms; -1: not known, or held. */
int64_t status_eta_ms(const struct status *status);

/* A cause and its parts, as :holds has it. */
struct status_hold {
    const char *cause, *detail; /* lent by `status` */
    size_t cause_len, detail_len;
    int64_t since_ms, until_ms, next_ms; /* 0: none */
};

/* False: there is no hold of that index. */
bool status_hold_at(const struct status *status, size_t index, struct status_hold *ret_hold);

/* What a person can do about a hold. */
const char *status_hold_advice(const struct status_hold *hold);

#endif
