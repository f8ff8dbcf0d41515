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
    int status;
    const char *lines;
    int64_t expected_ms;
} waits[] = {
    {"nothing said", 429, "", -1},
    {"seconds", 429, "Retry-After: 7\r\n", 7000},
    {"any case, no blank, no CR", 503, "rEtRy-aFtEr:7\n", 7000},
    {"blanks around", 503, "Retry-After: \t 7 \t\r\n", 7000},
    {"zero is said", 429, "Retry-After: 0\r\n", 0},
    {"a fraction", 429, "Retry-After: 1.5\r\n", 1500},
    {"capped at ten minutes", 429, "Retry-After: 86400\r\n", 600000},
    {"more than a number holds", 429, "Retry-After: 99999999999999999999\r\n", -1},
    {"negative", 429, "Retry-After: -5\r\n", -1},
    {"a word", 429, "Retry-After: soon\r\n", -1},
    {"empty", 429, "Retry-After:\r\n", -1},
    {"a point alone", 429, "Retry-After: .\r\n", -1},
    {"an unfinished fraction", 429, "Retry-After: 1.\r\n", -1},
    {"two points", 429, "Retry-After: 1.2.3\r\n", -1},
    {"an exponent", 429, "Retry-After: 1e3\r\n", -1},
    {"a date counts from the answer's own", 429,
     DATE "Retry-After: Tue, 24 Nov 2026 12:00:20 GMT\r\n", 20000},
    {"the order does not matter", 429, "Retry-After: Tue, 24 Nov 2026 12:00:20 GMT\r\n" DATE,
     20000},
    {"a date that is past", 429, DATE "Retry-After: Tue, 24 Nov 2026 11:00:00 GMT\r\n", 0},
    {"without Date our clock counts", 429, "Retry-After: Tue, 24 Nov 2026 15:00:05 GMT\r\n", 5000},
    {"milliseconds come first", 429, "Retry-After: 7\r\nRetry-After-Ms: 150\r\n", 150},
    {"milliseconds with a fraction", 429, "retry-after-ms: 150.9\r\n", 150},
    {"milliseconds that are garbage", 429, "Retry-After-Ms: x\r\nRetry-After: 7\r\n", 7000},
    {"milliseconds capped", 429, "Retry-After-Ms: 600001\r\n", 600000},
    {"the last of two", 429, "Retry-After: 7\r\nRetry-After: 9\r\n", 9000},
    {"limit used up", 429, "RateLimit-Remaining: 0\r\nRateLimit-Reset: 5\r\n", 5000},
    {"limit, older names", 429, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 5\r\n", 5000},
    {"limit, what is left unsaid", 429, "X-RateLimit-Reset: 5\r\n", 5000},
    {"limit not used up", 429, "RateLimit-Remaining: 3\r\nRateLimit-Reset: 5\r\n", -1},
    {"limit on an accepted answer", 200, "RateLimit-Remaining: 0\r\nRateLimit-Reset: 5\r\n", -1},
    {"limit until an instant", 429, DATE "X-RateLimit-Reset: 1795521612\r\n", 12000},
    {"limit until an instant, milliseconds", 429, DATE "X-RateLimit-Reset: 1795521612000\r\n",
     12000},
    {"limit until an instant that is past", 429, DATE "X-RateLimit-Reset: 1795521000\r\n", 0},
    {"Retry-After comes before the limit", 429, "RateLimit-Reset: 5\r\nRetry-After: 2\r\n", 2000},
    {"limit, one line", 429, "RateLimit: limit=10, remaining=0, reset=5\r\n", 5000},
    {"limit, structured", 429, "RateLimit: \"default\";r=0;t=5\r\n", 5000},
    {"limit, the policy that is used up", 429, "RateLimit: \"day\";r=9;t=60, \"sec\";r=0;t=2\r\n",
     2000},
    {"limit, structured, not used up", 429, "RateLimit: \"default\";r=1;t=5\r\n", -1},
    {"limit, garbage", 429, "RateLimit: ;;==,t=,r\r\nRateLimit-Reset: x\r\n", -1},
    {"no colon", 429, "Retry-After 7\r\n", -1},
    {"another name that ends alike", 429, "X-Retry-After: 7\r\n", -1},
};

START_TEST(wait_is_read)
{
    struct headers headers;

    read_lines(&headers, waits[_i].lines);
    int64_t wait_ms = headers_retry_after_ms(&headers, waits[_i].status, WALL_UNIX_MS);
    ck_assert_msg(wait_ms == waits[_i].expected_ms, "%s: %lld", waits[_i].name, (long long)wait_ms);
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
    tcase_add_loop_test(tcase, fields_are_read, 0, sizeof reads / sizeof reads[0]);
    tcase_add_test(tcase, request_id_has_128_bytes_at_most);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
