/* test_queue.c - the whole of our side of Redis, against a real server that is treated badly. */
#include "base/clock.h"
#include "queue/queue.h"
#include "support_queue.h"
#include "support_redis.h"

#include <check.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The app of these tests: keeps jobs, or settles them at once. */
static struct {
    struct event_base *base;
    struct queue *queue;
    struct queue_settings settings;
    bool keeps; /* jobs stay in hand until settle_all() */
    struct job *kept;
    uint32_t in_hand;
    uint32_t room;
    uint32_t jobs; /* handed out so far */
    uint32_t largest_batch;
    uint32_t settled_times;
    uint32_t recoveries; /* of the last job */
    uint32_t lost_leases;
    int holds;
    bool was_pause;
    char cause[64];
    char state[256];
    char password[64];
} test;

static void tell_room(void)
{
    queue_set_room(test.queue, test.room - test.in_hand);
}

static void settle(struct job *job)
{
    struct outcome outcome = test_created(job);

    test.in_hand--;
    queue_settle(test.queue, job, &outcome);
}

static void settle_kept(void)
{
    while (test.kept != NULL) {
        struct job *job = test.kept;
        test.kept = job->next;
        settle(job);
    }
    tell_room();
}

static void on_jobs(struct job *list, void *user)
{
    uint32_t count = 0;

    (void)user;
    while (list != NULL) {
        struct job *next = list->next;
        test.recoveries = list->recoveries;
        list->next = test.kept;
        test.kept = list;
        list = next;
        count++;
    }
    test.jobs += count;
    test.in_hand += count;
    if (count > test.largest_batch)
        test.largest_batch = count;
    if (!test.keeps)
        settle_kept();
    tell_room();
}

static void on_hold(const char *cause, bool is_pause, void *user)
{
    (void)user;
    test.holds++;
    test.was_pause = is_pause;
    snprintf(test.cause, sizeof test.cause, "%s", cause);
}

static void on_lease_lost(uint64_t lease_seq, void *user)
{
    struct job *rest = NULL;

    (void)user;
    test.lost_leases++;
    while (test.kept != NULL) {
        struct job *job = test.kept;
        test.kept = job->next;
        if (job->lease_seq == lease_seq) {
            test.in_hand--;
            queue_drop(test.queue, job);
        } else {
            job->next = rest;
            rest = job;
        }
    }
    test.kept = rest;
    tell_room();
}

static void on_settled(void *user)
{
    (void)user;
    test.settled_times++;
}

static bool on_password_wanted(char *target, size_t size, void *user)
{
    (void)user;
    snprintf(target, size, "%s", test.password);
    return true;
}

static void on_state(const char *state, void *user)
{
    (void)user;
    snprintf(test.state, sizeof test.state, "%s", state);
}

static const struct queue_callbacks callbacks = {
    .on_jobs = on_jobs,
    .on_hold = on_hold,
    .on_lease_lost = on_lease_lost,
    .on_settled = on_settled,
    .on_password_wanted = on_password_wanted,
    .on_state = on_state,
};

static void begin(void)
{
    struct link_address address = redis_address();

    memset(&test, 0, sizeof test);
    redis_flush();
    freeReplyObject(redis_ask("CONFIG RESETSTAT"));
    test.base = event_base_new();
    test.settings = test_settings(&address);
    test.settings.timing.reap_interval_ms = 100;
    test.room = 64;
}

static void start(void)
{
    test.queue = queue_new(test.base, &test.settings, &callbacks, NULL);
    ck_assert_ptr_nonnull(test.queue);
    queue_start(test.queue);
    tell_room();
}

static void end(void)
{
    queue_free(test.queue);
    event_base_free(test.base);
}

