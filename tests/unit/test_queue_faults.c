/* test_queue_faults.c - our side of Redis, with a real server that is treated badly. */
#include "base/clock.h"
#include "run_tests.h"
#include "support_app.h"

#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(outcome_made_while_redis_is_away_is_stored_when_it_is_back)
{
    app.keeps = true;
    app_push(3);
    app_start();
    app_wait_for_jobs(3);
    app_ask("CLIENT KILL TYPE normal");
    app_wait_for_state("no Redis");
    app_settle_kept();
    app_wait_for_ready(3);
    run_until_true(app.base, app_is_settled, NULL);
    ck_assert_int_eq(app_stat("fenced"), 0);
    ck_assert_int_eq(app_stat("recovered"), 0);
    ck_assert_uint_eq(app.jobs, 3);
}
END_TEST

START_TEST(jobs_in_hand_survive_a_lost_connection)
{
    app.keeps = true;
    app_push(3);
    app_start();
    app_wait_for_jobs(3);
    for (int i = 0; i < 3; i++) {
        app_ask("CLIENT KILL TYPE normal");
        app_wait_for_state("no Redis");
        run_until_true(app.base, app_is_working, NULL);
    }
    run_for_ms(app.base, 300);
    ck_assert_uint_eq(app.lost_leases, 0);
    ck_assert_uint_eq(app.jobs, 3);
    app_settle_kept();
    app_wait_for_ready(3);
    ck_assert_int_eq(app_stat("fenced"), 0);
}
END_TEST

START_TEST(server_that_is_killed_and_comes_back_empty_is_worked_with_again)
{
    app.keeps = true;
    app_push(3);
    app_start();
    app_wait_for_jobs(3);
    redis_kill();
    app_wait_for_state("no Redis");
    redis_restart();
    run_until_true(app.base, app_is_working, NULL);
    ck_assert_uint_eq(app.lost_leases, 1); /* its leases are gone with it */
    app.keeps = false;
    app_push(2);
    app_wait_for_ready(2);
    redis_kill(); /* the one that this test started */
}
END_TEST

START_TEST(stray_of_this_process_is_given_back_unharmed_within_its_time)
{
    char lease[128];

    app_start();
    run_until_true(app.base, app_is_working, NULL);
    snprintf(lease, sizeof lease, TEST_OWNER "/%s/99", queue_boot(app.queue));
    app_plant_lease(lease, "end_usr_a");
    app_wait_for_ready(1);
    ck_assert_uint_eq(app.recoveries, 0);
    ck_assert_int_eq(app_stat("recovered"), 0);
}
END_TEST

START_TEST(lease_of_an_earlier_process_is_given_back_at_once)
{
    app.settings.timing = timing_get(); /* not only after the reap interval */
    app_plant_lease(TEST_OWNER "/00000000000000bb/5", "end_usr_a");
    app_start();
    app_wait_for_ready(1);
    ck_assert_uint_eq(app.recoveries, 1);
    ck_assert_int_eq(app_stat("recovered"), 1);
}
END_TEST

START_TEST(many_leases_of_an_earlier_process_are_all_given_back)
{
    char lease[128];
    char user[32];

    for (int i = 0; i < 100; i++) {
        snprintf(lease, sizeof lease, TEST_OWNER "/00000000000000bb/%d", i);
        snprintf(user, sizeof user, "end_usr_%d", i);
        app_plant_lease(lease, user);
    }
    app_start();
    app_wait_for_ready(100);
}
END_TEST

START_TEST(lease_of_another_owner_is_left_alone_before_its_deadline)
{
    app.settings.timing.foreign_after_ms = 0;
    app_plant_lease("other@ffffffffffffffff/00000000000000cc/5", "end_usr_a");
    app_start();
    run_until_true(app.base, app_is_working, NULL);
    run_for_ms(app.base, 300);
    ck_assert_uint_eq(app.jobs, 0);
    app_ask("ZADD authlink:leases 1 other@ffffffffffffffff/00000000000000cc/5");
    app_wait_for_ready(1);
}
END_TEST

