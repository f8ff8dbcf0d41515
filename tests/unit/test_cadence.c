/* test_cadence.c - when to claim next, and how many: in virtual time. */
#include "base/clock.h"
#include "queue/cadence.h"
#include "run_tests.h"

#include <check.h>
#include <string.h>

#define START_US (1000 * US_PER_SEC)

static struct cadence cadence;
static int64_t wait_us;

static void begin(void)
{
    memset(&cadence, 0, sizeof cadence);
    cadence_start(&cadence);
}

static uint32_t want_at(int64_t now_us, uint32_t room)
{
    return cadence_want(&cadence, now_us, room, &wait_us);
}

#define ANY_LATER_SEQ 1000

/* A claim that goes out now, and what it brought. */
static void claim(int64_t now_us, size_t jobs, int64_t queue_len)
{
    cadence_note_sent(&cadence, now_us);
    cadence_note_jobs(&cadence, ANY_LATER_SEQ, jobs, queue_len);
}

START_TEST(after_connecting_it_claims_for_all_the_room_but_at_most_256)
{
    ck_assert_uint_eq(want_at(START_US, 64), 64);
    ck_assert_uint_eq(want_at(START_US, 1000), 256);
    ck_assert_uint_eq(want_at(START_US, 0), 0);
    ck_assert_int_eq(wait_us, -1);
}
END_TEST

START_TEST(claim_is_followed_by_the_next_while_elements_are_left)
{
    claim(START_US, 3, 5);
    ck_assert_uint_eq(want_at(START_US + US_PER_SEC, 10), 10);
    claim(START_US, 0, 5);
    ck_assert_uint_eq(want_at(START_US + US_PER_SEC, 10), 10);
}
END_TEST

START_TEST(claim_that_took_the_last_job_is_followed_by_none_until_a_push)
{
    claim(START_US, 3, 0);
    ck_assert_uint_eq(want_at(START_US + US_PER_SEC, 10), 0);
    cadence_note_push(&cadence);
    ck_assert_uint_eq(want_at(START_US + US_PER_SEC, 10), 10);
}
END_TEST

START_TEST(empty_queue_waits_for_a_push)
{
    claim(START_US, 0, 0);
    ck_assert_uint_eq(want_at(START_US + US_PER_SEC, 10), 0);
    ck_assert_int_eq(wait_us, -1);
    cadence_note_push(&cadence);
    ck_assert_uint_eq(want_at(START_US + US_PER_SEC, 10), 10);
}
END_TEST

START_TEST(empty_queue_waits_for_the_next_delayed_job)
{
    claim(START_US, 0, 0);
    cadence_note_due(&cadence, START_US, 300);
    ck_assert_uint_eq(want_at(START_US + 100 * US_PER_MS, 10), 0);
    ck_assert_int_eq(wait_us, 200 * US_PER_MS);
    ck_assert_uint_eq(want_at(START_US + 300 * US_PER_MS, 10), 10);
    cadence_note_due(&cadence, START_US, -1);
    ck_assert_uint_eq(want_at(START_US + 300 * US_PER_MS, 10), 0);
}
END_TEST

START_TEST(wait_is_kept_with_a_tenth_of_jitter_and_a_push_does_not_shorten_it)
{
    cadence_note_wait(&cadence, START_US, 100, 1.0);
    cadence_note_push(&cadence);
    ck_assert_uint_eq(want_at(START_US, 10), 0);
    ck_assert_int_eq(wait_us, 110 * US_PER_MS);
    cadence_note_wait(&cadence, START_US, 0, 0.0); /* a shorter one does not, either */
    ck_assert_uint_eq(want_at(START_US + 109 * US_PER_MS, 10), 0);
    ck_assert_uint_eq(want_at(START_US + 110 * US_PER_MS, 10), 10);
}
END_TEST

START_TEST(refusals_are_counted_until_one_is_let_through)
{
    cadence_note_refused(&cadence, START_US, 100 * US_PER_MS);
    cadence_note_refused(&cadence, START_US, 200 * US_PER_MS);
    ck_assert_uint_eq(cadence.refusals, 2);
    ck_assert_uint_eq(want_at(START_US, 10), 0);
    ck_assert_int_eq(wait_us, 200 * US_PER_MS);
    claim(START_US + US_PER_SEC, 1, 0);
    ck_assert_uint_eq(cadence.refusals, 0);
}
END_TEST

