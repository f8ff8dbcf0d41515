/* test_reap.c - reap.lua gives the jobs of leases that are over back, and harms no live one. */
#include "support_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS      3600000
#define FARTHEST_MS  1200000
#define FOREIGN_DEAD OTHER_OWNER "/b00t00000000000e/3"

static bool is_there(const char *name)
{
    return number_of(COMMAND("EXISTS", key_of(name))) == 1;
}

static int64_t recovered_now(const redisReply *reply)
{
    expect_fine(reply);
    return number_of(at(reply, 4));
}

/* A record whose slot is `slot_in_ms` from now. */
static const char *record(int recoveries, int64_t slot_in_ms, const char *payload)
{
    static char text[256];

    snprintf(text, sizeof text, "0000000000000001 0 %d 1000 %s %s", recoveries,
             digits(server_now_us() + 1000 * slot_in_ms), payload);
    return text;
}

static const struct {
    const char *name;
    const char *lease;
    bool is_foreign_call;
    int64_t deadline_in_ms, slot_in_ms;
    bool is_given_back, counts;
} leases[] = {
    {"stray, slot to come", LEASE, false, 40000, 100, true, false},
    {"stray, slot gone by: nobody saw it", LEASE, false, 40000, -100, true, false},
    {"own dead process, slot to come", OLD_LEASE, false, 40000, 100, true, false},
    {"own dead process, slot gone by", OLD_LEASE, false, 40000, -100, true, true},
    {"other's, alive", OTHER_LEASE, true, 40000, -100, false, false},
    {"other's, over", OTHER_LEASE, true, -1, -100, true, true},
    {"other's, over, its slot to come", OTHER_LEASE, true, -1, 100, true, true},
    {"other's, over, but not to be looked at", OTHER_LEASE, false, -1, -100, false, false},
};

/* Own leases are named, as the daemon does; a name of somebody else's is ignored. */
START_TEST(lease_is_given_back_when_it_is_over_and_counts_when_it_may_have_been_sent)
{
    const char *lease = leases[_i].lease;
    char lease_key[128];

    store_lease(lease, "u", record(0, leases[_i].slot_in_ms, "u"),
                server_now_ms() + leases[_i].deadline_in_ms);
    const redisReply *reply = reap(leases[_i].is_foreign_call, 1, &lease);
    snprintf(lease_key, sizeof lease_key, "lease:%s", lease);
    ck_assert_msg(is_there(lease_key) != leases[_i].is_given_back, "%s", leases[_i].name);
    ck_assert_int_eq(is_there("leases"), !leases[_i].is_given_back);
    ck_assert_int_eq(is_there("inflight"), !leases[_i].is_given_back);
    ck_assert_msg(recovered_now(reply) == leases[_i].counts, "%s", leases[_i].name);
    ck_assert_int_eq(counter_value("recovered"), leases[_i].counts);
    if (leases[_i].is_given_back) {
        struct delayed job = only_delayed();
        ck_assert_int_eq(job.recoveries, leases[_i].counts);
        ck_assert_int_eq(job.slot_us, 0);
        ck_assert_int_le(job.due_ms, server_now_ms());
    }
}
END_TEST

/* Its process knows that it is over, and settles it as returned. */
START_TEST(own_lease_past_its_deadline_is_left_to_its_process)
{
    store_lease(LEASE, "u", record(0, -100, "u"), server_now_ms() - 1000);
    const redisReply *reply = reap(true, 0, NULL);
    const redisReply *mine = at(reply, 3);
    ck_assert(is_there("lease:" LEASE));
    ck_assert_uint_eq(mine->elements, 2);
    ck_assert_str_eq(text_of(at(mine, 0)), LEASE);
    ck_assert_int_lt(number_of(at(mine, 1)), -999);
}
END_TEST

START_TEST(reply_lists_the_leases_of_this_owner)
{
    push("u1");
    push("u2");
    push("u3");
    CLAIM(.lease = LEASE, .want = 1, .lease_ms = 40000);
    CLAIM(.lease = OLD_LEASE, .want = 1, .lease_ms = 50000);
    CLAIM(.lease = OTHER_LEASE, .want = 1);
    const redisReply *reply = reap(false, 0, NULL), *mine = at(reply, 3);
    ck_assert_int_eq(number_of(at(reply, 1)), 0);
    ck_assert_uint_eq(mine->elements, 4);
    ck_assert_str_eq(text_of(at(mine, 0)), LEASE);
    ck_assert_int_gt(number_of(at(mine, 1)), 30000);
    ck_assert_int_le(number_of(at(mine, 1)), 40000);
    ck_assert_str_eq(text_of(at(mine, 2)), OLD_LEASE);
}
END_TEST

