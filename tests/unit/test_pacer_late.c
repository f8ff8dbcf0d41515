/* test_pacer_late.c - after a stall late jobs keep their distance until they have caught up. */
#include "core/pacer.h"
#include "run_tests.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A process in virtual time: it holds claimed runs of slots, and notes when it sent which. */
#define MOST_SENT 4096
#define GRACE_US  250000

struct process {
    struct pacer *pacer;
    struct job jobs[MOST_SENT];
    int held;
    int64_t now_us;
    int64_t sent_us[MOST_SENT];
    int64_t slot_us[MOST_SENT];
    int sent;
    int missed;
};

static struct process process;

static void begin_process(void)
{
    pacer_free(process.pacer);
    memset(&process, 0, sizeof process); /* a literal of it is too large for the stack */
    process.pacer = pacer_new(MOST_SENT);
}

static void end_process(void)
{
    process.pacer = pacer_free(process.pacer);
}

static void claim(uint64_t seq, int64_t first_us, int64_t gap_us, int count)
{
    for (int i = 0; i < count; i++) {
        struct job *job = &process.jobs[process.held++];
        *job = (struct job){.slot_due_us = first_us + i * gap_us, .lease_seq = seq};
        ck_assert_int_eq(pacer_add(process.pacer, job), RESULT_OK);
    }
}

/* Sends what may go now; the time until the next one, -1 if there is none. */
static int64_t wake(int64_t now_us)
{
    int64_t wait_us = 0;
    struct job *job;

    process.now_us = now_us;
    while (pacer_take_missed(process.pacer, now_us - GRACE_US, &job, &wait_us) == RESULT_OK)
        process.missed++;
    enum result result;
    while ((result = pacer_take_due(process.pacer, now_us, &job, &wait_us)) == RESULT_OK) {
        process.sent_us[process.sent] = now_us;
        process.slot_us[process.sent] = job->slot_due_us;
        process.sent++;
    }
    return result == RESULT_LATER ? wait_us : -1;
}

/* Wakes at the instants that the pacer asks for, until `until_us`. */
static void run(int64_t until_us)
{
    int64_t wait_us = wake(process.now_us);

    while (wait_us >= 0 && process.now_us + wait_us <= until_us) {
        ck_assert_int_gt(wait_us, 0);
        wait_us = wake(process.now_us + wait_us);
    }
    if (process.now_us < until_us)
        process.now_us = until_us;
}

static int64_t lateness_us(int number)
{
    return process.sent_us[number] - process.slot_us[number];
}

START_TEST(after_a_stall_late_jobs_go_nearly_as_their_slots_do_until_they_have_caught_up)
{
    begin_process();
    claim(1, 1000000, 2000, 4000);
    wake(1200000); /* 101 slots have passed */
    ck_assert_int_eq(process.sent, 1 + PACER_TOLERANCE_US / 1840);
    run(2200000);
    ck_assert_int_gt(process.sent, 500 + 1 + PACER_TOLERANCE_US / 2000);
    ck_assert_int_lt(process.sent, 540 + 1 + PACER_TOLERANCE_US / 2000);
    run(10000000);
    ck_assert_int_eq(process.sent, 4000);
    for (int i = 20; i < process.sent; i++)
        ck_assert_int_le(lateness_us(i), lateness_us(i - 1));
    ck_assert_int_gt(lateness_us(2800), 0);
    ck_assert_int_eq(lateness_us(3000), 0); /* 200 ms are the tolerance after 2.3 times 2.5 s */
    ck_assert_int_eq(process.missed, 0);
    end_process();
}
END_TEST

static const int64_t gaps_us[] = {10, 100, 2000, 50000};

START_TEST(lateness_of_timers_and_turns_costs_nothing)
{
    int64_t gap_us = gaps_us[_i];

    begin_process();
    claim(1, 1000000, gap_us, 2000);
    for (int64_t now_us = 1000000; process.sent < 2000; now_us += 1 + random() % 15000) {
        int64_t due = 1 + (now_us - 1000000) / gap_us;
        wake(now_us);
        ck_assert_int_eq(process.sent, due < 2000 ? due : 2000);
    }
    end_process();
}
END_TEST

START_TEST(slots_of_one_instant_go_at_once_however_late)
{
    begin_process();
    claim(1, 1000000, 0, 100);
    wake(1200000);
    ck_assert_int_eq(process.sent, 100);
    end_process();
}
END_TEST

START_TEST(a_stall_moves_the_late_run_of_slots_and_not_the_next)
{
    begin_process();
    claim(1, 1000000, 2000, 50);
    claim(2, 1200000, 2000, 50); /* 1.1 to 1.2 s are the slots of another instance */
    wake(1100000);
    ck_assert_int_lt(process.sent, 50);
    run(1199999);
    ck_assert_int_eq(process.sent, 50);
    run(2000000);
    ck_assert_int_eq(process.sent, 100);
    for (int i = 50; i < 100; i++)
        ck_assert_int_eq(lateness_us(i), 0);
    end_process();
}
END_TEST

/* Sent when the line allowed it, or up to 10 ms sooner, for it is catching up. */
static void check_turn(int number, int64_t line_us)
{
    ck_assert_int_lt(process.sent_us[number], line_us - PACER_TOLERANCE_US);
    ck_assert_int_gt(process.sent_us[number], line_us - PACER_TOLERANCE_US - 10000);
}

