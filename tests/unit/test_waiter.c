/* test_waiter.c - the peek sees a job, takes none, and is quiet while nothing comes. */
#include "base/clock.h"
#include "queue/waiter.h"
#include "run_tests.h"
#include "support_queue.h"
#include "support_redis.h"

#include <check.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <string.h>

static struct {
    struct event_base *base;
    struct evdns_base *dns;
    struct fake_redis *fake;
    struct test_server server;
    struct waiter *waiter;
    const char *answer;
    int peeks;
    char seconds[32];
    int jobs;
    bool has_job;
} test;

static const char *on_command(size_t count, const redisReply *const *words, void *user)
{
    (void)user;
    if (strcmp(words[0]->str, "BLMOVE") != 0)
        return "+OK\r\n";
    ck_assert_uint_eq(count, 6);
    ck_assert_str_eq(words[1]->str, words[2]->str);
    test.peeks++;
    memcpy(test.seconds, words[5]->str, words[5]->len + 1);
    return test.answer;
}

static void on_job(void *user)
{
    (void)user;
    test.jobs++;
    test.has_job = true;
}

static void begin_with(const struct link_address *address, int64_t peek_ms)
{
    struct queue_settings settings = test_settings(address);

    settings.timing.peek_ms = peek_ms;
    test_server_init(&test.server, test.base, test.dns, &settings);
    test.waiter = waiter_new(test.base, test.server.server.link, &test.server.server, on_job, NULL);
    ck_assert_ptr_nonnull(test.waiter);
    run_until(test.base, &test.server.is_up);
}

static void begin(void)
{
    memset(&test, 0, sizeof test);
    test.base = event_base_new();
    test.dns = evdns_base_new(test.base, 0);
    test.fake = fake_redis_new(test.base, on_command, NULL);
    struct link_address address = fake_redis_address(test.fake);
    begin_with(&address, 5000);
}

static void begin_real(void)
{
    struct link_address address = redis_address();

    memset(&test, 0, sizeof test);
    redis_flush();
    test.base = event_base_new();
    test.dns = evdns_base_new(test.base, 0);
    begin_with(&address, 100);
}

static void end(void)
{
    waiter_free(test.waiter);
    test_server_done(&test.server);
    fake_redis_free(test.fake);
    evdns_base_free(test.dns, 0);
    event_base_free(test.base);
}

static bool has_peeked(void *user)
{
    return test.peeks >= *(const int *)user;
}

static void wait_for_peeks(int count)
{
    run_until_true(test.base, has_peeked, &count);
}

START_TEST(one_peek_is_under_way_at_a_time)
{
    waiter_begin(test.waiter);
    waiter_begin(test.waiter);
    waiter_end(test.waiter);
    waiter_begin(test.waiter);
    run_for_ms(test.base, 20);
    ck_assert_int_eq(test.peeks, 1);
    ck_assert_str_eq(test.seconds, "5.000");
    ck_assert(!waiter_is_blind(test.waiter));
}
END_TEST

START_TEST(job_is_told_once_and_the_peek_ends)
{
    test.answer = "$1\r\nx\r\n";
    waiter_begin(test.waiter);
    run_until(test.base, &test.has_job);
    run_for_ms(test.base, 20);
    ck_assert_int_eq(test.peeks, 1);
    ck_assert_int_eq(test.jobs, 1);
    ck_assert_int_gt(waiter_last_reply_us(test.waiter), 0);
}
END_TEST

START_TEST(peek_that_times_out_is_made_again_and_tells_nothing)
{
    test.answer = "*-1\r\n"; /* as Redis says it; "$-1" is read likewise */
    waiter_begin(test.waiter);
    wait_for_peeks(3);
    ck_assert_int_eq(test.jobs, 0);
}
END_TEST

static bool is_blind(void *user)
{
    (void)user;
    return waiter_is_blind(test.waiter);
}

