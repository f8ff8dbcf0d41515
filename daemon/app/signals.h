/*
 * signals.h - signals become callbacks of the loop.
 *
 * TERM and INT ask for an end, HUP for a reload, USR1 for the state in the log.
 * PIPE is ignored: a connection that died shows where it is written to.
 */
#ifndef AUTHLINKD_APP_SIGNALS_H
#define AUTHLINKD_APP_SIGNALS_H

#include "base/result.h"

struct event_base;
struct signals;

struct signals_callbacks {
    void (*on_stop_wanted)(void *user); /* each TERM or INT: the second one comes here too */
    void (*on_reload_wanted)(void *user);
    void (*on_state_wanted)(void *user);
};

/*
 * To be called first: until the loop catches them, HUP and USR1 are ignored, for a start reads
 * everything anyway; by default they would end the process.
 */
void signals_begin(void);

/* NULL when memory is short or the loop refuses. Borrows `base` and `user`. */
struct signals *signals_new(struct event_base *base, const struct signals_callbacks *callbacks,
                            void *user);

/* Accepts NULL. Returns NULL. */
struct signals *signals_free(struct signals *signals);

#endif
