/* test_buffer.c - bytes that grow, up to a hard maximum. */
#include "base/buffer.h"
#include "run_tests.h"

#include <check.h>

START_TEST(append_beyond_the_maximum_changes_nothing)
{
    struct buffer buffer;

    buffer_init(&buffer, 5);
    ck_assert_int_eq(buffer_append_str(&buffer, "abc"), RESULT_OK);
    ck_assert_int_eq(buffer_append_str(&buffer, "def"), RESULT_FULL);
    ck_assert_str_eq(buffer_text(&buffer), "abc");
    ck_assert(buffer.failed);
    ck_assert_int_eq(buffer_append_str(&buffer, "de"), RESULT_OK);
    ck_assert_str_eq(buffer_text(&buffer), "abcde");
    buffer_done(&buffer);
}
END_TEST

START_TEST(json_string_escapes_what_json_forbids)
{
    struct buffer buffer;
    const char text[] = "a\"b\\c\nd\0e";

    buffer_init(&buffer, 100);
    ck_assert_int_eq(buffer_append_json_string(&buffer, text, sizeof text - 1), RESULT_OK);
    ck_assert_str_eq(buffer_text(&buffer), "\"a\\\"b\\\\c\\u000ad\\u0000e\"");
    buffer_done(&buffer);
}
END_TEST

START_TEST(json_string_that_does_not_fit_leaves_no_half)
{
    struct buffer buffer;

    buffer_init(&buffer, 4);
    ck_assert_int_eq(buffer_append_json_string(&buffer, "abc", 3), RESULT_FULL);
    ck_assert_uint_eq(buffer.len, 0);
    ck_assert_str_eq(buffer_text(&buffer), "");
    buffer_done(&buffer);
}
END_TEST

START_TEST(format_grows_the_buffer)
{
    struct buffer buffer;

    buffer_init(&buffer, 4096);
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(buffer_append_format(&buffer, "%d,", i % 10), RESULT_OK);
    ck_assert_uint_eq(buffer.len, 400);
    buffer_reset(&buffer);
    ck_assert_str_eq(buffer_text(&buffer), "");
    buffer_done(&buffer);
}
END_TEST

START_TEST(format_beyond_the_maximum_changes_nothing)
{
    struct buffer buffer;

    buffer_init(&buffer, 9); /* it allocates more: so the first try at the format has room */
    ck_assert_int_eq(buffer_append_format(&buffer, "%s", "abc"), RESULT_OK);
    ck_assert_int_eq(buffer_append_format(&buffer, "%s", "defghij"), RESULT_FULL);
    ck_assert_str_eq(buffer_text(&buffer), "abc");
    ck_assert_uint_eq(buffer.len, 3);
    ck_assert(buffer.failed);
    ck_assert_int_eq(buffer_append_format(&buffer, "%s", "defghi"), RESULT_OK);
    ck_assert_str_eq(buffer_text(&buffer), "abcdefghi");
    buffer_done(&buffer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buffer");
    TCase *tcase = tcase_create("buffer");

    tcase_add_test(tcase, append_beyond_the_maximum_changes_nothing);
    tcase_add_test(tcase, json_string_escapes_what_json_forbids);
    tcase_add_test(tcase, json_string_that_does_not_fit_leaves_no_half);
    tcase_add_test(tcase, format_grows_the_buffer);
    tcase_add_test(tcase, format_beyond_the_maximum_changes_nothing);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
