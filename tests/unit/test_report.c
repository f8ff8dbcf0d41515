/* test_report.c - what is counted by the minute, and what since the start. */
#include "app/report.h"

#include "base/clock.h"
#include "base/log.h"
#include "run_tests.h"

#include <check.h>

#define MINUTE_US (60 * US_PER_SEC)

START_TEST(totals_outlive_the_minute_and_counts_do_not)
{
    struct report report;
    const struct job job = {.end_user_id = "u"};
    const struct outcome created = {.kind = OUTCOME_CREATED};
    const struct outcome retry = {.kind = OUTCOME_RETRY};

    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    report_init(&report, 0);
    report_job(&report, 1, &job, &created);
    report_job(&report, 2, &job, &retry);
    ck_assert_uint_eq(report.counts[OUTCOME_CREATED], 1);
    int64_t last_unix_ms = report.last_created_unix_ms;
    ck_assert_int_gt(last_unix_ms, 0);

    report_job(&report, MINUTE_US, &job, &retry);
    ck_assert_uint_eq(report.counts[OUTCOME_CREATED], 0);
    ck_assert_uint_eq(report.counts[OUTCOME_RETRY], 1);
    ck_assert_uint_eq(report.totals[OUTCOME_CREATED], 1);
    ck_assert_uint_eq(report.totals[OUTCOME_RETRY], 2);
    ck_assert_int_eq(report.last_created_unix_ms, last_unix_ms);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report");
    TCase *tcase = tcase_create("report");
    tcase_add_test(tcase, totals_outlive_the_minute_and_counts_do_not);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
