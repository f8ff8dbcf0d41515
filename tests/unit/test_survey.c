/* test_survey.c - what a server answers to a survey is read with care, and a refusal told once. */
#include "queue/survey.h"
#include "support_queue.h"
#include "support_redis.h"

#include "base/clock.h"
#include "run_tests.h"

#include <check.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

static struct {
    struct event_base *base;
    struct evdns_base *dns;
    struct fake_redis *fake;
    struct test_server server;
    struct survey *survey;
    const char *reply; /* to a survey */
    int surveys;
    int wanted; /* surveys that a test waits for */
} test;

static const char *on_command(size_t count, const redisReply *const *words, void *user)
{
    (void)count;
    (void)user;
    if (strcmp(words[0]->str, "EVALSHA") != 0)
        return "+OK\r\n";
    test.surveys++;
    return test.reply;
}

static void begin(void)
{
    memset(&test, 0, sizeof test);
    test.base = event_base_new();
    test.dns = evdns_base_new(test.base, 0);
    test.fake = fake_redis_new(test.base, on_command, NULL);
    struct link_address address = fake_redis_address(test.fake);
    struct queue_settings settings = test_settings(&address);
    settings.timing.survey_interval_ms = 10;
    test_server_init(&test.server, test.base, test.dns, &settings);
    test.survey = survey_new(test.base, &test.server.server);
    ck_assert_ptr_nonnull(test.survey);
    run_until(test.base, &test.server.is_up);
}

static void end(void)
{
    survey_free(test.survey);
    test_server_done(&test.server);
    fake_redis_free(test.fake);
    evdns_base_free(test.dns, 0);
    event_base_free(test.base);
}

static bool has_surveys(void *user)
{
    (void)user;
    return test.surveys >= test.wanted;
}

static void wait_for_surveys(int count)
{
    test.wanted = test.surveys + count;
    run_until_true(test.base, has_surveys, NULL);
}

/* The last reading after two answers of `reply`: the first of them has been read then. */
static const struct survey_reading *read_as(const char *reply)
{
    test.reply = reply;
    survey_want(test.survey, true);
    wait_for_surveys(2);
    return survey_reading(test.survey);
}

static const char sound[] =
    "*14\r\n:1700000000000\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n"
    "*2\r\n$5\r\npause\r\n$20\r\naccount:" TEST_KEY_FP "\r\n"
    "$2\r\n10\r\n$4\r\n9.95\r\n"
    "*6\r\n$5\r\ntaken\r\n$2\r\n11\r\n$11\r\nlastReadyMs\r\n$13\r\n1700000000123\r\n"
    "$7\r\nunknown\r\n$1\r\n1\r\n";

START_TEST(reading_is_what_was_answered)
{
    const struct survey_reading *reading = read_as(sound);

    ck_assert(survey_is_fresh(reading, clock_mono_us()));
    ck_assert_int_eq(reading->queue, 1);
    ck_assert_int_eq(reading->delayed, 2);
    ck_assert_int_eq(reading->leases, 3);
    ck_assert_int_eq(reading->inflight, 4);
    ck_assert_int_eq(reading->letters, 5);
    ck_assert_int_eq(reading->head_age_ms, 6);
    ck_assert_int_eq(reading->overdue_ms, 7);
    ck_assert_int_eq(reading->memory_used_bytes, 8);
    ck_assert_int_eq(reading->memory_max_bytes, 9);
    ck_assert_double_eq_tol(reading->per_sec, 10, 1e-12);
    ck_assert_double_eq_tol(reading->pace_per_sec, 9.95, 1e-12);
    ck_assert_uint_eq(reading->counters[SURVEY_TAKEN], 11);
    ck_assert_uint_eq(reading->counters[SURVEY_READY], 0);
    ck_assert_int_eq(reading->last_ready_unix_ms, 1700000000123);
    for (int kind = 0; kind < HOLD_KINDS; kind++) {
        const char *name = hold_kind_name(kind);
        bool is_there = strcmp(name, "pause") == 0 || strcmp(name, "account") == 0;
        ck_assert_msg(reading->binds[kind] == is_there, "%s", name);
    }
}
END_TEST

