/* test_host_list.c - hosts that are allowed, and how their URLs are read. */
#include "core/host_list.h"
#include "run_tests.h"

#include <check.h>
#include <string.h>

START_TEST(a_host_is_found_in_either_case_and_only_whole)
{
    struct host_list list = {.count = 0};

    ck_assert(!host_list_has(&list, "a.example", 9));
    ck_assert_int_eq(host_list_add(&list, "A.Example"), RESULT_OK);
    ck_assert(host_list_has(&list, "a.EXAMPLE", 9));
    ck_assert(!host_list_has(&list, "a.example.", 10));
    ck_assert(!host_list_has(&list, "x.a.example", 11));
    ck_assert(!host_list_has(&list, "a.exampl", 8));
}
END_TEST

START_TEST(a_full_list_takes_no_more)
{
    struct host_list list = {.count = 0};

    for (int i = 0; i < HOST_LIST_MAX; i++)
        ck_assert_int_eq(host_list_add(&list, "a"), RESULT_OK);
    ck_assert_int_eq(host_list_add(&list, "a"), RESULT_FULL);
    ck_assert_uint_eq(list.count, HOST_LIST_MAX);
}
END_TEST

static const struct {
    const char *host;
    bool is_sound;
} hosts[] = {
    {"a", true},         {"connect.conductor.is", true},
    {"127.0.0.1", true}, {"[::1]", true},
    {"a-b.C9", true},    {"", false},
    {"a b", false},      {"a_b", false},
    {"a:80", false},     {"a/b", false},
    {"a@b", false},      {"::1", false},
    {"[::1", false},     {"::1]", false},
    {"[]", false},       {"[a.example]", false},
    {"[::1]x", false},   {"a\xc3\xbc", false},
    {"a%2e", false},
};

START_TEST(a_host_is_letters_digits_dots_and_hyphens)
{
    ck_assert_msg(host_is_sound(hosts[_i].host, strlen(hosts[_i].host)) == hosts[_i].is_sound, "%s",
                  hosts[_i].host);
}
END_TEST

START_TEST(a_host_has_253_bytes_at_most)
{
    char host[300];

    memset(host, 'a', sizeof host);
    ck_assert(host_is_sound(host, 253));
    ck_assert(!host_is_sound(host, 254));
}
END_TEST

static const struct {
    const char *url;
    const char *host; /* NULL: refused */
} urls[] = {
    {"https://connect.conductor.is/qbd/x?key=pk", "connect.conductor.is"},
    {"https://connect.conductor.is", "connect.conductor.is"},
    {"https://connect.conductor.is:443/", "connect.conductor.is"},
    {"https://connect.conductor.is?x", "connect.conductor.is"},
    {"https://connect.conductor.is#x", "connect.conductor.is"},
    {"https://a/@b", "a"},
    {"https://[::1]/x", "[::1]"},
    {"", NULL},
    {"https://", NULL},
    {"https:///x", NULL},
    {"https://:443/x", NULL},
    {"http://a/", NULL},
    {"HTTPS://a/", NULL},
    {"https:a", NULL},
    {"//a/", NULL},
    {"https://u@a/", NULL},
    {"https://u:p@a/", NULL},
    {"https://a:b/", NULL},
    {"https://a:1:2/", NULL},
    {"https://a\\@b/", NULL},
    {"https://a /", NULL},
    {"https://a/ b", NULL},
    {"https://a/\n", NULL},
    {"https://a/\x7f", NULL},
    {"https://a/\xc3\xbc", NULL},
    {"https://a/<b>", NULL},
    {"https://a/\"", NULL},
    {"https://%61/", NULL},
};

START_TEST(the_host_of_a_url_is_read_in_one_way_or_not_at_all)
{
    size_t host_len = 0;
    const char *host = https_url_host(urls[_i].url, strlen(urls[_i].url), &host_len);

    if (urls[_i].host == NULL) {
        ck_assert_msg(host == NULL, "%s was taken", urls[_i].url);
    } else {
        ck_assert_msg(host != NULL, "%s was refused", urls[_i].url);
        ck_assert_msg(host_len == strlen(urls[_i].host) &&
                          memcmp(host, urls[_i].host, host_len) == 0,
                      "%s: %.*s", urls[_i].url, (int)host_len, host);
    }
}
END_TEST

START_TEST(a_url_with_a_nul_byte_is_refused)
{
    size_t host_len;

    ck_assert_ptr_null(https_url_host("https://a/\0x", 12, &host_len));
    ck_assert_ptr_null(https_url_host("https://a\0b/", 12, &host_len));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host_list");
    TCase *tcase = tcase_create("host_list");

    tcase_add_test(tcase, a_host_is_found_in_either_case_and_only_whole);
    tcase_add_test(tcase, a_full_list_takes_no_more);
    tcase_add_loop_test(tcase, a_host_is_letters_digits_dots_and_hyphens, 0,
                        (int)(sizeof hosts / sizeof hosts[0]));
    tcase_add_test(tcase, a_host_has_253_bytes_at_most);
    tcase_add_loop_test(tcase, the_host_of_a_url_is_read_in_one_way_or_not_at_all, 0,
                        (int)(sizeof urls / sizeof urls[0]));
    tcase_add_test(tcase, a_url_with_a_nul_byte_is_refused);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
