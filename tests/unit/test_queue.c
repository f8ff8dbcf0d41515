/* test_queue.c - our side of Redis as app/ sees it, with a real server. */
#include "base/clock.h"
#include "run_tests.h"
#include "support_app.h"

#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

START_TEST(pushed_ids_become_jobs_and_outcomes_become_hashes)
{
    app_push(10);
    app_start();
    app_wait_for_ready(10);
    ck_assert_uint_eq(app.jobs, 10);
    ck_assert_int_eq(
        redis_ask_int("EXISTS authlink:session:end_usr_00000 authlink:session:end_usr_00009"), 2);
    ck_assert_int_eq(redis_ask_int("EXISTS authlink:queue authlink:leases authlink:inflight"), 0);
    ck_assert_str_eq(app.state, "working");
}
END_TEST

START_TEST(push_to_an_idle_queue_is_seen)
{
    app_start();
    run_until_true(app.base, app_is_working, NULL);
    run_for_ms(app.base, 50);
    app_push(1);
    app_wait_for_ready(1);
}
END_TEST

START_TEST(delayed_job_is_claimed_when_it_is_due)
{
    const char *words[] = {"EVAL",
                           "local t = redis.call('TIME') "
                           "local due = t[1] * 1000 + math.floor(t[2] / 1000) + 300 "
                           "redis.call('ZADD', KEYS[1], string.format('%.0f', due), "
                           "'0000000000000001 0 0 1700000000000 0 end_usr_a')",
                           "1", "authlink:delayed"};

    app.settings.timing.reap_interval_ms = 60000; /* by the timer, not by a reap */
    app_ask("HSET authlink:stats taken 1");
    freeReplyObject(redis_ask_argv(4, words));
    app_start();
    app_wait_for_ready(1);
}
END_TEST

START_TEST(no_more_jobs_are_handed_out_than_there_is_room_for)
{
    app.room = 7;
    app.keeps = true;
    app_push(30);
    app_start();
    app_wait_for_jobs(7);
    run_for_ms(app.base, 100);
    ck_assert_uint_eq(app.jobs, 7);
    app_settle_kept();
    app_wait_for_jobs(14);
}
END_TEST

START_TEST(round_trips_for_many_jobs_are_few)
{
    app_push(4000);
    app_start();
    app_wait_for_ready(4000);
    long long calls = app_count_calls("evalsha");
    ck_assert_msg(calls <= 4000 / 20, "%lld calls for 4000 jobs", calls);
}
END_TEST