START_TEST(room_that_comes_back_job_by_job_is_gathered)
{
    ck_assert_uint_eq(want_at(START_US, 64), 64);
    claim(START_US, 64, 1000);
    ck_assert_uint_eq(want_at(START_US + 1000, 1), 0);
    ck_assert_int_eq(wait_us, 4000);
    ck_assert_uint_eq(want_at(START_US + 2000, 31), 0);
    ck_assert_uint_eq(want_at(START_US + 2000, 32), 32); /* half of the room */
    ck_assert_uint_eq(want_at(START_US + 5000, 1), 1);   /* or five milliseconds */
}
END_TEST

START_TEST(room_of_one_is_not_gathered)
{
    ck_assert_uint_eq(want_at(START_US, 1), 1);
    claim(START_US, 1, 1000);
    ck_assert_uint_eq(want_at(START_US, 1), 1);
}
END_TEST

/* For the watchdog: since when a claim could have been sent. */

START_TEST(nothing_to_claim_is_no_idling)
{
    claim(START_US, 0, 0);
    ck_assert_int_eq(cadence_idle_since_us(&cadence, START_US + 3600 * US_PER_SEC), 0);
}
END_TEST

START_TEST(idling_counts_from_the_last_claim_while_something_stands_in_the_queue)
{
    claim(START_US, 1, 100);
    ck_assert_int_eq(cadence_idle_since_us(&cadence, START_US + 60 * US_PER_SEC), START_US);
}
END_TEST

START_TEST(wait_that_redis_asked_for_is_no_idling)
{
    claim(START_US, 1, 100);
    cadence_note_wait(&cadence, START_US, 600000, 0.0);
    ck_assert_int_eq(cadence_idle_since_us(&cadence, START_US + 60 * US_PER_SEC),
                     START_US + 600 * US_PER_SEC);
}
END_TEST

START_TEST(idling_counts_from_the_time_a_delayed_job_is_due)
{
    claim(START_US, 0, 0);
    cadence_note_due(&cadence, START_US, 5000);
    ck_assert_int_eq(cadence_idle_since_us(&cadence, START_US + 4 * US_PER_SEC), 0);
    ck_assert_int_eq(cadence_idle_since_us(&cadence, START_US + 9 * US_PER_SEC),
                     START_US + 5 * US_PER_SEC);
}
END_TEST

/* The network of this host (C11). */

static struct outcome failed(void)
{
    return (struct outcome){.kind = OUTCOME_UNSENT, .answer.state = ANSWER_UNSENT};
}

static struct outcome answered(void)
{
    return (struct outcome){.kind = OUTCOME_RETRY, .answer.state = ANSWER_WHOLE};
}

static void note(struct outcome outcome, uint64_t seq, uint64_t last_seq, int64_t now_us)
{
    own_network_note(&cadence.network, &outcome, seq, last_seq, now_us);
}

static void fail_five_times(void)
{
    for (int i = 0; i < 5; i++)
        note(failed(), 1, 1, START_US);
}

START_TEST(five_failures_in_a_row_are_followed_by_a_second_and_single_jobs)
{
    for (int i = 0; i < 4; i++)
        note(failed(), 1, 1, START_US);
    ck_assert_uint_eq(want_at(START_US, 64), 64);
    note(failed(), 1, 1, START_US);
    ck_assert_uint_eq(want_at(START_US, 64), 0);
    ck_assert_int_eq(wait_us, US_PER_SEC);
    ck_assert_uint_eq(want_at(START_US + US_PER_SEC, 64), 1);
}
END_TEST

START_TEST(an_answer_in_between_starts_the_count_anew)
{
    for (int i = 0; i < 40; i++)
        note(i % 5 == 4 ? answered() : failed(), 1, 1, START_US);
    ck_assert_uint_eq(want_at(START_US, 64), 64);
}
END_TEST

START_TEST(single_job_that_is_out_holds_back_the_next)
{
    fail_five_times();
    claim(START_US + US_PER_SEC, 1, 100);
    ck_assert_uint_eq(want_at(START_US + 3600 * US_PER_SEC, 64), 0);
    ck_assert_int_eq(wait_us, -1);
    note(failed(), 2, 2, START_US + 2 * US_PER_SEC);
    ck_assert_uint_eq(want_at(START_US + 2 * US_PER_SEC, 64), 0);
    ck_assert_int_eq(wait_us, 2 * US_PER_SEC); /* doubled */
}
END_TEST

