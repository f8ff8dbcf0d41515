/*
 * reap.h - gives leases back that are over, and learns which are ours.
 */
#ifndef AUTHLINKD_QUEUE_REAP_H
#define AUTHLINKD_QUEUE_REAP_H

#include "queue/server.h"

#define REAP_NAMES_MAX 64

/* Leases to be named in a reap. */
struct reap_names {
    uint32_t count;
    char names[REAP_NAMES_MAX][LEASE_NAME_MAX + 1];
};

enum reap_word {
    REAP_DONE,
    REAP_REFUSED, /* an error reply; server_react() has dealt with it */
    REAP_LOST,    /* the connection broke */
};

/* Lent until the callback returns. */
struct reap_reply {
    enum reap_word word;
    bool is_more;        /* leases are left to be reaped: call again */
    int64_t next_due_ms; /* until the next delayed job is due, -1: none */
    int64_t recovered;   /* jobs given back whose slot had come */
    const redisReply *mine; /* flat: name, ms to deadline, of every lease of this owner */
};

struct reaper;

typedef void (*reaper_on_reply)(const struct reap_reply *reply, void *user);

/* NULL when memory is short. Borrows server and user. */
struct reaper *reaper_new(struct server *server, reaper_on_reply on_reply, void *user);
struct reaper *reaper_free(struct reaper *reaper);

/* `is_foreign`: leases of others that are past their deadline, too. RESULT_LATER: one is unanswered. */
MUST_CHECK enum result reaper_send(struct reaper *reaper, bool is_foreign,
                                   const struct reap_names *names);

/*
 * Is this lease one of ours? *ret_is_my_boot and *ret_seq tell whether it is of this
 * process, and which. RESULT_INVALID: it is no name of a lease of this owner.
 */
MUST_CHECK enum result reap_read_name(const struct server *server, const redisReply *name,
                                      bool *ret_is_my_boot, uint64_t *ret_seq);

#endif
