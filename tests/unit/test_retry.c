/* test_retry.c - back-off with full jitter, and its end. */
#include "core/retry.h"
#include "run_tests.h"

#include <check.h>

static const struct retry_policy policy = {.max_attempts = 12,
                                           .give_up_after_ms = 86400000,
                                           .base_delay_ms = 1000,
                                           .max_delay_ms = 600000};

#define NEARLY_ONE 0.9999999999

static const struct {
    uint32_t attempts;
    int64_t ceiling_ms;
} ceilings[] = {
    {1, 1000},    {2, 2000},    {3, 4000},    {9, 256000},          {10, 512000},
    {11, 600000}, {12, 600000}, {33, 600000}, {UINT32_MAX, 600000},
};

START_TEST(the_ceiling_doubles_up_to_the_maximum)
{
    int64_t ceiling_ms = ceilings[_i].ceiling_ms;

    ck_assert_int_eq(retry_delay_ms(&policy, ceilings[_i].attempts, 0.0), 0);
    ck_assert_int_eq(retry_delay_ms(&policy, ceilings[_i].attempts, 0.5), ceiling_ms / 2);
    ck_assert_int_eq(retry_delay_ms(&policy, ceilings[_i].attempts, NEARLY_ONE), ceiling_ms - 1);
}
END_TEST

START_TEST(a_first_delay_above_the_maximum_is_cut)
{
    struct retry_policy odd = {.base_delay_ms = 5000, .max_delay_ms = 1000};

    ck_assert_int_eq(retry_delay_ms(&odd, 1, 0.5), 500);
}
END_TEST

START_TEST(doubling_never_overflows)
{
    struct retry_policy vast = {.base_delay_ms = 600000, .max_delay_ms = INT64_MAX};

    ck_assert_int_gt(retry_delay_ms(&vast, UINT32_MAX, 0.5), 0);
}
END_TEST

START_TEST(it_is_over_by_attempts_or_by_age)
{
    ck_assert(!retry_is_over(&policy, 11, 0));
    ck_assert(retry_is_over(&policy, 12, 0));
    ck_assert(retry_is_over(&policy, 13, 0));
    ck_assert(!retry_is_over(&policy, 1, 86399999));
    ck_assert(retry_is_over(&policy, 1, 86400000));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("retry");
    TCase *tcase = tcase_create("retry");

    tcase_add_loop_test(tcase, the_ceiling_doubles_up_to_the_maximum, 0,
                        (int)(sizeof ceilings / sizeof ceilings[0]));
    tcase_add_test(tcase, a_first_delay_above_the_maximum_is_cut);
    tcase_add_test(tcase, doubling_never_overflows);
    tcase_add_test(tcase, it_is_over_by_attempts_or_by_age);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
