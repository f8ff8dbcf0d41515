/* test_claim.c - claim.lua hands out jobs and slots, once, in order, within its bounds. */
#include "support_steps.h"

#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOW_SETTINGS SETTINGS_BUT("\"perSec\":10")
#define HORIZON_US    250000

static void push_users(int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char user[32];
        snprintf(user, sizeof user, "user-%d", i);
        push(user);
        world_forget();
    }
}

START_TEST(job_goes_from_queue_to_lease)
{
    push("user-1");
    push("user-2");
    int64_t before_ms = server_now_ms();
    const redisReply *reply = CLAIM(.want = 1, .lease_ms = 40000);
    int64_t after_ms = server_now_ms();

    ck_assert_uint_eq(claimed_count(reply), 1);
    struct claimed job = claimed_at(reply, 0);
    ck_assert_str_eq(job.user, "user-1");
    ck_assert_str_eq(job.job_key, "1");
    ck_assert_int_eq(job.attempts, 0);
    ck_assert_int_eq(job.recoveries, 0);
    ck_assert_int_eq(job.age_ms, 0);
    ck_assert_int_eq(number_of(at(reply, 2)), 0);
    ck_assert_int_eq(number_of(at(reply, 3)), 1);
    ck_assert_int_eq(number_of(at(reply, 4)), -1);
    ck_assert_str_eq(text_of(at(reply, 5)), "100000 1 100000 99500");

    int64_t deadline_ms = number_of(COMMAND("ZSCORE", key_of("leases"), LEASE));
    ck_assert_int_ge(deadline_ms, before_ms + 40000);
    ck_assert_int_le(deadline_ms, after_ms + 40000);
    ck_assert_str_eq(hash_field("inflight", "user-1"), LEASE);
    const char *record = hash_field("lease:" LEASE, "user-1");
    ck_assert_int_eq(strncmp(record, "0000000000000001 0 0 ", 21), 0);
    ck_assert_str_eq(strrchr(record, ' '), " user-1");
    ck_assert_int_eq(number_of(COMMAND("LLEN", key_of("queue"))), 1);
}
END_TEST

START_TEST(jobs_come_in_the_order_of_the_queue_at_slots_of_their_own)
{
    push_users(1, 40);
    const redisReply *reply = CLAIM(.settings = SETTINGS_BUT("\"perSec\":1000"));
    int64_t last_us = -1;

    ck_assert_uint_eq(claimed_count(reply), 40);
    for (size_t i = 0; i < 40; i++) {
        struct claimed job = claimed_at(reply, i);
        ck_assert_int_eq(strtol(job.user + strlen("user-"), NULL, 10), (long)i + 1);
        ck_assert_int_ge(job.slot_offset_us, last_us + (i > 0 ? 1000 : 1));
        ck_assert_int_le(job.slot_offset_us, HORIZON_US);
        last_us = job.slot_offset_us;
    }
}
END_TEST

START_TEST(person_who_waits_is_served_first)
{
    push_users(1, 3);
    COMMAND("LPUSH", key_of("queue"), "waiting");
    ck_assert_str_eq(claimed_at(CLAIM(.want = 1), 0).user, "waiting");
}
END_TEST

START_TEST(no_claim_gets_more_jobs_than_there_are_slots)
{
    push_users(1, 10);
    const redisReply *first = CLAIM(.settings = SLOW_SETTINGS);
    ck_assert_uint_eq(claimed_count(first), 3); /* of 10/s, within 250 ms */
    const redisReply *second = CLAIM(.lease = LEASE_2, .settings = SLOW_SETTINGS);
    ck_assert_str_eq(word_of(second), "wait");
    ck_assert_int_ge(number_of(at(second, 2)), 1);
    ck_assert_int_le(number_of(at(second, 2)), 1000);
    ck_assert_int_eq(number_of(COMMAND("LLEN", key_of("queue"))), 7);
}
END_TEST

