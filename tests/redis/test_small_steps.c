/* test_small_steps.c - rate, instance, adopt, redrive, remove, audit: what a start or an operator
 * asks for.
 */
#include "support_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static redisReply *rate(const char *per_sec, const char *burst, const char *max_per_sec)
{
    static const char *const keys[] = {"limiter"};
    const char *const args[] = {WORLD_PREFIX, per_sec, burst, max_per_sec};

    return call_step(LUA_STEP_rate, 1, keys, 4, args);
}

static redisReply *redrive(const char *id)
{
    static const char *const keys[] = {"dead", "delayed", "stats"};
    const char *const args[] = {WORLD_PREFIX, id};

    return call_step(LUA_STEP_redrive, 3, keys, 2, args);
}

static redisReply *remove_letter(const char *id)
{
    static const char *const keys[] = {"dead", "stats"};
    const char *const args[] = {WORLD_PREFIX, id};

    return call_step(LUA_STEP_remove, 2, keys, 2, args);
}

static void bury(const char *payload)
{
    take(payload, LEASE);
    SETTLE(1, {.user = "u", .kind = "rejected", .signal = "own"});
}

START_TEST(first_rate_is_set)
{
    const redisReply *reply = rate("10", "1", "500");
    ck_assert_int_eq(number_of(at(reply, 1)), 1);
    ck_assert_str_eq(text_of(at(reply, 2)), "");
    ck_assert_str_eq(hash_field("limiter", "perSec"), "10");
    ck_assert_str_eq(hash_field("limiter", "burst"), "1");
    ck_assert_str_eq(hash_field("limiter", "maxPerSec"), "500");
    ck_assert_double_eq_tol(strtod(hash_field("limiter", "pace"), NULL), 9.95, 1e-9);
}
END_TEST

