/* test_pacer.c - jobs come at their slots, and in their order; late ones keep their distance. */
#include "core/pacer.h"
#include "run_tests.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

#define CAPACITY 64

static struct job jobs[CAPACITY];

START_TEST(nothing_is_held_at_first)
{
    struct pacer *pacer = pacer_new(1);
    struct job *job = NULL;
    int64_t wait_us = -1;

    ck_assert_int_eq(pacer_take_due(pacer, INT64_MAX, &job, &wait_us), RESULT_EMPTY);
    ck_assert_int_eq(wait_us, -1);
    ck_assert_uint_eq(pacer_count(pacer), 0);
    ck_assert_ptr_null(pacer_free(pacer));
    ck_assert_ptr_null(pacer_free(NULL));
}
END_TEST

START_TEST(a_job_is_due_at_its_slot_and_no_microsecond_before)
{
    struct pacer *pacer = pacer_new(1);
    struct job *job = NULL;
    int64_t wait_us = -1;

    jobs[0].slot_due_us = 1000;
    ck_assert_int_eq(pacer_add(pacer, &jobs[0]), RESULT_OK);
    ck_assert_int_eq(pacer_take_due(pacer, 400, &job, &wait_us), RESULT_LATER);
    ck_assert_int_eq(wait_us, 600);
    ck_assert_int_eq(pacer_take_due(pacer, 999, &job, &wait_us), RESULT_LATER);
    ck_assert_int_eq(wait_us, 1);
    ck_assert_ptr_null(job);
    ck_assert_int_eq(pacer_take_due(pacer, 1000, &job, &wait_us), RESULT_OK);
    ck_assert_ptr_eq(job, &jobs[0]);
    pacer_free(pacer);
}
END_TEST

START_TEST(a_full_one_takes_no_more)
{
    struct pacer *pacer = pacer_new(2);

    ck_assert_int_eq(pacer_add(pacer, &jobs[0]), RESULT_OK);
    ck_assert_int_eq(pacer_add(pacer, &jobs[1]), RESULT_OK);
    ck_assert_int_eq(pacer_add(pacer, &jobs[2]), RESULT_FULL);
    ck_assert_uint_eq(pacer_count(pacer), 2);
    pacer_free(pacer);
}
END_TEST

static bool is_of_lease(const struct job *job, void *user)
{
    return job->lease_seq == *(const uint64_t *)user;
}

START_TEST(the_jobs_of_a_lease_come_out_and_the_others_keep_their_order)
{
    struct pacer *pacer = pacer_new(CAPACITY);
    uint64_t lost = 1;
    int64_t wait_us;

    for (int i = 0; i < CAPACITY; i++) {
        jobs[i] = (struct job){.slot_due_us = i * 37 % CAPACITY, .lease_seq = (uint64_t)i % 3};
        ck_assert_int_eq(pacer_add(pacer, &jobs[i]), RESULT_OK);
    }
    int taken = 0;
    for (struct job *job = pacer_take_if(pacer, is_of_lease, &lost); job != NULL; job = job->next) {
        ck_assert_uint_eq(job->lease_seq, 1);
        taken++;
    }
    ck_assert_int_eq(taken, CAPACITY / 3);
    ck_assert_ptr_null(pacer_take_if(pacer, is_of_lease, &lost));
    int64_t last_us = -1;
    for (struct job *job; pacer_take_due(pacer, CAPACITY, &job, &wait_us) == RESULT_OK; taken++) {
        ck_assert_uint_ne(job->lease_seq, 1);
        ck_assert_int_gt(job->slot_due_us, last_us);
        last_us = job->slot_due_us;
    }
    ck_assert_int_eq(taken, CAPACITY);
    pacer_free(pacer);
}
END_TEST

/* The plain way to do the same: look through all of them. */
struct model {
    bool is_held[CAPACITY];
    uint32_t count;
};

static int64_t model_soonest_us(const struct model *model)
{
    int64_t soonest_us = INT64_MAX;

    for (int i = 0; i < CAPACITY; i++)
        if (model->is_held[i] && jobs[i].slot_due_us < soonest_us)
            soonest_us = jobs[i].slot_due_us;
    return soonest_us;
}

static void add_one(struct pacer *pacer, struct model *model)
{
    int i = (int)(random() % CAPACITY);

    if (model->is_held[i])
        return;
    jobs[i] = (struct job){.slot_due_us = random() % 50, .lease_seq = (uint64_t)(random() % 4)};
    ck_assert_int_eq(pacer_add(pacer, &jobs[i]), RESULT_OK);
    model->is_held[i] = true;
    model->count++;
}

static void take_one(struct pacer *pacer, struct model *model, unsigned int seed)
{
    int64_t now_us = random() % 50;
    int64_t soonest_us = model_soonest_us(model);
    int64_t wait_us = 0;
    struct job *job = NULL;
    enum result result = pacer_take_due(pacer, now_us, &job, &wait_us);

    if (model->count == 0) {
        ck_assert_msg(result == RESULT_EMPTY, "seed %u", seed);
    } else if (soonest_us > now_us) {
        ck_assert_msg(result == RESULT_LATER && wait_us == soonest_us - now_us, "seed %u", seed);
    } else {
        ck_assert_msg(result == RESULT_OK && job->slot_due_us == soonest_us, "seed %u", seed);
        ck_assert_msg(model->is_held[job - jobs], "seed %u", seed);
        model->is_held[job - jobs] = false;
        model->count--;
    }
}