START_TEST(unused_slot_is_not_spent)
{
    push_users(1, 1);
    CLAIM(.settings = SLOW_SETTINGS);
    push_users(2, 5);
    ck_assert_uint_eq(claimed_count(CLAIM(.lease = LEASE_2, .settings = SLOW_SETTINGS)), 2);
}
END_TEST

START_TEST(two_claims_never_share_a_slot)
{
    push_users(1, 20);
    const redisReply *mine = CLAIM(.want = 5, .settings = SETTINGS_BUT("\"perSec\":100"));
    const redisReply *theirs = CLAIM(.lease = OTHER_LEASE, .want = 5);
    int64_t now_us = server_now_us();
    int64_t last_of_mine = strtoll(hash_field("limiter", "nextUs"), NULL, 10);

    ck_assert_uint_eq(claimed_count(mine), 5);
    ck_assert_uint_eq(claimed_count(theirs), 5);
    int64_t reply_gap_us = 1000 * (number_of(at(theirs, 0)) - number_of(at(mine, 0)) + 1);
    ck_assert_int_ge(claimed_at(theirs, 0).slot_offset_us + reply_gap_us,
                     claimed_at(mine, 4).slot_offset_us + 10000);
    ck_assert_int_gt(last_of_mine, now_us);
}
END_TEST