START_TEST(round_trips_are_few_when_room_comes_back_job_by_job)
{
    app.keeps = true;
    app_push(3000);
    app_start();
    int64_t began_us = clock_mono_us();
    for (int settled = 0; settled < 3000;) {
        event_base_loop(app.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        struct job *job = app.kept;
        if (job == NULL)
            continue;
        app.kept = job->next;
        app_settle(job);
        app_tell_room();
        settled++;
        usleep(100); /* 10,000 a second, as an API answers: one by one */
    }
    app_wait_for_ready(3000);
    long long calls = app_count_calls("evalsha");
    /* A claim and a settle in 5 ms, or with half of the room and 64 outcomes; and the reaps. */
    long long took_ms = (clock_mono_us() - began_us) / US_PER_MS;
    long long bound = 2 * took_ms / 5 + 3000 / 32 + 3000 / 64 + took_ms / 100 + 20;
    ck_assert_msg(calls <= bound, "%lld calls in %lld ms", calls, took_ms);
}
END_TEST

START_TEST(idle_queue_is_quiet)
{
    app.settings.timing = timing_get();
    app_start();
    run_until_true(app.base, app_is_working, NULL);
    run_for_ms(app.base, 100);
    app_ask("CONFIG RESETSTAT");
    run_for_ms(app.base, 2500);
    long long written = app_count_calls("pexpire"); /* :instance, by its step */
    ck_assert_int_le(written, 1);
    ck_assert_int_le(app_count_calls("evalsha") - written, 2); /* a reap or two, no claim */
    ck_assert_int_le(app_count_calls("blmove"), 1);
}
END_TEST

START_TEST(pause_is_told_and_work_goes_on_after_it)
{

    const char *words[] = {"HSET", "authlink:holds", "pause", "1700000000000 0 0 0 - for lunch"};
    freeReplyObject(redis_ask_argv(4, words));
    app_push(1);
    app_start();
    app_wait_for_state("held: pause");
    ck_assert(app.was_pause);
    run_for_ms(app.base, 100);
    ck_assert_uint_eq(app.jobs, 0);
    app_ask("DEL authlink:holds");
    app_wait_for_ready(1);
    app_wait_for_state("working");
}
END_TEST

START_TEST(hold_of_another_key_does_not_bind)
{
    const char *words[] = {"HSET", "authlink:holds", "account:ffffffffffff",
                           "1700000000000 0 9999999999999 1000 - no such key"};
    freeReplyObject(redis_ask_argv(4, words));
    app_push(1);
    app_start();
    app_wait_for_ready(1);
    ck_assert_int_eq(app.holds, 0);
}
END_TEST

START_TEST(data_of_another_project_is_not_touched)
{
    app_ask("HSET authlink:meta schema 1 publishableKey pk_conductor_other");
    app_push(1);
    app_start();
    app_wait_for_state("another project");
    run_for_ms(app.base, 100);
    ck_assert_uint_eq(app.jobs, 0);
    ck_assert_int_eq(redis_ask_int("LLEN authlink:queue"), 1);
}
END_TEST

START_TEST(password_is_asked_for_at_every_connection)
{
    snprintf(app.settings.address.user, sizeof app.settings.address.user, "worker");
    snprintf(app.password, sizeof app.password, "first");
    app_ask("ACL SETUSER worker on >first ~* &* +@all");
    app_start();
    run_until_true(app.base, app_is_working, NULL);
    app_ask("ACL SETUSER worker resetpass >second");
    snprintf(app.password, sizeof app.password, "second");
    app_ask("CLIENT KILL USER worker");
    app_wait_for_state("no Redis");
    app_push(1);
    app_wait_for_ready(1);
    app_ask("ACL DELUSER worker");
}
END_TEST

START_TEST(drained_queue_claims_nothing_and_settles_what_is_in_hand)
{
    app.keeps = true;
    app.room = 3;
    app_push(6);
    app_start();
    app_wait_for_jobs(3);
    queue_drain(app.queue);
    app.room = 64;
    ck_assert_uint_eq(app.settled_times, 0);
    app_settle_kept();
    run_until_true(app.base, app_is_settled, NULL);
    app_wait_for_ready(3);
    ck_assert_uint_ge(app.settled_times, 1);
    run_for_ms(app.base, 150);
    ck_assert_uint_eq(app.jobs, 3);
    ck_assert_int_eq(redis_ask_int("LLEN authlink:queue"), 3);
}
END_TEST

START_TEST(reload_sets_the_rate_of_the_fleet_and_the_key)
{
    char text[64];
    const char *words[] = {"HSET", "authlink:holds", "unknown_users:ffffffffffff",
                           "1700000000000 0 0 0 - the keys of another project"};

    freeReplyObject(redis_ask_argv(4, words));
    app_start();
    run_until_true(app.base, app_is_working, NULL);
    app_push(1);
    app_wait_for_ready(1); /* that key is not ours */
    app.settings.per_sec = 77;
    snprintf(app.settings.key_fp, sizeof app.settings.key_fp, "ffffffffffff");
    ck_assert_int_eq(queue_reload(app.queue, &app.settings), RESULT_OK);
    while (strcmp(redis_ask_text("HGET authlink:limiter perSec", text, sizeof text), "77") != 0)
        run_for_ms(app.base, 2);
    app_ask("RPUSH authlink:queue end_usr_next");
    app_wait_for_state("held: unknown_users");
    ck_assert_int_eq(app_stat("ready"), 1);
    app.settings.key_fp[0] = '0';
    ck_assert_int_eq(queue_reload(app.queue, &app.settings), RESULT_OK);
    app_wait_for_ready(2);
}
END_TEST

START_TEST(queue_can_be_freed_at_any_moment)
{
    for (int ms = 0; ms < 12; ms++) {
        app.keeps = true;
        app_push(5);
        app_start();
        run_for_ms(app.base, ms);
        app.queue = queue_free(app.queue);
        app.kept = NULL;
        app.in_hand = 0;
    }
}
END_TEST

static struct queue *second;
static uint32_t second_jobs;

static void on_jobs_of_second(struct job *list, void *user)
{
    (void)user;
    while (list != NULL) {
        struct job *next = list->next;
        struct outcome outcome = test_created(list);
        second_jobs++;
        queue_settle(second, list, &outcome);
        list = next;
    }
}

static bool is_second_shown(void *user)
{
    (void)user;
    return redis_ask_int("EXISTS authlink:instance:other@ffffffffffffffff") == 1;
}

START_TEST(two_queues_share_the_work_and_no_job_twice)
{
    struct queue_callbacks others = app_callbacks;
    struct queue_settings settings = app.settings;

    others.on_jobs = on_jobs_of_second;
    snprintf(settings.owner, sizeof settings.owner, "other@ffffffffffffffff");
    app_start();
    second = queue_new(app.base, &settings, &others, NULL);
    queue_start(second);
    queue_set_room(second, 8);
    run_until_true(app.base, is_second_shown, NULL);
    app_push(500);
    app_wait_for_ready(500);
    ck_assert_uint_eq(app.jobs + second_jobs, 500);
    ck_assert_uint_gt(app.jobs, 0);
    ck_assert_int_eq(app_stat("taken"), 500);
    ck_assert_int_eq(app_stat("recovered"), 0);
    ck_assert_int_eq(redis_ask_int("EXISTS authlink:leases authlink:inflight"), 0);
    queue_free(second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue");
    TCase *tcase = tcase_create("queue");

    tcase_add_unchecked_fixture(tcase, redis_begin, redis_end);
    tcase_add_checked_fixture(tcase, app_begin, app_end);
    tcase_add_test(tcase, pushed_ids_become_jobs_and_outcomes_become_hashes);
    tcase_add_test(tcase, push_to_an_idle_queue_is_seen);
    tcase_add_test(tcase, delayed_job_is_claimed_when_it_is_due);
    tcase_add_test(tcase, no_more_jobs_are_handed_out_than_there_is_room_for);
    tcase_add_test(tcase, round_trips_for_many_jobs_are_few);
    tcase_add_test(tcase, round_trips_are_few_when_room_comes_back_job_by_job);
    tcase_add_test(tcase, idle_queue_is_quiet);
    tcase_add_test(tcase, pause_is_told_and_work_goes_on_after_it);
    tcase_add_test(tcase, hold_of_another_key_does_not_bind);
    tcase_add_test(tcase, data_of_another_project_is_not_touched);
    tcase_add_test(tcase, password_is_asked_for_at_every_connection);
    tcase_add_test(tcase, drained_queue_claims_nothing_and_settles_what_is_in_hand);
    tcase_add_test(tcase, reload_sets_the_rate_of_the_fleet_and_the_key);
    tcase_add_test(tcase, queue_can_be_freed_at_any_moment);
    tcase_add_test(tcase, two_queues_share_the_work_and_no_job_twice);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
