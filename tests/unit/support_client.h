/*
 * support_client.h - transfers on a loop of their own, and how each of them ended.
 */
#ifndef AUTHLINKD_TESTS_SUPPORT_CLIENT_H
#define AUTHLINKD_TESTS_SUPPORT_CLIENT_H

#include "conductor/transfers.h"

#include <event2/event.h>
#include <stdbool.h>

#define CLIENT_SECRET_KEY "sk_conductor_PLANTED"

/* What is kept of a report. */
struct client_end {
    int tag;
    enum answer_state state;
    int http_status;
    char request_id[REQUEST_ID_MAX_LEN + 1];
    size_t body_len;
    char body[256]; /* its beginning */
    char failure[DETAIL_MAX_LEN + 1];
};

struct client {
    struct event_base *base;
    struct transfers *transfers;
    struct transfer_target *target;
    int ended;
    struct client_end last;
    void (*on_end)(struct client *client); /* NULL, or what a test does within on_done */
    int started;                           /* for it */
};

/* A client of scheme://host:port/v1/auth-sessions, such as "https", "localhost". */
void client_init(struct client *client, const char *scheme, const char *host, int port,
                 const char *ca_file, int64_t timeout_ms, uint32_t max_running);
void client_done(struct client *client);

/* Starts a request; the test fails when that cannot be done. */
void client_start(struct client *client, const char *body, int tag);

/* Runs the loop until so many have ended in all; the test fails when that takes too long. */
void client_run_until(struct client *client, int ended);

/* Both of the above for one request, whose end is returned. */
const struct client_end *client_do(struct client *client, const char *body);

#endif
