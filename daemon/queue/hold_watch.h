/*
 * hold_watch.h - which holds bind this instance, as the last replies told. Inside queue/ only.
 *
 * Says in the log when one begins, with what a person can do, and when it is over.
 */
#ifndef AUTHLINKD_QUEUE_HOLD_WATCH_H
#define AUTHLINKD_QUEUE_HOLD_WATCH_H

#include "core/outcome.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>

#define HOLD_KINDS 4

struct hold_watch {
    char key_fp[KEY_FP_LEN + 1]; /* holds of other keys do not bind */
    bool binds[HOLD_KINDS];      /* by kind: pause, unknown_users, account, outage */
};

/* The word of a kind, 0 to HOLD_KINDS - 1, as causes begin with it. */
const char *hold_kind_name(int kind);

/* The secret key is another one: holds of the old one bind no more. */
void hold_watch_set_key(struct hold_watch *watch, const char *key_fp);

/* Flat triples of all holds, from a settle: what is not in them is over. */
void hold_watch_note_all(struct hold_watch *watch, const redisReply *holds);

/* A claim was answered 'hold' with this cause. */
void hold_watch_note_cause(struct hold_watch *watch, const char *cause, const char *detail);

/* A claim was let through, and not as a probe: nothing binds. */
void hold_watch_note_none(struct hold_watch *watch);

/* The gravest that binds, as the word of its kind; NULL: none. */
const char *hold_watch_binding(const struct hold_watch *watch);

bool hold_watch_is_paused(const struct hold_watch *watch);

#endif
