/* test_settle.c - settle.lua records what became of jobs, once, whatever is lost on the way. */
#include "support_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS   60000
#define SETTLED_KEY "settled:" BOOT
#define CREATED                                                                                    \
    .kind = "created", .signal = "ok", .session_id = "auth_sess_1",                                \
    .auth_flow_url = "https://connect.example/1", .request_id = "req_1"

static bool is_there(const char *name)
{
    return number_of(COMMAND("EXISTS", key_of(name))) == 1;
}

static bool is_leased(void)
{
    return is_there("lease:" LEASE) || is_there("leases") || is_there("inflight");
}

enum place { NOWHERE, DELAYED, DEAD };

static const struct {
    const char *kind, *signal;
    enum place place;
    int64_t delay_ms; /* what becomes of the 5,000 asked for */
    int64_t attempts; /* afterwards, one before */
    const char *counter, *second_counter;
} kinds[] = {
    {"retry", "down", DELAYED, 5000, 2, "attempts", "retried"},
    {"throttled", "throttled", DELAYED, 5000, 1, "throttled", ""},
    {"account_error", "account", DELAYED, 5000, 1, "", ""},
    {"unsent", "down", DELAYED, 5000, 1, "unsent", ""},
    {"returned", "none", DELAYED, 0, 1, "returned", ""},
    {"rejected", "own", DEAD, 0, 2, "attempts", "dead"},
    {"gave_up", "down", DEAD, 0, 2, "attempts", "dead"},
    {"created", "ok", NOWHERE, 0, 2, "attempts", "ready"},
};

static void expect_counters_of_kind(int row)
{
    static const char *const all[] = {"attempts", "retried", "throttled", "unsent", "returned",
                                      "dead",     "ready",   "fenced",    "late",   "recovered"};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        bool is_meant = strcmp(all[i], kinds[row].counter) == 0 ||
                        strcmp(all[i], kinds[row].second_counter) == 0;
        ck_assert_msg(counter_value(all[i]) == (is_meant ? 1 : 0), "%s: %s is %lld",
                      kinds[row].kind, all[i], counter_value(all[i]));
    }
}

START_TEST(job_goes_where_its_outcome_says)
{
    COMMAND("ZADD", key_of("delayed"), "1", "0000000000000001 1 4 1000 0 u");
    COMMAND("HINCRBY", key_of("stats"), "taken", "1");
    CLAIM(0);
    int64_t before_ms = server_now_ms();
    expect_fine(SETTLE(1, {.user = "u",
                           .kind = kinds[_i].kind,
                           .signal = kinds[_i].signal,
                           .delay_ms = 5000,
                           .detail = "why"}));
    ck_assert(!is_leased());
    expect_counters_of_kind(_i);
    if (kinds[_i].place == DELAYED) {
        struct delayed job = only_delayed();
        ck_assert_int_ge(job.due_ms, before_ms + kinds[_i].delay_ms);
        ck_assert_int_le(job.due_ms, server_now_ms() + kinds[_i].delay_ms);
        ck_assert_int_eq(job.attempts, kinds[_i].attempts);
        ck_assert_int_eq(job.recoveries, 4);
        ck_assert_int_eq(job.slot_us, 0);
        ck_assert(!is_there("session:u"));
        ck_assert(!is_there("events"));
        return;
    }
    ck_assert_str_eq(hash_field("session:u", "attempts"), digits(kinds[_i].attempts));
    ck_assert_str_eq(field_of(last_event(), "attempts"), digits(kinds[_i].attempts));
    ck_assert_int_eq(is_there("dead"), kinds[_i].place == DEAD);
    if (kinds[_i].place == DEAD) {
        ck_assert_str_eq(field_of(last_letter(), "attempts"), digits(kinds[_i].attempts));
        ck_assert_str_eq(field_of(last_letter(), "recoveries"), "4");
    }
}
END_TEST

