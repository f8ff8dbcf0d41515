/* test_metrics_text.c - numbers become the text that Prometheus reads. */
#include "app/metrics_text.h"
#include "base/clock.h"
#include "queue/survey.h"
#include "run_tests.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define NOW_US (1000 * US_PER_SEC)

static struct {
    struct survey_reading reading;
    struct conductor_counters requests;
    uint64_t outcomes[REPORT_KIND_COUNT];
    struct metrics_view view;
    struct buffer text;
} test;

/* A daemon at work that has just read the fleet. */
static void begin(void)
{
    memset(&test, 0, sizeof test);
    test.reading = (struct survey_reading){
        .read_unix_ms = 1700000000250, .good_until_us = NOW_US, .head_age_ms = -1};
    test.view = (struct metrics_view){
        .worker = {.queue = {.reading = &test.reading, .is_connected = true, .is_working = true},
                   .requests = &test.requests,
                   .outcomes = test.outcomes},
        .now_us = NOW_US,
        .started_unix_ms = 1700000000500,
        .cpu_us = 1500000,
        .resident_bytes = 8192,
        .is_config_fresh = true,
    };
    buffer_init(&test.text, 65536);
}

static void end(void)
{
    buffer_done(&test.text);
}

static const char *write_text(void)
{
    buffer_reset(&test.text);
    ck_assert_int_eq(metrics_write(&test.view, &test.text), RESULT_OK);
    return buffer_text(&test.text);
}

/* The value behind a series, as text; NULL: there is no such series. Lent until the next call. */
static const char *value_of(const char *series)
{
    static char value[64];
    char line[256];

    snprintf(line, sizeof line, "\n%s ", series);
    const char *found = strstr(write_text(), line);
    if (found == NULL)
        return NULL;
    found += strlen(line);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(found, "\n"), found);
    return value;
}

static void expect(const char *series, const char *expected)
{
    const char *value = value_of(series);

    ck_assert_msg(value != NULL, "no %s", series);
    ck_assert_msg(strcmp(value, expected) == 0, "%s is %s, not %s", series, value, expected);
}

START_TEST(each_family_has_help_and_type_and_no_series_comes_twice)
{
    static char seen[256][160];
    size_t count = 0;
    char family[128] = "";

    test.view.worker.last_created_unix_ms = 1;
    test.reading.last_ready_unix_ms = 1;
    test.reading.head_age_ms = 1;
    for (const char *line = write_text(); *line != '\0'; line += strcspn(line, "\n") + 1) {
        size_t name_len = strcspn(line, " ");
        if (sscanf(line, "# HELP %127s", family) == 1 || strncmp(line, "# TYPE ", 7) == 0) {
            ck_assert_msg(line[0] == '#' && strncmp(line + 7, family, strlen(family)) == 0, "%.60s",
                          line);
            continue;
        }
        ck_assert_msg(strncmp(line, family, strlen(family)) == 0, "%.60s is not of %s", line,
                      family);
        ck_assert_uint_lt(name_len, sizeof seen[0]);
        for (size_t i = 0; i < count; i++)
            ck_assert_msg(strncmp(seen[i], line, name_len + 1) != 0, "twice: %s", seen[i]);
        ck_assert_uint_lt(count, sizeof seen / sizeof seen[0]);
        snprintf(seen[count++], sizeof seen[0], "%.*s", (int)name_len + 1, line);
    }
    ck_assert_uint_gt(count, 60);
}
END_TEST

START_TEST(every_text_ends_far_below_its_bound)
{
    memset(&test.requests, 0xff, sizeof test.requests);
    memset(test.outcomes, 0xff, sizeof test.outcomes);
    memset(test.reading.counters, 0xff, sizeof test.reading.counters);
    test.reading.queue = test.reading.delayed = test.reading.leases = INT64_MAX;
    test.reading.head_age_ms = test.reading.overdue_ms = INT64_MAX;
    test.reading.pace_per_sec = test.reading.per_sec = 1e300;
    test.view.worker.last_created_unix_ms = test.reading.last_ready_unix_ms = INT64_MAX;
    write_text();
    ck_assert_uint_lt(test.text.len, 16384);
}
END_TEST

START_TEST(text_without_room_is_not_taken_for_whole)
{
    buffer_done(&test.text);
    buffer_init(&test.text, 1000);
    ck_assert_int_eq(metrics_write(&test.view, &test.text), RESULT_FULL);
}
END_TEST

START_TEST(process_is_shown_in_seconds_and_bytes)
{
    expect("authlinkd_build_info{version=\"" AUTHLINKD_VERSION "\"}", "1");
    expect("process_start_time_seconds", "1700000000.5");
    expect("process_cpu_seconds_total", "1.5");
    expect("process_resident_memory_bytes", "8192");
    expect("authlinkd_config_last_reload_successful", "1");
    test.view.is_config_fresh = false;
    expect("authlinkd_config_last_reload_successful", "0");
    test.view.resident_bytes = 0;
    ck_assert_ptr_null(value_of("process_resident_memory_bytes"));
}
END_TEST

