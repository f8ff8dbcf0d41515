/* test_settle_fence.c - a job that is no longer ours is fenced, and a link that came late is no
 * loss. */
#include "support_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000
#define CREATED   .kind = "created", .signal = "ok", .auth_flow_url = "https://connect.example/1"

/* A number that the pace has learned (pace.lua): `<name> <number> ...` of all that is not 0. */
static long learned(const char *name)
{
    char word[32];

    snprintf(word, sizeof word, " %s ", name);
    const char *found = strstr(text_of(COMMAND("HGET", key_of("limiter"), "learned")), word);
    return found != NULL ? strtol(found + strlen(word), NULL, 10) : 0;
}

/* The job was taken by LEASE, which a reap gave back. */
static void lose_lease(const char *payload)
{
    take(payload, LEASE);
    expect_fine(REAP(LEASE));
}

static const char *const kinds[] = {"retry",    "throttled", "account_error", "unsent",
                                    "returned", "rejected",  "gave_up"};

START_TEST(fenced_outcome_moves_nothing)
{
    lose_lease("u");
    const struct delayed before = only_delayed();
    char record[128];
    snprintf(record, sizeof record, "%s", before.record);
    const redisReply *reply =
        SETTLE(1, {.user = "u", .kind = kinds[_i], .signal = "account", .told = REFUSED});
    ck_assert_uint_eq(fenced_count(reply), 1);
    ck_assert_str_eq(text_of(at(at(reply, 2), 0)), "u");
    ck_assert_str_eq(only_delayed().record, record);
    ck_assert_int_eq(counter_value("fenced"), 1);
    ck_assert_int_eq(counter_value("attempts"), 0);
    ck_assert_int_eq(number_of(COMMAND("EXISTS", key_of("session:u"), key_of("dead"),
                                       key_of("events"), key_of("holds"))),
                     0);
    ck_assert_int_eq(learned("thr"), 0);
}
END_TEST

START_TEST(repetition_of_an_item_within_a_settle_is_fenced)
{
    take("u", LEASE);
    ck_assert_uint_eq(
        fenced_count(SETTLE(1, {.user = "u", .kind = "retry"}, {.user = "u", .kind = "retry"})), 1);
    ck_assert_int_eq(only_delayed().attempts, 1);
}
END_TEST

static void nothing(void)
{
}

static void link_of_another_attempt(void)
{
    store_link("u", 20 * MINUTE_MS, "", 1000);
}

static void link_that_is_over(void)
{
    store_link("u", -1, "", 1000);
}

static void another_lease(void)
{
    ck_assert_uint_eq(claimed_count(CLAIM(.lease = OTHER_LEASE)), 1);
}

static const struct {
    const char *name;
    void (*prepare)(void);
    int64_t age_ms, life_ms;
    bool is_stored;
} late_links[] = {
    {"nobody has a better one", nothing, 1000, 30 * MINUTE_MS, true},
    {"the old one is over", link_that_is_over, 1000, 30 * MINUTE_MS, true},
    {"a valid one is stored", link_of_another_attempt, 1000, 30 * MINUTE_MS, false},
    {"the job is in flight again", another_lease, 1000, 30 * MINUTE_MS, false},
    {"sent half an hour ago", nothing, 30 * MINUTE_MS, 60 * MINUTE_MS, false},
    {"sent just under half an hour ago", nothing, 29 * MINUTE_MS, 35 * MINUTE_MS, true},
    {"expired meanwhile", nothing, 20 * MINUTE_MS, 20 * MINUTE_MS, false},
};

START_TEST(late_link_is_stored_where_none_is_and_the_job_lives)
{
    lose_lease("u");
    late_links[_i].prepare();
    ck_assert_uint_eq(fenced_count(SETTLE(1, {.user = "u",
                                              CREATED,
                                              .age_ms = late_links[_i].age_ms,
                                              .life_ms = late_links[_i].life_ms,
                                              .link_expiry_mins = 60})),
                      1);
    bool is_stored =
        strcmp(hash_field("session:u", "authFlowUrl"), "https://connect.example/1") == 0;
    ck_assert_msg(is_stored == late_links[_i].is_stored, "%s", late_links[_i].name);
    ck_assert_int_eq(counter_value("late"), is_stored ? 1 : 0);
    ck_assert_int_eq(counter_value("ready"), 0);
    ck_assert_int_eq(number_of(COMMAND("EXISTS", key_of("events"))), 0);
}
END_TEST

START_TEST(job_of_a_late_link_ends_reused)
{
    lose_lease("u");
    SETTLE(1, {.user = "u", CREATED});
    ck_assert_uint_eq(claimed_count(CLAIM(.lease = LEASE_2)), 0);
    ck_assert_int_eq(counter_value("reused"), 1);
}
END_TEST

