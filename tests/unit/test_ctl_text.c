/* test_ctl_text.c - what authlinkctl writes: escaped for terminals, sound as JSON; counts of IDs.
 */
#include "ctl/fields.h"
#include "ctl/id_set.h"
#include "ctl/json.h"
#include "ctl/terminal.h"
#include "run_tests.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *text;
    size_t len;
    const char *shown;
} escapes[] = {
#define ROW(name, text, shown)                                                                     \
    {                                                                                              \
        name, text, sizeof text - 1, shown                                                         \
    }
    ROW("plain", "end_usr_1", "end_usr_1"),
    ROW("letters beyond ASCII", "Gr\xc3\xbc\xc3\x9f", "Gr\xc3\xbc\xc3\x9f"),
    ROW("escape sequence", "\x1b[2J", "\\x1b[2J"),
    ROW("line end, tab, NUL, DEL", "a\nb\tc\0d\x7f", "a\\x0ab\\x09c\\x00d\\x7f"),
    ROW("a backslash stays one", "\\x1b", "\\\\x1b"),
    ROW("control of eight bits",
        "\xc2\x9b"
        "1m",
        "\\xc2\\x9b1m"),
    ROW("direction turned",
        "a\xe2\x80\xae"
        "b",
        "a\\xe2\\x80\\xaeb"),
    ROW("isolate", "\xe2\x81\xa6", "\\xe2\\x81\\xa6"),
    ROW("line separator", "\xe2\x80\xa8", "\\xe2\\x80\\xa8"),
    ROW("no UTF-8", "a\xff\xc3\xbc", "a\\xff\\xc3\\xbc"),
    ROW("cut within a character", "a\xc3", "a\\xc3"),
    ROW("four bytes", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"),
#undef ROW
};

START_TEST(what_steers_a_terminal_is_escaped)
{
    struct buffer shown;

    buffer_init(&shown, 1024);
    terminal_escape(&shown, escapes[_i].text, escapes[_i].len);
    ck_assert_msg(strcmp(buffer_text(&shown), escapes[_i].shown) == 0, "%s: got %s",
                  escapes[_i].name, buffer_text(&shown));
    buffer_done(&shown);
}
END_TEST

static const struct {
    int64_t ms;
    const char *shown;
} durations[] = {
    {-1, "-"},
    {0, "0 s"},
    {119999, "119 s"},
    {120000, "2 min"},
    {7199999, "119 min"},
    {7200000, "2 h 0 min"},
    {172799999, "47 h 59 min"},
    {183600000, "2 d 3 h"},
};

START_TEST(durations_are_short)
{
    char shown[TERMINAL_DURATION_SIZE];

    ck_assert_str_eq(terminal_duration(durations[_i].ms, shown), durations[_i].shown);
}
END_TEST

START_TEST(commas_stand_between_members_only)
{
    struct buffer text;
    struct json json = {.text = &text};

    buffer_init(&text, 1024);
    json_open_object(&json, NULL);
    json_open_array(&json, "list");
    json_open_object(&json, NULL);
    json_close_object(&json);
    json_int(&json, NULL, INT64_MIN);
    json_close_array(&json);
    json_bool(&json, "yes", true);
    json_null(&json, "none");
    json_double(&json, "share", 0.25);
    json_double(&json, "endless", 1e300 * 1e300);
    json_text(&json, "text", "a\"\xff\n", 4);
    json_close_object(&json);
    ck_assert_str_eq(
        buffer_text(&text),
        "{\"list\":[{},-9223372036854775808],\"yes\":true,\"none\":null,\"share\":0.25,"
        "\"endless\":null,\"text\":\"a\\\"\xef\xbf\xbd\\u000a\"}");
    buffer_done(&text);
}
END_TEST

START_TEST(json_shows_a_terminal_nothing_that_it_would_obey)
{
    static const char hostile[] = "\xc2\x9b"
                                  "31m\xe2\x80\xae\xe2\x81\xa9 \xc3\xbc\xe2\x82\xac\xc2\xa0";
    struct buffer text;
    struct json json = {.text = &text};

    buffer_init(&text, 1024);
    json_text(&json, NULL, hostile, strlen(hostile));
    ck_assert_str_eq(buffer_text(&text),
                     "\"\\u009b31m\\u202e\\u2069 \xc3\xbc\xe2\x82\xac\xc2\xa0\"");
    buffer_done(&text);
}
END_TEST

START_TEST(ids_are_counted_and_taken_as_often_as_they_came)
{
    struct id_set set;
    uint32_t count = 0;
    char id[32];

    id_set_init(&set);
    ck_assert(!id_set_take(&set, "u0", 2));
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < 5000; i++) {
            int len = snprintf(id, sizeof id, "u%d", i);
            ck_assert_int_eq(id_set_add(&set, id, (size_t)len, &count), RESULT_OK);
            ck_assert_uint_eq(count, (unsigned)round);
        }
    }
    ck_assert(id_set_take(&set, "u7", 2));
    ck_assert(id_set_take(&set, "u7", 2));
    ck_assert(!id_set_take(&set, "u7", 2));
    ck_assert(!id_set_take(&set, "u5000", 5));
    ck_assert(!id_set_take(&set, "u", 1));
    id_set_done(&set);
}
END_TEST

static const struct {
    const char *text;
    int64_t expected;
} numbers[] = {
    {"1000000000000000", INT64_C(1000000000000000)},
    {"-1000000000000000", INT64_C(-1000000000000000)},
    {"1000000000000001", 5},
    {"-9223372036854775808", 5},
    {"9223372036854775807", 5},
    {"1x", 5},
    {"", 5},
};

START_TEST(field_is_a_number_that_can_be_added_or_is_none)
{
    char text[32];
    snprintf(text, sizeof text, "%s", numbers[_i].text);
    redisReply name = {.type = REDIS_REPLY_STRING, .str = "n", .len = 1};
    redisReply value = {.type = REDIS_REPLY_STRING, .str = text, .len = strlen(text)};
    redisReply *pair[] = {&name, &value};
    redisReply flat = {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = pair};

    ck_assert_int_eq(field_int(&flat, "n", 5), numbers[_i].expected);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_text");
    TCase *tcase = tcase_create("ctl_text");

    tcase_add_loop_test(tcase, what_steers_a_terminal_is_escaped, 0,
                        (int)(sizeof escapes / sizeof escapes[0]));
    tcase_add_loop_test(tcase, durations_are_short, 0,
                        (int)(sizeof durations / sizeof durations[0]));
    tcase_add_test(tcase, commas_stand_between_members_only);
    tcase_add_test(tcase, ids_are_counted_and_taken_as_often_as_they_came);
    tcase_add_loop_test(tcase, field_is_a_number_that_can_be_added_or_is_none, 0,
                        (int)(sizeof numbers / sizeof numbers[0]));
    tcase_add_test(tcase, json_shows_a_terminal_nothing_that_it_would_obey);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
