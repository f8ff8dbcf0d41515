/* test_fleet.c - what an instance says about itself, about the rate, and about its Redis. */
#include "queue/fleet.h"
#include "queue/server_check.h"
#include "run_tests.h"
#include "support_queue.h"
#include "support_redis.h"

#include <check.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What INFO says, and how many warnings that is worth. */
static const struct {
    const char *name;
    const char *info;
    int warnings;
} infos[] = {
    {"fit Redis",
     "redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\nrole:master\r\n", 0},
    {"newer Redis", "redis_version:8.0.2\r\naof_enabled:1\r\n", 0},
    {"newer than ten", "redis_version:10.1.0\r\naof_enabled:1\r\n", 0},
    {"old Redis", "redis_version:6.2.14\r\naof_enabled:1\r\n", 1},
    {"fit Valkey, which calls itself Redis 7.2.4",
     "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\naof_enabled:1\r\n", 0},
    {"old Valkey",
     "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:7.0.1\r\naof_enabled:1\r\n", 1},
    {"no version", "aof_enabled:1\r\n", 1},
    {"version of no form", "redis_version:seven\r\naof_enabled:1\r\n", 1},
    {"evicts", "redis_version:7.0.15\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:1\r\n", 1},
    {"evicts what expires only",
     "redis_version:7.0.15\r\nmaxmemory_policy:volatile-lru\r\naof_enabled:1\r\n", 0},
    {"keeps nothing", "redis_version:7.0.15\r\naof_enabled:0\r\n", 1},
    {"could not save", "redis_version:7.0.15\r\naof_enabled:1\r\nrdb_last_bgsave_status:err\r\n",
     1},
    {"replica", "redis_version:7.0.15\r\naof_enabled:1\r\nrole:slave\r\n", 1},
    {"name within a line is none",
     "x_redis_version:7.0.15\r\nredis_version:7.0.15\r\nmy aof_enabled:0\r\n", 0},
    {"last line without an end", "redis_version:7.0.15\r\naof_enabled:0", 1},
    {"endless value",
     "redis_version:7.0."
     "15xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
     0},
    {"everything",
     "redis_version:6.0.16\r\nmaxmemory_policy:allkeys-random\r\naof_enabled:0\r\nrdb_last_bgsave_"
     "status:err\r\nrole:slave\r\n",
     5},
    {"nothing", "", 1},
};

START_TEST(unfit_redis_is_warned_about)
{
    int warnings = server_check_info(infos[_i].info, strlen(infos[_i].info));

    ck_assert_msg(warnings == infos[_i].warnings, "%s: %d warnings", infos[_i].name, warnings);
}
END_TEST

static struct {
    struct event_base *base;
    struct evdns_base *dns;
    struct test_server server;
    struct fleet *fleet;
} test;

static void begin(void)
{
    struct link_address address = redis_address();
    struct queue_settings settings = test_settings(&address);

    memset(&test, 0, sizeof test);
    redis_flush();
    settings.per_sec = 12.5;
    settings.burst = 3;
    settings.max_per_sec = 800;
    settings.timing.instance_interval_ms = 20;
    test.base = event_base_new();
    test.dns = evdns_base_new(test.base, 0);
    test_server_init(&test.server, test.base, test.dns, &settings);
    test.fleet = fleet_new(test.base, &test.server.server);
    ck_assert_ptr_nonnull(test.fleet);
    run_until(test.base, &test.server.is_up);
}

static void end(void)
{
    fleet_free(test.fleet);
    test_server_done(&test.server);
    evdns_base_free(test.dns, 0);
    event_base_free(test.base);
}

static bool has_rate(void *user)
{
    char text[64];

    (void)user;
    return strcmp(redis_ask_text("HGET authlink:limiter perSec", text, sizeof text), "12.5") == 0;
}

static bool has_instance(void *user)
{
    (void)user;
    return redis_ask_int("EXISTS authlink:instance:" TEST_OWNER) == 1;
}

START_TEST(connected_instance_sets_the_rate_of_the_fleet)
{
    char text[64];

    freeReplyObject(redis_ask("HSET authlink:limiter perSec 99 burst 1 maxPerSec 500"));
    fleet_connected(test.fleet);
    run_until_true(test.base, has_rate, NULL);
    ck_assert_str_eq(redis_ask_text("HGET authlink:limiter burst", text, sizeof text), "3");
    ck_assert_str_eq(redis_ask_text("HGET authlink:limiter maxPerSec", text, sizeof text), "800");
}
END_TEST

