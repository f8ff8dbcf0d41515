/* test_request_line.c - what a scraper may say first. */
#include "app/request_line.h"
#include "run_tests.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define PATH_63 "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *text;
    enum request_method method;
    const char *path;
} taken[] = {
    {"GET /metrics HTTP/1.1\r\n", REQUEST_GET, "/metrics"},
    {"GET /metrics HTTP/1.0\n", REQUEST_GET, "/metrics"},
    {"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", REQUEST_HEAD, "/healthz"},
    {"GET / HTTP/1.1\r\n", REQUEST_GET, "/"},
    {"GET /metrics?name[]=x HTTP/1.1\r\n", REQUEST_GET, "/metrics"},
    {"GET /%6detrics HTTP/1.1\r\n", REQUEST_GET, "/%6detrics"},
    {"POST /metrics HTTP/1.1\r\n", REQUEST_OTHER, "/metrics"},
    {"get /metrics HTTP/1.1\r\n", REQUEST_OTHER, "/metrics"},
    {"GETX /metrics HTTP/1.1\r\n", REQUEST_OTHER, "/metrics"},
    {"GET " PATH_63 " HTTP/1.1\r\n", REQUEST_GET, PATH_63},
    {"GET " PATH_63 "a HTTP/1.1\r\n", REQUEST_GET, ""},
};

START_TEST(request_line_is_taken_apart)
{
    struct request_line line;

    ck_assert_msg(request_line_parse(taken[_i].text, strlen(taken[_i].text), &line) == RESULT_OK,
                  "%s", taken[_i].text);
    ck_assert_int_eq(line.method, taken[_i].method);
    ck_assert_str_eq(line.path, taken[_i].path);
}
END_TEST

static const char *const refused[] = {
    "",
    "\n",
    "\r\n",
    "GET /metrics HTTP/1.1",
    "GET\r\n",
    "GET \r\n",
    "GET /metrics\r\n",
    "GET /metrics \r\n",
    "GET  /metrics HTTP/1.1\r\n",
    "GET /metrics  HTTP/1.1\r\n",
    " GET /metrics HTTP/1.1\r\n",
    "GET /metrics HTTP/1.1 \r\n",
    "GET /metrics HTTP/2.0\r\n",
    "GET /metrics HTTP/1.x\r\n",
    "GET /metrics HTTP/1.10\r\n",
    "GET metrics HTTP/1.1\r\n",
    "GET http://x/metrics HTTP/1.1\r\n",
    "GET /metrics\x01 HTTP/1.1\r\n",
    "GET /metr\xffics HTTP/1.1\r\n",
    "GET /metrics\tHTTP/1.1\r\n",
    "GET /metrics HTTP/1.1\r\r\n",
    "\x16\x03\x01\x02\n",
};

START_TEST(what_is_no_request_line_is_refused)
{
    struct request_line line = {.path = "untouched"};

    ck_assert_msg(request_line_parse(refused[_i], strlen(refused[_i]), &line) == RESULT_INVALID,
                  "taken: %s", refused[_i]);
    ck_assert_str_eq(line.path, "untouched");
}
END_TEST

/* Every beginning of a line, and every byte of it replaced by every other: for the sanitizers. */
START_TEST(any_bytes_are_taken_or_refused)
{
    static const char whole[] = "HEAD /metrics?x HTTP/1.1\r\n";
    const size_t len = sizeof whole - 1;
    struct request_line line;

    for (size_t at = 0; at < len; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char *text = malloc(len);
            ck_assert_ptr_nonnull(text);
            memcpy(text, whole, len);
            text[at] = (char)byte;
            if (request_line_parse(text, len, &line) == RESULT_OK)
                ck_assert_uint_le(strlen(line.path), REQUEST_PATH_MAX_LEN);
            free(text);
        }
        char *part = malloc(at == 0 ? 1 : at);
        ck_assert_ptr_nonnull(part);
        memcpy(part, whole, at);
        ck_assert_int_eq(request_line_parse(part, at, &line), RESULT_INVALID);
        free(part);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("request_line");
    TCase *tcase = tcase_create("request_line");
    tcase_add_loop_test(tcase, request_line_is_taken_apart, 0,
                        (int)(sizeof taken / sizeof taken[0]));
    tcase_add_loop_test(tcase, what_is_no_request_line_is_refused, 0,
                        (int)(sizeof refused / sizeof refused[0]));
    tcase_add_test(tcase, any_bytes_are_taken_or_refused);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
