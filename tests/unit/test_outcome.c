/* test_outcome.c - every answer has its outcome, and every outcome its bounds. */
#include "core/outcome.h"
#include "run_tests.h"

#include <check.h>
#include <string.h>

static const struct retry_policy policy = {
    .max_attempts = 3, .give_up_after_ms = 60000, .base_delay_ms = 1000, .max_delay_ms = 8000};

enum pace { UNTOLD, TOLD_ACCEPTED, TOLD_REFUSED };

#define WHOLE(status, what) .state = ANSWER_WHOLE, .http_status = (status), .body = (what)
#define ENVELOPE            ANSWER_BODY_ENVELOPE
#define OTHER               ANSWER_BODY_OTHER
#define SESSION             ANSWER_BODY_SESSION

/* clang-format off */

/* Each for a job's first attempt. */
static const struct {
    const char *name;
    struct answer answer;
    enum outcome_kind kind;
    enum outcome_signal signal;
    enum pace pace;
} answers[] = {
    /* sessions */
    {"created", {WHOLE(200, SESSION), .session.life_ms = 1}, OUTCOME_CREATED, SIGNAL_OK, TOLD_ACCEPTED},
    {"created, 201", {WHOLE(201, SESSION), .session.life_ms = 1}, OUTCOME_CREATED, SIGNAL_OK, TOLD_ACCEPTED},
    {"a link without life", {WHOLE(200, SESSION), .session.life_ms = 0}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    {"a link of the past", {WHOLE(200, SESSION), .session.life_ms = -1}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    {"a session with another status", {WHOLE(202, SESSION), .session.life_ms = 1}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    {"200 that is no session", {WHOLE(200, OTHER)}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    {"200 in HTML", {WHOLE(200, OTHER), .is_html = true}, OUTCOME_RETRY, SIGNAL_DOWN, UNTOLD},
    {"200 with an envelope", {WHOLE(200, ENVELOPE)}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    {"nothing", {WHOLE(204, OTHER)}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    /* the account's */
    {"bad key", {WHOLE(401, ENVELOPE)}, OUTCOME_ACCOUNT_ERROR, SIGNAL_ACCOUNT, TOLD_ACCEPTED},
    {"not paid", {WHOLE(402, ENVELOPE)}, OUTCOME_ACCOUNT_ERROR, SIGNAL_ACCOUNT, TOLD_ACCEPTED},
    {"not permitted", {WHOLE(403, ENVELOPE)}, OUTCOME_ACCOUNT_ERROR, SIGNAL_ACCOUNT, TOLD_ACCEPTED},
    {"wrong publishable key", {WHOLE(400, ENVELOPE), .names_publishable_key = true}, OUTCOME_ACCOUNT_ERROR, SIGNAL_ACCOUNT, TOLD_ACCEPTED},
    {"bad key, to be tried again", {WHOLE(401, ENVELOPE), .should_retry = SHOULD_RETRY_YES}, OUTCOME_ACCOUNT_ERROR, SIGNAL_ACCOUNT, TOLD_ACCEPTED},
    {"bad key, not to be tried again", {WHOLE(401, ENVELOPE), .should_retry = SHOULD_RETRY_NO}, OUTCOME_ACCOUNT_ERROR, SIGNAL_ACCOUNT, TOLD_ACCEPTED},
    {"bad key, by its type", {WHOLE(400, ENVELOPE), .error_type = "AUTHENTICATION_ERROR"}, OUTCOME_ACCOUNT_ERROR, SIGNAL_ACCOUNT, TOLD_ACCEPTED},
    {"bad key, hidden by a 404", {WHOLE(404, ENVELOPE), .error_type = "AUTHENTICATION_ERROR"}, OUTCOME_ACCOUNT_ERROR, SIGNAL_ACCOUNT, TOLD_ACCEPTED},
    {"not permitted, by its type", {WHOLE(422, ENVELOPE), .error_type = "PERMISSION_ERROR"}, OUTCOME_ACCOUNT_ERROR, SIGNAL_ACCOUNT, TOLD_ACCEPTED},
    {"conflict, not permitted by its type", {WHOLE(409, ENVELOPE), .error_type = "PERMISSION_ERROR"}, OUTCOME_RETRY, SIGNAL_OWN, TOLD_ACCEPTED},
    {"bad key, says the API while it fails", {WHOLE(500, ENVELOPE), .error_type = "AUTHENTICATION_ERROR"}, OUTCOME_RETRY, SIGNAL_DOWN, UNTOLD},
    {"401 of a proxy", {WHOLE(401, OTHER)}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    {"403 in HTML", {WHOLE(403, OTHER), .is_html = true}, OUTCOME_RETRY, SIGNAL_DOWN, UNTOLD},
    {"403 with nothing", {WHOLE(403, OTHER)}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    /* the job's */
    {"wrong parameter", {WHOLE(400, ENVELOPE)}, OUTCOME_REJECTED, SIGNAL_OWN, TOLD_ACCEPTED},
    {"wrong parameter, to be tried again", {WHOLE(400, ENVELOPE), .should_retry = SHOULD_RETRY_YES}, OUTCOME_RETRY, SIGNAL_OWN, TOLD_ACCEPTED},
    {"not processable", {WHOLE(422, ENVELOPE)}, OUTCOME_REJECTED, SIGNAL_OWN, TOLD_ACCEPTED},
    {"422 that names publishableKey", {WHOLE(422, ENVELOPE), .names_publishable_key = true}, OUTCOME_REJECTED, SIGNAL_OWN, TOLD_ACCEPTED},
    {"too large", {WHOLE(413, ENVELOPE)}, OUTCOME_REJECTED, SIGNAL_OWN, TOLD_ACCEPTED},
    {"wrong method, says the API", {WHOLE(405, ENVELOPE)}, OUTCOME_REJECTED, SIGNAL_OWN, TOLD_ACCEPTED},
    {"400 of a proxy", {WHOLE(400, OTHER)}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    {"no such end user", {WHOLE(404, ENVELOPE)}, OUTCOME_REJECTED, SIGNAL_MISSING, TOLD_ACCEPTED},
    {"no such end user, to be tried again", {WHOLE(404, ENVELOPE), .should_retry = SHOULD_RETRY_YES}, OUTCOME_REJECTED, SIGNAL_MISSING, TOLD_ACCEPTED},
    {"conflict", {WHOLE(409, ENVELOPE)}, OUTCOME_RETRY, SIGNAL_OWN, TOLD_ACCEPTED},
    {"conflict, not to be tried again", {WHOLE(409, ENVELOPE), .should_retry = SHOULD_RETRY_NO}, OUTCOME_REJECTED, SIGNAL_OWN, TOLD_ACCEPTED},
    {"not set up", {WHOLE(409, ENVELOPE), .error_code = "INTEGRATION_CONNECTION_NOT_SET_UP"}, OUTCOME_REJECTED, SIGNAL_OWN, TOLD_ACCEPTED},
    {"not set up, to be tried again", {WHOLE(409, ENVELOPE), .error_code = "INTEGRATION_CONNECTION_NOT_SET_UP", .should_retry = SHOULD_RETRY_YES}, OUTCOME_RETRY, SIGNAL_OWN, TOLD_ACCEPTED},
    {"409 of a proxy", {WHOLE(409, OTHER)}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    /* the pace's */
    {"too many requests", {WHOLE(429, ENVELOPE)}, OUTCOME_THROTTLED, SIGNAL_THROTTLED, TOLD_REFUSED},
    {"too many requests, in HTML", {WHOLE(429, OTHER), .is_html = true}, OUTCOME_THROTTLED, SIGNAL_THROTTLED, TOLD_REFUSED},
    {"too many requests, not to be tried again", {WHOLE(429, OTHER), .should_retry = SHOULD_RETRY_NO}, OUTCOME_THROTTLED, SIGNAL_THROTTLED, TOLD_REFUSED},
    /* nobody's: network, proxy or API fail */
    {"404 of a proxy", {WHOLE(404, OTHER)}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    {"405 of a proxy", {WHOLE(405, OTHER), .is_html = true}, OUTCOME_RETRY, SIGNAL_DOWN, UNTOLD},
    {"415 of a proxy", {WHOLE(415, OTHER)}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    {"redirect", {WHOLE(302, OTHER)}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    {"request took too long", {WHOLE(408, ENVELOPE)}, OUTCOME_RETRY, SIGNAL_DOWN, TOLD_ACCEPTED},
    {"API fails", {WHOLE(500, ENVELOPE)}, OUTCOME_RETRY, SIGNAL_DOWN, UNTOLD},
    {"API fails, not to be tried again", {WHOLE(500, ENVELOPE), .should_retry = SHOULD_RETRY_NO}, OUTCOME_RETRY, SIGNAL_DOWN, UNTOLD},
    {"bad gateway", {WHOLE(502, OTHER), .is_html = true}, OUTCOME_RETRY, SIGNAL_DOWN, UNTOLD},
    {"unavailable", {WHOLE(503, OTHER)}, OUTCOME_RETRY, SIGNAL_DOWN, UNTOLD},
    {"status of no meaning", {WHOLE(999, OTHER)}, OUTCOME_RETRY, SIGNAL_DOWN, UNTOLD},
    {"cut off", {.state = ANSWER_BROKEN}, OUTCOME_RETRY, SIGNAL_DOWN, UNTOLD},
    {"no connection", {.state = ANSWER_UNSENT}, OUTCOME_UNSENT, SIGNAL_DOWN, UNTOLD},
};

/* clang-format on */

START_TEST(an_answer_has_its_outcome)
{
    struct job job = {.attempts = 0};
    struct answer answer = answers[_i].answer;
    struct outcome outcome;

    answer.retry_after_ms = -1;
    outcome_of_answer(&answer, &job, 0, &policy, 0.5, &outcome);
    ck_assert_msg(outcome.kind == answers[_i].kind, "%s: %s", answers[_i].name,
                  outcome_kind_name(outcome.kind));
    ck_assert_msg(outcome.signal == answers[_i].signal, "%s: %s", answers[_i].name,
                  outcome_signal_name(outcome.signal));
    ck_assert_msg(outcome.is_told_to_pace == (answers[_i].pace != UNTOLD), "%s", answers[_i].name);
    ck_assert_msg(outcome.is_accepted == (answers[_i].pace == TOLD_ACCEPTED), "%s",
                  answers[_i].name);
    ck_assert_msg(outcome.answer.http_status == answer.http_status, "%s", answers[_i].name);
}
END_TEST

/* Whatever became of the attempts before, these stay what they are; only a retry ends as given up.
 */
START_TEST(only_a_retry_is_given_up)
{
    struct job job = {.attempts = policy.max_attempts};
    struct answer answer = answers[_i].answer;
    enum outcome_kind kind = answers[_i].kind;
    struct outcome outcome;

    outcome_of_answer(&answer, &job, INT64_C(1) << 50, &policy, 0.5, &outcome);
    if (kind == OUTCOME_RETRY)
        kind = OUTCOME_GAVE_UP;
    ck_assert_msg(outcome.kind == kind, "%s: %s", answers[_i].name,
                  outcome_kind_name(outcome.kind));
    ck_assert_msg(outcome.signal == answers[_i].signal, "%s", answers[_i].name);
}
END_TEST

static struct outcome outcome_of(struct answer answer, uint32_t attempts, int64_t age_ms,
                                 double random_unit)
{
    struct job job = {.attempts = attempts};
    struct outcome outcome;

    outcome_of_answer(&answer, &job, age_ms, &policy, random_unit, &outcome);
    return outcome;
}

static const struct answer bad_gateway = {WHOLE(502, OTHER), .retry_after_ms = -1};

START_TEST(the_last_attempt_that_fails_is_the_end)
{
    ck_assert_int_eq(outcome_of(bad_gateway, 1, 0, 0).kind, OUTCOME_RETRY);
    ck_assert_int_eq(outcome_of(bad_gateway, 2, 0, 0).kind, OUTCOME_GAVE_UP);
    ck_assert_int_eq(outcome_of(bad_gateway, 2, 0, 0).delay_ms, 0);
}
END_TEST

START_TEST(an_attempt_that_fails_at_a_great_age_is_the_end)
{
    ck_assert_int_eq(outcome_of(bad_gateway, 0, 59999, 0).kind, OUTCOME_RETRY);
    ck_assert_int_eq(outcome_of(bad_gateway, 0, 60000, 0).kind, OUTCOME_GAVE_UP);
}
END_TEST

START_TEST(the_delay_grows_with_the_attempts)
{
    ck_assert_int_eq(outcome_of(bad_gateway, 0, 0, 0.5).delay_ms, 500);
    ck_assert_int_eq(outcome_of(bad_gateway, 1, 0, 0.5).delay_ms, 1000);
    ck_assert_int_eq(outcome_of(bad_gateway, 1, 0, 0.0).delay_ms, 0);
}
END_TEST

START_TEST(retry_after_is_the_least_delay)
{
    struct answer unavailable = {WHOLE(503, OTHER), .retry_after_ms = 30000};
    struct answer throttled = {WHOLE(429, OTHER), .retry_after_ms = 150};

    ck_assert_int_eq(outcome_of(unavailable, 0, 0, 0.5).delay_ms, 30000);
    ck_assert_int_eq(outcome_of(throttled, 0, 0, 0.0).delay_ms, 150);
    ck_assert_int_eq(outcome_of(throttled, 0, 0, 0.5).delay_ms, 500);
    ck_assert_int_eq(outcome_of(throttled, 0, 0, 0.5).retry_after_ms, 150);
}
END_TEST

START_TEST(a_limit_that_is_used_up_delays_only_what_was_refused_for_it)
{
    struct answer throttled = {WHOLE(429, OTHER), .quota_reset_ms = 30000};
    struct answer conflict = {WHOLE(409, ENVELOPE), .quota_reset_ms = 30000};

    ck_assert_int_eq(outcome_of(throttled, 0, 0, 0.5).delay_ms, 30000);
    ck_assert_int_eq(outcome_of(conflict, 0, 0, 0.5).delay_ms, 500);
}
END_TEST

static const struct {
    const char *name;
    struct answer answer;
    int64_t told_ms;
} limits[] = {
    {"a session", {WHOLE(200, SESSION), .quota_reset_ms = 7000}, 7000},
    {"a refusal", {WHOLE(400, ENVELOPE), .quota_reset_ms = 7000}, 7000},
    {"a 429", {WHOLE(429, OTHER), .quota_reset_ms = 7000}, 7000},
    {"not said", {WHOLE(200, SESSION), .quota_reset_ms = -1}, 0},
    {"a failure is no word on the limit", {WHOLE(503, OTHER), .quota_reset_ms = 7000}, 0},
    {"nor is HTML", {WHOLE(404, OTHER), .is_html = true, .quota_reset_ms = 7000}, 0},
};

START_TEST(the_pace_is_told_that_the_limit_is_used_up)
{
    int64_t told_ms = outcome_of(limits[_i].answer, 0, 0, 0.5).quota_reset_ms;

    ck_assert_msg(told_ms == limits[_i].told_ms, "%s: %lld", limits[_i].name, (long long)told_ms);
}
END_TEST

START_TEST(what_is_over_or_held_back_has_no_delay)
{
    struct answer refused = {WHOLE(400, ENVELOPE), .retry_after_ms = 5000};
    struct answer account = {WHOLE(401, ENVELOPE), .retry_after_ms = 5000};

    ck_assert_int_eq(outcome_of(refused, 0, 0, 0.5).delay_ms, 0);
    ck_assert_int_eq(outcome_of(account, 0, 0, 0.5).delay_ms, 0);
}
END_TEST

START_TEST(a_retry_after_that_was_not_given_is_none)
{
    ck_assert_int_eq(outcome_of(bad_gateway, 0, 0, 0.5).retry_after_ms, 0);
}
END_TEST

START_TEST(people_are_told_to_look_at_base_url)
{
    struct answer misrouted = {WHOLE(404, OTHER), .detail = "<html>"};
    struct answer missing = {WHOLE(404, ENVELOPE), .detail = "no such end-user"};

    ck_assert_ptr_nonnull(
        strstr(outcome_of(misrouted, 0, 0, 0).answer.detail, "conductor.base_url"));
    ck_assert_str_eq(outcome_of(missing, 0, 0, 0).answer.detail, "no such end-user");
}
END_TEST

START_TEST(what_was_never_tried_is_returned_with_the_reason)
{
    struct outcome outcome;

    outcome_returned("the daemon ends", &outcome);
    ck_assert_int_eq(outcome.kind, OUTCOME_RETURNED);
    ck_assert_int_eq(outcome.signal, SIGNAL_NONE);
    ck_assert(!outcome.is_told_to_pace && !outcome.is_accepted);
    ck_assert_int_eq(outcome.delay_ms, 0);
    ck_assert_int_eq(outcome.began_us, 0);
    ck_assert_str_eq(outcome.answer.detail, "the daemon ends");
}
END_TEST

/* The words stand in Redis and in settle.lua. */
START_TEST(kinds_and_signals_have_the_words_of_the_steps)
{
    ck_assert_str_eq(outcome_kind_name(OUTCOME_CREATED), "created");
    ck_assert_str_eq(outcome_kind_name(OUTCOME_ACCOUNT_ERROR), "account_error");
    ck_assert_str_eq(outcome_kind_name(OUTCOME_GAVE_UP), "gave_up");
    ck_assert_str_eq(outcome_kind_name(OUTCOME_RETURNED), "returned");
    ck_assert_str_eq(outcome_signal_name(SIGNAL_NONE), "none");
    ck_assert_str_eq(outcome_signal_name(SIGNAL_MISSING), "missing");
    ck_assert_str_eq(outcome_signal_name(SIGNAL_THROTTLED), "throttled");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("outcome");
    TCase *tcase = tcase_create("outcome");

    tcase_add_loop_test(tcase, an_answer_has_its_outcome, 0,
                        (int)(sizeof answers / sizeof answers[0]));
    tcase_add_loop_test(tcase, only_a_retry_is_given_up, 0,
                        (int)(sizeof answers / sizeof answers[0]));
    tcase_add_test(tcase, the_last_attempt_that_fails_is_the_end);
    tcase_add_test(tcase, an_attempt_that_fails_at_a_great_age_is_the_end);
    tcase_add_test(tcase, the_delay_grows_with_the_attempts);
    tcase_add_test(tcase, retry_after_is_the_least_delay);
    tcase_add_test(tcase, a_limit_that_is_used_up_delays_only_what_was_refused_for_it);
    tcase_add_loop_test(tcase, the_pace_is_told_that_the_limit_is_used_up, 0,
                        sizeof limits / sizeof limits[0]);
    tcase_add_test(tcase, what_is_over_or_held_back_has_no_delay);
    tcase_add_test(tcase, a_retry_after_that_was_not_given_is_none);
    tcase_add_test(tcase, people_are_told_to_look_at_base_url);
    tcase_add_test(tcase, what_was_never_tried_is_returned_with_the_reason);
    tcase_add_test(tcase, kinds_and_signals_have_the_words_of_the_steps);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