START_TEST(rate_is_set_once_and_then_left_to_others)
{
    char text[64];

    fleet_connected(test.fleet);
    run_until_true(test.base, has_rate, NULL);
    run_for_ms(test.base, 20);
    freeReplyObject(redis_ask("HSET authlink:limiter perSec 99"));
    fleet_connected(test.fleet); /* a reconnection */
    run_for_ms(test.base, 100);
    ck_assert_str_eq(redis_ask_text("HGET authlink:limiter perSec", text, sizeof text), "99");
    fleet_set_rate(test.fleet); /* a reload */
    run_until_true(test.base, has_rate, NULL);
}
END_TEST

START_TEST(rate_that_was_refused_is_set_later)
{
    freeReplyObject(redis_ask("CONFIG SET maxmemory 1"));
    fleet_connected(test.fleet);
    run_for_ms(test.base, 50);
    freeReplyObject(redis_ask("CONFIG SET maxmemory 0"));
    run_until_true(test.base, has_rate, NULL);
}
END_TEST

START_TEST(instance_shows_what_it_does)
{
    char text[256];

    fleet_report(test.fleet, "working", 12, 34);
    server_note_reply(&test.server.server, 1700000000000);
    run_until_true(test.base, has_instance, NULL);
    ck_assert_str_eq(
        redis_ask_text("HGET authlink:instance:" TEST_OWNER " instance", text, sizeof text),
        "test");
    ck_assert_str_eq(
        redis_ask_text("HGET authlink:instance:" TEST_OWNER " hostId", text, sizeof text),
        "0123456789abcdef");
    ck_assert_str_eq(
        redis_ask_text("HGET authlink:instance:" TEST_OWNER " state", text, sizeof text),
        "working");
    ck_assert_str_eq(
        redis_ask_text("HGET authlink:instance:" TEST_OWNER " inFlight", text, sizeof text), "12");
    ck_assert_str_eq(
        redis_ask_text("HGET authlink:instance:" TEST_OWNER " waiting", text, sizeof text), "34");
    ck_assert_str_eq(
        redis_ask_text("HGET authlink:instance:" TEST_OWNER " schema", text, sizeof text), "1");
    ck_assert_str_eq(
        redis_ask_text("HGET authlink:instance:" TEST_OWNER " keyFp", text, sizeof text),
        TEST_KEY_FP);
    ck_assert_str_eq(
        redis_ask_text("HGET authlink:instance:" TEST_OWNER " boot", text, sizeof text),
        "00000000000000aa");
    redis_ask_text("HGET authlink:instance:" TEST_OWNER " startedMs", text, sizeof text);
    ck_assert_int_ge(strtoll(text, NULL, 10), 1700000000000);
    run_for_ms(test.base, 30);
    long long ttl_ms = redis_ask_int("PTTL authlink:instance:" TEST_OWNER);
    ck_assert_int_gt(ttl_ms, 20000);
    ck_assert_int_le(ttl_ms, 30000);
}
END_TEST

START_TEST(wrong_rates_of_a_reply_are_passed_over)
{
    fleet_note_rate(test.fleet, "");
    fleet_note_rate(test.fleet, "10");
    fleet_note_rate(test.fleet, "a b c d");
    fleet_note_rate(test.fleet, "nan inf -1 1e999");
    fleet_note_rate(test.fleet, "12.5 3 800 12.4");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fleet");
    TCase *pure = tcase_create("INFO");
    TCase *real = tcase_create("against a real server");

    tcase_add_loop_test(pure, unfit_redis_is_warned_about, 0, sizeof infos / sizeof infos[0]);
    suite_add_tcase(suite, pure);

    tcase_add_unchecked_fixture(real, redis_begin, redis_end);
    tcase_add_checked_fixture(real, begin, end);
    tcase_add_test(real, connected_instance_sets_the_rate_of_the_fleet);
    tcase_add_test(real, rate_is_set_once_and_then_left_to_others);
    tcase_add_test(real, rate_that_was_refused_is_set_later);
    tcase_add_test(real, instance_shows_what_it_does);
    tcase_add_test(real, wrong_rates_of_a_reply_are_passed_over);
    tcase_set_timeout(real, 60);
    suite_add_tcase(suite, real);
    return run_tests(suite);
}
