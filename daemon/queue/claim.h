/*
 * claim.h - asks for jobs, and reads what was handed out.
 *
 * A claim is sent once and never again; each has the next number, which names its lease.
 */
#ifndef AUTHLINKD_QUEUE_CLAIM_H
#define AUTHLINKD_QUEUE_CLAIM_H

#include "queue/job_pool.h"
#include "queue/server.h"

enum claim_word {
    CLAIM_JOBS,    /* perhaps none */
    CLAIM_WAIT,    /* no slot is free */
    CLAIM_HOLD,    /* a hold forbids it */
    CLAIM_FOREIGN, /* the data belongs to another project or schema */
    CLAIM_REFUSED, /* an error reply; server_react() has dealt with it */
    CLAIM_LOST,    /* the connection broke: what became of it shows in the list of leases */
};

/* Lent until the callback returns. */
struct claim_reply {
    enum claim_word word;
    uint64_t seq;              /* of the lease */
    int64_t lease_end_boot_us; /* local deadline: counted from the sending (C6) */
    int64_t received_us;
    bool is_probe;
    int64_t queue_len;
    int64_t next_due_ms; /* until the next delayed job is due, -1: none */
    int64_t wait_ms;     /* with WAIT and HOLD */
    const char *cause;   /* with HOLD: the hold; with FOREIGN: schema or publishableKey */
    const char *detail;
    const char *rate; /* with JOBS: "perSec burst maxPerSec pace" */
    size_t job_count; /* of both lists; these are for claim_read_jobs() */
    size_t plain_count;
    const redisReply *jobs;
    const redisReply *plain_jobs; /* that were nothing but an ID */
    const struct server *server;  /* its settings are what those go by */
};

struct claimer;

typedef void (*claimer_on_reply)(const struct claim_reply *reply, void *user);

/* NULL when memory is short. Borrows server and user. */
struct claimer *claimer_new(struct server *server, claimer_on_reply on_reply, void *user);
struct claimer *claimer_free(struct claimer *claimer);

/* Sends a claim for `want` jobs (1..256), if none is unanswered. */
MUST_CHECK enum result claimer_send(struct claimer *claimer, uint32_t want);

/* The number of the claim that is unanswered; 0: none is. */
uint64_t claimer_outstanding(const struct claimer *claimer);

/* When it was sent, monotonic; 0: none is unanswered. */
int64_t claimer_sent_us(const struct claimer *claimer);

/* The number of the claim sent last; 0: none was. */
uint64_t claimer_last(const struct claimer *claimer);

/*
 * The jobs of the reply, taken from `pool`, as a list by ->next. RESULT_INVALID: one has not the
 * form it must have, and none is taken. Where memory is short the list is shorter than the reply;
 * what is left out stays in the lease, and is given back with it.
 */
MUST_CHECK enum result claim_read_jobs(const struct claim_reply *reply, struct job_pool *pool,
                                       struct job **ret_list, uint32_t *ret_count);

#endif
