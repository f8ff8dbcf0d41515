/* test_settle_unsound.c - settles that are none, and items that are none: faults of ours, or of a
 * stranger. */
#include "support_steps.h"

#include <string.h>

#define GROUP(count, lease, meaning) count, lease, meaning, KEY_FP, "30", "", "", "0"
#define LINK(user)                                                                                 \
    user, "0", "req", "sess", "2026-01-01T00:00:00.000Z", "2026-01-01T00:30:00.000Z", "https://x"

/* Two groups of one. */
static const char *const two_items[2 * SETTLE_ONE_WORDS] = {GROUP("1", LEASE, "created ok 1"),
                                                            "1800000",
                                                            LINK("u"),
                                                            GROUP("1", LEASE_2, "returned none -"),
                                                            "0",
                                                            "v",
                                                            "0",
                                                            "",
                                                            "0",
                                                            "0",
                                                            "",
                                                            ""};

static const struct {
    const char *count; /* of the first group's items */
    int words;
} unsound_settles[] = {
    {"1", 1},
    {"1", SETTLE_ONE_WORDS - 1},
    {"1", SETTLE_ONE_WORDS + 1},
    {"0", SETTLE_ONE_WORDS},
    {"2", SETTLE_ONE_WORDS},
    {"-1", SETTLE_ONE_WORDS},
    {"0.5", SETTLE_ONE_WORDS},
    {"one", SETTLE_ONE_WORDS},
    {"", SETTLE_ONE_WORDS},
    {"nan", SETTLE_ONE_WORDS},
    {"1e300", SETTLE_ONE_WORDS},
};

START_TEST(a_settle_whose_items_are_not_whole_is_refused)
{
    const char *words[2 * SETTLE_ONE_WORDS];

    take("u", LEASE);
    memcpy(words, two_items, sizeof words);
    words[0] = unsound_settles[_i].count;
    const char *before = database_digest();
    expect_error(settle_words(1, unsound_settles[_i].words, words), "ERR authlink settle");
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
    {7, "x"},
    {8, ""},
    {8, "-5"},
    {10, ""},
    {10, "soon"},
    {10, "-5"},
    {10, "nan"},
    {10, "1e300"},
};

START_TEST(an_unsound_item_ends_alone)
{
    const char *words[2 * SETTLE_ONE_WORDS];

    take("u", LEASE);
    take("v", LEASE_2);
    memcpy(words, two_items, sizeof words);
    words[unsound_words[_i].place] = unsound_words[_i].word;
    expect_fine(settle_words(1, 2 * SETTLE_ONE_WORDS, words));
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
    const char *words[SETTLE_ONE_WORDS];

    memcpy(words, two_items, sizeof words);
    words[10] = "soon";
    ck_assert_uint_eq(fenced_count(settle_words(1, SETTLE_ONE_WORDS, words)), 1);
    ck_assert_int_eq(number_of(COMMAND("EXISTS", key_of("session:u"))), 0);
    ck_assert_int_eq(number_of(COMMAND("XLEN", key_of("dead"))), 0);
}
END_TEST

/* What the daemon sends: one head for the items that have all of it in common. */
START_TEST(items_of_one_group_are_settled_one_by_one)
{
    static const char *const words[] = {GROUP("3", LEASE, "created ok 1"), "1800000", LINK("u1"),
                                        LINK("nobody"), LINK("u2")};

    push("u1");
    push("u2");
    push("u3");
    CLAIM(0);
    ck_assert_uint_eq(fenced_count(settle_words(1, 9 + 3 * 7, words)), 1);
    ck_assert_str_eq(hash_field("session:u1", "authFlowUrl"), "https://x");
    ck_assert_str_eq(hash_field("session:u2", "status"), "ready");
    ck_assert_int_eq(number_of(COMMAND("HLEN", key_of("lease:" LEASE))), 1);
    ck_assert_int_eq(counter_value("ready"), 2);
    ck_assert_int_eq(counter_value("late"), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settle_unsound");
    TCase *tcase = tcase_create("settle_unsound");

    add_world(tcase);
    tcase_add_loop_test(tcase, a_settle_whose_items_are_not_whole_is_refused, 0,
                        (int)(sizeof unsound_settles / sizeof unsound_settles[0]));
    tcase_add_loop_test(tcase, an_unsound_item_ends_alone, 0,
                        (int)(sizeof unsound_words / sizeof unsound_words[0]));
    tcase_add_test(tcase, items_of_one_group_are_settled_one_by_one);
    tcase_add_test(tcase, an_unsound_item_of_no_lease_is_fenced_and_no_more);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
