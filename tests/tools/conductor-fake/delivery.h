/*
 * delivery.h - one connection from the inside, and how its answers go out.
 *
 * For connection.c and delivery.c only.
 */
#ifndef CONDUCTOR_FAKE_DELIVERY_H
#define CONDUCTOR_FAKE_DELIVERY_H

#include "connection.h"

#include <openssl/ssl.h>

enum connection_state {
    CONNECTION_READING,   /* waits for a request, or for the rest of one */
    CONNECTION_WAITING,   /* an answer is made; the timer delivers the next piece */
    CONNECTION_FLUSHING,  /* delivered, but not all of it is with the kernel yet */
    CONNECTION_LINGERING, /* our side is shut; what comes is thrown away, for a while */
    CONNECTION_STALLED,   /* nothing will come; only the client can end it */
    CONNECTION_CLOSED,    /* freed when the callback returns */
};

struct connection {
    struct connection_host *host;
    struct connection *next;
    struct connection *previous;
    struct bufferevent *bev; /* owns, with the socket */
    SSL *ssl;                /* the bufferevent's; NULL: plain */
    struct event *timer;     /* owns; next piece of an answer, or idle */
    enum connection_state state;
    uint64_t number;
    int64_t answers;
    struct buffer input;
    size_t used;       /* bytes of `input` that the request under way takes */
    bool is_head_seen; /* of the request that is being read */
    struct http_request request;
    struct exchange exchange;
    struct buffer wire;
    size_t wire_head_len;
    size_t wire_end; /* so much of `wire` is to be sent */
    size_t sent;
};

/* Renders the answer of the exchange and starts it off. */
void delivery_start(struct connection *connection);

/* The timer has come: the next piece. */
void delivery_go_on(struct connection *connection);

/* All is handed over; ends the answer when the kernel has it. */
void delivery_flush(struct connection *connection);

/* Sends bytes that belong to no answer. */
void delivery_send(struct connection *connection, const char *bytes, size_t len);

/* With what TLS says at an end. The connection is freed when the callback returns. */
void delivery_close(struct connection *connection);

#endif
