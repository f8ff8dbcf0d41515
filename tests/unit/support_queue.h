/*
 * support_queue.h - a queue of tests: settings, outcomes, and the shared parts beneath.
 */
#ifndef AUTHLINKD_TESTS_SUPPORT_QUEUE_H
#define AUTHLINKD_TESTS_SUPPORT_QUEUE_H

#include "queue/queue.h"
#include "queue/server.h"

#define TEST_OWNER  "test@0123456789abcdef"
#define TEST_KEY_FP "0123456789ab"

struct event_base;
struct evdns_base;

/* Valid settings for this server; short back-offs, times of the program else. Borrows what is
 * static. */
struct queue_settings test_settings(const struct link_address *address);

/*
 * A server with its connection, as queue.c makes it, for tests of the parts. `is_up` follows the
 * connection; `downs` counts its losses.
 */
struct test_server {
    struct server server;
    bool is_up;
    int downs;
};

void test_server_init(struct test_server *test, struct event_base *base, struct evdns_base *dns,
                      const struct queue_settings *settings);
void test_server_done(struct test_server *test);

/* The outcome of a job that got a link; of one whose connection never came about. */
struct outcome test_created(const struct job *job);
struct outcome test_unsent(void);

/* A job of lease `seq`. */
struct job test_job(const char *user, uint64_t seq);

#endif
