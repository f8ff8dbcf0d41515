/* test_headers.c - what is read from an answer's header lines. */
#include "conductor/headers.h"
#include "run_tests.h"

#include <check.h>
#include <string.h>

/* Tue, 24 Nov 2026 12:00:00 GMT, and a clock of ours that is three hours off. */
#define DATE         "Date: Tue, 24 Nov 2026 12:00:00 GMT\r\n"
#define DATE_UNIX_MS INT64_C(1795521600000)
#define WALL_UNIX_MS (DATE_UNIX_MS + INT64_C(3) * 3600 * 1000)

static void read_lines(struct headers *headers, const char *lines)
{
    headers_reset(headers);
    while (*lines != '\0') {
        const char *end = strchr(lines, '\n');
        size_t len = end == NULL ? strlen(lines) : (size_t)(end + 1 - lines);
        headers_add(headers, lines, len);
        lines += len;
    }
}

static const struct {
    const char *name;
    const char *lines;
    int64_t expected_ms;
} waits[] = {
    {"nothing said", "", -1},
    {"a limit that is used up is no Retry-After",
     "RateLimit-Remaining: 0\r\nRateLimit-Reset: 5\r\n", -1},
    {"seconds", "Retry-After: 7\r\n", 7000},
    {"any case, no blank, no CR", "rEtRy-aFtEr:7\n", 7000},
    {"blanks around", "Retry-After: \t 7 \t\r\n", 7000},
    {"zero is said", "Retry-After: 0\r\n", 0},
    {"a fraction", "Retry-After: 1.5\r\n", 1500},
    {"capped at ten minutes", "Retry-After: 86400\r\n", 600000},
    {"more than a number holds", "Retry-After: 99999999999999999999\r\n", -1},
    {"negative", "Retry-After: -5\r\n", -1},
    {"a word", "Retry-After: soon\r\n", -1},
    {"empty", "Retry-After:\r\n", -1},
    {"a point alone", "Retry-After: .\r\n", -1},
    {"an unfinished fraction", "Retry-After: 1.\r\n", -1},
    {"two points", "Retry-After: 1.2.3\r\n", -1},
    {"an exponent", "Retry-After: 1e3\r\n", -1},
    {"a date counts from the answer's own", DATE "Retry-After: Tue, 24 Nov 2026 12:00:20 GMT\r\n",
     20000},
    {"the order does not matter", "Retry-After: Tue, 24 Nov 2026 12:00:20 GMT\r\n" DATE, 20000},
    {"a date that is past", DATE "Retry-After: Tue, 24 Nov 2026 11:00:00 GMT\r\n", 0},
    {"without Date our clock counts", "Retry-After: Tue, 24 Nov 2026 15:00:05 GMT\r\n", 5000},
    {"milliseconds come first", "Retry-After: 7\r\nRetry-After-Ms: 150\r\n", 150},
    {"milliseconds with a fraction", "retry-after-ms: 150.9\r\n", 150},
    {"milliseconds that are garbage", "Retry-After-Ms: x\r\nRetry-After: 7\r\n", 7000},
    {"milliseconds capped", "Retry-After-Ms: 600001\r\n", 600000},
    {"the last of two", "Retry-After: 7\r\nRetry-After: 9\r\n", 9000},
    {"no colon", "Retry-After 7\r\n", -1},
    {"another name that ends alike", "X-Retry-After: 7\r\n", -1},
};

START_TEST(wait_is_read)
{
    struct headers headers;

    read_lines(&headers, waits[_i].lines);
    int64_t wait_ms = headers_retry_after_ms(&headers, WALL_UNIX_MS);
    ck_assert_msg(wait_ms == waits[_i].expected_ms, "%s: %lld", waits[_i].name, (long long)wait_ms);
}
END_TEST