START_TEST(reply_says_when_the_next_delayed_job_is_due)
{
    ck_assert_int_eq(number_of(at(reap(false, 0, NULL), 2)), -1);
    COMMAND("ZADD", key_of("delayed"), digits(server_now_ms() + 30000),
            "0000000000000001 0 0 1000 0 u");
    COMMAND("HINCRBY", key_of("stats"), "taken", "1");
    int64_t due_in_ms = number_of(at(reap(false, 0, NULL), 2));
    ck_assert_int_gt(due_in_ms, 20000);
    ck_assert_int_le(due_in_ms, 30000);
}
END_TEST

/* A claim of the former connection arrives after the reconnect: listed, not in hand, named. */
START_TEST(late_claim_blocks_nobody)
{
    take("u", LEASE);
    const redisReply *mine = at(reap(false, 0, NULL), 3);
    ck_assert_str_eq(text_of(at(mine, 0)), LEASE);
    ck_assert_int_eq(recovered_now(REAP(LEASE)), 0);
    ck_assert_uint_eq(claimed_count(CLAIM(.lease = LEASE_2)), 1);
}
END_TEST

START_TEST(late_reap_of_a_dead_process_harms_no_live_lease)
{
    take("u", OLD_LEASE);
    REAP(OLD_LEASE);
    ck_assert_uint_eq(claimed_count(CLAIM(.lease = LEASE)), 1);
    REAP(OLD_LEASE);
    ck_assert(is_there("lease:" LEASE));
    ck_assert_str_eq(hash_field("inflight", "u"), LEASE);
}
END_TEST

START_TEST(four_leases_a_call_and_more_says_that_some_are_left)
{
    char lease[96], user[16];

    for (int i = 0; i < 6; i++) {
        snprintf(lease, sizeof lease, "%s/b00t00000000000e/%d", OTHER_OWNER, i);
        snprintf(user, sizeof user, "u%d", i);
        store_lease(lease, user, record(0, -100, user), server_now_ms() - 10 + i);
    }
    ck_assert_int_eq(number_of(at(reap(true, 0, NULL), 1)), 1);
    ck_assert_int_eq(number_of(COMMAND("ZCARD", key_of("leases"))), 2);
    ck_assert_int_eq(number_of(at(reap(true, 0, NULL), 1)), 0);
    ck_assert_int_eq(number_of(COMMAND("ZCARD", key_of("leases"))), 0);
}
END_TEST

static const struct {
    int recoveries; /* before */
    int64_t wait_ms;
} waits[] = {{0, 0}, {1, 1000}, {2, 2000}, {3, 4000}, {6, 32000}, {7, 60000}, {9, 60000}};

START_TEST(wait_grows_with_the_recoveries)
{
    store_lease(OLD_LEASE, "u", record(waits[_i].recoveries, -100, "u"), server_now_ms());
    int64_t before_ms = server_now_ms();
    REAP(OLD_LEASE);
    struct delayed job = only_delayed();
    ck_assert_int_ge(job.due_ms, before_ms + waits[_i].wait_ms);
    ck_assert_int_le(job.due_ms, server_now_ms() + waits[_i].wait_ms);
    ck_assert_int_eq(job.recoveries, waits[_i].recoveries + 1);
}
END_TEST

static const struct {
    int recoveries; /* before */
    int64_t apart_ms;
} gaps[] = {{0, 0}, {1, 100}, {3, 400}, {5, 1000}, {8, 1000}};

START_TEST(jobs_of_one_lease_wait_apart_from_the_second_time_on)
{
    store_lease(OLD_LEASE, "u1", record(gaps[_i].recoveries, -100, "u1"), server_now_ms());
    store_lease(OLD_LEASE, "u2", record(gaps[_i].recoveries, -100, "u2"), server_now_ms());
    REAP(OLD_LEASE);
    const redisReply *all = COMMAND("ZRANGE", key_of("delayed"), "0", "-1", "WITHSCORES");
    ck_assert_uint_eq(all->elements, 4);
    ck_assert_int_eq(number_of(at(all, 3)) - number_of(at(all, 1)), gaps[_i].apart_ms);
}
END_TEST

