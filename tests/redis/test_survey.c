/* test_survey.c - the survey tells what stands in every place, and writes nothing. */
#include "support_steps.h"

#include <stdio.h>
#include <string.h>

enum place {
    QUEUE = 1,
    DELAYED,
    LEASES,
    INFLIGHT,
    LETTERS,
    HEAD_AGE_MS,
    OVERDUE_MS,
    MEMORY_USED,
    MEMORY_MAX,
    CAUSES,
    PER_SEC,
    PACE,
    COUNTERS,
};

static const redisReply *survey(void)
{
    static const char *const keys[] = {"queue", "delayed", "leases", "inflight",
                                       "dead",  "stats",   "holds",  "limiter"};
    static const char *const args[] = {WORLD_PREFIX, KEY_FP};

    return call_step(LUA_STEP_survey, 8, keys, 2, args);
}

START_TEST(empty_fleet_is_all_zeros)
{
    const redisReply *reply = survey();

    expect_fine(reply);
    for (size_t place = QUEUE; place <= LETTERS; place++)
        ck_assert_int_eq(number_of(at(reply, place)), 0);
    ck_assert_int_eq(number_of(at(reply, HEAD_AGE_MS)), -1);
    ck_assert_int_eq(number_of(at(reply, OVERDUE_MS)), 0);
    ck_assert_int_gt(number_of(at(reply, MEMORY_USED)), 0);
    ck_assert_uint_eq(at(reply, CAUSES)->elements, 0);
    ck_assert_str_eq(text_of(at(reply, PACE)), "");
    ck_assert_uint_eq(at(reply, COUNTERS)->elements, 0);
}
END_TEST

