/*
 * link_socket.h - a stream socket to Redis: name, address, connection, bytes. Inside queue/ only.
 *
 * The one place where a bufferevent is made, with TLS (link_tls.h) or without.
 *
 * Sources  reliability.md D3: keepalive and TCP_USER_TIMEOUT together notice a silent
 *          peer within 16 s, each alone does not.
 */
#ifndef AUTHLINKD_QUEUE_LINK_SOCKET_H
#define AUTHLINKD_QUEUE_LINK_SOCKET_H

#include "queue/link.h"

struct link_socket;

struct link_socket_callbacks {
    void (*on_connected)(void *user);
    void (*on_bytes)(const char *bytes, size_t len, void *user);
    void (*on_lost)(const char *why,
                    void *user); /* every address refused, or the connection broke */
};

/* NULL when memory is short. Borrows everything. */
struct link_socket *link_socket_new(struct event_base *base, struct evdns_base *dns,
                                    const struct link_address *address,
                                    const struct link_socket_callbacks *callbacks, void *user);

/* Accepts NULL. Returns NULL. */
struct link_socket *link_socket_free(struct link_socket *socket);

/* Tries the addresses one after the other. on_connected or on_lost follows, perhaps at once. */
void link_socket_connect(struct link_socket *socket);

/* The address being tried does not answer: goes on to the next one. False: there is none. */
bool link_socket_skip(struct link_socket *socket);

/* Time is over while it connects: what is missing, for people. Lent until the next call. */
const char *link_socket_missing(struct link_socket *socket);

/* Ends whatever is under way; no callback follows. May be called from a callback. */
void link_socket_close(struct link_socket *socket);

MUST_CHECK enum result link_socket_write(struct link_socket *socket, const char *bytes, size_t len);

/*
 * Writes what redisFormatCommandArgv() has made, and takes it over, also when it fails: it is
 * wiped and freed as soon as it is sent, or the connection is gone.
 */
MUST_CHECK enum result link_socket_give(struct link_socket *socket, char *command, size_t len);

#endif