START_TEST(poisonous_job_is_buried)
{
    store_lease(OLD_LEASE, "u", record(10, -100, "{\"endUserId\":\"u\",\"ref\":\"mail\"}"),
                server_now_ms());
    REAP(OLD_LEASE);
    ck_assert_str_eq(field_of(last_letter(), "reason"), "poison");
    ck_assert_str_eq(field_of(last_letter(), "recoveries"), "11");
    ck_assert_str_eq(field_of(last_letter(), "ref"), "mail");
    ck_assert_str_eq(field_of(last_event(), "reason"), "poison");
    ck_assert_str_eq(hash_field("session:u", "status"), "failed");
    ck_assert_int_gt(number_of(COMMAND("PTTL", key_of("session:u"))), 0);
    ck_assert(!is_there("delayed"));
}
END_TEST

START_TEST(poisonous_job_leaves_a_valid_link_alone)
{
    store_link("u", 1200000, "", 1000);
    store_lease(OLD_LEASE, "u", record(10, -100, "u"), server_now_ms());
    REAP(OLD_LEASE);
    ck_assert_str_eq(field_of(last_letter(), "reason"), "poison");
    ck_assert_str_eq(hash_field("session:u", "status"), "ready");
}
END_TEST

/* Time goes by for jobs that wait. */
static void make_earliest_due(void)
{
    int64_t due_in_ms = number_of(at(reap(false, 0, NULL), 2));
    const redisReply *all = COMMAND("ZRANGE", key_of("delayed"), "0", "-1");

    for (size_t i = 0; due_in_ms > 0 && i < all->elements; i++)
        COMMAND("ZINCRBY", key_of("delayed"), digits(-due_in_ms), text_of(at(all, i)));
}

/*
 * The process dies the moment it sends `poison`; whatever else is in the same claim got
 * no answer. Jobs of a claim without it are answered.
 */
START_TEST(process_that_one_job_kills_ten_times_buries_no_other)
{
    char user[16];

    for (int i = 0; i < 63; i++) {
        snprintf(user, sizeof user, "u%d", i);
        push(i == 20 ? "poison" : user);
    }
    for (int round = 1; round < 400 && counter_value("dead") == 0; round++) {
        char lease[96];
        snprintf(lease, sizeof lease, "%s/%s/%d", OWNER, OLD_BOOT, round);
        make_earliest_due();
        const redisReply *reply = CLAIM(.lease = lease);
        size_t count = claimed_count(reply);
        bool is_deadly = hash_field("inflight", "poison")[0] != '\0';
        wait_until_ms(server_now_ms() + 1); /* the slots come */
        struct item items[64];
        for (size_t i = 0; i < count; i++)
            items[i] = (struct item){.user = claimed_at(reply, i).user,
                                     .lease = lease,
                                     .kind = "created",
                                     .signal = "ok"};
        if (!is_deadly && count > 0)
            settle(round, count, items);
        else
            REAP(lease);
        world_forget();
    }
    ck_assert_int_eq(counter_value("dead"), 1);
    ck_assert_str_eq(field_of(last_letter(), "endUserId"), "poison");
    ck_assert_int_eq(counter_value("ready"), 62);
}
END_TEST

START_TEST(index_of_another_lease_is_left_alone)
{
    store_lease(OLD_LEASE, "u", record(0, -100, "u"), server_now_ms());
    world.law_is_off = true;
    COMMAND("HSET", key_of("inflight"), "u", OTHER_LEASE);
    REAP(OLD_LEASE);
    ck_assert_str_eq(hash_field("inflight", "u"), OTHER_LEASE);
}
END_TEST

START_TEST(deadline_of_a_lease_that_is_gone_is_removed)
{
    COMMAND("ZADD", key_of("leases"), "1", FOREIGN_DEAD);
    reap(true, 0, NULL);
    ck_assert(!is_there("leases"));
}
END_TEST

START_TEST(foreign_type_under_the_name_of_a_lease_stops_nothing)
{
    COMMAND("ZADD", key_of("leases"), "1", FOREIGN_DEAD);
    COMMAND("SET", key_of("lease:" FOREIGN_DEAD), "foreign");
    expect_fine(reap(true, 0, NULL));
    ck_assert(!is_there("leases"));
}
END_TEST