START_TEST(created_session_is_stored_whole)
{
    COMMAND("HSET", key_of("session:u"), "status", "failed", "reason", "rejected");
    take("{\"endUserId\":\"u\",\"ref\":\"mail\"}", LEASE);
    int64_t before_ms = server_now_ms();
    SETTLE(1, {.user = "u",
               CREATED,
               .age_ms = 200,
               .life_ms = 30 * MINUTE_MS,
               .ref = "mail",
               .redirect_url = "https://app.example.com/"});

    const redisReply *session = COMMAND("HGETALL", key_of("session:u"));
    int64_t expires_ms = strtoll(field_of(session, "expiresAtMs"), NULL, 10);
    ck_assert_uint_eq(session->elements, 2 * 13);
    ck_assert_str_eq(field_of(session, "status"), "ready");
    ck_assert_str_eq(field_of(session, "endUserId"), "u");
    ck_assert_str_eq(field_of(session, "sessionId"), "auth_sess_1");
    ck_assert_str_eq(field_of(session, "authFlowUrl"), "https://connect.example/1");
    ck_assert_str_eq(field_of(session, "createdAt"), "2026-01-01T00:00:00.000Z");
    ck_assert_str_eq(field_of(session, "expiresAt"), "2026-01-01T00:30:00.000Z");
    ck_assert_str_eq(field_of(session, "redirectUrl"), "https://app.example.com/");
    ck_assert_str_eq(field_of(session, "linkExpiryMins"), "30");
    ck_assert_str_eq(field_of(session, "ref"), "mail");
    ck_assert_str_eq(field_of(session, "attempts"), "1");
    ck_assert_str_eq(field_of(session, "requestId"), "req_1");
    ck_assert_int_ge(strtoll(field_of(session, "updatedAtMs"), NULL, 10), before_ms);
    ck_assert_int_ge(expires_ms, before_ms - 200 + 30 * MINUTE_MS);
    ck_assert_int_le(expires_ms, server_now_ms() - 200 + 30 * MINUTE_MS);
    ck_assert_int_eq(number_of(COMMAND("PEXPIRETIME", key_of("session:u"))), expires_ms);
    ck_assert_int_ge(counter_value("lastReadyMs"), before_ms);

    const redisReply *event = last_event();
    ck_assert_str_eq(field_of(event, "type"), "ready");
    ck_assert_str_eq(field_of(event, "jobKey"), "1");
    ck_assert_str_eq(field_of(event, "ref"), "mail");
    ck_assert_str_eq(field_of(event, "sessionId"), "auth_sess_1");
    ck_assert_str_eq(field_of(event, "expiresAtMs"), digits(expires_ms));
    ck_assert_str_eq(field_of(event, "authFlowUrl"), "");
}
END_TEST

START_TEST(life_of_a_link_is_at_most_what_was_asked_for_and_five_minutes)
{
    take("u", LEASE);
    int64_t before_ms = server_now_ms();
    SETTLE(1, {.user = "u", CREATED, .life_ms = 600 * MINUTE_MS, .link_expiry_mins = 30});
    int64_t expires_ms = strtoll(hash_field("session:u", "expiresAtMs"), NULL, 10);
    ck_assert_int_ge(expires_ms, before_ms + 35 * MINUTE_MS);
    ck_assert_int_le(expires_ms, server_now_ms() + 35 * MINUTE_MS);
}
END_TEST

START_TEST(link_that_expired_before_its_settle_is_made_anew)
{
    take("u", LEASE);
    SETTLE(1, {.user = "u",
               CREATED,
               .age_ms = 30 * MINUTE_MS,
               .life_ms = 30 * MINUTE_MS,
               .delay_ms = 100});
    ck_assert(!is_there("session:u"));
    ck_assert_int_eq(only_delayed().attempts, 1);
    ck_assert_int_eq(counter_value("retried"), 1);
    ck_assert_int_eq(counter_value("ready"), 0);
}
END_TEST

START_TEST(rejected_job_leaves_letter_hash_and_event)
{
    take("{\"endUserId\":\"u\",\"ref\":\"mail\"}", LEASE);
    SETTLE(1, {.user = "u",
               .kind = "rejected",
               .signal = "missing",
               .http_status = 404,
               .error_code = "RESOURCE_MISSING",
               .request_id = "req_9",
               .ref = "mail",
               .detail = "no such end user"});
    const redisReply *letter = last_letter();
    ck_assert_str_eq(field_of(letter, "jobKey"), "1");
    ck_assert_str_eq(field_of(letter, "endUserId"), "u");
    ck_assert_str_eq(field_of(letter, "ref"), "mail");
    ck_assert_str_eq(field_of(letter, "payload"), "{\"endUserId\":\"u\",\"ref\":\"mail\"}");
    ck_assert_str_eq(field_of(letter, "reason"), "rejected");
    ck_assert_str_eq(field_of(letter, "detail"), "no such end user");
    ck_assert_str_eq(field_of(letter, "httpStatus"), "404");
    ck_assert_str_eq(field_of(letter, "errorCode"), "RESOURCE_MISSING");
    ck_assert_str_eq(field_of(letter, "requestId"), "req_9");
    ck_assert_str_eq(hash_field("session:u", "status"), "failed");
    ck_assert_str_eq(hash_field("session:u", "reason"), "rejected");
    ck_assert_str_eq(hash_field("session:u", "detail"), "no such end user");
    ck_assert_str_eq(hash_field("session:u", "httpStatus"), "404");
    ck_assert_str_eq(hash_field("session:u", "errorCode"), "RESOURCE_MISSING");
    ck_assert_int_gt(number_of(COMMAND("PTTL", key_of("session:u"))), 604000000);
    ck_assert_str_eq(field_of(last_event(), "type"), "failed");
    ck_assert_str_eq(field_of(last_event(), "reason"), "rejected");
}
END_TEST

