/* test_probes.c - claim.lua under holds: who may claim what, and that every hold is probed or ends.
 */
#include "support_steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT       "account:" KEY_FP
#define OTHER_ACCOUNT "account:" OTHER_KEY_FP
#define UNKNOWN_USERS "unknown_users:" KEY_FP
#define MINUTES_10_MS 600000

/* A hold as settle writes it: `until_in_ms` 0 for no end, `next_in_ms` from now. */
static void write_hold(const char *cause, int64_t until_in_ms, int64_t next_in_ms)
{
    char text[256];
    int64_t now_ms = server_now_ms();

    snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %" PRId64 " 1000 - why it is so",
             now_ms - 1000, until_in_ms != 0 ? now_ms + until_in_ms : 0, now_ms + next_in_ms);
    COMMAND("HSET", key_of("holds"), cause, text);
}

static bool is_held(const char *cause)
{
    return hash_field("holds", cause)[0] != '\0';
}

enum answer { JOBS, PROBE, HOLD };

static const struct {
    const char *name;
    struct {
        const char *cause;
        int64_t until_in_ms, next_in_ms;
    } holds[2];
    enum answer answer;
    const char *forbidding;
} rows[] = {
    {"no hold", {{0}}, JOBS, ""},
    {"pause", {{"pause", 0, 0}}, HOLD, "pause"},
    {"pause with an end to come", {{"pause", 60000, 0}}, HOLD, "pause"},
    {"pause that is over", {{"pause", -1, 0}}, JOBS, ""},
    {"outage, its probe not due", {{"outage", 0, 30000}}, HOLD, "outage"},
    {"outage, its probe due", {{"outage", 0, -1}}, PROBE, ""},
    {"account, not due", {{ACCOUNT, 0, 30000}}, HOLD, ACCOUNT},
    {"account, due", {{ACCOUNT, 0, -1}}, PROBE, ""},
    {"account of another key", {{OTHER_ACCOUNT, 0, 30000}}, JOBS, ""},
    {"unknown users", {{UNKNOWN_USERS, 0, -1}}, HOLD, UNKNOWN_USERS},
    {"unknown users of another key", {{"unknown_users:" OTHER_KEY_FP, 0, -1}}, JOBS, ""},
    {"pause in an outage that is due", {{"pause", 0, 0}, {"outage", 0, -1}}, HOLD, "pause"},
    {"two holds, both due", {{ACCOUNT, 0, -1}, {"outage", 0, -1}}, PROBE, ""},
    {"two holds, one due", {{ACCOUNT, 0, -1}, {"outage", 0, 30000}}, HOLD, "outage"},
    {"unknown users and an outage that is due",
     {{UNKNOWN_USERS, 0, 0}, {"outage", 0, -1}},
     HOLD,
     UNKNOWN_USERS},
    {"outage that nobody probed for ten minutes", {{"outage", 0, -MINUTES_10_MS}}, JOBS, ""},
    {"account that nobody probed for ten minutes", {{ACCOUNT, 0, -MINUTES_10_MS}}, JOBS, ""},
    {"outage that nobody probed for nearly ten minutes",
     {{"outage", 0, 30000 - MINUTES_10_MS}},
     PROBE,
     ""},
    {"unknown users for ten minutes", {{UNKNOWN_USERS, 0, -MINUTES_10_MS}}, HOLD, UNKNOWN_USERS},
    {"outage, an hour ahead since the clock went back", {{"outage", 0, 3600000}}, PROBE, ""},
};