START_TEST(late_runs_of_two_claims_keep_a_gap_between_them)
{
    begin_process();
    claim(1, 1000000, 40000, 3);
    claim(2, 1120000, 40000, 2);
    run(1000000);
    wake(1245000);
    ck_assert_int_eq(process.sent, 2);
    run(2000000);
    ck_assert_int_eq(process.sent, 5);
    for (int i = 2; i < 5; i++)
        check_turn(i, 1245000 + (i - 1) * 40000);
    end_process();
}
END_TEST

START_TEST(a_job_of_an_earlier_slot_that_comes_in_late_takes_one_place)
{
    begin_process();
    claim(1, 1000000, 30000, 6);
    process.now_us = 1000000;
    run(1030000);
    wake(1130000);
    ck_assert_int_eq(process.sent, 3);
    claim(2, 990000, 0, 1);
    run(2000000);
    ck_assert_int_eq(process.sent, 7);
    ck_assert_int_eq(process.slot_us[3], 990000);
    for (int i = 3; i < 7; i++)
        check_turn(i, 1130000 + (i - 2) * 30000);
    end_process();
}
END_TEST

START_TEST(missed_jobs_keep_nobody_waiting)
{
    int64_t wait_us = 0;
    struct job *job;

    begin_process();
    ck_assert_int_eq(pacer_take_missed(process.pacer, INT64_MAX, &job, &wait_us), RESULT_EMPTY);
    claim(1, 1000000, 2000, 200);
    ck_assert_int_eq(pacer_take_missed(process.pacer, 1000000, &job, &wait_us), RESULT_LATER);
    ck_assert_int_eq(wait_us, 1);
    wake(1000000 + 100 * 2000 + GRACE_US);
    ck_assert_int_eq(process.missed, 100);
    ck_assert_int_eq(process.sent, 1 + PACER_TOLERANCE_US / 1800);
    run(3000000);
    ck_assert_int_eq(process.sent, 100);
    end_process();
}
END_TEST

START_TEST(another_pace_counts_from_its_first_claim_on)
{
    begin_process();
    claim(1, 1000000, 100000, 3);
    run(2000000);
    claim(2, 2000000, 1000, 100);
    claim(3, 2150000, 1000, 100);
    wake(2150000);
    run(4000000);
    ck_assert_int_eq(process.sent, 203);
    ck_assert_int_eq(process.missed, 0);
    ck_assert_int_le(process.sent_us[202], 2150000 + 200 * 1000);
    end_process();
}
END_TEST

/* Contiguous runs of slots, some of them other instances'; the process is held up again and again.
 */
static void run_with_stalls(int64_t gap_us, int share)
{
    int64_t slot_us = 1000000;
    uint64_t seq = 1;

    claim(seq, slot_us, gap_us, 2);
    run(slot_us + gap_us); /* in time: before two of a claim have gone no distance is known */
    while (process.held < 2000) {
        int count = 1 + (int)(random() % 60);
        slot_us += 2 * gap_us;
        if (slot_us < process.now_us)
            slot_us = process.now_us; /* no claim hands out what has passed */
        if (random() % share == 0)
            claim(++seq, slot_us, gap_us, count);
        slot_us += count * gap_us;
        run(slot_us - random() % 200000);
        if (random() % 4 == 0)
            process.now_us += random() % 300000;
    }
    run(slot_us + 10000000);
}

START_TEST(no_window_has_more_than_the_line_and_the_tolerance)
{
    unsigned int seed = (unsigned int)time(NULL) + (unsigned int)_i;

    srandom(seed);
    int64_t gap_us = 1 + random() % (_i % 2 == 0 ? 5000 : 100000);
    begin_process();
    run_with_stalls(gap_us, 1 + _i % 3);
    ck_assert_msg(process.sent + process.missed == process.held, "seed %u", seed);
    ck_assert_msg(process.sent > process.held / 4, "seed %u", seed);
    int64_t line_us = INT64_MIN / 2; /* of the job that leaves the least room */
    for (int i = 0; i < process.sent; i++) {
        int64_t turn_us = process.sent_us[i] - i * (gap_us - gap_us * 11 / 100);
        ck_assert_msg(turn_us >= line_us - PACER_TOLERANCE_US, "seed %u: job %d", seed, i);
        line_us = turn_us > line_us ? turn_us : line_us;
        ck_assert_msg(lateness_us(i) >= 0 && lateness_us(i) <= GRACE_US, "seed %u", seed);
        ck_assert_msg(i == 0 || process.slot_us[i] > process.slot_us[i - 1], "seed %u", seed);
    }
    ck_assert_msg(lateness_us(process.sent - 1) < GRACE_US, "seed %u", seed);
    end_process();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pacer_late");
    TCase *tcase = tcase_create("pacer_late");

    tcase_add_test(tcase,
                   after_a_stall_late_jobs_go_nearly_as_their_slots_do_until_they_have_caught_up);
    tcase_add_loop_test(tcase, lateness_of_timers_and_turns_costs_nothing, 0,
                        sizeof gaps_us / sizeof gaps_us[0]);
    tcase_add_test(tcase, slots_of_one_instant_go_at_once_however_late);
    tcase_add_test(tcase, a_stall_moves_the_late_run_of_slots_and_not_the_next);
    tcase_add_test(tcase, late_runs_of_two_claims_keep_a_gap_between_them);
    tcase_add_test(tcase, a_job_of_an_earlier_slot_that_comes_in_late_takes_one_place);
    tcase_add_test(tcase, missed_jobs_keep_nobody_waiting);
    tcase_add_test(tcase, another_pace_counts_from_its_first_claim_on);
    tcase_add_loop_test(tcase, no_window_has_more_than_the_line_and_the_tolerance, 0, 60);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
