/* test_claim_users.c - claim.lua and end users: one attempt at a time, links used again. */
#include "support_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000

START_TEST(user_is_handed_out_once_in_one_claim)
{
    push("u");
    push("u");
    push("other");
    const redisReply *reply = CLAIM(0);
    ck_assert_uint_eq(claimed_count(reply), 2);
    ck_assert_str_eq(claimed_at(reply, 1).user, "other");
    ck_assert_str_eq(only_delayed().payload, "u");
}
END_TEST

START_TEST(user_in_flight_is_handed_out_to_nobody)
{
    take("u", OTHER_LEASE);
    push("u");
    int64_t before_ms = server_now_ms();
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 0);
    struct delayed job = only_delayed();
    ck_assert_int_ge(job.due_ms, before_ms + 250);
    ck_assert_int_eq(job.attempts, 0);
    ck_assert_str_eq(hash_field("inflight", "u"), OTHER_LEASE);
}
END_TEST

static const struct {
    int64_t age_ms, wait_ms;
} put_offs[] = {{0, 250}, {1000, 1000}, {4000, 4000}, {60000, 10000}};

START_TEST(twin_waits_as_long_again_as_it_has_waited)
{
    char record[64];

    take("u", OTHER_LEASE);
    int64_t now_ms = server_now_ms();
    snprintf(record, sizeof record, "0000000000000009 2 0 %s 0 u",
             digits(now_ms - put_offs[_i].age_ms));
    COMMAND("ZADD", key_of("delayed"), digits(now_ms - 1), record);
    COMMAND("HINCRBY", key_of("stats"), "taken", "1");
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 0);
    struct delayed job = only_delayed();
    ck_assert_int_ge(job.due_ms, now_ms + put_offs[_i].wait_ms);
    ck_assert_int_le(job.due_ms,
                     server_now_ms() + put_offs[_i].wait_ms + (server_now_ms() - now_ms));
    ck_assert_int_eq(job.attempts, 2);
}
END_TEST

START_TEST(put_back_jobs_are_looked_at_once_and_hide_nobody)
{
    char record[64];

    take("u", OTHER_LEASE);
    for (int i = 0; i < 40; i++) {
        snprintf(record, sizeof record, "%016d 0 0 1000 0 %s", i + 10,
                 i % 2 == 0 ? "u" : "bad one");
        COMMAND("ZADD", key_of("delayed"), "1", record);
    }
    COMMAND("ZADD", key_of("delayed"), "2", "0000000000000099 0 0 1000 0 last");
    COMMAND("HINCRBY", key_of("stats"), "taken", "41");
    const redisReply *reply = CLAIM(0);
    ck_assert_uint_eq(claimed_count(reply), 1);
    ck_assert_str_eq(claimed_at(reply, 0).user, "last");
    ck_assert_int_eq(number_of(COMMAND("ZCARD", key_of("delayed"))), 20);
    ck_assert_int_eq(counter_value("dead"), 20);
}
END_TEST

START_TEST(index_without_a_lease_blocks_nobody)
{
    world.law_is_off = true;
    COMMAND("HSET", key_of("inflight"), "u", OTHER_LEASE);
    push("u");
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 1);
    ck_assert_str_eq(hash_field("inflight", "u"), LEASE);
}
END_TEST

START_TEST(index_that_names_a_lease_without_the_user_blocks_nobody)
{
    take("other", OTHER_LEASE);
    world.law_is_off = true;
    COMMAND("HSET", key_of("inflight"), "u", OTHER_LEASE);
    push("u");
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 1);
}
END_TEST

START_TEST(lease_without_a_deadline_gets_one_when_it_is_met)
{
    take("u", OTHER_LEASE);
    world.law_is_off = true;
    COMMAND("ZREM", key_of("leases"), OTHER_LEASE);
    push("u");
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 0);
    ck_assert_int_le(number_of(COMMAND("ZSCORE", key_of("leases"), OTHER_LEASE)), server_now_ms());
    world.law_is_off = false;
    reap(true, 0, NULL);
    ck_assert_int_eq(number_of(COMMAND("HLEN", key_of("inflight"))), 0);
}
END_TEST

/* The job asks for 30 minutes, so that 15 must be left. */
static const struct {
    const char *name;
    const char *payload;
    int64_t valid_ms;
    const char *redirect_url;
    int64_t updated_ago_ms;
    bool is_reused;
} links[] = {
    {"enough left", "u", 16 * MINUTE_MS, "", 100000, true},
    {"too little left", "u", 14 * MINUTE_MS, "", 100000, false},
    {"enough for the longer link asked for", "{\"endUserId\":\"u\",\"linkExpiryMins\":60}",
     31 * MINUTE_MS, "", 100000, true},
    {"too little for the longer link", "{\"endUserId\":\"u\",\"linkExpiryMins\":60}",
     29 * MINUTE_MS, "", 100000, false},
    {"over", "u", -1, "", 100000, false},
    {"leads elsewhere", "u", 16 * MINUTE_MS, "https://app.example.com/", 100000, false},
    {"leads where the job wants",
     "{\"endUserId\":\"u\",\"redirectUrl\":\"https://app.example.com/\"}", 16 * MINUTE_MS,
     "https://app.example.com/", 100000, true},
    {"forced, old", "{\"endUserId\":\"u\",\"force\":true}", 16 * MINUTE_MS, "", 61000, false},
    {"forced, seconds old", "{\"endUserId\":\"u\",\"force\":true}", 16 * MINUTE_MS, "", 30000,
     true},
    {"forced, seconds old, elsewhere", "{\"endUserId\":\"u\",\"force\":true}", 16 * MINUTE_MS,
     "https://app.example.com/", 30000, false},
    {"forced, an hour after the clock went back", "{\"endUserId\":\"u\",\"force\":true}",
     16 * MINUTE_MS, "", -3600000, false},
};