START_TEST(claim_gets_jobs_a_probe_or_nothing_as_the_holds_say)
{
    push("u1");
    push("u2");
    for (int i = 0; i < 2 && rows[_i].holds[i].cause != NULL; i++)
        write_hold(rows[_i].holds[i].cause, rows[_i].holds[i].until_in_ms,
                   rows[_i].holds[i].next_in_ms);
    const redisReply *reply = CLAIM(0);
    const char *word = word_of(reply);
    ck_assert_msg((strcmp(word, "hold") == 0) == (rows[_i].answer == HOLD), "%s: %s", rows[_i].name,
                  word);
    if (rows[_i].answer == HOLD) {
        ck_assert_str_eq(text_of(at(reply, 2)), rows[_i].forbidding);
        ck_assert_int_ge(number_of(at(reply, 3)), 1);
        ck_assert_int_le(number_of(at(reply, 3)), 1000);
        ck_assert_str_eq(text_of(at(reply, 4)), "why it is so");
        ck_assert_int_eq(number_of(COMMAND("LLEN", key_of("queue"))), 2);
        return;
    }
    ck_assert_msg(number_of(at(reply, 2)) == (rows[_i].answer == PROBE), "%s", rows[_i].name);
    ck_assert_msg(claimed_count(reply) == (rows[_i].answer == PROBE ? 1 : 2), "%s", rows[_i].name);
}
END_TEST

START_TEST(one_probe_is_under_way_at_a_time_and_has_a_deadline)
{
    push("u1");
    push("u2");
    write_hold("outage", 0, -1);
    ck_assert_uint_eq(claimed_count(CLAIM(.lease_ms = 50)), 1);
    int64_t deadline_ms = server_now_ms() + 50;
    ck_assert_ptr_nonnull(strstr(hash_field("holds", "outage"), " " LEASE " why"));
    const redisReply *second = CLAIM(.lease = LEASE_2);
    ck_assert_str_eq(word_of(second), "hold");
    ck_assert_int_le(number_of(at(second, 3)), 50);
    wait_until_ms(deadline_ms); /* its holder dies */
    const redisReply *third = CLAIM(.lease = OTHER_LEASE);
    ck_assert_uint_eq(claimed_count(third), 1);
    ck_assert_int_eq(number_of(at(third, 2)), 1);
}
END_TEST

START_TEST(probe_that_found_no_job_leaves_the_hold_as_it_was)
{
    write_hold("outage", 0, -1);
    const char *before = hash_field("holds", "outage");
    const redisReply *reply = CLAIM(0);
    ck_assert_uint_eq(claimed_count(reply), 0);
    ck_assert_int_eq(number_of(at(reply, 2)), 0);
    ck_assert_str_eq(hash_field("holds", "outage"), before);
}
END_TEST

START_TEST(hold_that_ended_is_removed)
{
    write_hold("pause", -1, 0);
    write_hold("outage", 0, -MINUTES_10_MS);
    CLAIM(0);
    ck_assert_int_eq(number_of(COMMAND("EXISTS", key_of("holds"))), 0);
}
END_TEST

START_TEST(wait_is_that_of_the_soonest_change)
{
    write_hold("outage", 0, 300);
    write_hold("pause", 700, 0);
    int64_t wait_ms = number_of(at(CLAIM(0), 3));
    ck_assert_int_le(wait_ms, 300);
    ck_assert_int_gt(wait_ms, 0);
}
END_TEST

/* ---- what an operator asks for (hold.lua) ---- */

static redisReply *ask(const char *action, const char *lasts_ms, const char *detail)
{
    static const char *const keys[] = {"holds", "limiter"};
    const char *const args[] = {WORLD_PREFIX, action, lasts_ms, detail};

    return call_step(LUA_STEP_hold, 2, keys, 4, args);
}

START_TEST(pause_lasts_until_it_is_resumed)
{
    push("u");
    ck_assert_str_eq(text_of(at(at(ask("pause", "0", "maintenance until noon"), 1), 0)), "pause");
    const redisReply *reply = CLAIM(0);
    ck_assert_str_eq(word_of(reply), "hold");
    ck_assert_str_eq(text_of(at(reply, 4)), "maintenance until noon");
    ask("resume", "0", "");
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 1);
}
END_TEST

