/* test_endpoint.c - which base URLs may be given the secret key. */
#include "conductor/endpoint.h"
#include "run_tests.h"

#include <check.h>
#include <string.h>

static const struct {
    const char *base_url;
    const char *url;   /* NULL: refused */
    const char *tells; /* the host, or a part of why not */
} endpoints[] = {
    {"https://api.conductor.is/v1", "https://api.conductor.is/v1/auth-sessions",
     "api.conductor.is"},
    {"https://api.conductor.is/v1//", "https://api.conductor.is/v1/auth-sessions",
     "api.conductor.is"},
    {"https://api.example:8443", "https://api.example:8443/auth-sessions", "api.example"},
    {"http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1/auth-sessions", "127.0.0.1"},
    {"http://127.9.9.9/v1", "http://127.9.9.9/v1/auth-sessions", "127.9.9.9"},
    {"http://localhost/v1", "http://localhost/v1/auth-sessions", "localhost"},
    {"http://[::1]:80/v1", "http://[::1]:80/v1/auth-sessions", "[::1]"},
    {"http://api.conductor.is/v1", NULL, "loopback"},
    {"http://10.0.0.1/v1", NULL, "loopback"},
    {"http://0.0.0.0/v1", NULL, "loopback"},
    {"http://127.0.0.1.example/v1", NULL, "loopback"},
    {"http://localhost.example/v1", NULL, "loopback"},
    {"http://127.0.0.1@example/v1", NULL, "user"},
    {"https://user:secret@api.example/v1", NULL, "user"},
    {"https://api.example/v1?key=x", NULL, "path"},
    {"https://api.example/v1#x", NULL, "path"},
    {"https://api.example/v1#", NULL, "path"},
    {"https://api.example/v1?", NULL, "path"},
    {"ftp://api.example/v1", NULL, "https"},
    {"file:///etc/passwd", NULL, ""},
    {"api.example/v1", NULL, ""},
    {"", NULL, "no URL"},
    {"https://", NULL, "no URL"},
    {"https://api.example/v1 x", NULL, "no URL"},
    {"https://api.example/\r\nX: y", NULL, "no URL"},
};

START_TEST(base_url_is_checked)
{
    struct endpoint endpoint;
    const char *why = "";
    const char *base_url = endpoints[_i].base_url;
    enum result result = endpoint_parse(base_url, &endpoint, &why);

    if (endpoints[_i].url == NULL) {
        ck_assert_msg(result == RESULT_INVALID, "%s was taken", base_url);
        ck_assert_msg(strstr(why, endpoints[_i].tells) != NULL, "%s: %s", base_url, why);
        return;
    }
    ck_assert_msg(result == RESULT_OK, "%s: %s", base_url, why);
    ck_assert_str_eq(endpoint.url, endpoints[_i].url);
    ck_assert_str_eq(endpoint.host, endpoints[_i].tells);
    ck_assert(endpoint.is_https == (strncmp(base_url, "https:", 6) == 0));
}
END_TEST

START_TEST(too_long_is_refused)
{
    char base_url[ENDPOINT_URL_MAX_LEN + 8] = "https://api.example/";
    struct endpoint endpoint;
    const char *why = "";
    size_t len = ENDPOINT_URL_MAX_LEN - strlen("/auth-sessions");

    memset(base_url + strlen(base_url), 'a', len - strlen(base_url));
    ck_assert_int_eq(endpoint_parse(base_url, &endpoint, &why), RESULT_OK);
    base_url[len] = 'a';
    ck_assert_int_eq(endpoint_parse(base_url, &endpoint, &why), RESULT_INVALID);
    ck_assert_str_eq(why, "is too long");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoint");
    TCase *tcase = tcase_create("endpoint");

    tcase_add_loop_test(tcase, base_url_is_checked, 0, sizeof endpoints / sizeof endpoints[0]);
    tcase_add_test(tcase, too_long_is_refused);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