START_TEST(lease_that_was_taken_away_is_told_and_its_late_outcome_is_fenced)
{
    app.keeps = true;
    app.room = 1;
    app_push(2);
    app_start();
    app_wait_for_jobs(1);
    struct job *running = app.kept; /* as if its request were under way */
    app.kept = NULL;
    app_ask("DEL authlink:lease:" TEST_OWNER "/%s/1", queue_boot(app.queue));
    app_ask("DEL authlink:leases authlink:inflight");
    while (app.lost_leases == 0)
        run_for_ms(app.base, 1);
    app_settle(running);
    app_tell_room();
    app_wait_for_jobs(2);
    while (app_stat("fenced") == 0)
        run_for_ms(app.base, 1);
    app_settle_kept();
    app_wait_for_ready(1);
    ck_assert_uint_eq(app.lost_leases, 1);
}
END_TEST

START_TEST(refused_settle_stops_claims_and_is_repeated_until_it_is_taken)
{
    app.keeps = true;
    app.room = 2;
    app_push(5);
    app_start();
    app_wait_for_jobs(2);
    app.room = 4;
    app_ask("CONFIG SET min-replicas-to-write 1");
    app_settle_kept();
    run_for_ms(app.base, 300);
    ck_assert(!queue_is_settled(app.queue));
    ck_assert_uint_eq(app.jobs, 2);
    struct queue_progress progress = queue_progress(app.queue);
    ck_assert_int_ge(progress.last_attempt_us, clock_mono_us() - 5 * US_PER_SEC);
    app_ask("CONFIG SET min-replicas-to-write 0");
    app.keeps = false;
    app_wait_for_ready(5);
    ck_assert_int_eq(app_stat("fenced"), 0);
}
END_TEST

/* A key that only settle.lua looks at: claims would be let through. */
static void break_settles(void)
{
    app_ask("HSET authlink:settled:%s a b", queue_boot(app.queue));
}

static void mend_settles(void)
{
    app_ask("DEL authlink:settled:%s", queue_boot(app.queue));
}

/* By the server's count of error replies: the second refusal comes after the first was read. */
static bool was_refused_twice(void *user)
{
    redisReply *reply = redis_ask("INFO errorstats");
    const char *count = strstr(reply->str, "errorstat_ERR:count=");
    bool is_twice = count != NULL && strtol(strchr(count, '=') + 1, NULL, 10) >= 2;

    (void)user;
    freeReplyObject(reply);
    return is_twice;
}

START_TEST(nothing_is_claimed_while_settles_are_refused)
{
    app.keeps = true;
    app.room = 2;
    app_push(5);
    app_start();
    app_wait_for_jobs(2);
    break_settles();
    app.room = 64;
    app_ask("CONFIG RESETSTAT");
    struct job *job = app.kept; /* one of the two: the other stays in hand */
    app.kept = job->next;
    app_settle(job);
    run_until_true(app.base, was_refused_twice, NULL);
    app_tell_room();
    run_for_ms(app.base, 300);
    ck_assert_uint_eq(app.jobs, 2);
    mend_settles();
    app_wait_for_jobs(5);
}
END_TEST

START_TEST(outcomes_in_hand_are_settled_before_leases_are_listed)
{
    app.keeps = true;
    app_push(3);
    app_start();
    app_wait_for_jobs(3);
    app_ask("CLIENT KILL TYPE normal");
    app_wait_for_state("no Redis");
    app_settle_kept();
    break_settles();
    run_for_ms(app.base, 400);
    ck_assert(!queue_progress(app.queue).is_working);
    mend_settles();
    app_wait_for_ready(3);
    run_until_true(app.base, app_is_working, NULL);
}
END_TEST

START_TEST(overdue_lease_of_another_owner_is_left_alone_until_the_connection_has_lasted)
{
    app.settings.timing.foreign_after_ms = 600000;
    app_plant_lease("other@ffffffffffffffff/00000000000000cc/5", "end_usr_a");
    app_ask("ZADD authlink:leases 1 other@ffffffffffffffff/00000000000000cc/5");
    app_start();
    run_until_true(app.base, app_is_working, NULL);
    run_for_ms(app.base, 300);
    ck_assert_uint_eq(app.jobs, 0);
    ck_assert_int_eq(redis_ask_int("ZCARD authlink:leases"), 1);
}
END_TEST

