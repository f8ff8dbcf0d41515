/* test_reap.c - names of leases, and the roll call: which are ours, strays, lost. */
#include "queue/roll_call.h"
#include "run_tests.h"
#include "support_queue.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MY_BOOT   "00000000000000aa"
#define MINE(seq) TEST_OWNER "/" MY_BOOT "/" seq

static struct server server;
static struct leases leases;
static struct reap_names strays;

static void begin(void)
{
    memset(&server, 0, sizeof server);
    memset(&leases, 0, sizeof leases);
    snprintf(server.owner, sizeof server.owner, "%s", TEST_OWNER);
    snprintf(server.boot, sizeof server.boot, "%s", MY_BOOT);
}

static void end(void)
{
    leases_done(&leases);
}

/* A reply that is a text; what it points to is lent. */
static redisReply text_reply(const char *text)
{
    redisReply reply = {.type = REDIS_REPLY_STRING, .len = strlen(text)};

    memcpy(&reply.str, &text, sizeof text);
    return reply;
}

/* Calls the roll with these names listed. */
static void call_roll(size_t count, const char *const *names, uint64_t outstanding_seq)
{
    redisReply *texts = calloc(2 * count + 1, sizeof *texts);
    redisReply **elements = calloc(2 * count + 1, sizeof *elements);
    redisReply mine = {.type = REDIS_REPLY_ARRAY, .elements = 2 * count, .element = elements};

    for (size_t i = 0; i < count; i++) {
        texts[2 * i] = text_reply(names[i]);
        texts[2 * i + 1] = (redisReply){.type = REDIS_REPLY_INTEGER, .integer = 1000};
        elements[2 * i] = &texts[2 * i];
        elements[2 * i + 1] = &texts[2 * i + 1];
    }
    roll_call(&server, &leases, outstanding_seq, &mine, &strays);
    free(elements);
    free(texts);
}

static void have_in_hand(uint64_t seq, uint32_t jobs)
{
    ck_assert_int_eq(leases_begin(&leases, seq, jobs), RESULT_OK);
}

static const struct {
    const char *name;
    enum result expected;
    bool is_my_boot;
    uint64_t seq;
} names[] = {
    {MINE("1"), RESULT_OK, true, 1},
    {MINE("18446744073709551615"), RESULT_INVALID, false, 0}, /* never counted that far */
    {MINE("9223372036854775807"), RESULT_OK, true, INT64_MAX},
    {TEST_OWNER "/00000000000000bb/7", RESULT_OK, false, 7},
    {TEST_OWNER "/short/7", RESULT_OK, false, 7},
    {MINE(""), RESULT_INVALID, false, 0},
    {MINE("1x"), RESULT_INVALID, false, 0},
    {MINE("-1"), RESULT_INVALID, false, 0},
    {MINE("1/2"), RESULT_INVALID, false, 0},
    {TEST_OWNER "/", RESULT_INVALID, false, 0},
    {TEST_OWNER, RESULT_INVALID, false, 0},
    {TEST_OWNER "x/" MY_BOOT "/1", RESULT_INVALID, false, 0},
    {"other@0123456789abcdef/" MY_BOOT "/1", RESULT_INVALID, false, 0},
    {"", RESULT_INVALID, false, 0},
};

START_TEST(name_of_a_lease_is_read)
{
    redisReply reply = text_reply(names[_i].name);
    bool is_my_boot = false;
    uint64_t seq = 0;

    ck_assert_msg(reap_read_name(&server, &reply, &is_my_boot, &seq) == names[_i].expected, "%s",
                  names[_i].name);
    if (names[_i].expected != RESULT_OK)
        return;
    ck_assert_msg(is_my_boot == names[_i].is_my_boot, "%s: boot", names[_i].name);
    ck_assert_uint_eq(seq, names[_i].seq);
}
END_TEST

START_TEST(what_is_listed_and_in_hand_stays)
{
    const char *const listed[] = {MINE("3"), MINE("4")};

    have_in_hand(3, 1);
    have_in_hand(4, 2);
    call_roll(2, listed, 0);
    ck_assert_uint_eq(strays.count, 0);
    ck_assert_ptr_null(roll_call_next_lost(&leases));
}
END_TEST

