/*
 * support_redis.h - a Redis of their own for tests, and one that says what a test wants.
 *
 * The real one listens on a unix socket in a directory of its own and on a free port of
 * 127.0.0.1. redis_begin() and redis_end() are unchecked fixtures: they run in the process
 * that outlives the tests, so nothing is left behind when a test fails.
 */
#ifndef AUTHLINKD_TESTS_SUPPORT_REDIS_H
#define AUTHLINKD_TESTS_SUPPORT_REDIS_H

#include "queue/link.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;

void redis_begin(void);
void redis_end(void);

/* Empties it: for the beginning of a test. */
void redis_flush(void);

/* Kills the server; starts it again on the same socket and port, empty. */
void redis_kill(void);
void redis_restart(void);

const char *redis_unix_path(void);
uint16_t redis_port(void);

/* Where the real server is, by its unix socket. */
struct link_address redis_address(void);

/* Sends one command, words by blanks, on a connection of its own; freeReplyObject() the reply. */
redisReply *redis_ask(const char *words);

/* The same for an integer, and for a text in `target` ("" for nil). */
long long redis_ask_int(const char *words);
const char *redis_ask_text(const char *words, char *target, size_t size);

/* The same for a command whose words may hold blanks; `count` words. */
redisReply *redis_ask_argv(int count, const char **words);

/*
 * A server in this process, on the loop of the test. `on_command` gets the words of a
 * command and returns the bytes to answer with, NULL for silence.
 */
struct fake_redis;

typedef const char *(*fake_on_command)(size_t count, const redisReply *const *words, void *user);

struct fake_redis *fake_redis_new(struct event_base *base, fake_on_command on_command, void *user);
struct fake_redis *fake_redis_free(struct fake_redis *fake);
uint16_t fake_redis_port(const struct fake_redis *fake);
struct link_address fake_redis_address(const struct fake_redis *fake);

/* Bytes to every connection; NULs may be among them. */
void fake_redis_say(struct fake_redis *fake, const char *bytes, size_t len);

/* Closes every connection. */
void fake_redis_hang_up(struct fake_redis *fake);

/* Connections so far, and commands so far. */
int fake_redis_connections(const struct fake_redis *fake);
int fake_redis_commands(const struct fake_redis *fake);

/* Runs the loop until `*condition` holds. A test that waits in vain fails after ten seconds. */
void run_until(struct event_base *base, const bool *condition);

/* Runs the loop until is_true(user). */
void run_until_true(struct event_base *base, bool (*is_true)(void *user), void *user);

/* Runs the loop for this long: for what must not happen. */
void run_for_ms(struct event_base *base, int64_t wait_ms);

#endif