START_TEST(pause_ends_by_itself)
{
    push("u");
    ask("pause", "40", "");
    int64_t end_ms = server_now_ms() + 41;
    ck_assert_str_eq(word_of(CLAIM(0)), "hold");
    wait_until_ms(end_ms);
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 1);
}
END_TEST

START_TEST(resume_lifts_a_pause_and_nothing_else)
{
    ask("pause", "0", "");
    write_hold("outage", 0, 30000);
    write_hold(ACCOUNT, 0, 30000);
    write_hold(UNKNOWN_USERS, 0, 0);
    ck_assert_uint_eq(at(ask("resume", "0", ""), 1)->elements, 1);
    ck_assert(!is_held("pause"));
    ck_assert_int_eq(number_of(COMMAND("HLEN", key_of("holds"))), 3);
}
END_TEST

START_TEST(resume_account_lifts_what_a_person_has_mended)
{
    ask("pause", "0", "");
    write_hold("outage", 0, 30000);
    write_hold(ACCOUNT, 0, 30000);
    write_hold(UNKNOWN_USERS, 0, 0);
    COMMAND("HSET", key_of("limiter"), "missing:" KEY_FP, "20");
    ck_assert_uint_eq(at(ask("resume_account", "0", ""), 1)->elements, 2);
    ck_assert(is_held("pause"));
    ck_assert(is_held("outage"));
    ck_assert_int_eq(number_of(COMMAND("HLEN", key_of("holds"))), 2);
    ck_assert_str_ne(hash_field("limiter", "worked:" KEY_FP), "");
    ck_assert_str_eq(hash_field("limiter", "missing:" KEY_FP), "");
}
END_TEST

START_TEST(resume_of_nothing_changes_nothing)
{
    ck_assert_uint_eq(at(ask("resume", "0", ""), 1)->elements, 0);
    ck_assert_uint_eq(at(ask("resume_account", "0", ""), 1)->elements, 0);
    ck_assert_int_eq(number_of(COMMAND("DBSIZE")), 0);
}
END_TEST

START_TEST(operator_can_pause_when_redis_is_out_of_memory)
{
    set_out_of_memory(true);
    const redisReply *reply = ask("pause", "0", "");
    set_out_of_memory(false);
    expect_fine(reply);
    ck_assert(is_held("pause"));
}
END_TEST

START_TEST(unknown_action_is_refused)
{
    expect_error(ask("stop", "0", ""), "ERR authlink hold");
}
END_TEST

START_TEST(hold_of_unknown_form_forbids_nothing)
{
    COMMAND("HSET", key_of("holds"), "outage", "soon");
    push("u");
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("probes");
    TCase *tcase = tcase_create("probes");

    add_world(tcase);
    tcase_add_loop_test(tcase, claim_gets_jobs_a_probe_or_nothing_as_the_holds_say, 0,
                        (int)(sizeof rows / sizeof rows[0]));
    tcase_add_test(tcase, one_probe_is_under_way_at_a_time_and_has_a_deadline);
    tcase_add_test(tcase, probe_that_found_no_job_leaves_the_hold_as_it_was);
    tcase_add_test(tcase, hold_that_ended_is_removed);
    tcase_add_test(tcase, wait_is_that_of_the_soonest_change);
    tcase_add_test(tcase, pause_lasts_until_it_is_resumed);
    tcase_add_test(tcase, pause_ends_by_itself);
    tcase_add_test(tcase, resume_lifts_a_pause_and_nothing_else);
    tcase_add_test(tcase, resume_account_lifts_what_a_person_has_mended);
    tcase_add_test(tcase, resume_of_nothing_changes_nothing);
    tcase_add_test(tcase, operator_can_pause_when_redis_is_out_of_memory);
    tcase_add_test(tcase, unknown_action_is_refused);
    tcase_add_test(tcase, hold_of_unknown_form_forbids_nothing);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
