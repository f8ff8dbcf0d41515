/* test_text.c - small work on texts that came from outside. */
#include "base/text.h"
#include "run_tests.h"

#include <check.h>
#include <inttypes.h>
#include <string.h>

START_TEST(a_copy_that_does_not_fit_says_so_and_is_ended)
{
    char target[4] = "xyz";

    ck_assert_int_eq(text_copy(target, sizeof target, "abc", 3), RESULT_OK);
    ck_assert_str_eq(target, "abc");
    ck_assert_int_eq(text_copy(target, sizeof target, "abcd", 4), RESULT_FULL);
    ck_assert_str_eq(target, "abc");
    ck_assert_int_eq(text_copy(target, sizeof target, NULL, 0), RESULT_OK);
    ck_assert_str_eq(target, "");
    ck_assert_int_eq(text_copy(target, 0, "a", 1), RESULT_FULL);
}
END_TEST

static const struct {
    const char *text;
    enum result result;
    int64_t value;
} numbers[] = {
    {"0", RESULT_OK, 0},
    {"-0", RESULT_OK, 0},
    {"007", RESULT_OK, 7},
    {"9223372036854775807", RESULT_OK, INT64_MAX},
    {"-9223372036854775808", RESULT_OK, INT64_MIN},
    {"9223372036854775808", RESULT_INVALID, 0},
    {"-9223372036854775809", RESULT_INVALID, 0},
    {"99999999999999999999", RESULT_INVALID, 0},
    {"", RESULT_INVALID, 0},
    {"-", RESULT_INVALID, 0},
    {"+1", RESULT_INVALID, 0},
    {" 1", RESULT_INVALID, 0},
    {"1 ", RESULT_INVALID, 0},
    {"1.0", RESULT_INVALID, 0},
    {"0x1", RESULT_INVALID, 0},
    {"--1", RESULT_INVALID, 0},
};

START_TEST(a_number_is_digits_and_nothing_else)
{
    int64_t value = 42;
    enum result result =
        text_to_int64(numbers[_i].text, strlen(numbers[_i].text), INT64_MIN, INT64_MAX, &value);

    ck_assert_msg(result == numbers[_i].result, "%s", numbers[_i].text);
    ck_assert_msg(value == (result == RESULT_OK ? numbers[_i].value : 42), "%s: %" PRId64,
                  numbers[_i].text, value);
}
END_TEST

START_TEST(a_number_keeps_to_its_range)
{
    int64_t value = 42;

    ck_assert_int_eq(text_to_int64("5", 1, 5, 6, &value), RESULT_OK);
    ck_assert_int_eq(text_to_int64("4", 1, 5, 6, &value), RESULT_INVALID);
    ck_assert_int_eq(text_to_int64("7", 1, 5, 6, &value), RESULT_INVALID);
    ck_assert_int_eq(text_to_int64("56", 1, 5, 6, &value),
                     RESULT_OK); /* one byte of two is given */
    ck_assert_int_eq(value, 5);
}
END_TEST

static const struct {
    const char *name;
    const char *text;
    bool is_utf8;
} utf8[] = {
    {"nothing", "", true},
    {"ASCII", "a~\x7f", true},
    {"two bytes, least", "\xc2\x80", true},
    {"two bytes, overlong", "\xc1\xbf", false},
    {"overlong slash", "\xc0\xaf", false},
    {"three bytes, least", "\xe0\xa0\x80", true},
    {"three bytes, overlong", "\xe0\x9f\xbf", false},
    {"before the surrogates", "\xed\x9f\xbf", true},
    {"surrogate", "\xed\xa0\x80", false},
    {"behind the surrogates", "\xee\x80\x80", true},
    {"four bytes, least", "\xf0\x90\x80\x80", true},
    {"four bytes, overlong", "\xf0\x8f\xbf\xbf", false},
    {"the last of all", "\xf4\x8f\xbf\xbf", true},
    {"beyond the last", "\xf4\x90\x80\x80", false},
    {"five bytes", "\xf8\x88\x80\x80\x80", false},
    {"a byte of the middle first", "\x80", false},
    {"cut after one", "\xc3", false},
    {"cut after two", "\xe2\x82", false},
    {"cut after three", "\xf0\x9f\x98", false},
    {"a letter for a byte of the middle", "\xe2\x82x", false},
};

#define ROW_LEN 21 /* two words and a rest */