START_TEST(same_rate_again_changes_nothing)
{
    rate("10", "1", "500");
    COMMAND("HSET", key_of("limiter"), "pace", "7");
    const char *before = database_digest();
    const redisReply *reply = rate("10", "1", "500");
    ck_assert_int_eq(number_of(at(reply, 1)), 0);
    ck_assert_str_eq(text_of(at(reply, 2)), "10 1 500");
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

static const char *const new_rates[][3] = {
    {"20", "1", "500"}, {"10", "2", "500"}, {"10", "1", "600"}, {"0", "1", "500"}};

START_TEST(changed_rate_starts_the_pace_anew_and_leaves_the_next_slot_where_it_is)
{
    rate("10", "1", "500");
    int64_t next_us = server_now_us() + 5000000;
    COMMAND("HSET", key_of("limiter"), "pace", "7", "nextUs", digits(next_us), "row", "3 1,2",
            "worked:" KEY_FP, "5");
    const redisReply *reply = rate(new_rates[_i][0], new_rates[_i][1], new_rates[_i][2]);
    ck_assert_int_eq(number_of(at(reply, 1)), 1);
    ck_assert_str_eq(text_of(at(reply, 2)), "10 1 500");
    ck_assert_str_eq(hash_field("limiter", "perSec"), new_rates[_i][0]);
    ck_assert_str_ne(hash_field("limiter", "pace"), "7");
    ck_assert_str_eq(hash_field("limiter", "nextUs"), digits(next_us));
    ck_assert_str_eq(hash_field("limiter", "row"), "3 1,2");
    ck_assert_str_eq(hash_field("limiter", "worked:" KEY_FP), "5");
}
END_TEST

START_TEST(rate_that_is_no_number_is_refused)
{
    expect_error(rate("ten", "1", "500"), "ERR authlink rate");
    ck_assert_int_eq(number_of(COMMAND("DBSIZE")), 0);
}
END_TEST

START_TEST(adopted_data_can_be_claimed)
{
    static const char *const keys[] = {"meta"};
    static const char *const args[] = {WORLD_PREFIX, "pk_other", "2"};

    CLAIM(0);
    push("u");
    const redisReply *reply = call_step(LUA_STEP_adopt, 1, keys, 3, args);
    ck_assert_str_eq(text_of(at(reply, 1)), "1");
    ck_assert_str_eq(text_of(at(reply, 2)), "pk_test");
    ck_assert_str_eq(word_of(CLAIM(.lease = LEASE_2)), "foreign");
    ck_assert_uint_eq(
        claimed_count(CLAIM(.lease = LEASE_2, .publishable_key = "pk_other", .schema = "2")), 1);
}
END_TEST

START_TEST(redriven_letter_is_a_job_without_a_past)
{
    bury("{\"endUserId\":\"u\",\"ref\":\"mail\"}");
    int64_t before_ms = server_now_ms();
    const redisReply *reply = redrive(last_letter_id());
    ck_assert_str_eq(text_of(at(at(reply, 1), 0)), "redriven");
    struct delayed job = only_delayed();
    ck_assert_int_eq(job.attempts, 0);
    ck_assert_int_eq(job.recoveries, 0);
    ck_assert_str_eq(job.payload, "{\"endUserId\":\"u\",\"ref\":\"mail\"}");
    ck_assert_int_ge(job.due_ms, before_ms);
    ck_assert_int_le(job.due_ms, server_now_ms());
    ck_assert_int_eq(number_of(COMMAND("XLEN", key_of("dead"))), 0);
    const redisReply *again = CLAIM(.lease = LEASE_2);
    ck_assert_uint_eq(claimed_count(again), 1);
    ck_assert_str_eq(claimed_at(again, 0).job_key, "1");
    ck_assert_int_lt(claimed_at(again, 0).age_ms, 60000);
}
END_TEST

START_TEST(letter_is_redriven_once)
{
    bury("u");
    const char *id = last_letter_id();
    redrive(id);
    ck_assert_str_eq(text_of(at(at(redrive(id), 1), 0)), "missing");
    ck_assert_int_eq(counter_value("redriven"), 1);
    ck_assert_str_eq(only_delayed().payload, "u");
}
END_TEST

static const char *const no_ids[] = {"",     "x",  "-",    "+",   "$",  "5",
                                     "(5-1", "5-", "5-1 ", "5-*", "1-1"};

START_TEST(text_that_is_no_entry_ID_redrives_and_removes_nothing)
{
    COMMAND("XADD", key_of("dead"), "5-1", "payload", "u", "payloadBytes", "1");
    COMMAND("HSET", key_of("stats"), "dead", "1", "taken", "1");
    ck_assert_str_eq(text_of(at(at(redrive(no_ids[_i]), 1), 0)), "missing");
    ck_assert_int_eq(number_of(at(remove_letter(no_ids[_i]), 1)), 0);
    ck_assert_int_eq(number_of(COMMAND("XLEN", key_of("dead"))), 1);
}
END_TEST

START_TEST(letter_without_a_job_key_gets_one_of_its_own)
{
    COMMAND("XADD", key_of("dead"), "5-1", "payload", "u", "payloadBytes", "1");
    COMMAND("HSET", key_of("stats"), "dead", "1", "taken", "1");
    redrive("5-1");
    const redisReply *reply = CLAIM(0);
    ck_assert_uint_eq(claimed_count(reply), 1);
    ck_assert_str_eq(claimed_at(reply, 0).job_key, "r1");
    SETTLE(1, {.user = "u", .kind = "rejected", .signal = "own"});
    ck_assert_str_eq(field_of(last_letter(), "jobKey"), "r1");
    redrive(last_letter_id());
    ck_assert_int_eq(strncmp(only_delayed().record, "r000000000000001 ", 17), 0);
}
END_TEST

START_TEST(letter_that_kept_a_part_of_its_payload_is_not_redriven)
{
    char payload[5001];

    memset(payload, 'a', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    push(payload);
    CLAIM(0);
    ck_assert_str_eq(text_of(at(at(redrive(last_letter_id()), 1), 0)), "too_long");
    ck_assert_int_eq(number_of(COMMAND("XLEN", key_of("dead"))), 1);
}
END_TEST

START_TEST(removed_letter_is_gone_and_counted)
{
    bury("u");
    const char *id = last_letter_id();
    ck_assert_int_eq(number_of(at(remove_letter(id), 1)), 1);
    ck_assert_int_eq(number_of(at(remove_letter(id), 1)), 0);
    ck_assert_int_eq(counter_value("removed"), 1);
    ck_assert_int_eq(number_of(COMMAND("XLEN", key_of("dead"))), 0);
}
END_TEST

START_TEST(letters_can_be_removed_when_redis_is_out_of_memory)
{
    bury("u");
    const char *id = last_letter_id();
    set_out_of_memory(true);
    const redisReply *reply = remove_letter(id);
    set_out_of_memory(false);
    ck_assert_int_eq(number_of(at(reply, 1)), 1);
}
END_TEST

START_TEST(audit_counts_every_place_and_writes_nothing)
{
    static const char *const keys[] = {"queue", "delayed", "leases", "inflight", "dead", "stats"};
    static const char *const args[] = {WORLD_PREFIX};

    bury("u");
    push("u1");
    push("u2");
    push("u3");
    CLAIM(.lease = LEASE_2, .want = 2);
    SETTLE(2,
           {.user = "u1", .lease = LEASE_2, .kind = "retry", .signal = "down", .delay_ms = 60000});
    const char *before = database_digest();
    const redisReply *audit = call_step(LUA_STEP_audit, 6, keys, 1, args);
    static const long long expected[] = {1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        ck_assert_int_eq(number_of(at(audit, i + 1)), expected[i]);
    ck_assert_str_eq(field_of(at(audit, 7), "taken"), "3");
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

static redisReply *instance(const char *state)
{
    static const char *const keys[] = {"instance:a@b"};
    const char *const args[] = {WORLD_PREFIX, "60000", "state", state, "pid", "7"};

    return call_step(LUA_STEP_instance, 1, keys, 6, args);
}

START_TEST(instance_has_its_fields_and_an_end_from_its_first_write_on)
{
    instance("working");
    ck_assert_str_eq(hash_field("instance:a@b", "state"), "working");
    ck_assert_str_eq(hash_field("instance:a@b", "pid"), "7");
    long long ttl_ms = COMMAND("PTTL", key_of("instance:a@b"))->integer;
    ck_assert_int_gt(ttl_ms, 50000);
    ck_assert_int_le(ttl_ms, 60000);
}
END_TEST

START_TEST(instance_under_a_foreign_key_is_refused_and_nothing_written)
{
    COMMAND("SET", key_of("instance:a@b"), "foreign");
    const char *before = database_digest();
    expect_error(instance("working"), "ERR authlink wrongtype");
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("small_steps");
    TCase *tcase = tcase_create("small_steps");

    add_world(tcase);
    tcase_add_test(tcase, instance_has_its_fields_and_an_end_from_its_first_write_on);
    tcase_add_test(tcase, instance_under_a_foreign_key_is_refused_and_nothing_written);
    tcase_add_test(tcase, first_rate_is_set);
    tcase_add_test(tcase, same_rate_again_changes_nothing);
    tcase_add_loop_test(tcase,
                        changed_rate_starts_the_pace_anew_and_leaves_the_next_slot_where_it_is, 0,
                        (int)(sizeof new_rates / sizeof new_rates[0]));
    tcase_add_test(tcase, rate_that_is_no_number_is_refused);
    tcase_add_test(tcase, adopted_data_can_be_claimed);
    tcase_add_test(tcase, redriven_letter_is_a_job_without_a_past);
    tcase_add_test(tcase, letter_is_redriven_once);
    tcase_add_loop_test(tcase, text_that_is_no_entry_ID_redrives_and_removes_nothing, 0,
                        (int)(sizeof no_ids / sizeof no_ids[0]));
    tcase_add_test(tcase, letter_without_a_job_key_gets_one_of_its_own);
    tcase_add_test(tcase, letter_that_kept_a_part_of_its_payload_is_not_redriven);
    tcase_add_test(tcase, removed_letter_is_gone_and_counted);
    tcase_add_test(tcase, letters_can_be_removed_when_redis_is_out_of_memory);
    tcase_add_test(tcase, audit_counts_every_place_and_writes_nothing);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
