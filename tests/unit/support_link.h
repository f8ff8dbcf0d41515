/*
 * support_link.h - a link and the server at its other end, for the tests of link.c.
 */
#ifndef AUTHLINKD_TESTS_SUPPORT_LINK_H
#define AUTHLINKD_TESTS_SUPPORT_LINK_H

#include "queue/link.h"
#include "support_redis.h"

#include <stdbool.h>
#include <stdint.h>

#define PINGS_MAX 8

struct peer {
    struct event_base *base;
    struct evdns_base *dns;
    struct fake_redis *fake;
    struct link *link;
    const char *answer_to_ping; /* NULL: silence */
    const char *answer_to_auth;
    char greeting[256]; /* the words before the first PING */
    const char *password;
    bool has_no_password;
    bool is_dropped_again; /* by on_down: while the link surely waits for the next attempt */
    bool is_up;
    bool is_down;
    int ups, downs;
    int passwords_asked;
    char why[200];
    int replies, losses; /* of PINGs */
    char order[PINGS_MAX * 8];
};

extern struct peer peer;

/* Checked fixtures. */
void peer_begin(void);
void peer_end(void);

/* A link to this address; to the fake, and then up. */
void peer_start_link(const struct link_address *address, int64_t command_timeout_ms);
void peer_start(int64_t command_timeout_ms);

/* Sends PING; its answer is noted under this name in peer.order. */
void peer_ping(const char *name);
void peer_wait_for_answers(int count);

/* Notes an answer to PING; `user` is its name, which is only read. */
void peer_pong(const redisReply *reply, void *user);

#endif
