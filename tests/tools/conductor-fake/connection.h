/*
 * connection.h - one client: reads requests, delivers answers, breaks where it shall.
 *
 *                  request read          answer delivered
 *     READING ----------------> WAITING ------------------> FLUSHING
 *        ^                         | delivery ends               | all is with the kernel
 *        |                         v in a stall                  v
 *        +---- ending "stays" --- STALLED        "closes", "resets": CLOSED
 *                                               "lingers": LINGERING, then CLOSED
 *
 * One request at a time: bytes of a next one stay unread until the answer is out.
 * An own server on bufferevents, not evhttp: that one can neither reset a
 * connection, nor cut or stall an answer, nor lose it after the work is done.
 */
#ifndef CONDUCTOR_FAKE_CONNECTION_H
#define CONDUCTOR_FAKE_CONNECTION_H

#include "fake.h"

#include <event2/bufferevent.h>
#include <event2/util.h>

#define API_BODY_MAX_BYTES     ((size_t)1024 * 1024)
#define CONTROL_BODY_MAX_BYTES ((size_t)64 * 1024 * 1024)

struct connection;

/* What a connection needs of the server; outlives it. */
struct connection_host {
    struct fake *fake;
    struct event_base *base;
    struct connection *first; /* list of the open ones */
};

/*
 * Takes over `bev` and its socket. One that stalls reads nothing, for ever.
 * NULL: memory is short; bev is freed.
 */
struct connection *connection_start(struct connection_host *host, struct bufferevent *bev,
                                    bool stalls);

/* Closes one, the answer under way included. */
void connection_stop(struct connection *connection);

/* Closes the socket by a reset instead of a FIN. */
void connection_reset_socket(evutil_socket_t fd);

#endif