START_TEST(answer_to_a_claim_sent_before_is_no_single_job_to_wait_for)
{
    fail_five_times();
    cadence_note_jobs(&cadence, 1, 64, 100);
    ck_assert_uint_eq(want_at(START_US + US_PER_SEC, 64), 1);
}
END_TEST

START_TEST(single_job_that_was_out_at_a_loss_of_the_connection_holds_back_nothing)
{
    fail_five_times();
    claim(START_US + US_PER_SEC, 1, 100);
    cadence_start(&cadence);
    ck_assert_uint_eq(want_at(START_US + 2 * US_PER_SEC, 64), 1);
}
END_TEST

START_TEST(failures_of_one_moment_count_once)
{
    for (int i = 0; i < 64; i++)
        note(failed(), 1, 1, START_US);
    want_at(START_US, 64);
    ck_assert_int_eq(wait_us, US_PER_SEC);
}
END_TEST

START_TEST(backoff_ends_at_a_minute)
{
    int64_t now_us = START_US;

    fail_five_times();
    for (uint64_t seq = 2; seq < 20; seq++) {
        now_us += 60 * US_PER_SEC;
        claim(now_us, 1, 100);
        note(failed(), seq, seq, now_us);
    }
    want_at(now_us, 64);
    ck_assert_int_eq(wait_us, 60 * US_PER_SEC);
}
END_TEST

START_TEST(one_answer_ends_it_at_once)
{
    fail_five_times();
    note(answered(), 1, 1, START_US);
    ck_assert_uint_eq(want_at(START_US, 64), 64);
}
END_TEST

START_TEST(single_job_that_was_returned_or_dropped_is_no_failure)
{
    struct outcome returned = {.kind = OUTCOME_RETURNED};

    fail_five_times();
    claim(START_US + US_PER_SEC, 1, 100);
    note(returned, 2, 2, START_US + US_PER_SEC);
    ck_assert_uint_eq(want_at(START_US + 2 * US_PER_SEC, 64), 1);
    claim(START_US + 2 * US_PER_SEC, 1, 100);
    own_network_forget(&cadence.network, 3, START_US + 2 * US_PER_SEC);
    ck_assert_uint_eq(want_at(START_US + 3 * US_PER_SEC, 64), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cadence");
    TCase *tcase = tcase_create("cadence");

    tcase_add_checked_fixture(tcase, begin, NULL);
    tcase_add_test(tcase, after_connecting_it_claims_for_all_the_room_but_at_most_256);
    tcase_add_test(tcase, claim_is_followed_by_the_next_while_elements_are_left);
    tcase_add_test(tcase, claim_that_took_the_last_job_is_followed_by_none_until_a_push);
    tcase_add_test(tcase, empty_queue_waits_for_a_push);
    tcase_add_test(tcase, empty_queue_waits_for_the_next_delayed_job);
    tcase_add_test(tcase, wait_is_kept_with_a_tenth_of_jitter_and_a_push_does_not_shorten_it);
    tcase_add_test(tcase, refusals_are_counted_until_one_is_let_through);
    tcase_add_test(tcase, room_that_comes_back_job_by_job_is_gathered);
    tcase_add_test(tcase, room_of_one_is_not_gathered);
    tcase_add_test(tcase, nothing_to_claim_is_no_idling);
    tcase_add_test(tcase, idling_counts_from_the_last_claim_while_something_stands_in_the_queue);
    tcase_add_test(tcase, wait_that_redis_asked_for_is_no_idling);
    tcase_add_test(tcase, idling_counts_from_the_time_a_delayed_job_is_due);
    tcase_add_test(tcase, five_failures_in_a_row_are_followed_by_a_second_and_single_jobs);
    tcase_add_test(tcase, an_answer_in_between_starts_the_count_anew);
    tcase_add_test(tcase, single_job_that_is_out_holds_back_the_next);
    tcase_add_test(tcase, answer_to_a_claim_sent_before_is_no_single_job_to_wait_for);
    tcase_add_test(tcase, single_job_that_was_out_at_a_loss_of_the_connection_holds_back_nothing);
    tcase_add_test(tcase, failures_of_one_moment_count_once);
    tcase_add_test(tcase, backoff_ends_at_a_minute);
    tcase_add_test(tcase, one_answer_ends_it_at_once);
    tcase_add_test(tcase, single_job_that_was_returned_or_dropped_is_no_failure);
    suite_add_tcase(suite, tcase);

    return run_tests(suite);
}