static void ask(const char *format, ...)
{
    char words[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    redisReply *reply = redis_ask(words);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s: %s", words, reply->str);
    freeReplyObject(reply);
}

static void push(int count)
{
    for (int i = 0; i < count; i++)
        ask("RPUSH authlink:queue end_usr_%05d", i);
}

static bool is_working(void *user)
{
    (void)user;
    return queue_progress(test.queue).is_working;
}

static bool is_state(void *user)
{
    return strstr(test.state, user) != NULL;
}

static void wait_for_state(const char *part)
{
    char copy[64];

    snprintf(copy, sizeof copy, "%s", part);
    run_until_true(test.base, is_state, copy);
}

static bool has_jobs(void *user)
{
    return test.jobs >= *(const uint32_t *)user;
}

static void wait_for_jobs(uint32_t count)
{
    run_until_true(test.base, has_jobs, &count);
}

static bool is_settled(void *user)
{
    (void)user;
    return queue_is_settled(test.queue);
}

static long long stat(const char *name)
{
    char words[64];
    char text[32];

    snprintf(words, sizeof words, "HGET authlink:stats %s", name);
    return strtoll(redis_ask_text(words, text, sizeof text), NULL, 10);
}

static bool is_ready_count(void *user)
{
    return stat("ready") == *(const int *)user;
}

static void wait_for_ready(int count)
{
    run_until_true(test.base, is_ready_count, &count);
}

static long long count_calls(const char *command)
{
    char text[16384];
    char line[64];

    redis_ask_text("INFO commandstats", text, sizeof text);
    snprintf(line, sizeof line, "cmdstat_%s:calls=", command);
    const char *found = strstr(text, line);
    return found == NULL ? 0 : strtoll(found + strlen(line), NULL, 10);
}

/* Puts one job into a lease of this name, as claim.lua does; its slot had come. */
static void plant_lease(const char *lease, const char *user)
{
    char key[256];
    char record[256];

    snprintf(key, sizeof key, "authlink:lease:%s", lease);
    snprintf(record, sizeof record, "0000000000000001 0 0 1700000000000 1700000000000000 %s", user);
    const char *words[] = {"HSET", key, user, record};
    freeReplyObject(redis_ask_argv(4, words));
    ask("ZADD authlink:leases 9999999999999 %s", lease);
    ask("HSET authlink:inflight %s %s", user, lease);
    ask("HSET authlink:stats taken 1");
}

START_TEST(pushed_ids_become_jobs_and_outcomes_become_hashes)
{
    push(10);
    start();
    wait_for_ready(10);
    ck_assert_uint_eq(test.jobs, 10);
    ck_assert_int_eq(
        redis_ask_int("EXISTS authlink:session:end_usr_00000 authlink:session:end_usr_00009"), 2);
    ck_assert_int_eq(redis_ask_int("EXISTS authlink:queue authlink:leases authlink:inflight"), 0);
    ck_assert_str_eq(test.state, "working");
}
END_TEST

START_TEST(push_to_an_idle_queue_is_seen)
{
    start();
    run_until_true(test.base, is_working, NULL);
    run_for_ms(test.base, 50);
    push(1);
    wait_for_ready(1);
}
END_TEST

START_TEST(delayed_job_is_claimed_when_it_is_due)
{
    start();
    run_until_true(test.base, is_working, NULL);
    ask("HSET authlink:stats taken 1");
    const char *words[] = {
        "EVAL",
        "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000) "
        "redis.call('ZADD', KEYS[1], string.format('%.0f', now + 200), "
        "'0000000000000001 0 0 1700000000000 0 end_usr_a')",
        "1", "authlink:delayed"};
    freeReplyObject(redis_ask_argv(4, words));
    wait_for_ready(1);
}
END_TEST

START_TEST(no_more_jobs_are_handed_out_than_there_is_room_for)
{
    test.room = 7;
    test.keeps = true;
    push(30);
    start();
    wait_for_jobs(7);
    run_for_ms(test.base, 100);
    ck_assert_uint_eq(test.jobs, 7);
    settle_kept();
    wait_for_jobs(14);
}
END_TEST

START_TEST(round_trips_for_many_jobs_are_few)
{
    push(4000);
    start();
    wait_for_ready(4000);
    long long calls = count_calls("evalsha");
    ck_assert_msg(calls <= 4000 / 20, "%lld calls for 4000 jobs", calls);
}
END_TEST

START_TEST(idle_queue_is_quiet)
{
    test.settings.timing = timing_get();
    start();
    run_until_true(test.base, is_working, NULL);
    run_for_ms(test.base, 100);
    ask("CONFIG RESETSTAT");
    run_for_ms(test.base, 2500);
    ck_assert_int_le(count_calls("evalsha"), 2); /* a reap or two, no claim */
    ck_assert_int_le(count_calls("blmove"), 1);
}
END_TEST

START_TEST(outcome_made_while_redis_is_away_is_stored_when_it_is_back)
{
    test.keeps = true;
    push(3);
    start();
    wait_for_jobs(3);
    ask("CLIENT KILL TYPE normal");
    wait_for_state("no Redis");
    settle_kept();
    wait_for_ready(3);
    run_until_true(test.base, is_settled, NULL);
    ck_assert_int_eq(stat("fenced"), 0);
    ck_assert_int_eq(stat("recovered"), 0);
    ck_assert_uint_eq(test.jobs, 3);
}
END_TEST

START_TEST(jobs_in_hand_survive_a_lost_connection)
{
    test.keeps = true;
    push(3);
    start();
    wait_for_jobs(3);
    for (int i = 0; i < 3; i++) {
        ask("CLIENT KILL TYPE normal");
        wait_for_state("no Redis");
        run_until_true(test.base, is_working, NULL);
    }
    run_for_ms(test.base, 300);
    ck_assert_uint_eq(test.lost_leases, 0);
    ck_assert_uint_eq(test.jobs, 3);
    settle_kept();
    wait_for_ready(3);
    ck_assert_int_eq(stat("fenced"), 0);
}
END_TEST

START_TEST(server_that_is_killed_and_comes_back_empty_is_worked_with_again)
{
    test.keeps = true;
    push(3);
    start();
    wait_for_jobs(3);
    redis_kill();
    wait_for_state("no Redis");
    redis_restart();
    run_until_true(test.base, is_working, NULL);
    ck_assert_uint_eq(test.lost_leases, 1); /* its leases are gone with it */
    test.keeps = false;
    push(2);
    wait_for_ready(2);
    redis_kill(); /* the one that this test started */
}
END_TEST

START_TEST(stray_of_this_process_is_given_back_unharmed_within_its_time)
{
    char lease[128];

    start();
    run_until_true(test.base, is_working, NULL);
    snprintf(lease, sizeof lease, TEST_OWNER "/%s/99", queue_boot(test.queue));
    plant_lease(lease, "end_usr_a");
    wait_for_ready(1);
    ck_assert_uint_eq(test.recoveries, 0);
    ck_assert_int_eq(stat("recovered"), 0);
}
END_TEST

START_TEST(lease_of_an_earlier_process_is_given_back_at_once)
{
    test.settings.timing = timing_get(); /* not only after the reap interval */
    plant_lease(TEST_OWNER "/00000000000000bb/5", "end_usr_a");
    start();
    wait_for_ready(1);
    ck_assert_uint_eq(test.recoveries, 1);
    ck_assert_int_eq(stat("recovered"), 1);
}
END_TEST

START_TEST(many_leases_of_an_earlier_process_are_all_given_back)
{
    char lease[128];
    char user[32];

    for (int i = 0; i < 100; i++) {
        snprintf(lease, sizeof lease, TEST_OWNER "/00000000000000bb/%d", i);
        snprintf(user, sizeof user, "end_usr_%d", i);
        plant_lease(lease, user);
    }
    start();
    wait_for_ready(100);
}
END_TEST

START_TEST(lease_of_another_owner_is_left_alone_before_its_deadline)
{
    test.settings.timing.foreign_after_ms = 0;
    plant_lease("other@ffffffffffffffff/00000000000000cc/5", "end_usr_a");
    start();
    run_until_true(test.base, is_working, NULL);
    run_for_ms(test.base, 300);
    ck_assert_uint_eq(test.jobs, 0);
    ask("ZADD authlink:leases 1 other@ffffffffffffffff/00000000000000cc/5");
    wait_for_ready(1);
}
END_TEST

START_TEST(lease_that_was_taken_away_is_told_and_its_late_outcome_is_fenced)
{
    test.keeps = true;
    test.room = 1;
    push(2);
    start();
    wait_for_jobs(1);
    struct job *running = test.kept; /* as if its request were under way */
    test.kept = NULL;
    ask("DEL authlink:lease:" TEST_OWNER "/%s/1", queue_boot(test.queue));
    ask("DEL authlink:leases authlink:inflight");
    while (test.lost_leases == 0)
        run_for_ms(test.base, 1);
    settle(running);
    tell_room();
    wait_for_jobs(2);
    while (stat("fenced") == 0)
        run_for_ms(test.base, 1);
    settle_kept();
    wait_for_ready(1);
    ck_assert_uint_eq(test.lost_leases, 1);
}
END_TEST

START_TEST(pause_is_told_and_work_goes_on_after_it)
{

    const char *words[] = {"HSET", "authlink:holds", "pause", "1700000000000 0 0 0 - for lunch"};
    freeReplyObject(redis_ask_argv(4, words));
    push(1);
    start();
    wait_for_state("held: pause");
    ck_assert(test.was_pause);
    run_for_ms(test.base, 100);
    ck_assert_uint_eq(test.jobs, 0);
    ask("DEL authlink:holds");
    wait_for_ready(1);
    wait_for_state("working");
}
END_TEST

START_TEST(hold_of_another_key_does_not_bind)
{
    const char *words[] = {"HSET", "authlink:holds", "account:ffffffffffff",
                           "1700000000000 0 9999999999999 1000 - no such key"};
    freeReplyObject(redis_ask_argv(4, words));
    push(1);
    start();
    wait_for_ready(1);
    ck_assert_int_eq(test.holds, 0);
}
END_TEST

START_TEST(data_of_another_project_is_not_touched)
{
    ask("HSET authlink:meta schema 1 publishableKey pk_conductor_other");
    push(1);
    start();
    wait_for_state("another project");
    run_for_ms(test.base, 100);
    ck_assert_uint_eq(test.jobs, 0);
    ck_assert_int_eq(redis_ask_int("LLEN authlink:queue"), 1);
}
END_TEST

START_TEST(refused_settle_stops_claims_and_is_repeated_until_it_is_taken)
{
    test.keeps = true;
    test.room = 2;
    push(5);
    start();
    wait_for_jobs(2);
    test.room = 4;
    ask("CONFIG SET min-replicas-to-write 1");
    settle_kept();
    run_for_ms(test.base, 300);
    ck_assert(!queue_is_settled(test.queue));
    ck_assert_uint_eq(test.jobs, 2);
    struct queue_progress progress = queue_progress(test.queue);
    ck_assert_int_ge(progress.last_attempt_us, clock_mono_us() - 5 * US_PER_SEC);
    ask("CONFIG SET min-replicas-to-write 0");
    test.keeps = false;
    wait_for_ready(5);
    ck_assert_int_eq(stat("fenced"), 0);
}
END_TEST

START_TEST(server_without_memory_stores_links_and_hands_out_nothing)
{
    test.keeps = true;
    test.room = 2;
    push(4);
    start();
    wait_for_jobs(2);
    ask("CONFIG SET maxmemory 1");
    test.keeps = false;
    settle_kept();
    wait_for_ready(2);
    run_for_ms(test.base, 150);
    ck_assert_uint_eq(test.jobs, 2);
    ask("CONFIG SET maxmemory 0");
    wait_for_ready(4);
}
END_TEST

START_TEST(replica_is_left_and_looked_for_anew)
{
    start();
    run_until_true(test.base, is_working, NULL);
    ask("REPLICAOF 127.0.0.1 1");
    wait_for_state("no Redis");
    ask("REPLICAOF NO ONE");
    push(1);
    wait_for_ready(1);
}
END_TEST

START_TEST(scripts_may_be_flushed_at_any_time)
{
    test.keeps = true;
    test.room = 1;
    push(20);
    start();
    for (uint32_t i = 1; i <= 20; i++) {
        wait_for_jobs(i);
        ask("SCRIPT FLUSH");
        settle_kept();
    }
    wait_for_ready(20);
    ck_assert_int_eq(stat("taken"), 20);
    ck_assert_int_eq(stat("recovered"), 0);
}
END_TEST

START_TEST(key_of_another_type_is_a_state_and_not_the_end)
{
    ask("SET authlink:queue text");
    start();
    run_until_true(test.base, is_working, NULL);
    run_for_ms(test.base, 200);
    ask("DEL authlink:queue");
    push(1);
    wait_for_ready(1);
}
END_TEST

START_TEST(password_is_asked_for_at_every_connection)
{
    snprintf(test.settings.address.user, sizeof test.settings.address.user, "worker");
    snprintf(test.password, sizeof test.password, "first");
    ask("ACL SETUSER worker on >first ~* &* +@all");
    start();
    run_until_true(test.base, is_working, NULL);
    ask("ACL SETUSER worker resetpass >second");
    snprintf(test.password, sizeof test.password, "second");
    ask("CLIENT KILL USER worker");
    wait_for_state("no Redis");
    push(1);
    wait_for_ready(1);
    ask("ACL DELUSER worker");
}
END_TEST

START_TEST(drained_queue_claims_nothing_and_settles_what_is_in_hand)
{
    test.keeps = true;
    test.room = 3;
    push(6);
    start();
    wait_for_jobs(3);
    queue_drain(test.queue);
    test.room = 64;
    ck_assert_uint_eq(test.settled_times, 0);
    settle_kept();
    run_until_true(test.base, is_settled, NULL);
    wait_for_ready(3);
    ck_assert_uint_ge(test.settled_times, 1);
    run_for_ms(test.base, 150);
    ck_assert_uint_eq(test.jobs, 3);
    ck_assert_int_eq(redis_ask_int("LLEN authlink:queue"), 3);
}
END_TEST

START_TEST(drained_queue_that_loses_redis_still_settles)
{
    test.keeps = true;
    push(3);
    start();
    wait_for_jobs(3);
    queue_drain(test.queue);
    ask("CLIENT KILL TYPE normal");
    wait_for_state("no Redis");
    settle_kept();
    wait_for_ready(3);
    run_for_ms(test.base, 150);
    ck_assert_uint_eq(test.jobs, 3);
}
END_TEST

START_TEST(reload_sets_the_rate_of_the_fleet_and_the_key)
{
    char text[64];
    const char *words[] = {"HSET", "authlink:holds", "unknown_users:ffffffffffff",
                           "1700000000000 0 0 0 - the keys of another project"};

    freeReplyObject(redis_ask_argv(4, words));
    start();
    run_until_true(test.base, is_working, NULL);
    push(1);
    wait_for_ready(1); /* that key is not ours */
    test.settings.per_sec = 77;
    snprintf(test.settings.key_fp, sizeof test.settings.key_fp, "ffffffffffff");
    ck_assert_int_eq(queue_reload(test.queue, &test.settings), RESULT_OK);
    while (strcmp(redis_ask_text("HGET authlink:limiter perSec", text, sizeof text), "77") != 0)
        run_for_ms(test.base, 2);
    ask("RPUSH authlink:queue end_usr_next");
    wait_for_state("held: unknown_users");
    ck_assert_int_eq(stat("ready"), 1);
    test.settings.key_fp[0] = '0';
    ck_assert_int_eq(queue_reload(test.queue, &test.settings), RESULT_OK);
    wait_for_ready(2);
}
END_TEST

START_TEST(queue_can_be_freed_at_any_moment)
{
    for (int ms = 0; ms < 12; ms++) {
        test.keeps = true;
        push(5);
        start();
        run_for_ms(test.base, ms);
        test.queue = queue_free(test.queue);
        test.kept = NULL;
        test.in_hand = 0;
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
    struct queue_callbacks others = callbacks;
    struct queue_settings settings = test.settings;

    others.on_jobs = on_jobs_of_second;
    snprintf(settings.owner, sizeof settings.owner, "other@ffffffffffffffff");
    start();
    second = queue_new(test.base, &settings, &others, NULL);
    queue_start(second);
    queue_set_room(second, 8);
    run_until_true(test.base, is_second_shown, NULL);
    push(500);
    wait_for_ready(500);
    ck_assert_uint_eq(test.jobs + second_jobs, 500);
    ck_assert_uint_gt(test.jobs, 0);
    ck_assert_int_eq(stat("taken"), 500);
    ck_assert_int_eq(stat("recovered"), 0);
    ck_assert_int_eq(redis_ask_int("EXISTS authlink:leases authlink:inflight"), 0);
    queue_free(second);
}
END_TEST

static void add_tests(TCase *tcase)
{
    tcase_add_test(tcase, pushed_ids_become_jobs_and_outcomes_become_hashes);
    tcase_add_test(tcase, push_to_an_idle_queue_is_seen);
    tcase_add_test(tcase, delayed_job_is_claimed_when_it_is_due);
    tcase_add_test(tcase, no_more_jobs_are_handed_out_than_there_is_room_for);
    tcase_add_test(tcase, round_trips_for_many_jobs_are_few);
    tcase_add_test(tcase, idle_queue_is_quiet);
    tcase_add_test(tcase, outcome_made_while_redis_is_away_is_stored_when_it_is_back);
    tcase_add_test(tcase, jobs_in_hand_survive_a_lost_connection);
    tcase_add_test(tcase, stray_of_this_process_is_given_back_unharmed_within_its_time);
    tcase_add_test(tcase, lease_of_an_earlier_process_is_given_back_at_once);
    tcase_add_test(tcase, many_leases_of_an_earlier_process_are_all_given_back);
    tcase_add_test(tcase, lease_of_another_owner_is_left_alone_before_its_deadline);
    tcase_add_test(tcase, lease_that_was_taken_away_is_told_and_its_late_outcome_is_fenced);
    tcase_add_test(tcase, pause_is_told_and_work_goes_on_after_it);
    tcase_add_test(tcase, hold_of_another_key_does_not_bind);
    tcase_add_test(tcase, data_of_another_project_is_not_touched);
    tcase_add_test(tcase, refused_settle_stops_claims_and_is_repeated_until_it_is_taken);
    tcase_add_test(tcase, server_without_memory_stores_links_and_hands_out_nothing);
    tcase_add_test(tcase, replica_is_left_and_looked_for_anew);
    tcase_add_test(tcase, scripts_may_be_flushed_at_any_time);
    tcase_add_test(tcase, key_of_another_type_is_a_state_and_not_the_end);
    tcase_add_test(tcase, password_is_asked_for_at_every_connection);
    tcase_add_test(tcase, drained_queue_claims_nothing_and_settles_what_is_in_hand);
    tcase_add_test(tcase, drained_queue_that_loses_redis_still_settles);
    tcase_add_test(tcase, reload_sets_the_rate_of_the_fleet_and_the_key);
    tcase_add_test(tcase, queue_can_be_freed_at_any_moment);
    tcase_add_test(tcase, two_queues_share_the_work_and_no_job_twice);
}

int main(void)
{
    Suite *suite = suite_create("queue");
    TCase *tcase = tcase_create("queue");
    TCase *killed = tcase_create("server that is killed");

    tcase_add_unchecked_fixture(tcase, redis_begin, redis_end);
    tcase_add_checked_fixture(tcase, begin, end);
    add_tests(tcase);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);

    tcase_add_unchecked_fixture(killed, redis_begin, redis_end);
    tcase_add_checked_fixture(killed, begin, end);
    tcase_add_test(killed, server_that_is_killed_and_comes_back_empty_is_worked_with_again);
    tcase_set_timeout(killed, 60);
    suite_add_tcase(suite, killed);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
