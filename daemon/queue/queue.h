/*
 * queue.h - our side of Redis: jobs come out, outcomes go in.
 *
 * The face of the layer. It claims by itself whenever app/ has room and the rules allow
 * (steps.md section 5, C1 to C11); what Redis answers is a state here, never an exit.
 *
 *   DOWN ──connected──> RETURNING ──settled──> LISTING ──no strays──> WORKING
 *    ^                      │                     │ ^                    │
 *    │                      │               strays└─┘named               │
 *    └──────────────────────┴────── connection lost ─────────────────────┘
 *
 * Units    _us microseconds (monotonic clock unless named boot), _ms milliseconds.
 */
#ifndef AUTHLINKD_QUEUE_QUEUE_H
#define AUTHLINKD_QUEUE_QUEUE_H

#include "core/host_list.h"
#include "core/job.h"
#include "core/outcome.h"
#include "core/timing.h"
#include "queue/link.h"

#include <stdbool.h>
#include <stdint.h>

#define QUEUE_SCHEMA         1
#define QUEUE_OWNER_MAX_LEN  96
#define QUEUE_PREFIX_MAX_LEN 32
#define QUEUE_KEY_MAX_LEN    256

struct event_base;
struct queue;
struct survey_reading;

/* Everything is copied. */
struct queue_settings {
    struct link_address address;
    char key_prefix[QUEUE_PREFIX_MAX_LEN + 1];
    char queue_key[QUEUE_KEY_MAX_LEN + 1];
    char owner[QUEUE_OWNER_MAX_LEN + 1]; /* <instance>@<hostId> */
    const char *publishable_key;
    char key_fp[KEY_FP_LEN + 1]; /* of the secret key: account holds bind by it */
    int64_t request_timeout_ms;
    struct timing timing;

    /* what the steps go by */
    uint32_t link_expiry_mins;
    const char *redirect_url; /* "": none */
    const struct host_list *redirect_hosts;
    double reuse_min_share;
    int64_t failed_ttl_ms;
    int64_t events_keep_ms;
    uint32_t max_recoveries;
    double per_sec;
    double burst;
    double max_per_sec;
};

struct queue_callbacks {
    /* Jobs to be sent at their slots: a list by ->next, the caller's now. */
    void (*on_jobs)(struct job *list, void *user);
    /*
     * A hold that binds this instance: give back what is not sent yet, with queue_settle(). The
     * jobs of a probe stay, unless `is_pause`.
     */
    void (*on_hold)(const char *cause, bool is_pause, void *user);
    /* These jobs are somebody else's now: drop the unsent ones with queue_drop(). */
    void (*on_lease_lost)(uint64_t lease_seq, void *user);
    /* Redis has every outcome that was given to queue_settle(). */
    void (*on_settled)(void *user);
    /* The password is wanted afresh; copies it, "" for none. False: it cannot be read. */
    bool (*on_password_wanted)(char *target, size_t size, void *user);
    /* The state, in words for people, has changed. */
    void (*on_state)(const char *state, void *user);
};

/* When something last moved, for the watchdog. */
struct queue_progress {
    int64_t last_reply_us;   /* any reply of Redis */
    int64_t last_attempt_us; /* to connect, or to repeat what was refused */
    int64_t unanswered_us;   /* when the oldest of what is unanswered was due; 0: nothing is */
    int64_t idle_since_us;   /* when a claim could have been sent, and was not; 0: none could */
    bool is_working;         /* connected, and past recovery */
};

/* What there is to show of it, for metrics. */
struct queue_view {
    const struct survey_reading *reading; /* lent: the fleet as it was read last (queue_survey) */
    const char *hold;                     /* what the last claims met: a kind; NULL: none binds */
    uint32_t unsettled;                   /* outcomes that are not known to be in Redis */
    uint64_t reconnects;
    bool is_connected;
    bool is_working; /* connected, and past recovery */
    bool is_foreign; /* the data belongs to another project or schema */
};

/* NULL when memory is short. Borrows `base` and `user`. */
struct queue *queue_new(struct event_base *base, const struct queue_settings *settings,
                        const struct queue_callbacks *callbacks, void *user);

/* Accepts NULL. Returns NULL. Frees all jobs, those in other hands included. Not from a callback.
 */
struct queue *queue_free(struct queue *queue);

/* Connects and begins to work. */
void queue_start(struct queue *queue);

/* How many more jobs may be handed out now. */
void queue_set_room(struct queue *queue, uint32_t room);

/*
 * Takes a job back with its outcome, which is copied. Kept until Redis has it, whatever
 * happens to the connection meanwhile. When memory is short the job is left to its lease.
 */
void queue_settle(struct queue *queue, struct job *job, const struct outcome *outcome);

/* Takes a job back that is no longer ours (on_lease_lost). */
void queue_drop(struct queue *queue, struct job *job);

/* Claims nothing from now on. */
void queue_drain(struct queue *queue);

/* True when no outcome waits and nothing is unanswered. */
bool queue_is_settled(const struct queue *queue);

/* New settings; address and owner stay. */
MUST_CHECK enum result queue_reload(struct queue *queue, const struct queue_settings *settings);

/* What stands in :instance:<owner>; written every few seconds. `state` is copied. */
void queue_report(struct queue *queue, const char *state, uint32_t in_flight, uint32_t waiting);

struct queue_progress queue_progress(const struct queue *queue);

/* The fleet is read from Redis every few seconds from now on, or no more. */
void queue_survey(struct queue *queue, bool is_wanted);

struct queue_view queue_view(const struct queue *queue);

/* 64 random bits in hex, one per process. */
const char *queue_boot(const struct queue *queue);

#endif
