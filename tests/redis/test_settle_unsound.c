/* test_settle_unsound.c - settles that are none, and items that are none: faults of ours, or of a
 * stranger. */
#include "support_steps.h"

#include <string.h>

static const int unsound_counts[] = {1, SETTLE_ITEM_WORDS - 1, SETTLE_ITEM_WORDS + 1};

static const char *const two_links[2 * SETTLE_ITEM_WORDS] = {LEASE,
                                                             "u",
                                                             "created ok 1",
                                                             KEY_FP,
                                                             "0",
                                                             "30",
                                                             "req",
                                                             "",
                                                             "",
                                                             "0",
                                                             "1800000",
                                                             "sess",
                                                             "2026-01-01T00:00:00.000Z",
                                                             "2026-01-01T00:30:00.000Z",
                                                             "https://x",
                                                             LEASE_2,
                                                             "v",
                                                             "returned none -",
                                                             "",
                                                             "0",
                                                             "30",
                                                             "",
                                                             "",
                                                             "",
                                                             "0",
                                                             "0",
                                                             "0",
                                                             "0",
                                                             "",
                                                             ""};

START_TEST(a_settle_with_a_piece_of_an_item_is_refused_whole)
{
    take("u", LEASE);
    const char *before = database_digest();
    expect_error(settle_words(1, unsound_counts[_i], two_links), "ERR authlink settle");
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

static const struct {
    int place;
    const char *word;
} unsound_words[] = {
    {2, ""},
    {2, "created"},
    {2, "lost ok 1"},
    {2, "created loud 1"},
    {2, "created down 1"},
    {2, "created ok 7"},
    {2, "created ok 1 more"},
    {4, ""},
    {4, "soon"},
    {4, "-5"},
    {4, "nan"},
    {4, "1e300"},
    {5, ""},
    {9, "x"},
    {10, ""},
};

START_TEST(an_unsound_item_ends_alone)
{
    const char *words[2 * SETTLE_ITEM_WORDS];

    take("u", LEASE);
    take("v", LEASE_2);
    memcpy(words, two_links, sizeof words);
    words[unsound_words[_i].place] = unsound_words[_i].word;
    expect_fine(settle_words(1, 2 * SETTLE_ITEM_WORDS, words));
    ck_assert_int_eq(number_of(COMMAND("ZCARD", key_of("delayed"))), 1);
    ck_assert_str_eq(field_of(last_letter(), "reason"), "gave_up");
    ck_assert_ptr_nonnull(strstr(field_of(last_letter(), "detail"), "unsound"));
    ck_assert_int_eq(number_of(COMMAND("HLEN", key_of("lease:" LEASE))), 0);
    ck_assert_str_eq(hash_field("session:u", "status"), "failed");
    ck_assert_str_eq(hash_field("session:u", "authFlowUrl"), "");
}
END_TEST

START_TEST(an_unsound_item_of_no_lease_is_fenced_and_no_more)
{
    const char *words[SETTLE_ITEM_WORDS];

    memcpy(words, two_links, sizeof words);
    words[4] = "soon";
    ck_assert_uint_eq(fenced_count(settle_words(1, SETTLE_ITEM_WORDS, words)), 1);
    ck_assert_int_eq(number_of(COMMAND("EXISTS", key_of("session:u"))), 0);
    ck_assert_int_eq(number_of(COMMAND("XLEN", key_of("dead"))), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settle_unsound");
    TCase *tcase = tcase_create("settle_unsound");

    add_world(tcase);
    tcase_add_loop_test(tcase, a_settle_with_a_piece_of_an_item_is_refused_whole, 0,
                        (int)(sizeof unsound_counts / sizeof unsound_counts[0]));
    tcase_add_loop_test(tcase, an_unsound_item_ends_alone, 0,
                        (int)(sizeof unsound_words / sizeof unsound_words[0]));
    tcase_add_test(tcase, an_unsound_item_of_no_lease_is_fenced_and_no_more);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