START_TEST(failure_never_replaces_a_valid_link)
{
    take("u", LEASE);
    store_link("u", 20 * MINUTE_MS, "", 1000);
    SETTLE(1, {.user = "u", .kind = "rejected", .signal = "own"});
    ck_assert_str_eq(hash_field("session:u", "status"), "ready");
    ck_assert_str_eq(field_of(last_letter(), "reason"), "rejected");
}
END_TEST

START_TEST(failure_replaces_a_link_that_is_over)
{
    take("u", LEASE);
    store_link("u", -1, "", 1000);
    SETTLE(1, {.user = "u", .kind = "rejected", .signal = "own"});
    ck_assert_str_eq(hash_field("session:u", "status"), "failed");
    ck_assert_str_eq(hash_field("session:u", "authFlowUrl"), "");
}
END_TEST

START_TEST(foreign_type_under_the_name_of_a_session_is_replaced)
{
    take("u", LEASE);
    COMMAND("SET", key_of("session:u"), "foreign");
    SETTLE(1, {.user = "u", CREATED});
    ck_assert_str_eq(hash_field("session:u", "status"), "ready");
}
END_TEST

START_TEST(settle_acts_once)
{
    take("u", LEASE);
    SETTLE(1, {.user = "u", CREATED});
    COMMAND("DEL", key_of("session:u"));
    const char *before = database_digest();
    const redisReply *reply = SETTLE(1, {.user = "u", CREATED});
    ck_assert_str_eq(word_of(reply), "again");
    ck_assert_uint_eq(at(reply, 2)->elements, 0);
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

/* Settle 1 went into a connection that died, was repeated as 1, and 2 followed: now the first
 * arrives. */
START_TEST(late_settle_of_a_former_connection_does_nothing)
{
    take("u", LEASE);
    SETTLE(1, {.user = "u", .kind = "retry", .signal = "down"});
    SETTLE(2, {.user = "nobody", .kind = "returned"});
    CLAIM(.lease = LEASE_2);
    const char *before = database_digest();
    ck_assert_str_eq(word_of(SETTLE(1, {.user = "u", .kind = "retry", .signal = "down"})), "again");
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

START_TEST(numbers_of_another_process_are_its_own)
{
    SETTLE(7, {.user = "nobody", .kind = "returned"});
    const struct item item = {.user = "nobody", .kind = "returned"};
    const struct settle_args other = {.boot = "another", .number = 1, .count = 1, .items = &item};
    ck_assert_str_eq(word_of(settle_as(&other)), "done");
}
END_TEST

START_TEST(number_of_the_last_settle_is_kept_for_an_hour)
{
    SETTLE(7, {.user = "nobody", .kind = "returned"});
    ck_assert_str_eq(text_of(COMMAND("GET", key_of(SETTLED_KEY))), "7");
    long long ttl_ms = number_of(COMMAND("PTTL", key_of(SETTLED_KEY)));
    ck_assert_int_gt(ttl_ms, 3590000);
    ck_assert_int_le(ttl_ms, 3600000);
}
END_TEST

START_TEST(settled_jobs_leave_the_others_in_the_lease)
{
    push("u1");
    push("u2");
    push("u3");
    CLAIM(0);
    SETTLE(1, {.user = "u2", CREATED});
    ck_assert_int_eq(number_of(COMMAND("HLEN", key_of("lease:" LEASE))), 2);
    ck_assert_str_eq(hash_field("inflight", "u1"), LEASE);
    ck_assert_str_eq(hash_field("inflight", "u2"), "");
    ck_assert(is_there("leases"));
    SETTLE(2, {.user = "u1", CREATED}, {.user = "u3", CREATED});
    ck_assert(!is_leased());
}
END_TEST

START_TEST(one_settle_serves_several_leases)
{
    take("u1", LEASE);
    take("u2", LEASE_2);
    ck_assert_uint_eq(fenced_count(SETTLE(1, {.user = "u1", CREATED},
                                          {.user = "u2", .lease = LEASE_2, .kind = "retry"})),
                      0);
    ck_assert(!is_leased());
    ck_assert_int_eq(number_of(COMMAND("ZCARD", key_of("leases"))), 0);
}
END_TEST

START_TEST(index_of_another_lease_is_left_alone)
{
    take("u", LEASE);
    world.law_is_off = true;
    COMMAND("HSET", key_of("inflight"), "u", OTHER_LEASE);
    SETTLE(1, {.user = "u", CREATED});
    ck_assert_str_eq(hash_field("inflight", "u"), OTHER_LEASE);
}
END_TEST

START_TEST(no_delay_is_longer_than_ten_minutes)
{
    take("u", LEASE);
    SETTLE(1, {.user = "u", .kind = "retry", .signal = "down", .delay_ms = 86400000});
    ck_assert_int_le(only_delayed().due_ms, server_now_ms() + 600000);
}
END_TEST

START_TEST(twin_in_its_last_attempt_ends_no_other_job)
{
    push("u");
    push("u");
    CLAIM(0);
    SETTLE(1, {.user = "u", .kind = "gave_up", .signal = "down"});
    ck_assert_int_eq(counter_value("dead"), 1);
    ck_assert_int_eq(only_delayed().attempts, 0);
}
END_TEST

static const char *const fixed_keys[] = {"leases", "inflight", "delayed", "limiter",  "holds",
                                         "events", "dead",     "stats",   SETTLED_KEY};

START_TEST(foreign_type_of_a_key_refuses_the_settle_whole)
{
    const char *name = fixed_keys[_i];

    take("u", LEASE);
    COMMAND("DEL", key_of(name));
    COMMAND("RPUSH", key_of(name), "foreign");
    const char *before = database_digest();
    const redisReply *reply = SETTLE(1, {.user = "u", CREATED});
    expect_error(reply, "ERR authlink wrongtype " WORLD_PREFIX ":");
    ck_assert_ptr_nonnull(strstr(reply->str, name));
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

/* By age, and by whole nodes of the stream. */
START_TEST(old_events_are_trimmed)
{
    for (int i = 1; i <= 250; i++)
        COMMAND("XADD", key_of("events"), digits(i), "type", "ready");
    take("u", LEASE);
    SETTLE(1, {.user = "u", CREATED});
    ck_assert_int_lt(number_of(COMMAND("XLEN", key_of("events"))), 150);
    ck_assert_str_eq(field_of(last_event(), "endUserId"), "u");
}
END_TEST

START_TEST(every_link_is_stored_when_redis_is_out_of_memory)
{
    push("u1");
    push("u2");
    push("u3");
    CLAIM(0);
    set_out_of_memory(true);
    const redisReply *reply = SETTLE(1, {.user = "u1", CREATED}, {.user = "u2", .kind = "retry"},
                                     {.user = "u3", .kind = "rejected"});
    set_out_of_memory(false);
    ck_assert_uint_eq(fenced_count(reply), 0);
    ck_assert_str_eq(hash_field("session:u1", "status"), "ready");
    ck_assert_int_eq(counter_value("dead"), 1);
    ck_assert_str_eq(only_delayed().payload, "u2");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settle");
    TCase *tcase = tcase_create("settle");

    add_world(tcase);
    tcase_add_loop_test(tcase, job_goes_where_its_outcome_says, 0,
                        (int)(sizeof kinds / sizeof kinds[0]));
    tcase_add_test(tcase, created_session_is_stored_whole);
    tcase_add_test(tcase, life_of_a_link_is_at_most_what_was_asked_for_and_five_minutes);
    tcase_add_test(tcase, link_that_expired_before_its_settle_is_made_anew);
    tcase_add_test(tcase, rejected_job_leaves_letter_hash_and_event);
    tcase_add_test(tcase, failure_never_replaces_a_valid_link);
    tcase_add_test(tcase, failure_replaces_a_link_that_is_over);
    tcase_add_test(tcase, foreign_type_under_the_name_of_a_session_is_replaced);
    tcase_add_test(tcase, settle_acts_once);
    tcase_add_test(tcase, late_settle_of_a_former_connection_does_nothing);
    tcase_add_test(tcase, numbers_of_another_process_are_its_own);
    tcase_add_test(tcase, number_of_the_last_settle_is_kept_for_an_hour);
    tcase_add_test(tcase, settled_jobs_leave_the_others_in_the_lease);
    tcase_add_test(tcase, one_settle_serves_several_leases);
    tcase_add_test(tcase, index_of_another_lease_is_left_alone);
    tcase_add_test(tcase, no_delay_is_longer_than_ten_minutes);
    tcase_add_test(tcase, twin_in_its_last_attempt_ends_no_other_job);
    tcase_add_loop_test(tcase, foreign_type_of_a_key_refuses_the_settle_whole, 0,
                        (int)(sizeof fixed_keys / sizeof fixed_keys[0]));
    tcase_add_test(tcase, old_events_are_trimmed);
    tcase_add_test(tcase, every_link_is_stored_when_redis_is_out_of_memory);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