START_TEST(refused_peek_backs_off_and_says_that_it_is_blind)
{
    test.answer = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    waiter_begin(test.waiter);
    wait_for_peeks(1);
    run_until_true(test.base, is_blind, NULL);
    int64_t refused_us = clock_mono_us();
    wait_for_peeks(3); /* after 100 and 200 ms */
    ck_assert_int_ge(clock_mono_us() - refused_us, 200 * US_PER_MS);
    ck_assert_int_eq(test.server.downs, 0);
}
END_TEST

START_TEST(unblocked_peek_makes_a_new_connection)
{
    test.answer = "-UNBLOCKED force unblock from blocking operation\r\n";
    waiter_begin(test.waiter);
    wait_for_peeks(1);
    while (test.server.downs == 0)
        run_for_ms(test.base, 1);
    test.answer = "$1\r\nx\r\n";
    run_until(test.base, &test.server.is_up);
    waiter_link_up(test.waiter);
    run_until(test.base, &test.has_job);
}
END_TEST

START_TEST(job_of_no_interest_is_not_told)
{
    waiter_begin(test.waiter);
    wait_for_peeks(1);
    waiter_end(test.waiter);
    fake_redis_say(test.fake, "$1\r\nx\r\n", 7);
    run_for_ms(test.base, 20);
    ck_assert_int_eq(test.jobs, 0);
    ck_assert_int_eq(test.peeks, 1);
}
END_TEST

START_TEST(real_push_is_seen_and_nothing_is_taken_or_moved)
{
    char text[64];

    waiter_begin(test.waiter);
    run_for_ms(test.base, 300); /* a few time-outs */
    ck_assert_int_eq(test.jobs, 0);
    freeReplyObject(redis_ask("RPUSH authlink:queue a b c"));
    run_until(test.base, &test.has_job);
    ck_assert_int_eq(redis_ask_int("LLEN authlink:queue"), 3);
    ck_assert_str_eq(redis_ask_text("LINDEX authlink:queue 0", text, sizeof text), "a");
}
END_TEST

START_TEST(real_push_wakes_everyone_who_waits)
{
    struct waiter *first = test.waiter;
    struct test_server other;
    struct link_address address = redis_address();
    struct queue_settings settings = test_settings(&address);

    test_server_init(&other, test.base, test.dns, &settings);
    run_until(test.base, &other.is_up);
    struct waiter *second = waiter_new(test.base, other.server.link, &other.server, on_job, NULL);
    waiter_begin(first);
    waiter_begin(second);
    run_for_ms(test.base, 20);
    freeReplyObject(redis_ask("RPUSH authlink:queue a"));
    while (test.jobs < 2)
        run_for_ms(test.base, 1);
    waiter_free(second);
    test_server_done(&other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("waiter");
    TCase *fake = tcase_create("against a server that misbehaves");
    TCase *real = tcase_create("against a real server");

    tcase_add_checked_fixture(fake, begin, end);
    tcase_add_test(fake, one_peek_is_under_way_at_a_time);
    tcase_add_test(fake, job_is_told_once_and_the_peek_ends);
    tcase_add_test(fake, peek_that_times_out_is_made_again_and_tells_nothing);
    tcase_add_test(fake, refused_peek_backs_off_and_says_that_it_is_blind);
    tcase_add_test(fake, unblocked_peek_makes_a_new_connection);
    tcase_add_test(fake, job_of_no_interest_is_not_told);
    tcase_set_timeout(fake, 60);
    suite_add_tcase(suite, fake);

    tcase_add_unchecked_fixture(real, redis_begin, redis_end);
    tcase_add_checked_fixture(real, begin_real, end);
    tcase_add_test(real, real_push_is_seen_and_nothing_is_taken_or_moved);
    tcase_add_test(real, real_push_wakes_everyone_who_waits);
    tcase_set_timeout(real, 60);
    suite_add_tcase(suite, real);
    return run_tests(suite);
}