/* Every byte at every place of a row of letters. */
START_TEST(json_plain_part_ends_at_what_must_be_escaped)
{
    unsigned char byte = (unsigned char)_i;
    bool is_plain = byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f;
    char row[ROW_LEN];

    for (size_t at = 0; at < ROW_LEN; at++) {
        memset(row, 'a', ROW_LEN);
        row[at] = (char)byte;
        ck_assert_uint_eq(text_json_plain_len(row, ROW_LEN), is_plain ? ROW_LEN : at);
    }
    ck_assert_uint_eq(text_json_plain_len(row, 0), 0);
}
END_TEST

START_TEST(byte_that_is_no_ascii_is_no_utf8_alone_wherever_it_stands)
{
    char row[ROW_LEN];

    for (size_t at = 0; at < ROW_LEN; at++) {
        memset(row, 'a', ROW_LEN);
        row[at] = (char)_i;
        ck_assert(text_is_utf8(row, ROW_LEN) == (_i < 0x80));
    }
}
END_TEST

START_TEST(utf8_is_well_formed_or_none)
{
    ck_assert_msg(text_is_utf8(utf8[_i].text, strlen(utf8[_i].text)) == utf8[_i].is_utf8, "%s",
                  utf8[_i].name);
}
END_TEST

START_TEST(printable_is_ascii_from_blank_to_tilde)
{
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        ck_assert_msg(text_is_printable(&byte, 1) == (c >= 0x20 && c <= 0x7e), "byte %d", c);
    }
    ck_assert(text_is_printable("", 0));
}
END_TEST

START_TEST(one_word_has_no_blank_and_nothing_that_does_not_print)
{
    ck_assert(text_is_one_word("a!~") && text_is_one_word(""));
    ck_assert(!text_is_one_word("a b") && !text_is_one_word("a\tb") &&
              !text_is_one_word("\xc3\xbc"));
}
END_TEST

START_TEST(hex_has_two_digits_a_byte)
{
    static const unsigned char bytes[] = {0x00, 0x0f, 0xf0, 0xab};
    char text[2 * sizeof bytes + 1];

    text_hex(bytes, sizeof bytes, text);
    ck_assert_str_eq(text, "000ff0ab");
}
END_TEST

START_TEST(names_of_headers_are_equal_in_either_case)
{
    ck_assert(text_equals_ignoring_case("Retry-AFTER", 11, "retry-after", 11));
    ck_assert(!text_equals_ignoring_case("Retry", 5, "retry-after", 11));
    ck_assert(!text_equals_ignoring_case("[", 1, "{", 1)); /* 0x20 apart like letters, and none */
    ck_assert(!text_equals_ignoring_case("@", 1, "`", 1));
}
END_TEST

START_TEST(trimming_takes_blanks_from_both_ends)
{
    size_t len;
    const char *text = "\t a b\r\n";

    ck_assert_ptr_eq(text_trim(text, 7, &len), text + 2);
    ck_assert_uint_eq(len, 3);
    text_trim(" \n ", 3, &len);
    ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(a_text_begins_with_its_prefix)
{
    ck_assert(text_starts_with("sk_x", "sk_"));
    ck_assert(text_starts_with("sk_", "sk_"));
    ck_assert(text_starts_with("", ""));
    ck_assert(!text_starts_with("sk", "sk_"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tcase = tcase_create("text");

    tcase_add_test(tcase, a_copy_that_does_not_fit_says_so_and_is_ended);
    tcase_add_loop_test(tcase, a_number_is_digits_and_nothing_else, 0,
                        (int)(sizeof numbers / sizeof numbers[0]));
    tcase_add_test(tcase, a_number_keeps_to_its_range);
    tcase_add_loop_test(tcase, json_plain_part_ends_at_what_must_be_escaped, 0, 256);
    tcase_add_loop_test(tcase, byte_that_is_no_ascii_is_no_utf8_alone_wherever_it_stands, 0, 256);
    tcase_add_loop_test(tcase, utf8_is_well_formed_or_none, 0, (int)(sizeof utf8 / sizeof utf8[0]));
    tcase_add_test(tcase, printable_is_ascii_from_blank_to_tilde);
    tcase_add_test(tcase, one_word_has_no_blank_and_nothing_that_does_not_print);
    tcase_add_test(tcase, hex_has_two_digits_a_byte);
    tcase_add_test(tcase, names_of_headers_are_equal_in_either_case);
    tcase_add_test(tcase, trimming_takes_blanks_from_both_ends);
    tcase_add_test(tcase, a_text_begins_with_its_prefix);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
