/*
 * support_server.h - a Redis of the test's own, on a unix socket in a temporary directory.
 *
 * The server dies with the process that started it, however that ends. AUTHLINKD_TEST_SERVER in
 * the environment names another program than redis-server, such as valkey-server.
 */
#ifndef TESTS_REDIS_SUPPORT_SERVER_H
#define TESTS_REDIS_SUPPORT_SERVER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <sys/types.h>

struct server {
    pid_t pid;
    char dir[64];
    char socket[80];
};

/* Its directory; whoever makes it removes it. */
void server_make_dir(struct server *server);
void server_remove_dir(const struct server *server);

/* Starts it; returns when it answers. Ends the test if it cannot. */
void server_start(struct server *server);

/* Kills it and starts it again: what was not saved by SAVE is lost. */
void server_crash(struct server *server);

void server_stop(struct server *server);

/* A connection of the caller's own. */
redisContext *server_connect(const struct server *server);

#endif
