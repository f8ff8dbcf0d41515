/* test_pacer.c - jobs come at their slots, and in their order. */
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

int main(void)
{
    Suite *suite = suite_create("pacer");
    TCase *tcase = tcase_create("pacer");

    tcase_add_test(tcase, nothing_is_held_at_first);
    tcase_add_test(tcase, a_job_is_due_at_its_slot_and_no_microsecond_before);
    tcase_add_test(tcase, a_full_one_takes_no_more);
    tcase_add_test(tcase, the_jobs_of_a_lease_come_out_and_the_others_keep_their_order);
    tcase_add_loop_test(tcase, it_does_what_looking_through_all_of_them_does, 0, 100);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
