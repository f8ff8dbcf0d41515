/*
 * reaction.h - what to do about an error reply: one table for every caller.
 *
 * Redis' error replies begin with a word that is stable across versions and across
 * Valkey; the rest of the text is not. Nothing that Redis answers ends the daemon.
 *
 * Sources  reliability.md D2 (texts measured on Redis 7.0.15, 8.0.2, Valkey 8.1.1).
 */
#ifndef AUTHLINKD_QUEUE_REACTION_H
#define AUTHLINKD_QUEUE_REACTION_H

#include <stddef.h>

enum reaction {
    REACTION_WAIT,          /* the server's trouble: the same again later, same connection */
    REACTION_RECONNECT,     /* not the server to talk to: close, resolve anew, connect */
    REACTION_LOAD_SCRIPT,   /* it does not know the script: load, then the same again at once */
    REACTION_PASSWORD,      /* read the password afresh, connect anew */
    REACTION_CONFIGURATION, /* a person must act: said once, tried again slowly */
    REACTION_UNKNOWN,       /* waits likewise; ten in a row: connect anew, perhaps it was a proxy */
};

enum reaction reaction_to(const char *error, size_t len);

/* What a person can do about it, "" when waiting is all there is to do. */
const char *reaction_advice(const char *error, size_t len);

/* Puts the error's first line and the advice behind what stands in `text`, as far as there is room.
 */
void reaction_append(const char *error, size_t len, char *text, size_t size);

#endif