START_TEST(idle_claim_writes_nothing)
{
    push_users(1, 1);
    CLAIM(0);
    const char *before = database_digest();
    ck_assert_uint_eq(claimed_count(CLAIM(.lease = LEASE_2)), 0);
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

static void delay(int64_t due_ms, const char *record)
{
    COMMAND("ZADD", key_of("delayed"), digits(due_ms), record);
    COMMAND("HINCRBY", key_of("stats"), "taken", "1");
}

START_TEST(delayed_job_comes_when_it_is_due_with_its_history)
{
    int64_t now_ms = server_now_ms();

    delay(now_ms - 5, "0000000000000001 3 1 1000 0 due");
    delay(now_ms + 60000, "0000000000000002 0 0 1000 0 later");
    const redisReply *reply = CLAIM(0);
    ck_assert_uint_eq(claimed_count(reply), 1);
    struct claimed job = claimed_at(reply, 0);
    ck_assert_str_eq(job.user, "due");
    ck_assert_int_eq(job.attempts, 3);
    ck_assert_int_eq(job.recoveries, 1);
    ck_assert_int_ge(job.age_ms, now_ms - 1000);
    ck_assert_int_gt(number_of(at(reply, 4)), 50000);
    ck_assert_int_le(number_of(at(reply, 4)), 60000);
}
END_TEST

START_TEST(queue_and_delayed_take_turns)
{
    int64_t now_ms = server_now_ms();
    char users[200] = "";

    push_users(1, 4);
    delay(now_ms - 4, "0000000000000001 0 0 1000 0 delayed-1");
    delay(now_ms - 3, "0000000000000002 0 0 1000 0 delayed-2");
    delay(now_ms - 2, "0000000000000003 0 0 1000 0 delayed-3");
    const redisReply *reply = CLAIM(.want = 6);
    ck_assert_uint_eq(claimed_count(reply), 6);
    for (size_t i = 0; i < 6; i++) {
        size_t len = strlen(users);
        snprintf(users + len, sizeof users - len, "%s ", claimed_at(reply, i).user);
    }
    ck_assert_str_eq(users, "delayed-1 user-1 delayed-2 user-2 delayed-3 user-3 ");
}
END_TEST

START_TEST(queue_and_delayed_take_turns_at_one_slot_a_claim_too)
{
    int from_queue = 0;

    push_users(1, 4);
    for (int i = 1; i <= 4; i++) {
        char record[64];
        snprintf(record, sizeof record, "%016d 0 0 1000 0 delayed-%d", i, i);
        delay(i, record);
    }
    for (int i = 0; i < 4; i++) {
        char lease[64];
        snprintf(lease, sizeof lease, "%s/%s/%d", OWNER, BOOT, i + 10);
        const redisReply *reply = CLAIM(.lease = lease, .want = 1);
        ck_assert_uint_eq(claimed_count(reply), 1);
        from_queue += strncmp(claimed_at(reply, 0).user, "user", 4) == 0;
    }
    ck_assert_int_eq(from_queue, 2);
}
END_TEST

START_TEST(equal_elements_stay_two_jobs)
{
    push("u");
    push("u");
    CLAIM(0);
    SETTLE(1, {.user = "u", .kind = "retry", .signal = "down"});
    ck_assert_int_eq(number_of(COMMAND("ZCARD", key_of("delayed"))), 2);
    ck_assert_int_eq(counter_value("taken"), 2);
}
END_TEST

START_TEST(bad_jobs_cost_no_slot_and_a_claim_looks_at_1024_at_most)
{
    struct buffer bad;

    buffer_init(&bad, 64);
    for (int i = 0; i < 1100; i++) {
        buffer_append_format(&bad, "bad job %d", i);
        push(buffer_text(&bad));
        buffer_reset(&bad);
        world_forget();
    }
    push("good");
    ck_assert_uint_eq(claimed_count(CLAIM(.settings = SLOW_SETTINGS)), 0);
    ck_assert_int_eq(counter_value("dead"), 1024);
    ck_assert_int_eq(number_of(COMMAND("LLEN", key_of("queue"))), 77);
    ck_assert_uint_eq(claimed_count(CLAIM(.settings = SLOW_SETTINGS)), 1);
    buffer_done(&bad);
}
END_TEST

START_TEST(reply_of_long_jobs_is_bounded)
{
    char filler[2001], payload[2200];

    memset(filler, 'a', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    for (int i = 0; i < 200; i++) {
        snprintf(payload, sizeof payload,
                 "{\"endUserId\":\"u%d\",\"redirectUrl\":\"https://app.example.com/%s\"}", i,
                 filler);
        push(payload);
        world_forget();
    }
    size_t handed_out = claimed_count(CLAIM(0));
    ck_assert_uint_ge(handed_out, 80);
    ck_assert_uint_le(handed_out, 96); /* 192 KiB */
    ck_assert_int_eq(number_of(COMMAND("LLEN", key_of("queue"))), 200 - (long long)handed_out);
}
END_TEST

START_TEST(name_of_a_lease_is_used_once)
{
    push("u1");
    push("u2");
    CLAIM(.want = 1);
    const char *before = database_digest();
    expect_error(CLAIM(.want = 1), "ERR authlink name used twice");
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

START_TEST(first_claim_says_whose_data_it_is)
{
    CLAIM(0);
    ck_assert_str_eq(hash_field("meta", "schema"), "1");
    ck_assert_str_eq(hash_field("meta", "publishableKey"), "pk_test");
}
END_TEST

static const struct {
    const char *name;
    const char *schema, *publishable_key, *what, *theirs;
} foreigners[] = {
    {"older daemon", "0", "pk_test", "schema", "1"},
    {"newer daemon", "2", "pk_test", "schema", "1"},
    {"another project", "1", "pk_other", "publishableKey", "pk_test"},
};

START_TEST(daemon_of_another_schema_or_project_gets_nothing)
{
    CLAIM(0);
    push("u");
    const char *before = database_digest();
    const redisReply *reply = CLAIM(.lease = LEASE_2, .schema = foreigners[_i].schema,
                                    .publishable_key = foreigners[_i].publishable_key);
    ck_assert_msg(strcmp(word_of(reply), "foreign") == 0, "%s", foreigners[_i].name);
    ck_assert_str_eq(text_of(at(reply, 2)), foreigners[_i].what);
    ck_assert_str_eq(text_of(at(reply, 3)), foreigners[_i].theirs);
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

static const char *const fixed_keys[] = {"queue",    "delayed", "lease:" LEASE, "leases",
                                         "inflight", "limiter", "holds",        "events",
                                         "dead",     "stats",   "meta"};

START_TEST(foreign_type_of_a_key_refuses_the_claim_whole)
{
    const char *name = fixed_keys[_i];

    push("bad job");
    push("u");
    COMMAND("DEL", key_of(name));
    if (strcmp(name, "queue") == 0)
        COMMAND("SET", key_of(name), "foreign");
    else
        COMMAND("RPUSH", key_of(name), "foreign");
    const char *before = database_digest();
    const redisReply *reply = CLAIM(0);
    expect_error(reply, "ERR authlink wrongtype " WORLD_PREFIX ":");
    ck_assert_ptr_nonnull(strstr(reply->str, name));
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

START_TEST(claim_takes_nothing_when_redis_is_out_of_memory)
{
    push("bad job");
    push("u");
    const char *before = database_digest();
    set_out_of_memory(true);
    expect_error(CLAIM(0), "OOM");
    set_out_of_memory(false);
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

/* What the fleet's limiter says stands, whatever the settings of the one that claims. */
START_TEST(rate_of_the_fleet_stands_against_the_settings_of_one)
{
    push_users(1, 3);
    CLAIM(.want = 1, .settings = SETTINGS_BUT("\"perSec\":20"));
    const redisReply *reply = CLAIM(.lease = LEASE_2, .want = 1, .settings = SETTINGS);
    ck_assert_str_eq(text_of(at(reply, 5)), "20 1 100000 19.899999999999999");
}
END_TEST

/* As after an HDEL by hand: what is missing begins anew, in a claim and in a settle. */
START_TEST(limiter_without_its_pace_begins_anew)
{
    take("u", LEASE);
    COMMAND("HDEL", key_of("limiter"), "pace", "base");
    push("v");
    ck_assert_uint_eq(claimed_count(CLAIM(.lease = LEASE_2)), 1);
    COMMAND("HSET", key_of("limiter"), "pace", "0");
    ck_assert_str_eq(word_of(SETTLE(1, {.user = "u", .kind = "created", .signal = "ok"})), "done");
    ck_assert_str_ne(text_of(COMMAND("HGET", key_of("limiter"), "pace")), "0");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("claim");
    TCase *tcase = tcase_create("claim");

    add_world(tcase);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, job_goes_from_queue_to_lease);
    tcase_add_test(tcase, jobs_come_in_the_order_of_the_queue_at_slots_of_their_own);
    tcase_add_test(tcase, person_who_waits_is_served_first);
    tcase_add_test(tcase, no_claim_gets_more_jobs_than_there_are_slots);
    tcase_add_test(tcase, unused_slot_is_not_spent);
    tcase_add_test(tcase, two_claims_never_share_a_slot);
    tcase_add_test(tcase, idle_claim_writes_nothing);
    tcase_add_test(tcase, delayed_job_comes_when_it_is_due_with_its_history);
    tcase_add_test(tcase, queue_and_delayed_take_turns);
    tcase_add_test(tcase, queue_and_delayed_take_turns_at_one_slot_a_claim_too);
    tcase_add_test(tcase, equal_elements_stay_two_jobs);
    tcase_add_test(tcase, bad_jobs_cost_no_slot_and_a_claim_looks_at_1024_at_most);
    tcase_add_test(tcase, reply_of_long_jobs_is_bounded);
    tcase_add_test(tcase, name_of_a_lease_is_used_once);
    tcase_add_test(tcase, first_claim_says_whose_data_it_is);
    tcase_add_loop_test(tcase, daemon_of_another_schema_or_project_gets_nothing, 0,
                        (int)(sizeof foreigners / sizeof foreigners[0]));
    tcase_add_loop_test(tcase, foreign_type_of_a_key_refuses_the_claim_whole, 0,
                        (int)(sizeof fixed_keys / sizeof fixed_keys[0]));
    tcase_add_test(tcase, claim_takes_nothing_when_redis_is_out_of_memory);
    tcase_add_test(tcase, rate_of_the_fleet_stands_against_the_settings_of_one);
    tcase_add_test(tcase, limiter_without_its_pace_begins_anew);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
