/* test_fake_limiter.c - the three forms of a rate limit, in virtual time. */
#include "base/clock.h"
#include "chance.h"
#include "limiter.h"
#include "run_tests.h"

#include <check.h>
#include <stdlib.h>

#define START_US   (INT64_C(1000) * US_PER_SEC)
#define FLOOD_SEC  900
#define PASSED_MAX 50000

/* When requests were let through. */
struct passed {
    int64_t at_us[PASSED_MAX];
    int count;
};

static const struct {
    const char *name;
    struct settings settings;
    int64_t mean_gap_us; /* between requests; random, so that no rhythm helps */
} rows[] = {
    {"bucket of one", {.limit = LIMIT_BUCKET, .rate = 10, .burst = 1}, 20000},
    {"bucket of fifty", {.limit = LIMIT_BUCKET, .rate = 25, .burst = 50}, 10000},
    {"bucket, less than one a second", {.limit = LIMIT_BUCKET, .rate = 0.2, .burst = 3}, 300000},
    {"window of a second", {.limit = LIMIT_WINDOW, .rate = 20, .window_ms = 1000}, 10000},
    {"window of a minute", {.limit = LIMIT_WINDOW, .rate = 1, .window_ms = 60000}, 200000},
    {"log of a second", {.limit = LIMIT_LOG, .rate = 20, .window_ms = 1000}, 10000},
    {"log of ten seconds", {.limit = LIMIT_LOG, .rate = 3, .window_ms = 10000}, 50000},
};

/* More requests than the limit allows, for a quarter of an hour. */
static void flood(int row, struct passed *passed)
{
    struct limiter limiter = {0};
    struct chance chance;
    int64_t now_us = START_US;

    passed->count = 0;
    chance_seed(&chance, 42);
    while (now_us < START_US + FLOOD_SEC * US_PER_SEC && passed->count < PASSED_MAX) {
        int64_t wait_us = 0;
        if (limiter_take(&limiter, &rows[row].settings, now_us, &wait_us))
            passed->at_us[passed->count++] = now_us;
        else
            ck_assert_msg(wait_us > 0, "%s: no wait", rows[row].name);
        now_us += 1 + (int64_t)(2.0 * chance_unit(&chance) * (double)rows[row].mean_gap_us);
    }
    limiter_reset(&limiter);
}

/* Most that pass within `length_us`, wherever that span lies. */
static int most_within(const struct passed *passed, int64_t length_us)
{
    int most = 0;
    int first = 0;

    for (int last = 0; last < passed->count; last++) {
        while (passed->at_us[last] - passed->at_us[first] >= length_us)
            first++;
        if (last - first + 1 > most)
            most = last - first + 1;
    }
    return most;
}

START_TEST(a_flood_gets_the_rate_and_no_more)
{
    static struct passed passed;
    double rate = rows[_i].settings.rate;
    double limit = rate * FLOOD_SEC;

    flood(_i, &passed);
    ck_assert_msg(passed.count <= limit + 60 * rate + (double)rows[_i].settings.burst,
                  "%s: %d passed", rows[_i].name, passed.count);
    /* What waits for a random request loses up to its gap a turn. */
    ck_assert_msg(passed.count >= 0.8 * limit, "%s: only %d passed", rows[_i].name, passed.count);
}
END_TEST

START_TEST(no_span_holds_more_than_the_form_allows)
{
    static struct passed passed;
    const struct settings *settings = &rows[_i].settings;
    int64_t span_us = settings->window_ms > 0 ? settings->window_ms * US_PER_MS : US_PER_SEC;
    double in_span = settings->rate * (double)span_us / (double)US_PER_SEC;
    double allowed = settings->limit == LIMIT_LOG      ? in_span
                     : settings->limit == LIMIT_WINDOW ? 2 * in_span
                                                       : in_span + (double)settings->burst;

    flood(_i, &passed);
    ck_assert_msg(most_within(&passed, span_us) <= allowed, "%s: %d within its span", rows[_i].name,
                  most_within(&passed, span_us));
}
END_TEST