START_TEST(what_lies_too_far_ahead_is_brought_near_when_the_clock_went_back)
{
    store_lease(OTHER_LEASE, "u1", record(0, HOUR_MS, "u1"), server_now_ms() + HOUR_MS);
    COMMAND("ZADD", key_of("delayed"), digits(server_now_ms() + HOUR_MS),
            "0000000000000002 0 0 1000 0 u2");
    COMMAND("ZADD", key_of("delayed"), digits(server_now_ms() + 600000),
            "0000000000000003 0 0 1000 0 u3");
    COMMAND("HINCRBY", key_of("stats"), "taken", "2");
    int64_t before_ms = server_now_ms();
    reap(false, 0, NULL);
    int64_t farthest_ms = server_now_ms() + FARTHEST_MS;
    ck_assert_int_le(number_of(COMMAND("ZSCORE", key_of("leases"), OTHER_LEASE)), farthest_ms);
    ck_assert_int_ge(number_of(COMMAND("ZSCORE", key_of("leases"), OTHER_LEASE)),
                     before_ms + FARTHEST_MS);
    ck_assert_int_le(
        number_of(COMMAND("ZSCORE", key_of("delayed"), "0000000000000002 0 0 1000 0 u2")),
        farthest_ms);
    ck_assert_int_le(
        number_of(COMMAND("ZSCORE", key_of("delayed"), "0000000000000003 0 0 1000 0 u3")),
        before_ms + 600000);
}
END_TEST

START_TEST(leases_are_reaped_when_redis_is_out_of_memory)
{
    take("u", OLD_LEASE);
    set_out_of_memory(true);
    const redisReply *reply = REAP(OLD_LEASE);
    set_out_of_memory(false);
    expect_fine(reply);
    ck_assert_str_eq(only_delayed().payload, "u");
}
END_TEST

static const char *const fixed_keys[] = {"leases", "inflight", "delayed",
                                         "dead",   "events",   "stats"};

START_TEST(foreign_type_of_a_key_refuses_the_reap_whole)
{
    const char *name = fixed_keys[_i];

    take("u", OLD_LEASE);
    COMMAND("DEL", key_of(name));
    COMMAND("RPUSH", key_of(name), "foreign");
    const char *before = database_digest();
    expect_error(REAP(OLD_LEASE), "ERR authlink wrongtype " WORLD_PREFIX ":");
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reap");
    TCase *tcase = tcase_create("reap");

    add_world(tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase,
                        lease_is_given_back_when_it_is_over_and_counts_when_it_may_have_been_sent,
                        0, (int)(sizeof leases / sizeof leases[0]));
    tcase_add_test(tcase, own_lease_past_its_deadline_is_left_to_its_process);
    tcase_add_test(tcase, reply_lists_the_leases_of_this_owner);
    tcase_add_test(tcase, reply_says_when_the_next_delayed_job_is_due);
    tcase_add_test(tcase, late_claim_blocks_nobody);
    tcase_add_test(tcase, late_reap_of_a_dead_process_harms_no_live_lease);
    tcase_add_test(tcase, four_leases_a_call_and_more_says_that_some_are_left);
    tcase_add_loop_test(tcase, wait_grows_with_the_recoveries, 0,
                        (int)(sizeof waits / sizeof waits[0]));
    tcase_add_loop_test(tcase, jobs_of_one_lease_wait_apart_from_the_second_time_on, 0,
                        (int)(sizeof gaps / sizeof gaps[0]));
    tcase_add_test(tcase, poisonous_job_is_buried);
    tcase_add_test(tcase, poisonous_job_leaves_a_valid_link_alone);
    tcase_add_test(tcase, process_that_one_job_kills_ten_times_buries_no_other);
    tcase_add_test(tcase, index_of_another_lease_is_left_alone);
    tcase_add_test(tcase, deadline_of_a_lease_that_is_gone_is_removed);
    tcase_add_test(tcase, foreign_type_under_the_name_of_a_lease_stops_nothing);
    tcase_add_test(tcase, what_lies_too_far_ahead_is_brought_near_when_the_clock_went_back);
    tcase_add_test(tcase, leases_are_reaped_when_redis_is_out_of_memory);
    tcase_add_loop_test(tcase, foreign_type_of_a_key_refuses_the_reap_whole, 0,
                        (int)(sizeof fixed_keys / sizeof fixed_keys[0]));
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