START_TEST(outcomes_have_a_series_each)
{
    char series[64];
    char expected[16];

    for (int kind = 0; kind < REPORT_KIND_COUNT; kind++)
        test.outcomes[kind] = 100 + (uint64_t)kind;
    for (int kind = 0; kind < REPORT_KIND_COUNT; kind++) {
        snprintf(series, sizeof series, "authlinkd_jobs_total{outcome=\"%s\"}",
                 outcome_kind_name((enum outcome_kind)kind));
        snprintf(expected, sizeof expected, "%d", 100 + kind);
        expect(series, expected);
    }
}
END_TEST

START_TEST(each_request_is_in_one_series)
{
    test.requests = (struct conductor_counters){
        .unsent = 1, .broken = 2, .by_status_class = {3, 4, 5, 6, 17, 8}, .throttled = 7};
    expect("authlinkd_api_requests_total{status=\"unsent\"}", "1");
    expect("authlinkd_api_requests_total{status=\"ambiguous\"}", "2");
    expect("authlinkd_api_requests_total{status=\"other\"}", "3");
    expect("authlinkd_api_requests_total{status=\"1xx\"}", "4");
    expect("authlinkd_api_requests_total{status=\"2xx\"}", "5");
    expect("authlinkd_api_requests_total{status=\"3xx\"}", "6");
    expect("authlinkd_api_requests_total{status=\"4xx\"}", "10");
    expect("authlinkd_api_requests_total{status=\"429\"}", "7");
    expect("authlinkd_api_requests_total{status=\"5xx\"}", "8");
}
END_TEST

START_TEST(buckets_add_up)
{
    for (size_t i = 0; i < CONDUCTOR_DURATION_BUCKETS; i++)
        test.requests.by_duration[i] = i + 1;
    test.requests.duration_sum_us = 1234567;
    expect("authlinkd_api_request_duration_seconds_bucket{le=\"0.005\"}", "1");
    expect("authlinkd_api_request_duration_seconds_bucket{le=\"0.01\"}", "3");
    expect("authlinkd_api_request_duration_seconds_bucket{le=\"2.5\"}", "45");
    expect("authlinkd_api_request_duration_seconds_bucket{le=\"30\"}", "78");
    expect("authlinkd_api_request_duration_seconds_bucket{le=\"+Inf\"}", "91");
    expect("authlinkd_api_request_duration_seconds_count", "91");
    expect("authlinkd_api_request_duration_seconds_sum", "1.234567");
}
END_TEST

START_TEST(what_is_in_hand_is_shown)
{
    test.view.worker.load = (struct worker_load){.waiting = 3, .in_flight = 4};
    test.view.worker.queue.unsettled = 5;
    test.view.worker.queue.reconnects = 6;
    expect("authlinkd_slot_waiting_jobs", "3");
    expect("authlinkd_api_requests_in_flight", "4");
    expect("authlinkd_unsettled_outcomes", "5");
    expect("authlinkd_redis_reconnects_total", "6");
    expect("authlinkd_redis_connected", "1");
}
END_TEST

START_TEST(fleet_is_shown_as_it_was_read)
{
    test.reading.queue = 10;
    test.reading.delayed = 11;
    test.reading.leases = 12;
    test.reading.inflight = 13;
    test.reading.letters = 14;
    test.reading.head_age_ms = 1500;
    test.reading.overdue_ms = 2500;
    test.reading.memory_used_bytes = 4096;
    test.reading.memory_max_bytes = 9007199254740992;
    test.reading.last_ready_unix_ms = 1700000001000;
    test.reading.per_sec = 10;
    test.reading.pace_per_sec = 9.95;
    test.reading.counters[SURVEY_FENCED] = 15;
    expect("authlinkd_fleet_queue_length", "10");
    expect("authlinkd_fleet_delayed_jobs", "11");
    expect("authlinkd_fleet_leases", "12");
    expect("authlinkd_fleet_inflight_jobs", "13");
    expect("authlinkd_fleet_dead_letters", "14");
    expect("authlinkd_fleet_queue_oldest_age_seconds", "1.5");
    expect("authlinkd_fleet_delayed_overdue_seconds", "2.5");
    expect("authlinkd_redis_memory_used_bytes", "4096");
    expect("authlinkd_redis_memory_max_bytes", "9.00719925474099e+15");
    expect("authlinkd_fleet_last_link_timestamp_seconds", "1700000001");
    expect("authlinkd_fleet_last_read_timestamp_seconds", "1700000000.25");
    expect("authlinkd_fleet_rate_requests_per_second", "10");
    expect("authlinkd_fleet_pace_requests_per_second", "9.95");
    expect("authlinkd_fleet_fenced_total", "15");
}
END_TEST

