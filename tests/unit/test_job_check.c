/* test_job_check.c - the check of jobs, by the table that claim.lua's reader goes through too. */
#include "core/job_check.h"

#include "base/buffer.h"
#include "base/text.h"
#include "run_tests.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CASES_PATH TEST_SOURCE_DIR "/tests/cases/jobs.tsv"

#define PAYLOAD_MAX_BYTES (2 * 1024 * 1024)

/* As the head of the table says. */
static struct host_list hosts;
static struct job_rules rules = {.link_expiry_mins = 30,
                                 .redirect_url = "",
                                 .redirect_hosts = &hosts,
                                 .now_unix_ms = INT64_C(1790000000000)};

static void set_up(void)
{
    hosts.count = 0;
    ck_assert_int_eq(host_list_add(&hosts, "app.example.com"), RESULT_OK);
    ck_assert_int_eq(host_list_add(&hosts, "localhost"), RESULT_OK);
    ck_assert_int_eq(host_list_add(&hosts, "127.0.0.1"), RESULT_OK);
}

/* One byte of the table: itself, \t, \n, \\ or \xNN. Returns what stands behind it. */
static const char *take_byte(const char *at, char *ret_byte)
{
    if (at[0] != '\\') {
        *ret_byte = at[0];
        return at + 1;
    }
    if (at[1] == 'x') {
        char digits[3] = {at[2], at[3], '\0'};
        *ret_byte = (char)strtoul(digits, NULL, 16);
        return at + 4;
    }
    ck_assert_msg(at[1] == 't' || at[1] == 'n' || at[1] == '\\', "escape \\%c", at[1]);
    *ret_byte = at[1] == 't' ? '\t' : at[1] == 'n' ? '\n' : '\\';
    return at + 2;
}

/* {{X*N}}: N times X. Returns what stands behind it; NULL: there is none. */
static const char *take_repeat(const char *at, struct buffer *payload)
{
    char byte;
    char *end;

    if (strncmp(at, "{{", 2) != 0)
        return NULL;
    const char *star = take_byte(at + 2, &byte);
    unsigned long count = star[0] == '*' ? strtoul(star + 1, &end, 10) : 0;
    if (count == 0 || strncmp(end, "}}", 2) != 0)
        return NULL;
    for (unsigned long i = 0; i < count; i++)
        buffer_append_char(payload, byte);
    return end + 2;
}

static void unescape(const char *escaped, struct buffer *payload)
{
    while (*escaped != '\0') {
        const char *behind = take_repeat(escaped, payload);
        if (behind == NULL) {
            char byte;
            behind = take_byte(escaped, &byte);
            buffer_append_char(payload, byte);
        }
        escaped = behind;
    }
    ck_assert(!payload->failed);
}

/* Cuts the line at its tabs; false: it is a comment. */
static bool split(char *line, char *fields[4])
{
    if (line[0] == '#' || line[0] == '\0')
        return false;
    for (int i = 0; i < 4; i++) {
        fields[i] = line;
        line += strcspn(line, "\t");
        ck_assert_msg(i == 3 || *line == '\t', "%s: four fields are wanted", fields[0]);
        if (*line == '\t')
            *line++ = '\0';
    }
    return true;
}

static void run_case(char *fields[4])
{
    struct buffer payload;
    struct job_request request;
    struct job_refusal refusal = {.detail = ""};

    buffer_init(&payload, PAYLOAD_MAX_BYTES);
    unescape(fields[1], &payload);
    enum result result = job_check(buffer_text(&payload), payload.len, &rules, &request, &refusal);
    const char *reason = result == RESULT_OK ? "ok" : job_reason_name(refusal.reason);
    ck_assert_msg(strcmp(reason, fields[2]) == 0, "%s: %s (%s), expected %s", fields[0], reason,
                  refusal.detail, fields[2]);
    ck_assert_msg(strcmp(fields[3], "-") == 0 || strstr(refusal.detail, fields[3]) != NULL,
                  "%s: no \"%s\" in: %s", fields[0], fields[3], refusal.detail);
    ck_assert_msg(text_is_printable(refusal.detail, strlen(refusal.detail)), "%s", fields[0]);
    buffer_done(&payload);
}

START_TEST(every_case_of_the_table_is_judged_as_it_says)
{
    static char line[16384];
    FILE *file = fopen(CASES_PATH, "r");
    char *fields[4];
    int count = 0;

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (split(line, fields)) {
            run_case(fields);
            count++;
        }
    }
    fclose(file);
    ck_assert_int_gt(count, 150);
}
END_TEST

static enum result check(const char *payload, struct job_request *request)
{
    struct job_refusal refusal = {.detail = ""};
    enum result result = job_check(payload, strlen(payload), &rules, request, &refusal);

    ck_assert_msg(result == RESULT_OK, "%s", refusal.detail);
    return result;
}

START_TEST(a_bare_id_takes_everything_from_the_settings)
{
    struct job_request request;

    rules.redirect_url = "https://own.example.com/done";
    check("end_usr_1", &request);
    ck_assert_str_eq(request.end_user_id, "end_usr_1");
    ck_assert_str_eq(request.redirect_url, "https://own.example.com/done");
    ck_assert_uint_eq(request.link_expiry_mins, 30);
    ck_assert_str_eq(request.ref, "");
    ck_assert(!request.force);
    ck_assert_int_eq(request.enqueued_at_unix_ms, 0);
}
END_TEST

