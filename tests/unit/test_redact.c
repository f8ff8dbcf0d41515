/* test_redact.c - sentences of others, made fit for logs. */
#include "conductor/redact.h"
#include "run_tests.h"

#include <check.h>
#include <string.h>

static const struct {
    const char *name;
    const char *text;
    const char *expected;
} texts[] = {
    {"plain", "endUserId is missing", "endUserId is missing"},
    {"secret key", "key sk_conductor_eyJ.a-b_c is wrong", "key [key] is wrong"},
    {"secret key in quotes", "\"sk_live_x\"", "\"[key]\""},
    {"masked key goes with its end", "sk_live_********1234.", "[key]"},
    {"masked by bullets",
     "sk_live_\xe2\x80\xa2\xe2\x80\xa2"
     "9 end",
     "[key] end"},
    {"secret key in capitals", "SK_LIVE_x", "[key]"},
    {"secret key after a sign", "key=sk_live_x", "key=[key]"},
    {"secret key that something was put before", "xsk_conductor_a", "x[key]"},
    {"no key within a word", "task_queue", "task_queue"},
    {"client secret", "auth_sess_client_secret_abc, then", "[secret], then"},
    {"client secret within a word", "xauth_sess_client_secret_abc", "x[secret]"},
    {"link", "see https://connect.conductor.is/qbd/x?key=y for", "see [link] for"},
    {"link in capitals and quotes", "<HTTP://h/x>", "<[link]>"},
    {"bearer", "Authorization: Bearer abc.def", "Authorization: [key]"},
    {"web token", "token eyJhbGciOi.J9.x", "token [token]"},
    {"publishable key stays", "pk_conductor_1", "pk_conductor_1"},
    {"control bytes", "a\nb\x1b[2Jc\x7f", "a?b?[2Jc?"},
    {"one sign a character",
     "gr\xc3\xb6\xc3\x9f"
     "e \xf0\x9f\x98\x80",
     "gr??e ?"},
    {"empty", "", ""},
};

START_TEST(text_is_cleaned)
{
    char target[256];

    redact_text(texts[_i].text, strlen(texts[_i].text), target, sizeof target);
    ck_assert_msg(strcmp(target, texts[_i].expected) == 0, "%s: %s", texts[_i].name, target);
}
END_TEST

START_TEST(text_that_does_not_fit_is_cut_with_dots)
{
    char target[8];

    redact_text("1234567", 7, target, sizeof target);
    ck_assert_str_eq(target, "1234567");
    redact_text("12345678", 8, target, sizeof target);
    ck_assert_str_eq(target, "1234...");
    redact_text("1 sk_live_x", 11, target, sizeof target);
    ck_assert_str_eq(target, "1 [key]");
    redact_text("123 sk_live_x", 13, target, sizeof target);
    ck_assert_str_eq(target, "123 ...");
}
END_TEST

START_TEST(cut_shows_no_start_of_a_key)
{
    char target[40];
    char text[64];

    for (size_t shift = 0; shift < 40; shift++) {
        memset(text, '.', sizeof text);
        memcpy(text + shift, " sk_live_secret", 15);
        redact_text(text, shift + 15, target, sizeof target);
        ck_assert_msg(strstr(target, "sk_") == NULL, "%zu: %s", shift, target);
    }
}
END_TEST

static const struct {
    const char *word;
    bool is_found;
} words[] = {
    {"req_0a1b2c", false},
    {"INVALID_REQUEST_ERROR", false},
    {"", false},
    {"req_eyJ0", false}, /* random IDs may begin like that */
    {"sk_", false},
    {"sk_conductor_", true},
    {"req_SK_LIVE_1", true},
    {"xsk_test_1", true},
    {"xauth_sess_client_secret_", true},
    {"xhttp://a", true},
    {"xhttps://a", true},
};

START_TEST(credential_within_a_word_is_found)
{
    ck_assert_msg(redact_finds_in_word(words[_i].word, strlen(words[_i].word)) ==
                      words[_i].is_found,
                  "%s", words[_i].word);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redact");
    TCase *tcase = tcase_create("redact");

    tcase_add_loop_test(tcase, text_is_cleaned, 0, sizeof texts / sizeof texts[0]);
    tcase_add_test(tcase, text_that_does_not_fit_is_cut_with_dots);
    tcase_add_test(tcase, cut_shows_no_start_of_a_key);
    tcase_add_loop_test(tcase, credential_within_a_word_is_found, 0,
                        (int)(sizeof words / sizeof words[0]));
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