/* X is stopped and reaped, another job of the user is in flight, and X's link comes first. */
START_TEST(newer_link_is_never_overwritten_by_an_older_one)
{
    lose_lease("u");
    CLAIM(.lease = LEASE_2);
    SETTLE(1, {.user = "u", CREATED});
    ck_assert_int_eq(number_of(COMMAND("EXISTS", key_of("session:u"))), 0);
    SETTLE(2, {.user = "u",
               .lease = LEASE_2,
               .kind = "created",
               .signal = "ok",
               .auth_flow_url = "https://new"});
    SETTLE(3, {.user = "u", CREATED});
    ck_assert_str_eq(hash_field("session:u", "authFlowUrl"), "https://new");
    ck_assert_int_eq(counter_value("late"), 0);
}
END_TEST

START_TEST(late_link_is_kept_beside_a_failed_attempt_of_the_same_settle)
{
    lose_lease("u");
    CLAIM(.lease = LEASE_2);
    SETTLE(1, {.user = "u", .lease = LEASE_2, .kind = "retry", .signal = "down"},
           {.user = "u", CREATED});
    ck_assert_str_eq(hash_field("session:u", "authFlowUrl"), "https://connect.example/1");
    ck_assert_int_eq(counter_value("late"), 1);
}
END_TEST

START_TEST(late_link_is_dropped_beside_a_newer_one_of_the_same_settle)
{
    lose_lease("u");
    CLAIM(.lease = LEASE_2);
    SETTLE(1, {.user = "u", CREATED},
           {.user = "u",
            .lease = LEASE_2,
            .kind = "created",
            .signal = "ok",
            .auth_flow_url = "https://new"});
    ck_assert_str_eq(hash_field("session:u", "authFlowUrl"), "https://new");
    ck_assert_int_eq(counter_value("late"), 0);
}
END_TEST

START_TEST(pace_learns_what_it_is_told_of_jobs_that_are_ours)
{
    push("u1");
    push("u2");
    push("u3");
    push("u4");
    CLAIM(0);
    SETTLE(1, {.user = "u1", CREATED, .told = ACCEPTED}, {.user = "u2", CREATED, .told = ACCEPTED},
           {.user = "u3", .kind = "retry", .signal = "down"},
           {.user = "nobody", CREATED, .told = ACCEPTED});
    ck_assert_int_eq(learned("acc"), 2);
    SETTLE(2, {.user = "u4", .kind = "throttled", .signal = "throttled", .told = REFUSED});
    ck_assert_int_eq(learned("cost"), 1);
    SETTLE(2, {.user = "u4", .kind = "throttled", .signal = "throttled", .told = REFUSED});
    ck_assert_int_eq(learned("cost"), 1);
}
END_TEST

START_TEST(long_retry_after_stops_the_line)
{
    take("u", LEASE);
    int64_t before_us = server_now_us();
    SETTLE(1, {.user = "u",
               .kind = "throttled",
               .signal = "throttled",
               .told = REFUSED,
               .retry_after_ms = 30000});
    ck_assert_int_ge(number_of(COMMAND("HGET", key_of("limiter"), "nextUs")), before_us + 30000000);
    push("other");
    ck_assert_str_eq(word_of(CLAIM(.lease = LEASE_2)), "wait");
}
END_TEST

START_TEST(an_accepted_answer_that_used_the_limit_up_stops_the_line_until_a_test)
{
    push("u");
    CLAIM(0);
    int64_t before_us = server_now_us();
    SETTLE(1, {.user = "u", CREATED, .told = ACCEPTED, .quota_reset_ms = 30000});
    ck_assert_int_ge(number_of(COMMAND("HGET", key_of("limiter"), "nextUs")), before_us + 1000000);
    ck_assert_int_ge(learned("shut_us"), before_us + 30000000);
    ck_assert_int_eq(learned("claims"), 1);
    ck_assert_int_eq(learned("cost"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settle_fence");
    TCase *tcase = tcase_create("settle_fence");

    add_world(tcase);
    tcase_add_loop_test(tcase, fenced_outcome_moves_nothing, 0,
                        (int)(sizeof kinds / sizeof kinds[0]));
    tcase_add_test(tcase, repetition_of_an_item_within_a_settle_is_fenced);
    tcase_add_loop_test(tcase, late_link_is_stored_where_none_is_and_the_job_lives, 0,
                        (int)(sizeof late_links / sizeof late_links[0]));
    tcase_add_test(tcase, job_of_a_late_link_ends_reused);
    tcase_add_test(tcase, newer_link_is_never_overwritten_by_an_older_one);
    tcase_add_test(tcase, late_link_is_kept_beside_a_failed_attempt_of_the_same_settle);
    tcase_add_test(tcase, late_link_is_dropped_beside_a_newer_one_of_the_same_settle);
    tcase_add_test(tcase, pace_learns_what_it_is_told_of_jobs_that_are_ours);
    tcase_add_test(tcase, long_retry_after_stops_the_line);
    tcase_add_test(tcase, an_accepted_answer_that_used_the_limit_up_stops_the_line_until_a_test);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
