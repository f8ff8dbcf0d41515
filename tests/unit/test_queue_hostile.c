/*
 * test_queue_hostile.c - a server that answers anything: nothing is read beyond what came, and no
 * outcome is lost. Random; the seed is printed.
 */
#include "support_app.h"

#include "base/clock.h"
#include "run_tests.h"

#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_MS 1500

static struct fake_redis *fake;
static uint64_t seed;
static bool is_honest;
static char answer[8192];

static uint32_t draw(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static void add(const char *text)
{
    size_t used = strlen(answer);

    snprintf(answer + used, sizeof answer - used, "%s", text);
}

static void add_value(int depth);

static void add_array(int depth)
{
    char head[32];
    uint32_t count = draw(12);

    snprintf(head, sizeof head, "*%u\r\n", count);
    add(head);
    for (uint32_t i = 0; i < count; i++)
        add_value(depth - 1);
}

/* Words and numbers that the readers know, in any place. */
static void add_value(int depth)
{
    static const char *const values[] = {
        ":0\r\n",
        ":1\r\n",
        ":-1\r\n",
        ":30\r\n",
        ":9223372036854775807\r\n",
        ":-9223372036854775808\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "$0\r\n\r\n",
        "$4\r\njobs\r\n",
        "$4\r\nwait\r\n",
        "$4\r\nhold\r\n",
        "$7\r\nforeign\r\n",
        "$4\r\ndone\r\n",
        "$5\r\nagain\r\n",
        "+OK\r\n",
        "-OOM no\r\n",
        "-\r\n",
        "$1\r\nu\r\n",
        "$6\r\noutage\r\n",
        "$12\r\n10 1 500 9.9\r\n",
        ":1700000000000\r\n",
        "-NOSCRIPT\r\n",
        "-READONLY\r\n",
        "$27\r\n" TEST_OWNER "/a/1/\r\n",
        "$3\r\na\tb\r\n",
    };

    if (depth > 0 && draw(3) == 0)
        add_array(depth);
    else
        add(values[draw(sizeof values / sizeof values[0])]);
}

/* A claim of one good job, now and then, so that there are outcomes to lose. */
static void add_good_claim(void)
{
    add("*8\r\n:1700000000000\r\n$4\r\njobs\r\n:0\r\n:1\r\n:-1\r\n$10\r\n10 1 500 9\r\n");
    if (draw(2) == 0)
        add("*9\r\n$1\r\nu\r\n$1\r\n7\r\n:0\r\n:0\r\n:0\r\n:0\r\n$0\r\n\r\n:30\r\n$0\r\n\r\n*"
            "0\r\n");
    else
        add("*0\r\n*3\r\n$1\r\nu\r\n$1\r\n7\r\n:0\r\n");
}

static bool is_step(const redisReply *const *words, enum lua_step_id id)
{
    /* settle has 9 keys, claim 11, reap 6, rate 1 */
    static const char *const counts[LUA_STEP_COUNT] = {[LUA_STEP_settle] = "9",
                                                       [LUA_STEP_claim] = "11",
                                                       [LUA_STEP_reap] = "6",
                                                       [LUA_STEP_rate] = "1"};

    return strcmp(words[0]->str, "EVALSHA") == 0 && strcmp(words[2]->str, counts[id]) == 0;
}

static void add_honest(const redisReply *const *words)
{
    if (is_step(words, LUA_STEP_settle))
        add("*4\r\n:1700000000000\r\n$4\r\ndone\r\n*0\r\n*0\r\n");
    else if (is_step(words, LUA_STEP_reap))
        add("*5\r\n:1700000000000\r\n:0\r\n:-1\r\n*0\r\n:0\r\n");
    else if (is_step(words, LUA_STEP_claim))
        add("*3\r\n:1700000000000\r\n$4\r\nwait\r\n:50\r\n");
    else
        add("+OK\r\n");
}

static const char *on_command(size_t count, const redisReply *const *words, void *user)
{
    (void)user;
    answer[0] = '\0';
    if (count == 1 || strcmp(words[0]->str, "CLIENT") == 0 || strcmp(words[0]->str, "SCRIPT") == 0)
        add("+OK\r\n");
    else if (is_honest || draw(4) == 0)
        is_step(words, LUA_STEP_claim) && !is_honest ? add_good_claim() : add_honest(words);
    else if (draw(20) == 0)
        return NULL; /* silence */
    else
        add_array(4);
    return answer;
}

static void begin(void)
{
    app_init();
    fake = fake_redis_new(app.base, on_command, NULL);
    app.settings.address = fake_redis_address(fake);
    app.settings.timing.command_timeout_ms = 100;
    app.settings.timing.reconnect_min_ms = 1;
    app.settings.timing.reconnect_max_ms = 2;
    app.settings.timing.reap_interval_ms = 5;
    seed = (uint64_t)clock_wall_unix_ms() * 1000003 + (uint64_t)getpid();
    if (getenv("SEED") != NULL)
        seed = strtoull(getenv("SEED"), NULL, 10);
    printf("SEED=%llu\n", (unsigned long long)seed);
}

static void end(void)
{
    fake_redis_free(fake);
    app_end();
}

START_TEST(any_answer_is_survived_and_no_outcome_is_lost)
{
    is_honest = false;
    app_start();
    run_for_ms(app.base, ROUNDS_MS);
    ck_assert_int_gt(fake_redis_commands(fake), 50);
    is_honest = true;
    run_until_true(app.base, app_is_settled, NULL);
    ck_assert_uint_eq(app.in_hand, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue_hostile");
    TCase *tcase = tcase_create("queue_hostile");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_loop_test(tcase, any_answer_is_survived_and_no_outcome_is_lost, 0, 3);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
