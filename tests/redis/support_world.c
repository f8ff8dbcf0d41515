/* support_world.c - what a test of the steps needs: a clean database, commands, the steps, the law.
 */
#include "support_world.h"
#include "run_tests.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING      16
#define ARGS_MAX  4096
#define TEXT_SIZE 256

struct world world;
static struct server suite_server;

static void load_steps(void)
{
    for (int id = 0; id < LUA_STEP_COUNT; id++) {
        struct lua_step step = lua_step((enum lua_step_id)id);
        const char *words[] = {"SCRIPT", "LOAD", (const char *)step.text};
        const size_t lens[] = {6, 4, step.len};
        redisReply *reply = world_command(3, words, lens);

        ck_assert_msg(reply->type == REDIS_REPLY_STRING, "%s: %s", step.name, reply->str);
        snprintf(world.digests[id], sizeof world.digests[id], "%s", reply->str);
    }
}

void world_open(struct server *server)
{
    world = (struct world){.redis = server_connect(server)};
    load_steps();
}

void world_close(void)
{
    world_forget();
    free(world.replies);
    redisFree(world.redis);
}

static void open_clean(void)
{
    world_open(&suite_server);
    set_out_of_memory(false);
    COMMAND("FLUSHALL");
}

int run_suite(Suite *suite)
{
    server_make_dir(&suite_server);
    server_start(&suite_server);
    int status = run_tests(suite);
    server_stop(&suite_server);
    server_remove_dir(&suite_server);
    return status;
}

void add_world(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, open_clean, world_close);
}

void world_forget(void)
{
    while (world.reply_count > 0)
        freeReplyObject(world.replies[--world.reply_count]);
}

static void keep(redisReply *reply)
{
    if (world.reply_count == world.reply_capacity) {
        world.reply_capacity = 2 * world.reply_capacity + 64;
        world.replies = realloc(world.replies, world.reply_capacity * sizeof *world.replies);
        if (world.replies == NULL)
            ck_abort_msg("out of memory");
    }
    world.replies[world.reply_count++] = reply;
}

redisReply *world_command(int count, const char **words, const size_t *lens)
{
    redisReply *reply = redisCommandArgv(world.redis, count, words, lens);

    if (reply == NULL)
        ck_abort_msg("no reply to %s: %s", words[0], world.redis->errstr);
    keep(reply);
    return reply;
}

static char *ring(void)
{
    static char texts[RING][TEXT_SIZE];
    static int next;

    next = (next + 1) % RING;
    return texts[next];
}

const char *key_of(const char *name)
{
    char *text = ring();

    snprintf(text, TEXT_SIZE, "%s:%s", WORLD_PREFIX, name);
    return text;
}

const char *digits(int64_t value)
{
    char *text = ring();

    snprintf(text, TEXT_SIZE, "%" PRId64, value);
    return text;
}

long long number_of(const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_STRING)
        return strtoll(reply->str, NULL, 10);
    if (reply->type != REDIS_REPLY_INTEGER && reply->type != REDIS_REPLY_NIL)
        ck_abort_msg("no number: type %d, %s", reply->type, text_of(reply));
    return reply->integer;
}

const char *text_of(const redisReply *reply)
{
    return reply->str != NULL ? reply->str : "";
}

const char *hash_field(const char *name, const char *field)
{
    return text_of(COMMAND("HGET", key_of(name), field));
}

long long counter_value(const char *counter)
{
    return number_of(COMMAND("HGET", key_of("stats"), counter));
}

int64_t server_now_us(void)
{
    const redisReply *time = COMMAND("TIME");
    int64_t now_us = number_of(at(time, 0)) * 1000000 + number_of(at(time, 1));

    freeReplyObject(world.replies[--world.reply_count]); /* those who wait ask often */
    return now_us;
}

int64_t server_now_ms(void)
{
    return server_now_us() / 1000;
}

void wait_until_ms(int64_t server_ms)
{
    while (server_now_ms() < server_ms)
        continue;
}

const redisReply *at(const redisReply *array, size_t index)
{
    if (array->type != REDIS_REPLY_ARRAY || index >= array->elements)
        ck_abort_msg("no array, or no element %zu in it, only %zu", index, array->elements);
    return array->element[index];
}

const char *field_of(const redisReply *flat, const char *field)
{
    for (size_t i = 0; i + 1 < flat->elements; i += 2)
        if (strcmp(flat->element[i]->str, field) == 0)
            return text_of(flat->element[i + 1]);
    return "";
}

const char *database_digest(void)
{
    return text_of(COMMAND("DEBUG", "DIGEST"));
}

void set_out_of_memory(bool is_out)
{
    COMMAND("CONFIG", "SET", "maxmemory", is_out ? "1" : "0");
}

redisReply *call_step(enum lua_step_id step, int key_count, const char *const *keys, int arg_count,
                      const char *const *args)
{
    const char *words[ARGS_MAX] = {"EVALSHA", world.digests[step], digits(key_count)};
    char names[16][TEXT_SIZE];
    int count = 3;

    ck_assert_int_lt(key_count + arg_count + count, ARGS_MAX);
    for (int i = 0; i < key_count; i++) {
        snprintf(names[i], TEXT_SIZE, "%s:%s", WORLD_PREFIX, keys[i]);
        words[count++] = names[i];
    }
    for (int i = 0; i < arg_count; i++)
        words[count++] = args[i];
    if (world.transport != NULL && step != LUA_STEP_audit)
        return world.transport(count, words);
    redisReply *reply = world_command(count, words, NULL);
    if (reply->type != REDIS_REPLY_ERROR && !world.law_is_off && step != LUA_STEP_audit)
        check_law();
    return reply;
}

static long long counter_of(const redisReply *counters, const char *name)
{
    return strtoll(field_of(counters, name), NULL, 10);
}

void check_law(void)
{
    static const char *const keys[] = {"queue", "delayed", "leases", "inflight", "dead", "stats"};
    static const char *const args[] = {WORLD_PREFIX};
    const redisReply *audit = call_step(LUA_STEP_audit, 6, keys, 1, args);

    expect_fine(audit);
    const redisReply *counters = at(audit, 7);
    long long delayed = number_of(at(audit, 2)), in_leases = number_of(at(audit, 4));
    long long in_flight = number_of(at(audit, 5)), letters = number_of(at(audit, 6));
    long long dead = counter_of(counters, "dead");
    long long came = counter_of(counters, "taken") + counter_of(counters, "redriven");
    long long ended = counter_of(counters, "ready") + counter_of(counters, "reused") + dead;

    ck_assert_msg(came == ended + delayed + in_leases,
                  "law: %lld came, %lld ended, %lld delayed, %lld in leases", came, ended, delayed,
                  in_leases);
    ck_assert_msg(dead ==
                      counter_of(counters, "redriven") + counter_of(counters, "removed") + letters,
                  "law: %lld dead, %lld letters", dead, letters);
    ck_assert_msg(in_flight == in_leases, "%lld in the index, %lld in leases", in_flight,
                  in_leases);
}

void expect_fine(const redisReply *reply)
{
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s", text_of(reply));
}

void expect_error(const redisReply *reply, const char *start)
{
    ck_assert_msg(reply->type == REDIS_REPLY_ERROR, "no error, but type %d", reply->type);
    ck_assert_msg(strncmp(reply->str, start, strlen(start)) == 0, "another error: %s", reply->str);
}
