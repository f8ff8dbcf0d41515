/* test_listen_address.c - this host may be listened at, and nothing else. */
#include "core/listen_address.h"
#include "run_tests.h"

#include <check.h>
#include <string.h>

#define LONG_50  "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_107 LONG_50 LONG_50 "/aaaaaa"

static const struct {
    const char *text;
    enum listen_family family;
    uint16_t port;
    const char *path;
} taken[] = {
    {"", LISTEN_NOWHERE, 0, ""},
    {"127.0.0.1:9469", LISTEN_IPV4, 9469, ""},
    {"localhost:1", LISTEN_IPV4, 1, ""},
    {"[::1]:65535", LISTEN_IPV6, 65535, ""},
    {"unix:///run/authlinkd/metrics.sock", LISTEN_UNIX, 0, "/run/authlinkd/metrics.sock"},
    {"unix://" LONG_107, LISTEN_UNIX, 0, LONG_107},
};

START_TEST(address_of_this_host_is_taken)
{
    struct listen_address address = {.port = 7};
    const char *why = NULL;

    ck_assert_msg(listen_address_parse(taken[_i].text, &address, &why) == RESULT_OK, "%s: %s",
                  taken[_i].text, why);
    ck_assert_int_eq(address.family, taken[_i].family);
    ck_assert_uint_eq(address.port, taken[_i].port);
    ck_assert_str_eq(address.unix_path, taken[_i].path);
    ck_assert_ptr_null(why);
}
END_TEST

static const struct {
    const char *text;
    const char *tells;
} refused[] = {
    {"0.0.0.0:9469", "this host only"},
    {"10.0.0.1:9469", "this host only"},
    {"[::]:9469", "this host only"},
    {"::1:9469", "this host only"},
    {"*:9469", "this host only"},
    {":9469", "this host only"},
    {"9469", "this host only"},
    {"127.0.0.1", "this host only"},
    {"127.0.0.1.example.com:80", "this host only"},
    {"localhost.example.com:80", "this host only"},
    {"LOCALHOST:80", "this host only"},
    {" 127.0.0.1:80", "this host only"},
    {"http://127.0.0.1:80", "this host only"},
    {"unix:/run/x", "this host only"},
    {"/run/x", "this host only"},
    {"127.0.0.1:", "port"},
    {"127.0.0.1:0", "port"},
    {"127.0.0.1:65536", "port"},
    {"127.0.0.1:99999999999999999999", "port"},
    {"127.0.0.1:-1", "port"},
    {"127.0.0.1: 80", "port"},
    {"127.0.0.1:80 ", "port"},
    {"127.0.0.1:0x50", "port"},
    {"127.0.0.1:80/metrics", "port"},
    {"[::1]:", "port"},
    {"unix://", "absolute path"},
    {"unix://run/x", "absolute path"},
    {"unix:///", "absolute path"},
    {"unix:///run/", "absolute path"},
    {"unix:///run/\x01", "printable"},
    {"unix:///run/\xc3\xa4", "printable"},
    {"unix://" LONG_107 "a", "107"},
};

START_TEST(any_other_address_is_refused_with_a_reason)
{
    struct listen_address address = {.port = 7};
    const char *why = "";

    ck_assert_msg(listen_address_parse(refused[_i].text, &address, &why) == RESULT_INVALID,
                  "%s was taken", refused[_i].text);
    ck_assert_msg(strstr(why, refused[_i].tells) != NULL, "%s: %s", refused[_i].text, why);
    ck_assert_uint_eq(address.port, 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listen_address");
    TCase *tcase = tcase_create("listen_address");
    tcase_add_loop_test(tcase, address_of_this_host_is_taken, 0,
                        (int)(sizeof taken / sizeof taken[0]));
    tcase_add_loop_test(tcase, any_other_address_is_refused_with_a_reason, 0,
                        (int)(sizeof refused / sizeof refused[0]));
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
