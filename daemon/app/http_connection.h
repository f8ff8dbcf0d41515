/*
 * http_connection.h - one request and its answer. Inside of the server only.
 *
 *   FREE ──accepted──> READING ──whole──> ANSWERING ──written──> CLOSING
 *    ^                    │                   │                    │
 *    └────────────────────┴───────────────────┴── ended, or its deadline
 *
 * CLOSING waits for the peer to end: to close while bytes of it are unread would make the kernel
 * take the answer back (RFC 9112 section 9.6).
 */
#ifndef AUTHLINKD_APP_HTTP_CONNECTION_H
#define AUTHLINKD_APP_HTTP_CONNECTION_H

#include "app/http_server.h"
#include "base/result.h"

#include <stdint.h>

struct bufferevent;
struct event;

enum http_state {
    HTTP_FREE,
    HTTP_READING,
    HTTP_ANSWERING,
    HTTP_CLOSING,
};

struct http_connection {
    struct event *deadline;     /* owns */
    struct bufferevent *stream; /* owns; NULL: free */
    struct buffer body;         /* of the page; keeps its memory */
    enum http_state state;
    int64_t began_us;
    size_t drained_bytes; /* read behind the request, and thrown away */
    http_server_on_get on_get;
    void *user;
};

/* Once for each. RESULT_NO_MEMORY: http_connection_done() is still due. */
MUST_CHECK enum result http_connection_init(struct http_connection *connection,
                                            struct event_base *base, http_server_on_get on_get,
                                            void *user);
void http_connection_done(struct http_connection *connection);

/* Takes the socket of a peer over; closes it when memory is short. The connection is free. */
void http_connection_begin(struct http_connection *connection, struct event_base *base, int fd);

/* Cuts it off, if it is not free. */
void http_connection_end(struct http_connection *connection);

#endif