START_TEST(what_is_listed_and_not_in_hand_is_a_stray)
{
    const char *const listed[] = {MINE("3"), MINE("4"), "other@0123456789abcdef/" MY_BOOT "/4"};

    have_in_hand(3, 1);
    call_roll(3, listed, 0);
    ck_assert_uint_eq(strays.count, 1);
    ck_assert_str_eq(strays.names[0], MINE("4"));
}
END_TEST

START_TEST(lease_of_the_claim_that_is_unanswered_is_no_stray_yet)
{
    const char *const listed[] = {MINE("4"), MINE("5")};

    call_roll(2, listed, 5);
    ck_assert_uint_eq(strays.count, 1);
    ck_assert_str_eq(strays.names[0], MINE("4"));
}
END_TEST

START_TEST(lease_of_an_earlier_process_is_named_though_its_number_is_in_hand)
{
    const char *const listed[] = {MINE("3"), TEST_OWNER "/00000000000000bb/3",
                                  TEST_OWNER "/00000000000000bb/5"};

    have_in_hand(3, 1);
    call_roll(3, listed, 5);
    ck_assert_uint_eq(strays.count, 2);
}
END_TEST

START_TEST(what_is_in_hand_and_not_listed_is_lost_and_told_once)
{
    const char *const listed[] = {MINE("3")};

    have_in_hand(3, 1);
    have_in_hand(4, 2);
    call_roll(1, listed, 0);
    const struct lease *lost = roll_call_next_lost(&leases);
    ck_assert_ptr_nonnull(lost);
    ck_assert_uint_eq(lost->seq, 4);
    ck_assert_ptr_null(roll_call_next_lost(&leases));
    call_roll(1, listed, 0);
    ck_assert_ptr_null(roll_call_next_lost(&leases));
}
END_TEST

START_TEST(more_strays_than_one_reap_can_name_hide_no_lease_in_hand)
{
    char texts[REAP_NAMES_MAX + 10][64];
    const char *listed[REAP_NAMES_MAX + 11];

    for (int i = 0; i < REAP_NAMES_MAX + 10; i++) {
        snprintf(texts[i], sizeof texts[i], TEST_OWNER "/00000000000000bb/%d", i);
        listed[i] = texts[i];
    }
    listed[REAP_NAMES_MAX + 10] = MINE("3");
    have_in_hand(3, 1);
    call_roll(REAP_NAMES_MAX + 11, listed, 0);
    ck_assert_uint_eq(strays.count, REAP_NAMES_MAX);
    ck_assert_ptr_null(roll_call_next_lost(&leases));
}
END_TEST

START_TEST(lease_ends_with_its_last_job)
{
    have_in_hand(3, 2);
    have_in_hand(4, 1);
    leases_end_job(&leases, 3);
    ck_assert_ptr_nonnull(leases_find(&leases, 3));
    leases_end_job(&leases, 3);
    ck_assert_ptr_null(leases_find(&leases, 3));
    ck_assert_ptr_nonnull(leases_find(&leases, 4));
    leases_end_job(&leases, 3); /* is not in hand: nothing */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reap");
    TCase *tcase = tcase_create("reap");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_loop_test(tcase, name_of_a_lease_is_read, 0, sizeof names / sizeof names[0]);
    tcase_add_test(tcase, what_is_listed_and_in_hand_stays);
    tcase_add_test(tcase, what_is_listed_and_not_in_hand_is_a_stray);
    tcase_add_test(tcase, lease_of_the_claim_that_is_unanswered_is_no_stray_yet);
    tcase_add_test(tcase, lease_of_an_earlier_process_is_named_though_its_number_is_in_hand);
    tcase_add_test(tcase, what_is_in_hand_and_not_listed_is_lost_and_told_once);
    tcase_add_test(tcase, more_strays_than_one_reap_can_name_hide_no_lease_in_hand);
    tcase_add_test(tcase, lease_ends_with_its_last_job);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
