/*
 * test_cost.c - how many commands the steps give to Redis: counted, so that no machine is too busy
 * for it. What they take is measured by test_cost_long.c.
 */
#include "support_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64

/* Commands that steps have given since CONFIG RESETSTAT, the steps themselves left out. */
static int commands_inside(void)
{
    static const char name[] = "cmdstat_", calls[] = ":calls=";
    int count = 0;

    for (const char *line = strstr(text_of(COMMAND("INFO", "commandstats")), name); line != NULL;
         line = strstr(line + 1, name)) {
        const char *word = line + strlen(name);
        if (strncmp(word, "evalsha", 7) != 0 && strncmp(word, "config", 6) != 0 &&
            strncmp(word, "info", 4) != 0)
            count += (int)strtol(strstr(word, calls) + strlen(calls), NULL, 10);
    }
    return count;
}

static void start_count(void)
{
    world.law_is_off = true; /* the audit would be counted, too */
    COMMAND("CONFIG", "RESETSTAT");
}

/* Everything is there that a first claim and a first settle make. */
static void warm_up(void)
{
    take("first", LEASE_2);
    SETTLE(1, {.user = "first", .lease = LEASE_2, .kind = "created", .signal = "ok"});
}

START_TEST(claim_that_finds_nothing_reads_eleven_times_at_most)
{
    warm_up();
    start_count();
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 0);
    ck_assert_int_le(commands_inside(), 12); /* and asks for the time */
}
END_TEST

START_TEST(job_that_comes_alone_takes_45_commands_at_most)
{
    warm_up();
    push("u");
    start_count();
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 1);
    SETTLE(2, {.user = "u", .kind = "created", .signal = "ok"});
    ck_assert_int_le(commands_inside(), 45);
}
END_TEST

/* The hash, its expiry and the event: three, and its share of what a claim and a settle take for
 * themselves. */
START_TEST(job_of_a_batch_takes_four_commands_at_most)
{
    static char users[BATCH][32];
    struct item items[BATCH];

    warm_up();
    for (int i = 0; i < BATCH; i++) {
        snprintf(users[i], sizeof users[i], "end_usr_%d", i);
        push(users[i]);
        items[i] =
            (struct item){.user = users[i], .kind = "created", .signal = "ok", .told = ACCEPTED};
    }
    start_count();
    ck_assert_uint_eq(claimed_count(CLAIM(.want = BATCH)), BATCH);
    ck_assert_uint_eq(fenced_count(settle(2, BATCH, items)), 0);
    ck_assert_int_le(commands_inside(), 4 * BATCH);
}
END_TEST

/* In the compact form each field is searched for from the start of the hash, so a job would cost
 * the more the more jobs are in hand. */
START_TEST(hashes_of_many_jobs_are_no_lists)
{
    char payload[32];

    for (int i = 0; i < BATCH; i++) {
        snprintf(payload, sizeof payload, "u%d", i);
        push(payload);
    }
    COMMAND("CONFIG", "SET", "hash-max-listpack-value", "512"); /* as doctor recommends */
    ck_assert_uint_eq(claimed_count(CLAIM(.want = BATCH)), BATCH);
    COMMAND("CONFIG", "SET", "hash-max-listpack-value", "64");
    ck_assert_str_eq(text_of(COMMAND("OBJECT", "ENCODING", key_of("inflight"))), "hashtable");
    ck_assert_str_eq(text_of(COMMAND("OBJECT", "ENCODING", key_of("lease:" LEASE))), "hashtable");
    ck_assert_str_eq(hash_field("inflight", "u0"), LEASE);
    ck_assert_int_eq(number_of(COMMAND("HLEN", key_of("inflight"))), BATCH);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cost");
    TCase *tcase = tcase_create("cost");

    add_world(tcase);
    tcase_add_test(tcase, claim_that_finds_nothing_reads_eleven_times_at_most);
    tcase_add_test(tcase, job_that_comes_alone_takes_45_commands_at_most);
    tcase_add_test(tcase, job_of_a_batch_takes_four_commands_at_most);
    tcase_add_test(tcase, hashes_of_many_jobs_are_no_lists);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