START_TEST(survey_counts_every_place_and_writes_nothing)
{
    take("dead", LEASE);
    SETTLE(1, {.user = "dead", .kind = "rejected", .signal = "own"});
    push("u1");
    push("u2");
    push("u3");
    push("u4");
    CLAIM(.lease = LEASE_2, .want = 2);
    SETTLE(2,
           {.user = "u1", .lease = LEASE_2, .kind = "retry", .signal = "down", .delay_ms = 60000});
    const char *before = database_digest();
    const redisReply *reply = survey();
    ck_assert_int_eq(number_of(at(reply, QUEUE)), 2);
    for (size_t place = DELAYED; place <= LETTERS; place++)
        ck_assert_int_eq(number_of(at(reply, place)), 1);
    ck_assert_int_eq(number_of(at(reply, OVERDUE_MS)), 0);
    ck_assert_str_eq(text_of(at(reply, PER_SEC)), hash_field("limiter", "perSec"));
    ck_assert_str_eq(text_of(at(reply, PACE)), hash_field("limiter", "pace"));
    ck_assert_str_eq(field_of(at(reply, COUNTERS), "taken"), "3");
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

static const struct {
    const char *before; /* the time when it was enqueued */
    const char *behind;
    bool is_known;
} heads[] = {
    {"{\"endUserId\":\"u\",\"enqueuedAtMs\":", "}", true},
    {"{ \"enqueuedAtMs\" : ", " , \"endUserId\":\"u\"}", true},
    {"u", "", false},
    {"{\"endUserId\":\"u\",\"notAfterMs\":", "}", false},
    {"{\"endUserId\":\"u\",\"ref\":\"\\\"enqueuedAtMs\\\":", "\"}", false},
    {"{\"endUserId\":\"u\",\"enqueuedAtMs\":\"", "\"}", false},
};

START_TEST(age_of_the_head_is_told_where_its_producer_said_when)
{
    char payload[256];
    int64_t enqueued_ms = server_now_ms() - 5000;

    snprintf(payload, sizeof payload, "%s%s%s", heads[_i].before, digits(enqueued_ms),
             heads[_i].behind);
    push(payload);
    push("{\"endUserId\":\"v\",\"enqueuedAtMs\":1}"); /* not the head */
    long long age_ms = number_of(at(survey(), HEAD_AGE_MS));
    if (heads[_i].is_known)
        ck_assert(age_ms >= 5000 && age_ms <= server_now_ms() - enqueued_ms);
    else
        ck_assert_int_eq(age_ms, -1);
}
END_TEST

START_TEST(head_from_the_future_has_no_age)
{
    push("{\"endUserId\":\"u\",\"enqueuedAtMs\":99999999999999}");
    ck_assert_int_eq(number_of(at(survey(), HEAD_AGE_MS)), 0);
}
END_TEST

START_TEST(delayed_job_that_nobody_takes_is_overdue)
{
    take("u", LEASE);
    SETTLE(1, {.user = "u", .kind = "retry", .signal = "none"});
    wait_until_ms(only_delayed().due_ms + 10);
    ck_assert_int_ge(number_of(at(survey(), OVERDUE_MS)), 10);
}
END_TEST

static const struct {
    const char *cause;
    const char *until; /* "": none, "past", "future" */
    bool binds;
} holds[] = {
    {"pause", "", true},
    {"pause", "future", true},
    {"pause", "past", false},
    {"outage", "", true},
    {"account:" KEY_FP, "", true},
    {"account:" OTHER_KEY_FP, "", false},
    {"unknown_users:" KEY_FP, "", true},
    {"unknown_users:" OTHER_KEY_FP, "", false},
    {"something_else", "", false},
};

START_TEST(holds_that_bind_this_key_are_named)
{
    char hold[64];
    int64_t now_ms = server_now_ms();
    int64_t until_ms = strcmp(holds[_i].until, "") == 0       ? 0
                       : strcmp(holds[_i].until, "past") == 0 ? now_ms - 1
                                                              : now_ms + 60000;

    snprintf(hold, sizeof hold, "%s %s 0 0 - why", digits(now_ms), digits(until_ms));
    COMMAND("HSET", key_of("holds"), holds[_i].cause, hold);
    const redisReply *causes = at(survey(), CAUSES);
    ck_assert_uint_eq(causes->elements, holds[_i].binds);
    if (holds[_i].binds)
        ck_assert_str_eq(text_of(at(causes, 0)), holds[_i].cause);
}
END_TEST

START_TEST(memory_is_that_of_the_server)
{
    COMMAND("CONFIG", "SET", "maxmemory", "1000000000");
    const redisReply *reply = survey();
    COMMAND("CONFIG", "SET", "maxmemory", "0");
    ck_assert_int_gt(number_of(at(reply, MEMORY_USED)), 100000);
    ck_assert_int_eq(number_of(at(reply, MEMORY_MAX)), 1000000000);
    ck_assert_int_eq(number_of(at(survey(), MEMORY_MAX)), 0);
}
END_TEST

START_TEST(fleet_is_surveyed_also_where_redis_is_out_of_memory)
{
    push("u");
    set_out_of_memory(true);
    const redisReply *reply = survey();
    set_out_of_memory(false);
    ck_assert_int_eq(number_of(at(reply, QUEUE)), 1);
}
END_TEST

START_TEST(foreign_type_is_an_error)
{
    COMMAND("SET", key_of("holds"), "x");
    expect_error(survey(), "ERR authlink wrongtype");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("survey");
    TCase *tcase = tcase_create("survey");

    add_world(tcase);
    tcase_add_test(tcase, empty_fleet_is_all_zeros);
    tcase_add_test(tcase, survey_counts_every_place_and_writes_nothing);
    tcase_add_loop_test(tcase, age_of_the_head_is_told_where_its_producer_said_when, 0,
                        (int)(sizeof heads / sizeof heads[0]));
    tcase_add_test(tcase, head_from_the_future_has_no_age);
    tcase_add_test(tcase, delayed_job_that_nobody_takes_is_overdue);
    tcase_add_loop_test(tcase, holds_that_bind_this_key_are_named, 0,
                        (int)(sizeof holds / sizeof holds[0]));
    tcase_add_test(tcase, memory_is_that_of_the_server);
    tcase_add_test(tcase, fleet_is_surveyed_also_where_redis_is_out_of_memory);
    tcase_add_test(tcase, foreign_type_is_an_error);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