START_TEST(age_of_a_queue_is_told_where_it_is_known)
{
    expect("authlinkd_fleet_queue_oldest_age_seconds", "0"); /* nothing waits */
    test.reading.queue = 1;
    ck_assert_ptr_null(value_of("authlinkd_fleet_queue_oldest_age_seconds"));
    test.reading.head_age_ms = 0;
    expect("authlinkd_fleet_queue_oldest_age_seconds", "0");
}
END_TEST

START_TEST(what_never_happened_has_no_time_stamp)
{
    ck_assert_ptr_null(value_of("authlinkd_last_link_timestamp_seconds"));
    ck_assert_ptr_null(value_of("authlinkd_fleet_last_link_timestamp_seconds"));
    test.view.worker.last_created_unix_ms = 1700000000001;
    expect("authlinkd_last_link_timestamp_seconds", "1700000000.001");
    test.reading.read_unix_ms = 0;
    ck_assert_ptr_null(value_of("authlinkd_fleet_last_read_timestamp_seconds"));
}
END_TEST

START_TEST(old_reading_is_left_out)
{
    expect("authlinkd_fleet_queue_length", "0");
    test.view.now_us = NOW_US + 1;
    ck_assert_ptr_null(value_of("authlinkd_fleet_queue_length"));
    ck_assert_ptr_null(value_of("authlinkd_fleet_jobs_taken_total"));
    ck_assert_ptr_null(value_of("authlinkd_redis_memory_used_bytes"));
    expect("authlinkd_fleet_last_read_timestamp_seconds", "1700000000.25");
    expect("authlinkd_redis_connected", "1");
}
END_TEST

static void have_hold(const char *kind)
{
    for (int i = 0; i < HOLD_KINDS; i++)
        test.reading.binds[i] = strcmp(hold_kind_name(i), kind) == 0;
}

START_TEST(hold_is_that_of_a_fresh_reading_else_of_the_last_claim)
{
    test.view.worker.queue.hold = "outage"; /* over since, as the reading shows */
    have_hold("pause");
    expect("authlinkd_hold{hold=\"pause\"}", "1");
    expect("authlinkd_hold{hold=\"outage\"}", "0");
    test.view.now_us = NOW_US + 1;
    expect("authlinkd_hold{hold=\"pause\"}", "0");
    expect("authlinkd_hold{hold=\"outage\"}", "1");
    test.view.worker.queue.hold = NULL;
    expect("authlinkd_hold{hold=\"outage\"}", "0");
    expect("authlinkd_hold{hold=\"account\"}", "0");
    expect("authlinkd_hold{hold=\"unknown_users\"}", "0");
}
END_TEST

static const struct {
    const char *word; /* NULL: ready */
    bool is_draining, is_down, is_recovering, is_foreign;
    const char *hold;
} obstacles[] = {
    {NULL, false, false, false, false, ""},
    {"stopping", true, true, true, true, "pause"},
    {"redis", false, true, true, true, "pause"},
    {"recovering", false, false, true, true, "pause"},
    {"foreign", false, false, false, true, "pause"},
    {"pause", false, false, false, false, "pause"},
    {"account", false, false, false, false, "account"},
    {"unknown_users", false, false, false, false, "unknown_users"},
    {"outage", false, false, false, false, "outage"},
};

START_TEST(readiness_names_the_first_obstacle)
{
    struct worker_view *worker = &test.view.worker;

    worker->is_draining = obstacles[_i].is_draining;
    worker->queue.is_connected = !obstacles[_i].is_down;
    worker->queue.is_working = !obstacles[_i].is_recovering;
    worker->queue.is_foreign = obstacles[_i].is_foreign;
    have_hold(obstacles[_i].hold);
    const char *word = metrics_obstacle(&test.view);
    if (obstacles[_i].word == NULL)
        ck_assert_ptr_null(word);
    else
        ck_assert_str_eq(word, obstacles[_i].word);
    expect("authlinkd_ready", obstacles[_i].word == NULL ? "1" : "0");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics_text");
    TCase *tcase = tcase_create("metrics_text");
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, each_family_has_help_and_type_and_no_series_comes_twice);
    tcase_add_test(tcase, every_text_ends_far_below_its_bound);
    tcase_add_test(tcase, text_without_room_is_not_taken_for_whole);
    tcase_add_test(tcase, process_is_shown_in_seconds_and_bytes);
    tcase_add_test(tcase, outcomes_have_a_series_each);
    tcase_add_test(tcase, each_request_is_in_one_series);
    tcase_add_test(tcase, buckets_add_up);
    tcase_add_test(tcase, what_is_in_hand_is_shown);
    tcase_add_test(tcase, fleet_is_shown_as_it_was_read);
    tcase_add_test(tcase, age_of_a_queue_is_told_where_it_is_known);
    tcase_add_test(tcase, what_never_happened_has_no_time_stamp);
    tcase_add_test(tcase, old_reading_is_left_out);
    tcase_add_test(tcase, hold_is_that_of_a_fresh_reading_else_of_the_last_claim);
    tcase_add_loop_test(tcase, readiness_names_the_first_obstacle, 0,
                        (int)(sizeof obstacles / sizeof obstacles[0]));
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