START_TEST(server_without_memory_stores_links_and_hands_out_nothing)
{
    app.keeps = true;
    app.room = 2;
    app_push(4);
    app_start();
    app_wait_for_jobs(2);
    app_ask("CONFIG SET maxmemory 1");
    app.keeps = false;
    app_settle_kept();
    app_wait_for_ready(2);
    run_for_ms(app.base, 150);
    ck_assert_uint_eq(app.jobs, 2);
    app_ask("CONFIG SET maxmemory 0");
    app_wait_for_ready(4);
}
END_TEST

START_TEST(replica_is_left_and_looked_for_anew)
{
    app_start();
    run_until_true(app.base, app_is_working, NULL);
    app_ask("REPLICAOF 127.0.0.1 1");
    app_wait_for_state("no Redis");
    app_ask("REPLICAOF NO ONE");
    app_push(1);
    app_wait_for_ready(1);
}
END_TEST

START_TEST(scripts_may_be_flushed_at_any_time)
{
    app.keeps = true;
    app.room = 1;
    app_push(20);
    app_start();
    for (uint32_t i = 1; i <= 20; i++) {
        app_wait_for_jobs(i);
        app_ask("SCRIPT FLUSH");
        app_settle_kept();
    }
    app_wait_for_ready(20);
    ck_assert_int_eq(app_stat("taken"), 20);
    ck_assert_int_eq(app_stat("recovered"), 0);
}
END_TEST

START_TEST(key_of_another_type_is_a_state_and_not_the_end)
{
    app_ask("SET authlink:queue text");
    app_start();
    run_until_true(app.base, app_is_working, NULL);
    run_for_ms(app.base, 200);
    app_ask("DEL authlink:queue");
    app_push(1);
    app_wait_for_ready(1);
}
END_TEST

START_TEST(drained_queue_that_loses_redis_still_settles)
{
    app.keeps = true;
    app.room = 3;
    app_push(6);
    app_start();
    app_wait_for_jobs(3);
    queue_drain(app.queue);
    app_ask("CLIENT KILL TYPE normal");
    app_wait_for_state("no Redis");
    app.room = 64;
    app_settle_kept();
    app_wait_for_ready(3);
    run_for_ms(app.base, 150);
    ck_assert_uint_eq(app.jobs, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue_faults");
    TCase *tcase = tcase_create("queue_faults");
    TCase *killed = tcase_create("server that is killed");

    tcase_add_unchecked_fixture(tcase, redis_begin, redis_end);
    tcase_add_checked_fixture(tcase, app_begin, app_end);
    tcase_add_test(tcase, outcome_made_while_redis_is_away_is_stored_when_it_is_back);
    tcase_add_test(tcase, jobs_in_hand_survive_a_lost_connection);
    tcase_add_test(tcase, stray_of_this_process_is_given_back_unharmed_within_its_time);
    tcase_add_test(tcase, lease_of_an_earlier_process_is_given_back_at_once);
    tcase_add_test(tcase, many_leases_of_an_earlier_process_are_all_given_back);
    tcase_add_test(tcase, lease_of_another_owner_is_left_alone_before_its_deadline);
    tcase_add_test(tcase, lease_that_was_taken_away_is_told_and_its_late_outcome_is_fenced);
    tcase_add_test(tcase, refused_settle_stops_claims_and_is_repeated_until_it_is_taken);
    tcase_add_test(tcase, nothing_is_claimed_while_settles_are_refused);
    tcase_add_test(tcase, outcomes_in_hand_are_settled_before_leases_are_listed);
    tcase_add_test(tcase,
                   overdue_lease_of_another_owner_is_left_alone_until_the_connection_has_lasted);
    tcase_add_test(tcase, server_without_memory_stores_links_and_hands_out_nothing);
    tcase_add_test(tcase, replica_is_left_and_looked_for_anew);
    tcase_add_test(tcase, scripts_may_be_flushed_at_any_time);
    tcase_add_test(tcase, key_of_another_type_is_a_state_and_not_the_end);
    tcase_add_test(tcase, drained_queue_that_loses_redis_still_settles);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);

    tcase_add_unchecked_fixture(killed, redis_begin, redis_end);
    tcase_add_checked_fixture(killed, app_begin, app_end);
    tcase_add_test(killed, server_that_is_killed_and_comes_back_empty_is_worked_with_again);
    tcase_set_timeout(killed, 60);
    suite_add_tcase(suite, killed);
    return run_tests(suite);
}