START_TEST(an_object_says_what_it_wants)
{
    struct job_request request;

    check(
        "{\"endUserId\":\"end\\u005fusr\",\"linkExpiryMins\":1440,"
        "\"redirectUrl\":\"https:\\/\\/app.example.com/x\",\"force\":true,\"ref\":\"a \\\"b\\\"\","
        "\"enqueuedAtMs\":1790000000001,\"notAfterMs\":1790000000002}",
        &request);
    ck_assert_str_eq(request.end_user_id, "end_usr");
    ck_assert_str_eq(request.redirect_url, "https://app.example.com/x");
    ck_assert_uint_eq(request.link_expiry_mins, 1440);
    ck_assert_str_eq(request.ref, "a \"b\"");
    ck_assert(request.force);
    ck_assert_int_eq(request.enqueued_at_unix_ms, INT64_C(1790000000001));
    ck_assert_int_eq(request.not_after_unix_ms, INT64_C(1790000000002));
}
END_TEST

START_TEST(the_host_of_the_own_redirect_url_is_allowed)
{
    struct job_request request;

    rules.redirect_url = "https://Own.example.com:8443/done";
    check("{\"endUserId\":\"u\",\"redirectUrl\":\"https://own.example.com/other\"}", &request);
    ck_assert_str_eq(request.redirect_url, "https://own.example.com/other");
}
END_TEST

static const char *const half_pairs[] = {
    "\\ud83d",        "\\ud83dx", "\\ud83d\\n",     "\\ud83d\\u0041",
    "\\ud83d\\ud83d", "\\ude00",  "\\ude00\\ud83d",
};

START_TEST(half_a_pair_of_surrogates_is_no_json)
{
    struct job_request request;
    struct job_refusal refusal;
    char payload[128];

    snprintf(payload, sizeof payload, "{\"endUserId\":\"u\",\"ref\":\"%s\"}", half_pairs[_i]);
    ck_assert_int_eq(job_check(payload, strlen(payload), &rules, &request, &refusal),
                     RESULT_INVALID);
    ck_assert_msg(refusal.reason == JOB_BAD_JSON, "%s: %s", half_pairs[_i], refusal.detail);
}
END_TEST

START_TEST(the_instant_of_not_after_is_too_late)
{
    static const char payload[] = "{\"endUserId\":\"u\",\"notAfterMs\":1790000000000}";
    struct job_request request;
    struct job_refusal refusal;

    ck_assert_int_eq(job_check(payload, strlen(payload), &rules, &request, &refusal),
                     RESULT_INVALID);
    ck_assert_int_eq(refusal.reason, JOB_TOO_LATE);
    rules.now_unix_ms--;
    ck_assert_int_eq(job_check(payload, strlen(payload), &rules, &request, &refusal), RESULT_OK);
}
END_TEST

/* Whatever comes, the answer is one of the two, and what is told of it can be printed. */
static void expect_an_answer(const char *payload, size_t len, unsigned int seed)
{
    struct job_request request;
    struct job_refusal refusal = {.detail = ""};
    char *copy =
        malloc(len == 0 ? 1 : len); /* exactly as long, for the sanitizer to watch its ends */

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, payload, len);
    enum result result = job_check(copy, len, &rules, &request, &refusal);
    if (result == RESULT_OK)
        ck_assert_msg(request.end_user_id[0] != '\0', "seed %u", seed);
    else
        ck_assert_msg(refusal.detail[0] != '\0' &&
                          text_is_printable(refusal.detail, strlen(refusal.detail)),
                      "seed %u: %s", seed, refusal.detail);
    free(copy);
}

START_TEST(random_bytes_do_no_harm)
{
    static const char good[] =
        "{\"endUserId\":\"end_usr_1\",\"linkExpiryMins\":1440,\"force\":false,"
        "\"redirectUrl\":\"https://app.example.com/\\u00e9\",\"ref\":\"a\\nb\"}";
    static const char pieces[] = "{}[]\",:\\u0d8tfne1-.x \n";
    unsigned int seed = (unsigned int)time(NULL);
    char payload[sizeof good];

    srandom(seed);
    for (int round = 0; round < 20000; round++) {
        size_t len = random() % 3 == 0 ? (size_t)random() % sizeof good : sizeof good - 1;
        memcpy(payload, good, sizeof good);
        for (long changes = random() % 4; changes > 0 && len > 0; changes--)
            payload[(size_t)random() % len] =
                random() % 4 == 0 ? (char)random() : pieces[(size_t)random() % (sizeof pieces - 1)];
        expect_an_answer(payload, len, seed);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("job_check");
    TCase *tcase = tcase_create("job_check");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, every_case_of_the_table_is_judged_as_it_says);
    tcase_add_test(tcase, a_bare_id_takes_everything_from_the_settings);
    tcase_add_test(tcase, an_object_says_what_it_wants);
    tcase_add_test(tcase, the_host_of_the_own_redirect_url_is_allowed);
    tcase_add_loop_test(tcase, half_a_pair_of_surrogates_is_no_json, 0,
                        (int)(sizeof half_pairs / sizeof half_pairs[0]));
    tcase_add_test(tcase, the_instant_of_not_after_is_too_late);
    tcase_add_test(tcase, random_bytes_do_no_harm);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