START_TEST(absurd_numbers_are_none)
{
    const struct survey_reading *reading =
        read_as("*14\r\n:0\r\n:-1\r\n$1\r\nx\r\n$-1\r\n*0\r\n:-9223372036854775808\r\n$1\r\nx\r\n"
                ":-5\r\n:-6\r\n:-7\r\n$5\r\npause\r\n$3\r\nnan\r\n$5\r\n1e999\r\n"
                "*5\r\n$5\r\ntaken\r\n$2\r\n-1\r\n$5\r\nready\r\n$25\r\n9999999999999999999999999"
                "\r\n$4\r\nlate\r\n");

    ck_assert_int_eq(reading->queue, 0);
    ck_assert_int_eq(reading->letters, 0);
    ck_assert_int_eq(reading->head_age_ms, -1);
    ck_assert_int_eq(reading->overdue_ms, 0);
    ck_assert_int_eq(reading->memory_max_bytes, 0);
    ck_assert(!reading->binds[0]);
    ck_assert(reading->per_sec <= 0 && reading->pace_per_sec <= 0);
    ck_assert_uint_eq(reading->counters[SURVEY_TAKEN], 0);
    ck_assert_uint_eq(reading->counters[SURVEY_READY], 0);
    ck_assert(survey_is_fresh(reading, clock_mono_us()));
}
END_TEST

START_TEST(nothing_is_read_before_it_is_wanted_nor_afterwards)
{
    test.reply = sound;
    run_for_ms(test.base, 50);
    ck_assert_int_eq(test.surveys, 0);
    ck_assert(!survey_is_fresh(survey_reading(test.survey), clock_mono_us()));
    survey_want(test.survey, true);
    wait_for_surveys(1);
    survey_want(test.survey, false);
    int before = test.surveys;
    run_for_ms(test.base, 50);
    ck_assert_int_eq(test.surveys, before);
}
END_TEST

START_TEST(refused_survey_is_repeated_and_keeps_the_connection_and_the_last_reading)
{
    const struct survey_reading *reading = read_as(sound);

    test.reply = "-NOPERM authlink: the Redis user lacks a right\r\n";
    wait_for_surveys(5);
    ck_assert_int_eq(test.server.downs, 0);
    ck_assert_int_eq(reading->queue, 1);
    ck_assert(!survey_is_fresh(reading, reading->good_until_us + 1));
}
END_TEST

START_TEST(survey_without_an_answer_is_not_followed_by_another)
{
    test.reply = NULL;
    survey_want(test.survey, true);
    wait_for_surveys(1);
    run_for_ms(test.base, 100);
    ck_assert_int_eq(test.surveys, 1);
}
END_TEST

static bool is_down(void *user)
{
    (void)user;
    return test.server.downs > 0;
}

static const char *const malformed[] = {"+OK\r\n", ":1\r\n", "*0\r\n", "$-1\r\n",
                                        "*2\r\n:1\r\n:2\r\n"};

START_TEST(reply_of_another_form_ends_the_connection)
{
    test.reply = malformed[_i];
    survey_want(test.survey, true);
    run_until_true(test.base, is_down, NULL);
    ck_assert(!survey_is_fresh(survey_reading(test.survey), clock_mono_us()));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("survey");
    TCase *tcase = tcase_create("survey");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, reading_is_what_was_answered);
    tcase_add_test(tcase, absurd_numbers_are_none);
    tcase_add_test(tcase, nothing_is_read_before_it_is_wanted_nor_afterwards);
    tcase_add_test(tcase, refused_survey_is_repeated_and_keeps_the_connection_and_the_last_reading);
    tcase_add_test(tcase, survey_without_an_answer_is_not_followed_by_another);
    tcase_add_loop_test(tcase, reply_of_another_form_ends_the_connection, 0,
                        (int)(sizeof malformed / sizeof malformed[0]));
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