START_TEST(valid_link_is_used_again)
{
    store_link("u", links[_i].valid_ms, links[_i].redirect_url, links[_i].updated_ago_ms);
    push(links[_i].payload);
    size_t handed_out = claimed_count(CLAIM(0));

    ck_assert_msg((handed_out == 0) == links[_i].is_reused, "%s", links[_i].name);
    ck_assert_int_eq(counter_value("reused"), links[_i].is_reused ? 1 : 0);
}
END_TEST

START_TEST(reuse_is_an_event_with_the_sessions_id)
{
    store_link("u", 20 * MINUTE_MS, "", 100000);
    push("{\"endUserId\":\"u\",\"ref\":\"mail\"}");
    CLAIM(0);
    const redisReply *event = last_event();
    ck_assert_str_eq(field_of(event, "type"), "reused");
    ck_assert_str_eq(field_of(event, "jobKey"), "1");
    ck_assert_str_eq(field_of(event, "endUserId"), "u");
    ck_assert_str_eq(field_of(event, "ref"), "mail");
    ck_assert_str_eq(field_of(event, "sessionId"), "auth_sess_old");
    ck_assert_str_eq(field_of(event, "expiresAtMs"), hash_field("session:u", "expiresAtMs"));
    ck_assert_str_eq(field_of(event, "authFlowUrl"), "");
}
END_TEST

START_TEST(reused_link_bears_the_ref_of_who_asked_last)
{
    store_link("u", 20 * MINUTE_MS, "", 100000);
    long long ttl_ms = number_of(COMMAND("PTTL", key_of("session:u")));
    push("{\"endUserId\":\"u\",\"ref\":\"mail\"}");
    push("u");
    CLAIM(0);
    ck_assert_int_eq(counter_value("reused"), 2);
    ck_assert_str_eq(hash_field("session:u", "ref"), "mail");
    ck_assert_int_le(number_of(COMMAND("PTTL", key_of("session:u"))), ttl_ms);
}
END_TEST

START_TEST(failed_hash_is_no_link)
{
    store_link("u", 20 * MINUTE_MS, "", 100000);
    COMMAND("HSET", key_of("session:u"), "status", "failed");
    push("u");
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 1);
}
END_TEST

START_TEST(foreign_type_under_the_name_of_a_session_is_no_link)
{
    COMMAND("SET", key_of("session:u"), "foreign");
    push("u");
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 1);
}
END_TEST

START_TEST(job_that_came_too_late_leaves_a_failed_hash)
{
    push("{\"endUserId\":\"u\",\"notAfterMs\":1000,\"ref\":\"mail\"}");
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 0);
    ck_assert_str_eq(hash_field("session:u", "status"), "failed");
    ck_assert_str_eq(hash_field("session:u", "reason"), "too_late");
    ck_assert_str_eq(hash_field("session:u", "ref"), "mail");
    long long ttl_ms = number_of(COMMAND("PTTL", key_of("session:u")));
    ck_assert_int_gt(ttl_ms, 604800000 - 60000);
    ck_assert_int_le(ttl_ms, 604800000);
    ck_assert_str_eq(field_of(last_letter(), "endUserId"), "u");
}
END_TEST

START_TEST(job_that_came_too_late_leaves_a_valid_link_alone)
{
    store_link("u", 20 * MINUTE_MS, "", 100000);
    push("{\"endUserId\":\"u\",\"notAfterMs\":1000}");
    CLAIM(0);
    ck_assert_str_eq(hash_field("session:u", "status"), "ready");
    ck_assert_str_eq(field_of(last_letter(), "reason"), "too_late");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("claim_users");
    TCase *tcase = tcase_create("claim_users");

    add_world(tcase);
    tcase_add_test(tcase, user_is_handed_out_once_in_one_claim);
    tcase_add_test(tcase, user_in_flight_is_handed_out_to_nobody);
    tcase_add_loop_test(tcase, twin_waits_as_long_again_as_it_has_waited, 0,
                        (int)(sizeof put_offs / sizeof put_offs[0]));
    tcase_add_test(tcase, put_back_jobs_are_looked_at_once_and_hide_nobody);
    tcase_add_test(tcase, index_without_a_lease_blocks_nobody);
    tcase_add_test(tcase, index_that_names_a_lease_without_the_user_blocks_nobody);
    tcase_add_test(tcase, lease_without_a_deadline_gets_one_when_it_is_met);
    tcase_add_loop_test(tcase, valid_link_is_used_again, 0, (int)(sizeof links / sizeof links[0]));
    tcase_add_test(tcase, reuse_is_an_event_with_the_sessions_id);
    tcase_add_test(tcase, reused_link_bears_the_ref_of_who_asked_last);
    tcase_add_test(tcase, failed_hash_is_no_link);
    tcase_add_test(tcase, foreign_type_under_the_name_of_a_session_is_no_link);
    tcase_add_test(tcase, job_that_came_too_late_leaves_a_failed_hash);
    tcase_add_test(tcase, job_that_came_too_late_leaves_a_valid_link_alone);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