START_TEST(who_waits_as_told_passes)
{
    struct limiter limiter = {0};
    const struct settings *settings = &rows[_i].settings;
    int64_t now_us = START_US;

    for (int i = 0; i < 1000; i++) {
        int64_t wait_us = 0;
        if (limiter_take(&limiter, settings, now_us, &wait_us))
            continue;
        ck_assert_msg(!limiter_take(&limiter, settings, now_us + wait_us - 2, &(int64_t){0}),
                      "%s: told to wait too long", rows[_i].name);
        now_us += wait_us;
        ck_assert_msg(limiter_take(&limiter, settings, now_us, &wait_us), "%s: told too little",
                      rows[_i].name);
    }
    limiter_reset(&limiter);
}
END_TEST

START_TEST(after_a_long_rest_a_bucket_holds_its_burst_and_no_more)
{
    struct limiter limiter = {0};
    struct settings settings = {.limit = LIMIT_BUCKET, .rate = 10, .burst = 7};
    int64_t now_us = START_US;

    for (int rest = 0; rest < 3; rest++) {
        int passed = 0;
        while (limiter_take(&limiter, &settings, now_us, &(int64_t){0}))
            passed++;
        ck_assert_int_eq(passed, 7);
        now_us += 3600 * US_PER_SEC;
    }
}
END_TEST

START_TEST(rate_zero_lets_everything_through)
{
    struct limiter limiter = {0};
    struct settings settings = {.limit = LIMIT_LOG, .window_ms = 1000};

    for (int i = 0; i < 100; i++)
        ck_assert(limiter_take(&limiter, &settings, START_US, &(int64_t){0}));
}
END_TEST

START_TEST(a_log_forgets_when_its_size_changes)
{
    struct limiter limiter = {0};
    struct settings settings = {.limit = LIMIT_LOG, .rate = 1, .window_ms = 1000};

    ck_assert(limiter_take(&limiter, &settings, START_US, &(int64_t){0}));
    ck_assert(!limiter_take(&limiter, &settings, START_US, &(int64_t){0}));
    settings.rate = 2;
    ck_assert(limiter_take(&limiter, &settings, START_US, &(int64_t){0}));
    ck_assert(limiter_take(&limiter, &settings, START_US, &(int64_t){0}));
    ck_assert(!limiter_take(&limiter, &settings, START_US, &(int64_t){0}));
    limiter_reset(&limiter);
}
END_TEST

static const struct {
    const char *name;
    struct settings settings;
} full[] = {
    {"bucket", {.limit = LIMIT_BUCKET, .rate = 2, .burst = 6}},
    {"window", {.limit = LIMIT_WINDOW, .rate = 2, .window_ms = 3000}},
    {"log", {.limit = LIMIT_LOG, .rate = 2, .window_ms = 3000}},
};

/* Six requests within a second: each leaves one less, and all are there again in three seconds. */
START_TEST(what_is_left_is_told)
{
    struct limiter limiter = {0};
    const struct settings *settings = &full[_i].settings;
    int64_t start_us = START_US - START_US % (3 * US_PER_SEC);

    for (int number = 1; number <= 6; number++) {
        ck_assert(limiter_take(&limiter, settings, start_us + number, &(int64_t){0}));
        struct quota quota = limiter_quota(&limiter, settings, start_us + number);
        ck_assert_msg(quota.left == 6 - number, "%s: %lld", full[_i].name, (long long)quota.left);
    }
    struct quota quota = limiter_quota(&limiter, settings, start_us + 6);
    ck_assert_msg(llabs(quota.reset_us - 3 * US_PER_SEC) <= 6, "%s: %lld", full[_i].name,
                  (long long)quota.reset_us);
    limiter_reset(&limiter);
}
END_TEST

int main(void)
{
    int count = sizeof rows / sizeof rows[0];
    Suite *suite = suite_create("fake limiter");
    TCase *tcase = tcase_create("fake limiter");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_flood_gets_the_rate_and_no_more, 0, count);
    tcase_add_loop_test(tcase, no_span_holds_more_than_the_form_allows, 0, count);
    tcase_add_loop_test(tcase, who_waits_as_told_passes, 0, count);
    tcase_add_test(tcase, after_a_long_rest_a_bucket_holds_its_burst_and_no_more);
    tcase_add_test(tcase, rate_zero_lets_everything_through);
    tcase_add_test(tcase, a_log_forgets_when_its_size_changes);
    tcase_add_loop_test(tcase, what_is_left_is_told, 0, sizeof full / sizeof full[0]);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
