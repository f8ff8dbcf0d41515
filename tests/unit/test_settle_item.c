/* test_settle_item.c - an outcome in words, as settle.lua reads it. */
#include "queue/settle_item.h"
#include "run_tests.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct word_list words;
static const struct server server = {.owner = "web-1@0123456789abcdef", .boot = "00000000000000aa"};

static void begin(void)
{
    word_list_init(&words, 8192);
}

static void end(void)
{
    word_list_done(&words);
}

static const struct job job = {.end_user_id = "end_usr_a",
                               .lease_seq = 7,
                               .link_expiry_mins = 30,
                               .redirect_url = "https://shop.example/done",
                               .ref = "a \"quoted\" ref"};

/* The words, each with a bar behind it. */
static const char *shown(void)
{
    static char text[8192];
    char *bytes = words.bytes.data;
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < words.count; i++) {
        ck_assert_int_eq(*bytes, '$');
        int word_len = (int)strtol(bytes + 1, &bytes, 10);
        ck_assert_int_eq(memcmp(bytes, "\r\n", 2), 0);
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s|", word_len, bytes + 2);
        bytes += 2 + word_len;
        ck_assert_int_eq(memcmp(bytes, "\r\n", 2), 0);
        bytes += 2;
    }
    ck_assert_ptr_eq(bytes, words.bytes.data + words.bytes.len);
    return text;
}

static struct settled of(const struct outcome *outcome)
{
    return (struct settled){.job = &job, .outcome = outcome};
}

static void write_group(const struct outcome *outcome)
{
    settle_group_write(&words, &server, 1, of(outcome));
    ck_assert_uint_eq(words.count, SETTLE_GROUP_WORDS);
    settle_item_write(&words, of(outcome), 9000000);
    ck_assert_uint_eq(words.count, SETTLE_GROUP_WORDS + SETTLE_ITEM_WORDS);
}

static const struct outcome link = {.kind = OUTCOME_CREATED,
                                    .signal = SIGNAL_OK,
                                    .is_accepted = true,
                                    .is_told_to_pace = true,
                                    .quota_reset_ms = 12,
                                    .began_us = 8750000,
                                    .key_fp = "fp",
                                    .answer = {.session = {.id = "sess",
                                                           .auth_flow_url = "https://link",
                                                           .created_at = "then",
                                                           .expires_at = "later",
                                                           .life_ms = 1800000},
                                               .request_id = "req"}};

START_TEST(link_says_what_is_known_in_its_order)
{
    write_group(&link);
    ck_assert_str_eq(
        shown(),
        "1|web-1@0123456789abcdef/00000000000000aa/7|created ok 1|fp|30|https://shop.example/done|"
        "a \"quoted\" ref|12|1800000|end_usr_a|250|req|sess|then|later|https://link|");
}
END_TEST

START_TEST(failure_says_what_is_known_in_its_order_and_nothing_of_a_link)
{
    write_group(&(const struct outcome){.kind = OUTCOME_THROTTLED,
                                        .signal = SIGNAL_THROTTLED,
                                        .is_told_to_pace = true,
                                        .delay_ms = 1500,
                                        .retry_after_ms = 3000,
                                        .answer = {.http_status = 429,
                                                   .session = {.auth_flow_url = "https://link"},
                                                   .error_code = "SLOW",
                                                   .detail = "why"}});
    ck_assert_str_eq(shown(), "1|web-1@0123456789abcdef/00000000000000aa/7|throttled throttled "
                              "0||30|https://shop.example/done|"
                              "a \"quoted\" ref|0|3000|end_usr_a|0||1500|429|SLOW|why|");
}
END_TEST

START_TEST(outcome_that_never_ran_is_not_told_to_the_pace)
{
    struct outcome outcome;

    outcome_returned("drain", &outcome);
    write_group(&outcome);
    ck_assert_ptr_nonnull(strstr(shown(), "|returned none -|"));
}
END_TEST

/* Each row differs from the first in one thing that a group has once. */
START_TEST(what_a_group_has_once_is_the_same_for_all_in_it)
{
    struct job jobs[5] = {job, job, job, job, job};
    struct outcome outcomes[7] = {link, link, link, link, link, link, link};

    jobs[1].lease_seq++;
    jobs[2].link_expiry_mins++;
    jobs[3].ref[0] = 'b';
    jobs[4].redirect_url[0] = 'b';
    outcomes[1].kind = OUTCOME_RETRY;
    outcomes[2].signal = SIGNAL_DOWN;
    outcomes[3].is_accepted = false;
    outcomes[4].is_told_to_pace = false;
    outcomes[5].key_fp[0] = 'x';
    outcomes[6].answer.session.life_ms++;
    const struct settled first = {&jobs[0], &outcomes[0]};
    ck_assert(settle_group_fits(first, of(&link)));
    for (int i = 1; i < 5; i++)
        ck_assert(!settle_group_fits(first, (struct settled){&jobs[i], &outcomes[0]}));
    for (int i = 1; i < 7; i++)
        ck_assert(!settle_group_fits(first, (struct settled){&jobs[0], &outcomes[i]}));
    outcomes[0].quota_reset_ms++;
    ck_assert(!settle_group_fits(first, of(&link)));
    outcomes[0] = link;
    outcomes[0].began_us++;
    outcomes[0].delay_ms++;
    jobs[0].end_user_id[0] = 'x';
    ck_assert(settle_group_fits(first, of(&link)));
}
END_TEST

START_TEST(words_without_room_are_told_of)
{
    struct outcome outcome;

    word_list_done(&words);
    word_list_init(&words, 64);
    outcome_returned("drain", &outcome);
    settle_group_write(&words, &server, 1, of(&outcome));
    ck_assert(words.bytes.failed);
}
END_TEST

START_TEST(words_that_are_dropped_are_wiped)
{
    word_list_add_text(&words, "secret of the first");
    word_list_add_text(&words, "");
    word_list_add_number(&words, INT64_MIN);
    word_list_add_number(&words, INT64_MAX);
    word_list_add_number(&words, -1);
    word_list_add_number(&words, 0);
    ck_assert_str_eq(shown(),
                     "secret of the first||-9223372036854775808|9223372036854775807|-1|0|");
    size_t len = words.bytes.len;
    word_list_reset(&words);
    ck_assert_uint_eq(words.count, 0);
    for (size_t i = 0; i < len; i++)
        ck_assert_int_eq(words.bytes.data[i], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settle_item");
    TCase *tcase = tcase_create("words");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, link_says_what_is_known_in_its_order);
    tcase_add_test(tcase, failure_says_what_is_known_in_its_order_and_nothing_of_a_link);
    tcase_add_test(tcase, outcome_that_never_ran_is_not_told_to_the_pace);
    tcase_add_test(tcase, what_a_group_has_once_is_the_same_for_all_in_it);
    tcase_add_test(tcase, words_without_room_are_told_of);
    tcase_add_test(tcase, words_that_are_dropped_are_wiped);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