static const struct {
    const char *name;
    int status;
    const char *lines;
    int64_t expected_ms;
} resets[] = {
    {"nothing said", 200, "", -1},
    {"used up", 429, "RateLimit-Remaining: 0\r\nRateLimit-Reset: 5\r\n", 5000},
    {"older names", 429, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 5\r\n", 5000},
    {"names with more joints", 429, "X-Rate-Limit-Remaining: 0\r\nX-Rate-Limit-Reset: 5\r\n", 5000},
    {"what is left unsaid", 429, "X-RateLimit-Reset: 5\r\n", 5000},
    {"not used up", 429, "RateLimit-Remaining: 3\r\nRateLimit-Reset: 5\r\n", -1},
    {"until an instant", 429, DATE "X-RateLimit-Reset: 1795521612\r\n", 12000},
    {"until an instant, milliseconds", 429, DATE "X-RateLimit-Reset: 1795521612000\r\n", 12000},
    {"until an instant that is past", 429, DATE "X-RateLimit-Reset: 1795521000\r\n", 0},
    {"Retry-After comes first", 429, "RateLimit-Reset: 5\r\nRetry-After: 2\r\n", -1},
    {"one line", 429, "RateLimit: limit=10, remaining=0, reset=5\r\n", 5000},
    {"structured", 429, "RateLimit: \"default\";r=0;t=5\r\n", 5000},
    {"the policy that is used up", 429, "RateLimit: \"day\";r=9;t=60, \"sec\";r=0;t=2\r\n", 2000},
    {"structured, not used up", 429, "RateLimit: \"default\";r=1;t=5\r\n", -1},
    {"garbage", 429, "RateLimit: ;;==,t=,r\r\nRateLimit-Reset: x\r\n", -1},
    {"accepted, used up", 200, "RateLimit-Remaining: 0\r\nRateLimit-Reset: 5\r\n", 5000},
    {"accepted, used up until an instant", 201,
     DATE "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1795521612\r\n", 12000},
    {"accepted, without Date our clock counts", 200,
     "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1795532405\r\n", 5000},
    {"accepted, one line", 200, "ratelimit: limit=10, remaining=0, reset=5\r\n", 5000},
    {"accepted, structured", 200, "RateLimit: \"default\";r=0;t=30\r\n", 30000},
    {"accepted, a policy that is used up", 200, "RateLimit: \"sec\";r=7;t=1, \"day\";r=0;t=60\r\n",
     60000},
    {"accepted, a Retry-After besides", 200,
     "RateLimit-Remaining: 0\r\nRateLimit-Reset: 5\r\nRetry-After: 2\r\n", 5000},
    {"accepted, not used up", 200, "RateLimit-Remaining: 1\r\nRateLimit-Reset: 5\r\n", -1},
    {"accepted, what is left unsaid", 200, "RateLimit-Reset: 5\r\n", -1},
    {"accepted, what is left in words", 200, "RateLimit-Remaining: none\r\nRateLimit-Reset: 5\r\n",
     -1},
    {"accepted, two numbers in one", 200, "RateLimit-Remaining: 0, 0\r\nRateLimit-Reset: 5\r\n",
     -1},
    {"accepted, below nothing left", 200, "RateLimit-Remaining: -1\r\nRateLimit-Reset: 5\r\n", -1},
    {"accepted, nothing left for below a second", 200,
     "RateLimit-Remaining: 0\r\nRateLimit-Reset: -5\r\n", -1},
    {"accepted, no end said", 200, "RateLimit-Remaining: 0\r\n", -1},
    {"accepted, an end that is no number", 200,
     "RateLimit-Remaining: 0\r\nRateLimit-Reset: NaN\r\n", -1},
    {"accepted, for a year", 200, "RateLimit-Remaining: 0\r\nRateLimit-Reset: 31536000\r\n",
     600000},
    {"accepted, until the year 2100", 200,
     DATE "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 4102444800\r\n", 600000},
    {"accepted, more than a number holds", 200,
     "RateLimit-Remaining: 0\r\nRateLimit-Reset: 99999999999999999999\r\n", -1},
    {"accepted, structured without an end", 200, "RateLimit: \"default\";r=0\r\n", -1},
    {"accepted, a quote that hides", 200, "RateLimit: \"a;r=0;t=60\";r=5;t=1\r\n", -1},
};

START_TEST(a_limit_that_is_used_up_is_read)
{
    struct headers headers;

    read_lines(&headers, resets[_i].lines);
    int64_t reset_ms = headers_quota_reset_ms(&headers, resets[_i].status, WALL_UNIX_MS);
    ck_assert_msg(reset_ms == resets[_i].expected_ms, "%s: %lld", resets[_i].name,
                  (long long)reset_ms);
}
END_TEST

static const struct {
    const char *name;
    const char *lines;
    const char *request_id;
    bool is_html;
    enum answer_should_retry should_retry;
    int64_t date_unix_ms;
} reads[] = {
    {"nothing", "", "", false, SHOULD_RETRY_UNSAID, -1},
    {"request ID", "Conductor-Request-Id: req_A-b.9\r\n", "req_A-b.9", false, SHOULD_RETRY_UNSAID,
     -1},
    {"request ID in lower case", "conductor-request-id:req_1\r\n", "req_1", false,
     SHOULD_RETRY_UNSAID, -1},
    {"request ID with a blank", "Conductor-Request-Id: req 1\r\n", "", false, SHOULD_RETRY_UNSAID,
     -1},
    {"request ID with an escape", "Conductor-Request-Id: req_\x1b[2J\r\n", "", false,
     SHOULD_RETRY_UNSAID, -1},
    {"request ID, empty", "Conductor-Request-Id:\r\n", "", false, SHOULD_RETRY_UNSAID, -1},
    {"JSON", "Content-Type: application/json; charset=utf-8\r\n", "", false, SHOULD_RETRY_UNSAID,
     -1},
    {"HTML", "Content-Type: text/html\r\n", "", true, SHOULD_RETRY_UNSAID, -1},
    {"HTML with a parameter", "content-type: Text/HTML ; charset=UTF-8\r\n", "", true,
     SHOULD_RETRY_UNSAID, -1},
    {"XHTML", "Content-Type: application/xhtml+xml\r\n", "", true, SHOULD_RETRY_UNSAID, -1},
    {"told to retry", "X-Should-Retry: true\r\n", "", false, SHOULD_RETRY_YES, -1},
    {"told not to", "x-should-retry: False\r\n", "", false, SHOULD_RETRY_NO, -1},
    {"told something", "x-should-retry: maybe\r\n", "", false, SHOULD_RETRY_UNSAID, -1},
    {"date", DATE, "", false, SHOULD_RETRY_UNSAID, DATE_UNIX_MS},
    {"no date", "Date: yesterday\r\n", "", false, SHOULD_RETRY_UNSAID, -1},
};

START_TEST(fields_are_read)
{
    struct headers headers;

    read_lines(&headers, reads[_i].lines);
    ck_assert_msg(strcmp(headers.request_id, reads[_i].request_id) == 0, "%s: %s", reads[_i].name,
                  headers.request_id);
    ck_assert_msg(headers.is_html == reads[_i].is_html, "%s", reads[_i].name);
    ck_assert_msg(headers.should_retry == reads[_i].should_retry, "%s", reads[_i].name);
    ck_assert_msg(headers.date_unix_ms == reads[_i].date_unix_ms, "%s", reads[_i].name);
}
END_TEST

START_TEST(request_id_has_128_bytes_at_most)
{
    char line[200] = "Conductor-Request-Id: ";
    size_t start = strlen(line);
    struct headers headers;

    headers_reset(&headers);
    memset(line + start, 'a', 129);
    headers_add(&headers, line, start + 128);
    ck_assert_uint_eq(strlen(headers.request_id), 128);
    headers_add(&headers, line, start + 129);
    ck_assert_str_eq(headers.request_id, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("headers");
    TCase *tcase = tcase_create("headers");

    tcase_add_loop_test(tcase, wait_is_read, 0, sizeof waits / sizeof waits[0]);
    tcase_add_loop_test(tcase, a_limit_that_is_used_up_is_read, 0,
                        sizeof resets / sizeof resets[0]);
    tcase_add_loop_test(tcase, fields_are_read, 0, sizeof reads / sizeof reads[0]);
    tcase_add_test(tcase, request_id_has_128_bytes_at_most);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
