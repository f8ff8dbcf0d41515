/* test_replies.c - numbers in replies of Redis. */
#include "queue/replies.h"
#include "run_tests.h"

#include <check.h>

static const struct {
    const char *name;
    int type;
    long long number;
    int64_t read;
} numbers[] = {
    {"a small one", REDIS_REPLY_INTEGER, 7, 7},
    {"a negative one", REDIS_REPLY_INTEGER, -7, -7},
    {"the largest", REDIS_REPLY_INTEGER, REPLY_INT_MAX, REPLY_INT_MAX},
    {"the smallest", REDIS_REPLY_INTEGER, -REPLY_INT_MAX, -REPLY_INT_MAX},
    {"larger than any of ours", REDIS_REPLY_INTEGER, REPLY_INT_MAX + 1, -1},
    {"smaller than any of ours", REDIS_REPLY_INTEGER, -REPLY_INT_MAX - 1, -1},
    {"the end of the type", REDIS_REPLY_INTEGER, INT64_MAX, -1},
    {"a text", REDIS_REPLY_STRING, 7, -1},
};

START_TEST(number_is_read_within_what_can_be_calculated_with)
{
    const redisReply reply = {.type = numbers[_i].type, .integer = numbers[_i].number};

    ck_assert_msg(reply_int(&reply, -1) == numbers[_i].read, "%s", numbers[_i].name);
}
END_TEST

START_TEST(missing_number_is_the_other_one)
{
    ck_assert_int_eq(reply_int(NULL, 5), 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("replies");
    TCase *tcase = tcase_create("replies");

    tcase_add_loop_test(tcase, number_is_read_within_what_can_be_calculated_with, 0,
                        (int)(sizeof numbers / sizeof numbers[0]));
    tcase_add_test(tcase, missing_number_is_the_other_one);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
