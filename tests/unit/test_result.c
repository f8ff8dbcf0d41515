/* test_result.c - every result has a text of its own. */
#include "base/result.h"
#include "run_tests.h"

#include <check.h>
#include <string.h>

static const enum result results[] = {
#define X(name, text) RESULT_##name,
    RESULT_LIST(X)
#undef X
};

START_TEST(every_result_has_a_text_of_its_own)
{
    size_t count = sizeof results / sizeof results[0];

    ck_assert_int_eq(RESULT_OK, 0);
    for (size_t i = 0; i < count; i++) {
        ck_assert_str_ne(result_text(results[i]), "unknown result");
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(result_text(results[i]), result_text(results[j]));
    }
}
END_TEST

START_TEST(a_number_that_is_no_result_has_a_text_too)
{
    ck_assert_str_eq(result_text((enum result)1000), "unknown result");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("result");
    TCase *tcase = tcase_create("result");

    tcase_add_test(tcase, every_result_has_a_text_of_its_own);
    tcase_add_test(tcase, a_number_that_is_no_result_has_a_text_too);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
