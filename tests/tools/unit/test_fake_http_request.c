/* test_fake_http_request.c - requests that arrive in pieces, and bytes that are none. */
#include "chance.h"
#include "http_request.h"
#include "run_tests.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX_BYTES 1000

static const struct {
    const char *name;
    const char *bytes;
    const char *body;
    bool keeps_alive;
} requests[] = {
    {"no body", "GET /v1/end-users?a=b HTTP/1.1\r\nHost: a\r\n\r\n", "", true},
    {"known length", "POST /v1/x HTTP/1.1\r\nhost:a\r\ncontent-LENGTH:  5 \r\n\r\nhello", "hello",
     true},
    {"chunks",
     "POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
     "3\r\nhel\r\nA\r\nlo, world!\r\n0\r\n\r\n",
     "hello, world!", true},
    {"an old version", "GET /v1/x HTTP/1.0\r\nHost: a\r\n\r\n", "", false},
    {"wants to close", "GET /v1/x HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", "", false},
};

/* Reads a request from memory that ends where it ends, so that a sanitizer sees a step too far. */
static enum result read_request(const char *bytes, size_t len, struct http_request *request,
                                char **ret_copy, size_t *ret_used)
{
    char *copy = malloc(len > 0 ? len : 1);
    int status = 0;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, len);
    *ret_copy = copy;
    enum result result = http_head_read(copy, len, request, &status);
    if (result == RESULT_OK)
        result = http_body_read(request, copy, len, BODY_MAX_BYTES, ret_used, &status);
    if (result == RESULT_INVALID)
        ck_assert_msg(status >= 400 && status <= 599, "status %d", status);
    return result;
}

START_TEST(a_request_is_complete_with_its_last_byte_and_not_before)
{
    const char *bytes = requests[_i].bytes;
    size_t len = strlen(bytes);
    struct http_request request;
    char *copy = NULL;
    size_t used = 0;

    for (size_t part = 0; part < len; part++) {
        ck_assert_msg(read_request(bytes, part, &request, &copy, &used) == RESULT_LATER,
                      "%s: %zu bytes", requests[_i].name, part);
        free(copy);
    }
    ck_assert_int_eq(read_request(bytes, len, &request, &copy, &used), RESULT_OK);
    ck_assert_uint_eq(used, len);
    ck_assert_msg(http_text_is(request.body, requests[_i].body), "%s", requests[_i].name);
    ck_assert_int_eq(request.keeps_alive, requests[_i].keeps_alive);
    free(copy);
}
END_TEST

START_TEST(what_follows_a_request_is_left)
{
    char bytes[1024];
    struct http_request request;
    char *copy = NULL;
    size_t used = 0;
    int len = snprintf(bytes, sizeof bytes, "%sGET /next", requests[_i].bytes);

    ck_assert_int_eq(read_request(bytes, (size_t)len, &request, &copy, &used), RESULT_OK);
    ck_assert_uint_eq(used, strlen(requests[_i].bytes));
    ck_assert_mem_eq(copy + used, "GET /next", 9);
    ck_assert_msg(http_text_is(request.body, requests[_i].body), "%s", requests[_i].name);
    free(copy);
}
END_TEST

START_TEST(the_parts_of_a_head_are_told_apart)
{
    struct http_request request;
    char *copy = NULL;
    size_t used = 0;

    ck_assert_int_eq(
        read_request(requests[0].bytes, strlen(requests[0].bytes), &request, &copy, &used),
        RESULT_OK);
    ck_assert(http_text_is(request.method, "GET"));
    ck_assert(http_text_is(request.target, "/v1/end-users?a=b"));
    ck_assert(http_text_is(request.path, "/v1/end-users"));
    ck_assert(http_text_is(request.query, "a=b"));
    ck_assert_ptr_nonnull(http_header_find(&request, "hOST"));
    ck_assert_ptr_null(http_header_find(&request, "hos"));
    free(copy);
}
END_TEST

START_TEST(a_body_over_the_maximum_is_413_before_it_has_come)
{
    static const char *const heads[] = {
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n3e8\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
    };
    char bytes[256];
    struct http_request request;
    size_t used = 0;
    int status = 0;
    size_t len = strlen(heads[_i]);

    memcpy(bytes, heads[_i], len);
    ck_assert_int_eq(http_head_read(bytes, len, &request, &status), RESULT_OK);
    ck_assert_int_eq(http_body_read(&request, bytes, len, BODY_MAX_BYTES, &used, &status),
                     RESULT_INVALID);
    ck_assert_int_eq(status, 413);
}
END_TEST

/* Hurts one to five bytes: whatever then comes out, nothing may be read or written outside. */
START_TEST(damaged_requests_do_no_damage)
{
    static const char odd[] = "\r\n\t :;,/?0123456789abcdefABCDEF\xff\x80";
    struct chance chance;
    char bytes[1024];

    chance_seed(&chance, (uint64_t)_i);
    for (int round = 0; round < 20000; round++) {
        const char *from =
            requests[chance_next(&chance) % (sizeof requests / sizeof requests[0])].bytes;
        size_t len = strlen(from);
        struct http_request request;
        char *copy = NULL;
        size_t used = 0;

        memcpy(bytes, from, len);
        for (uint64_t hurts = 1 + chance_next(&chance) % 5; hurts > 0; hurts--)
            bytes[chance_next(&chance) % len] = odd[chance_next(&chance) % sizeof odd];
        if (read_request(bytes, len, &request, &copy, &used) == RESULT_OK)
            ck_assert_uint_le(request.body.len, BODY_MAX_BYTES);
        free(copy);
    }
}
END_TEST

int main(void)
{
    int count = sizeof requests / sizeof requests[0];
    Suite *suite = suite_create("fake http_request");
    TCase *tcase = tcase_create("fake http_request");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_request_is_complete_with_its_last_byte_and_not_before, 0, count);
    tcase_add_loop_test(tcase, what_follows_a_request_is_left, 0, count);
    tcase_add_test(tcase, the_parts_of_a_head_are_told_apart);
    tcase_add_loop_test(tcase, a_body_over_the_maximum_is_413_before_it_has_come, 0, 4);
    tcase_add_loop_test(tcase, damaged_requests_do_no_damage, 1, 4);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
