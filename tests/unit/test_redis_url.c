/* test_redis_url.c - redis.url, taken apart. */
#include "config/redis_url.h"
#include "run_tests.h"

#include <check.h>
#include <string.h>

#define LONG_PATH                                                                                  \
    "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890" \
    "123456789012345"

static const struct {
    const char *url;
    const char *unix_path, *host, *user;
    uint16_t port;
    uint32_t db;
} sound[] = {
    {"redis://127.0.0.1", "", "127.0.0.1", "", 6379, 0},
    {"redis://127.0.0.1/", "", "127.0.0.1", "", 6379, 0},
    {"redis://redis.example.com:6380/3", "", "redis.example.com", "", 6380, 3},
    {"redis://worker@redis", "", "redis", "worker", 6379, 0},
    {"redis://[::1]:6380/1", "", "::1", "", 6380, 1},
    {"redis://[::1]", "", "::1", "", 6379, 0},
    {"redis://w-o.r_k@[fe80::1]/65535", "", "fe80::1", "w-o.r_k", 6379, 65535},
    {"unix:///run/redis/redis.sock", "/run/redis/redis.sock", "", "", 0, 0},
    {"unix://" LONG_PATH, LONG_PATH, "", "", 0, 0}, /* 107 bytes: as long as may be */
};

START_TEST(sound_url_is_taken_apart)
{
    struct link_address address;
    const char *why = NULL;
    enum result result = redis_url_parse(sound[_i].url, &address, &why);

    ck_assert_msg(result == RESULT_OK, "%s: %s", sound[_i].url, why);
    ck_assert_str_eq(address.unix_path, sound[_i].unix_path);
    ck_assert_str_eq(address.host, sound[_i].host);
    ck_assert_str_eq(address.user, sound[_i].user);
    ck_assert_uint_eq(address.port, sound[_i].port);
    ck_assert_uint_eq(address.db, sound[_i].db);
}
END_TEST

static const struct {
    const char *url;
    const char *why; /* a part of it */
} wrong[] = {
    {"", "begin with"},
    {"127.0.0.1:6379", "begin with"},
    {"http://127.0.0.1", "begin with"},
    {"REDIS://127.0.0.1", "begin with"},
    {"redis://", "host"},
    {"redis://:6379", "host"},
    {"redis://a b", "blanks"},
    {"redis://a\n", "blanks"},
    {"redis://user:secret@host", "password"},
    {"redis://:secret@host", "password"},
    {"redis://us%40er@host", "user name"},
    {"redis://@host", "user name"},
    {"redis://host:", "port"},
    {"redis://host:0", "port"},
    {"redis://host:65536", "port"},
    {"redis://host:6379x", "port"},
    {"redis://host:-1", "port"},
    {"redis://::1", "host"},
    {"redis://[::1", "host"},
    {"redis://[::1]x:6379", "host"},
    {"redis://[]", "host"},
    {"redis://host/a", "database"},
    {"redis://host/-1", "database"},
    {"redis://host/65536", "database"},
    {"redis://host/0/1", "database"},
    {"redis://host?db=1", "database"},
    {"redis://host/0#x", "database"},
    {"unix://", "absolute path"},
    {"unix://relative/redis.sock", "absolute path"},
    {"unix:///", "absolute path"},
    {"unix:///run/redis.sock?db=1", "path of the socket"},
    {"unix://" LONG_PATH "x", "107 bytes"},
};

START_TEST(wrong_url_is_refused_with_a_reason_that_does_not_repeat_it)
{
    struct link_address address;
    const char *why = "";
    enum result result = redis_url_parse(wrong[_i].url, &address, &why);

    ck_assert_msg(result == RESULT_INVALID, "%s: accepted", wrong[_i].url);
    ck_assert_msg(strstr(why, wrong[_i].why) != NULL, "%s: %s", wrong[_i].url, why);
    ck_assert_ptr_null(strstr(why, "secret@"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_url");
    TCase *tcase = tcase_create("redis_url");

    tcase_add_loop_test(tcase, sound_url_is_taken_apart, 0, sizeof sound / sizeof sound[0]);
    tcase_add_loop_test(tcase, wrong_url_is_refused_with_a_reason_that_does_not_repeat_it, 0,
                        sizeof wrong / sizeof wrong[0]);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
