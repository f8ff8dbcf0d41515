/*
 * support_world.h - what a test of the steps needs: a clean database, commands, the steps, the law.
 *
 * The steps are called with plain hiredis and not through queue/, so that a mistake there
 * cannot hide one here. Every step that succeeds is followed by a check of the conservation
 * law (unless world->law_is_off).
 *
 * Replies are lent until world_forget() or the end of the test.
 */
#ifndef TESTS_REDIS_SUPPORT_WORLD_H
#define TESTS_REDIS_SUPPORT_WORLD_H

#include "queue/lua/steps.h"
#include "support_server.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#define WORLD_PREFIX "{t}"
#define OWNER        "host-a@h1"
#define OTHER_OWNER  "host-b@h2"
#define BOOT         "b00t000000000001"
#define OLD_BOOT     "b00t000000000000"
#define KEY_FP       "0123456789ab"
#define OTHER_KEY_FP "ba9876543210"
#define LEASE        OWNER "/" BOOT "/1"
#define LEASE_2      OWNER "/" BOOT "/2"
#define OLD_LEASE    OWNER "/" OLD_BOOT "/7"
#define OTHER_LEASE  OTHER_OWNER "/b00t00000000000f/1"

/* Everything at its default; a fast pace, so that a claim is never short of slots. */
#define SETTINGS_BUT(changes)                                                                      \
    "{\"linkExpiryMins\":30,\"redirectUrl\":\"\","                                                 \
    "\"redirectHosts\":[\"app.example.com\",\"localhost\",\"127.0.0.1\"],"                         \
    "\"reuseMinShare\":0.5,\"failedTtlMs\":604800000,\"eventsKeepMs\":604800000,"                  \
    "\"maxRecoveries\":10,\"burst\":1,\"maxPerSec\":100000,\"holdBackoffMinMs\":1000,"             \
    "\"holdBackoffMaxMs\":60000,\"outageQuietMs\":1000," changes "}"
#define SETTINGS SETTINGS_BUT("\"perSec\":100000")

struct world {
    redisContext *redis;
    char digests[LUA_STEP_COUNT][41];
    redisReply **replies; /* owns */
    size_t reply_count, reply_capacity;
    bool law_is_off; /* this test harms the data by hand */
    /* What carries calls of steps, where a test stands in for the network; NULL: lost. */
    redisReply *(*transport)(int count, const char **words);
};

/* Set up afresh for every test of a case that has add_world(). */
extern struct world world;

/* Starts a server, runs the suite with a clean database for each test, stops it. The exit status.
 */
int run_suite(Suite *suite);

/* Gives every test of the case a clean database. */
void add_world(TCase *tcase);

/* Connects and loads the steps: for tests that have a server of their own. */
void world_open(struct server *server);
void world_close(void);

/* Frees all replies. */
void world_forget(void);

/* One command; its words are texts. */
#define COMMAND(...)                                                                               \
    world_command((int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)),             \
                  (const char *[]){__VA_ARGS__}, NULL)
redisReply *world_command(int count, const char **words, const size_t *lens);

/* A key under the prefix. Lent until sixteen more are made. */
const char *key_of(const char *name);

/* A number as text. Lent until sixteen more are made. */
const char *digits(int64_t value);

/* Replies of commands, as the tests want them. text_of: "" for nil. */
long long number_of(const redisReply *reply);
const char *text_of(const redisReply *reply);
const char *hash_field(const char *key, const char *field);
long long counter_value(const char *counter);
int64_t server_now_ms(void);
int64_t server_now_us(void);
void wait_until_ms(int64_t server_ms);

/* Element of an array reply; the test ends if there is none. */
const redisReply *at(const redisReply *array, size_t index);

/* Value of a field in a flat array of fields and values, "" if it is not there. */
const char *field_of(const redisReply *flat, const char *field);

/* The whole database in 40 hex digits: equal means that nothing was written. */
const char *database_digest(void);

/* Redis refuses to use more memory, or does not. */
void set_out_of_memory(bool is_out);

/* Calls a step; keys are names under the prefix. Error replies are returned, not judged; NULL:
 * lost. */
redisReply *call_step(enum lua_step_id step, int key_count, const char *const *keys, int arg_count,
                      const char *const *args);

/* The law, read by the audit step. */
void check_law(void);

/* The reply is no error. */
void expect_fine(const redisReply *reply);

/* The reply is an error that begins so. */
void expect_error(const redisReply *reply, const char *start);

#endif
