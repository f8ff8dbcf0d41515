/* test_request.c - the body of POST /v1/auth-sessions, byte by byte. */
#include "conductor/request.h"
#include "run_tests.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *key;
    struct job job;
    const char *body;
} requests[] = {
    {"three fields without a redirect",
     "pk_conductor_1",
     {.end_user_id = "end_usr_1", .link_expiry_mins = 30},
     "{\"publishableKey\":\"pk_conductor_1\",\"endUserId\":\"end_usr_1\",\"linkExpiryMins\":30}"},
    {"four fields with one",
     "pk_conductor_1",
     {.end_user_id = "end_usr_1", .link_expiry_mins = 10080, .redirect_url = "https://a.example/x"},
     "{\"publishableKey\":\"pk_conductor_1\",\"endUserId\":\"end_usr_1\",\"linkExpiryMins\":10080,"
     "\"redirectUrl\":\"https://a.example/x\"}"},
    {"what JSON forbids is escaped, UTF-8 passes",
     "pk\"1",
     {.end_user_id = "a\\b",
      .link_expiry_mins = 15,
      .redirect_url = "https://a.example/?q=\xc3\xa4"},
     "{\"publishableKey\":\"pk\\\"1\",\"endUserId\":\"a\\\\b\",\"linkExpiryMins\":15,"
     "\"redirectUrl\":\"https://a.example/?q=\xc3\xa4\"}"},
    {"what a job holds besides stays here",
     "pk_1",
     {.end_user_id = "u", .link_expiry_mins = 15, .ref = "spring", .job_key = "7", .attempts = 3},
     "{\"publishableKey\":\"pk_1\",\"endUserId\":\"u\",\"linkExpiryMins\":15}"},
};

START_TEST(body_has_exactly_the_fields_of_the_api)
{
    struct buffer body;

    buffer_init(&body, REQUEST_MAX_BYTES);
    ck_assert_int_eq(buffer_append_str(&body, "left from before"), RESULT_OK);
    ck_assert_int_eq(request_write(&body, requests[_i].key, &requests[_i].job), RESULT_OK);
    ck_assert_msg(strcmp(buffer_text(&body), requests[_i].body) == 0, "%s: %s", requests[_i].name,
                  buffer_text(&body));
    buffer_done(&body);
}
END_TEST

START_TEST(longest_job_fits)
{
    struct buffer body;
    struct job job = {.link_expiry_mins = 10080};
    char key[513] = "";

    memset(key, '"', sizeof key - 1);
    memset(job.end_user_id, 1, JOB_ID_MAX_LEN);
    memset(job.redirect_url, 1, JOB_REDIRECT_MAX_LEN);
    buffer_init(&body, REQUEST_MAX_BYTES);
    ck_assert_int_eq(request_write(&body, key, &job), RESULT_OK);
    buffer_done(&body);
}
END_TEST

START_TEST(body_that_does_not_fit_is_an_error)
{
    struct buffer body;
    struct job job = {.end_user_id = "end_usr_1", .link_expiry_mins = 30};

    for (size_t max_len = 0; max_len < strlen(requests[0].body); max_len++) {
        buffer_init(&body, max_len);
        ck_assert_int_eq(request_write(&body, "pk_conductor_1", &job), RESULT_FULL);
        buffer_done(&body);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("request");
    TCase *tcase = tcase_create("request");

    tcase_add_loop_test(tcase, body_has_exactly_the_fields_of_the_api, 0,
                        sizeof requests / sizeof requests[0]);
    tcase_add_test(tcase, longest_job_fits);
    tcase_add_test(tcase, body_that_does_not_fit_is_an_error);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
