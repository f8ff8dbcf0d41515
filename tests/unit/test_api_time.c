/* test_api_time.c - points in time as the API and HTTP write them. */
#include "core/api_time.h"
#include "run_tests.h"

#include <check.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *text;
    int64_t unix_ms; /* by date -u -d TEXT +%s */
} api_times[] = {
    {"2024-01-01T12:34:56.789Z", INT64_C(1704112496789)},
    {"2022-11-16 23:51:08.996+00", INT64_C(1668642668996)},
    {"2022-11-16 23:51:08.996+01", INT64_C(1668639068996)},
    {"2022-11-16T23:51:08+0530", INT64_C(1668622868000)},
    {"2022-11-16T23:51:08-05:30", INT64_C(1668662468000)},
    {"2022-11-16T23:51:08-00:00", INT64_C(1668642668000)},
    {"1970-01-01T00:00:00Z", 0},
    {"2000-02-29T00:00:00Z", INT64_C(951782400000)},
    {"2024-02-29T23:59:59.999Z", INT64_C(1709251199999)},
    {"2024-03-01T00:00:00Z", INT64_C(1709251200000)},
    {"2038-01-19T03:14:08Z", INT64_C(2147483648000)},
    {"2100-02-28T00:00:00Z", INT64_C(4107456000000)},
    {"9999-12-31T23:59:59Z", INT64_C(253402300799000)},
    {"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
    {"2024-01-01T00:00:00.5Z", INT64_C(1704067200500)},
    {"2024-01-01T00:00:00.05Z", INT64_C(1704067200050)},
    {"2024-01-01T00:00:00.999999999999999999999Z", INT64_C(1704067200999)},
};

START_TEST(a_time_of_the_api_is_read_in_both_of_its_forms)
{
    int64_t unix_ms = -1;

    ck_assert_msg(api_time_parse(api_times[_i].text, strlen(api_times[_i].text), &unix_ms) ==
                      RESULT_OK,
                  "%s", api_times[_i].text);
    ck_assert_msg(unix_ms == api_times[_i].unix_ms, "%s: %" PRId64, api_times[_i].text, unix_ms);
}
END_TEST

static const char *const bad_api_times[] = {
    "",
    "2024-01-01",
    "2024-01-01T12:34:56.789",
    "2024-01-01T12:34Z",
    "2024-01-01t12:34:56Z",
    "2024-01-01T12:34:56z",
    "2024-01-01T12:34:56.Z",
    "2024-01-01T12:34:56,7Z",
    "2024-01-01T12:34:56.7.8Z",
    "2024-01-01  12:34:56Z",
    "24-01-01T12:34:56Z",
    "02024-01-01T12:34:56Z",
    "2024-1-01T12:34:56Z",
    "2024-01-1T12:34:56Z",
    "+024-01-01T12:34:56Z",
    "2024-00-01T12:34:56Z",
    "2024-13-01T12:34:56Z",
    "2024-01-00T12:34:56Z",
    "2024-01-32T12:34:56Z",
    "2024-04-31T12:34:56Z",
    "2023-02-29T12:34:56Z",
    "2100-02-29T12:34:56Z",
    "2024-01-01T24:00:00Z",
    "2024-01-01T12:60:00Z",
    "2024-01-01T12:34:61Z",
    "2024-01-01T12:34:56+",
    "2024-01-01T12:34:56+0",
    "2024-01-01T12:34:56+24",
    "2024-01-01T12:34:56+00:60",
    "2024-01-01T12:34:56+00:",
    "2024-01-01T12:34:56+000",
    "2024-01-01T12:34:56+00:00:00",
    "2024-01-01T12:34:56ZZ",
    "2024-01-01T12:34:56Z ",
    " 2024-01-01T12:34:56Z",
    "1969-12-31T23:59:59Z",
    "1704112496789",
};

START_TEST(what_is_no_time_is_refused)
{
    int64_t unix_ms = -1;

    ck_assert_msg(api_time_parse(bad_api_times[_i], strlen(bad_api_times[_i]), &unix_ms) ==
                      RESULT_INVALID,
                  "%s", bad_api_times[_i]);
    ck_assert_int_eq(unix_ms, -1);
}
END_TEST

START_TEST(only_the_given_length_is_read)
{
    int64_t unix_ms = -1;

    ck_assert_int_eq(api_time_parse("1970-01-01T00:00:01Zxyz", 20, &unix_ms), RESULT_OK);
    ck_assert_int_eq(unix_ms, 1000);
    ck_assert_int_eq(api_time_parse("1970-01-01T00:00:01Z\0", 21, &unix_ms), RESULT_INVALID);
}
END_TEST

static const struct {
    const char *text;
    int64_t unix_ms;
} http_dates[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", INT64_C(784111777000)}, /* RFC 9110 section 5.6.7 */
    {"Sunday, 06-Nov-94 08:49:37 GMT", INT64_C(784111777000)},
    {"Sun Nov  6 08:49:37 1994", INT64_C(784111777000)},
    {"Wed Nov 16 08:49:37 1994", INT64_C(784975777000)},
    {"Tue, 24 Nov 2026 13:00:00 GMT", INT64_C(1795525200000)},
    {"Tuesday, 24-Nov-26 13:00:00 GMT", INT64_C(1795525200000)},
    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
};

START_TEST(a_date_of_http_is_read_in_its_three_forms)
{
    int64_t unix_ms = -1;

    ck_assert_msg(http_date_parse(http_dates[_i].text, strlen(http_dates[_i].text), &unix_ms) ==
                      RESULT_OK,
                  "%s", http_dates[_i].text);
    ck_assert_msg(unix_ms == http_dates[_i].unix_ms, "%s: %" PRId64, http_dates[_i].text, unix_ms);
}
END_TEST

static const char *const bad_http_dates[] = {
    "",
    "Sun,",
    "06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 06 nov 1994 08:49:37 GMT",
    "Sun, 31 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 8:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT ",
    "Sun, 06 Nov 94 08:49:37 GMT",
    "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sun Nov 6 08:49:37 1994",
    "Sun Nov 06 08:49:37 94",
    "Sun, 06 Nov 1969 08:49:37 GMT",
    "120",
    "1994-11-06T08:49:37Z",
};

START_TEST(what_is_no_date_of_http_is_refused)
{
    int64_t unix_ms = -1;

    ck_assert_msg(http_date_parse(bad_http_dates[_i], strlen(bad_http_dates[_i]), &unix_ms) ==
                      RESULT_INVALID,
                  "%s", bad_http_dates[_i]);
    ck_assert_int_eq(unix_ms, -1);
}
END_TEST

START_TEST(every_day_of_a_century_agrees_with_the_calendar_of_the_system)
{
    char text[64];
    int64_t unix_ms;

    for (time_t day = 0; day < 37000; day++) {
        time_t seconds = day * 86400 + day % 86400;
        struct tm utc;
        ck_assert_ptr_nonnull(gmtime_r(&seconds, &utc));
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
        ck_assert_int_eq(api_time_parse(text, strlen(text), &unix_ms), RESULT_OK);
        ck_assert_msg(unix_ms == seconds * 1000, "%s", text);
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
        ck_assert_int_eq(http_date_parse(text, strlen(text), &unix_ms), RESULT_OK);
        ck_assert_msg(unix_ms == seconds * 1000, "%s", text);
    }
}
END_TEST

START_TEST(random_bytes_do_no_harm)
{
    static const char good[] = "2022-11-16 23:51:08.996+00:00 Sun, 06-Nov-94 GMT";
    unsigned int seed = (unsigned int)time(NULL);
    int64_t unix_ms;

    srandom(seed);
    for (int round = 0; round < 30000; round++) {
        size_t len = (size_t)random() % sizeof good;
        size_t from = (size_t)random() % (sizeof good - len);
        char *text = malloc(len + 1); /* on the heap, for the sanitizer to watch its ends */
        ck_assert_ptr_nonnull(text);
        memcpy(text, good + from, len);
        if (len > 0)
            text[(size_t)random() % len] = (char)random();
        bool is_time = api_time_parse(text, len, &unix_ms) == RESULT_OK;
        bool is_date = http_date_parse(text, len, &unix_ms) == RESULT_OK;
        ck_assert_msg(!is_time || !is_date, "seed %u", seed);
        free(text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("api_time");
    TCase *tcase = tcase_create("api_time");

    tcase_add_loop_test(tcase, a_time_of_the_api_is_read_in_both_of_its_forms, 0,
                        (int)(sizeof api_times / sizeof api_times[0]));
    tcase_add_loop_test(tcase, what_is_no_time_is_refused, 0,
                        (int)(sizeof bad_api_times / sizeof bad_api_times[0]));
    tcase_add_test(tcase, only_the_given_length_is_read);
    tcase_add_loop_test(tcase, a_date_of_http_is_read_in_its_three_forms, 0,
                        (int)(sizeof http_dates / sizeof http_dates[0]));
    tcase_add_loop_test(tcase, what_is_no_date_of_http_is_refused, 0,
                        (int)(sizeof bad_http_dates / sizeof bad_http_dates[0]));
    tcase_add_test(tcase, every_day_of_a_century_agrees_with_the_calendar_of_the_system);
    tcase_add_test(tcase, random_bytes_do_no_harm);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