static void take_lease(struct pacer *pacer, struct model *model, unsigned int seed)
{
    uint64_t seq = (uint64_t)(random() % 4);

    for (struct job *job = pacer_take_if(pacer, is_of_lease, &seq); job != NULL; job = job->next) {
        ck_assert_msg(model->is_held[job - jobs] && job->lease_seq == seq, "seed %u", seed);
        model->is_held[job - jobs] = false;
        model->count--;
    }
    for (int i = 0; i < CAPACITY; i++)
        ck_assert_msg(!model->is_held[i] || jobs[i].lease_seq != seq, "seed %u", seed);
}

START_TEST(it_does_what_looking_through_all_of_them_does)
{
    unsigned int seed = (unsigned int)time(NULL) + (unsigned int)_i;
    struct pacer *pacer = pacer_new(CAPACITY);
    struct model model = {.count = 0};

    srandom(seed);
    /* Slots of 50 us, a hundred or so: far less than the tolerance, so no job is spaced. */
    for (int round = 0; round < 300; round++) {
        long dice = random() % 100;
        if (dice < 55)
            add_one(pacer, &model);
        else if (dice < 98)
            take_one(pacer, &model, seed);
        else
            take_lease(pacer, &model, seed);
        ck_assert_msg(pacer_count(pacer) == model.count, "seed %u", seed);
    }
    pacer_free(pacer);
}
END_TEST

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
    process = (struct process){.pacer = pacer_new(MOST_SENT)};
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

START_TEST(after_a_stall_late_jobs_go_as_their_slots_do_and_catch_up_by_a_twentieth)
{
    begin_process();
    claim(1, 1000000, 2000, 4000);
    wake(1200000); /* 101 slots have passed */
    ck_assert_int_eq(process.sent, 1 + PACER_TOLERANCE_US / 1900);
    int before = process.sent;
    wake(1200000 + 19000);
    ck_assert_int_eq(process.sent, before + 10);
    run(10000000);
    ck_assert_int_eq(process.sent, 4000);
    for (int i = before + 11; i < process.sent; i++)
        ck_assert_int_le(lateness_us(i), lateness_us(i - 1));
    ck_assert_int_gt(lateness_us(1700), 0);
    ck_assert_int_eq(lateness_us(1801), 0); /* 200 ms, less the tolerance, in 3.6 s */
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
        ck_assert_int_eq(process.sent_us[i], 1245000 + (i - 1) * 38000 - PACER_TOLERANCE_US);
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
        ck_assert_int_eq(process.sent_us[i], 1130000 + (i - 2) * 28500 - PACER_TOLERANCE_US);
    end_process();
}
END_TEST

START_TEST(missed_jobs_keep_nobody_waiting)
{
    int64_t wait_us = 0;
    struct job *job;

    begin_process();
    ck_assert_int_eq(pacer_take_missed(process.pacer, INT64_MAX, &job, &wait_us), RESULT_EMPTY);
    claim(1, 1000000, 2000, 100);
    claim(2, 9000000, 2000, 100);
    ck_assert_int_eq(pacer_take_missed(process.pacer, 1000000, &job, &wait_us), RESULT_LATER);
    ck_assert_int_eq(wait_us, 1);
    wake(9000000);
    ck_assert_int_eq(process.missed, 100);
    run(10000000);
    ck_assert_int_eq(process.sent, 100);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(lateness_us(i), 0);
    end_process();
}
END_TEST

START_TEST(another_pace_counts_from_its_first_claim_on)
{
    begin_process();
    claim(1, 1000000, 100000, 3);
    run(2000000);
    claim(2, 2000000, 1000, 200);
    wake(2100000);
    run(4000000);
    ck_assert_int_eq(process.sent, 203);
    ck_assert_int_eq(process.missed, 0);
    ck_assert_int_le(process.sent_us[202], 2100000 + 200 * 950);
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
    int64_t line_us =
        INT64_MIN / 2; /* of the job that leaves the least room; a gap is cut to whole us */
    for (int i = 0; i < process.sent; i++) {
        int64_t turn_us = process.sent_us[i] - i * (gap_us - gap_us / 20);
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
    Suite *suite = suite_create("pacer");
    TCase *tcase = tcase_create("pacer");

    tcase_add_test(tcase, nothing_is_held_at_first);
    tcase_add_test(tcase, a_job_is_due_at_its_slot_and_no_microsecond_before);
    tcase_add_test(tcase, a_full_one_takes_no_more);
    tcase_add_test(tcase, the_jobs_of_a_lease_come_out_and_the_others_keep_their_order);
    tcase_add_loop_test(tcase, it_does_what_looking_through_all_of_them_does, 0, 100);
    tcase_add_test(tcase, after_a_stall_late_jobs_go_as_their_slots_do_and_catch_up_by_a_twentieth);
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
