/* test_jobs.c - claim.lua reads jobs: tests/cases/jobs.tsv, row by row. */
#include "support_steps.h"

#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX      400
#define LINE_MAX_LEN  8192
#define JOB_MAX_BYTES (2 * 1024 * 1024)
#define KEPT_BYTES    4096

struct row {
    char *name, *payload, *expected, *piece; /* owns the line that begins with name */
};

static struct row rows[ROWS_MAX];
static int row_count;

static void read_rows(void)
{
    FILE *file = fopen(TEST_SOURCE_DIR "/tests/cases/jobs.tsv", "r");
    char line[LINE_MAX_LEN];

    if (file == NULL)
        exit(EXIT_FAILURE);
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#')
            continue;
        line[strcspn(line, "\n")] = '\0';
        char *rest = strdup(line);
        struct row *row = &rows[row_count++];
        row->name = strsep(&rest, "\t");
        row->payload = strsep(&rest, "\t");
        row->expected = strsep(&rest, "\t");
        row->piece = rest;
    }
    fclose(file);
}

/* The byte at *text, escapes read; moves *text behind it. */
static char next_byte(const char **text)
{
    const char *at_byte = *text;

    if (*at_byte != '\\') {
        *text = at_byte + 1;
        return *at_byte;
    }
    if (at_byte[1] == 'x') {
        const char hex[] = {at_byte[2], at_byte[3], '\0'};
        *text = at_byte + 4;
        return (char)strtol(hex, NULL, 16);
    }
    *text = at_byte + 2;
    return at_byte[1] == 't' ? '\t' : at_byte[1] == 'n' ? '\n' : at_byte[1];
}

static void unescape(const char *text, struct buffer *payload)
{
    while (*text != '\0') {
        long times = 1;
        bool is_repeated = strncmp(text, "{{", 2) == 0;

        if (is_repeated)
            text += 2;
        char byte = next_byte(&text);
        if (is_repeated) {
            char *end;
            times = strtol(text + 1, &end, 10);
            ck_assert_int_eq(strncmp(end, "}}", 2), 0);
            text = end + 2;
        }
        for (; times > 0; times--)
            ck_assert_int_eq(buffer_append_char(payload, byte), RESULT_OK);
    }
}

static void push_row(const struct row *row, struct buffer *payload)
{
    buffer_init(payload, JOB_MAX_BYTES);
    unescape(row->payload, payload);
    push_bytes(buffer_text(payload), payload->len);
}

START_TEST(job_is_taken_or_refused_as_the_table_says)
{
    const struct row *row = &rows[_i];
    struct buffer payload;

    push_row(row, &payload);
    size_t handed_out = claimed_count(CLAIM(0));
    const redisReply *letters = COMMAND("XRANGE", key_of("dead"), "-", "+");

    if (strcmp(row->expected, "ok") == 0) {
        ck_assert_msg(handed_out == 1, "%s: refused, %s", row->name,
                      letters->elements == 1 ? field_of(at(at(letters, 0), 1), "detail") : "");
    } else {
        ck_assert_msg(letters->elements == 1, "%s: no dead letter", row->name);
        const redisReply *letter = at(at(letters, 0), 1);
        const char *detail = field_of(letter, "detail");
        ck_assert_msg(strcmp(field_of(letter, "reason"), row->expected) == 0, "%s: %s, %s",
                      row->name, field_of(letter, "reason"), detail);
        ck_assert_msg(strcmp(row->piece, "-") == 0 || strstr(detail, row->piece) != NULL,
                      "%s: detail is: %s", row->name, detail);
        ck_assert_int_eq(number_of(COMMAND("HLEN", key_of("inflight"))), 0);
    }
    buffer_done(&payload);
}
END_TEST

START_TEST(dead_letter_says_what_the_job_was)
{
    const struct row row = {.payload = "{{a*5000}}"};
    struct buffer payload;

    push_row(&row, &payload);
    CLAIM(0);
    const redisReply *letter = last_letter(), *event = last_event();
    ck_assert_str_eq(field_of(letter, "jobKey"), "1");
    ck_assert_str_eq(field_of(letter, "endUserId"), "");
    ck_assert_str_eq(field_of(letter, "reason"), "too_long");
    ck_assert_str_eq(field_of(letter, "payloadBytes"), "5000");
    ck_assert_uint_eq(strlen(field_of(letter, "payload")), KEPT_BYTES);
    ck_assert_str_eq(field_of(letter, "attempts"), "0");
    ck_assert_str_eq(field_of(letter, "recoveries"), "0");
    ck_assert_str_eq(field_of(event, "type"), "failed");
    ck_assert_str_eq(field_of(event, "jobKey"), "1");
    ck_assert_str_eq(field_of(event, "reason"), "too_long");
    buffer_done(&payload);
}
END_TEST

START_TEST(members_of_the_job_reach_its_holder)
{
    push("{\"endUserId\":\"\\u0075ser\",\"linkExpiryMins\":1440,\"ref\":\"a \\\"b\\\"\","
         "\"redirectUrl\":\"https:\\/\\/App.example.com/x\"}");
    push("{\"endUserId\":\"plain\"}");
    const redisReply *reply =
        CLAIM(.settings = SETTINGS_BUT("\"perSec\":100000,\"linkExpiryMins\":45,"
                                       "\"redirectUrl\":\"https://other.example/done\""));
    ck_assert_uint_eq(claimed_count(reply), 2);
    struct claimed first = claimed_at(reply, 0), second = claimed_at(reply, 1);
    ck_assert_str_eq(first.user, "user");
    ck_assert_int_eq(first.link_expiry_mins, 1440);
    ck_assert_str_eq(first.ref, "a \"b\"");
    ck_assert_str_eq(first.redirect_url, "https://App.example.com/x");
    ck_assert_str_eq(second.user, "plain");
    ck_assert_int_eq(second.link_expiry_mins, 45);
    ck_assert_str_eq(second.ref, "");
    ck_assert_str_eq(second.redirect_url, "https://other.example/done");
}
END_TEST

static const struct {
    const char *name;
    const char *settings;
    bool is_allowed;
} host_settings[] = {
    {"on redirect_hosts", SETTINGS, true},
    {"in capitals on redirect_hosts",
     SETTINGS_BUT("\"perSec\":100000,\"redirectHosts\":[\"APP.example.com\"]"), true},
    {"host of redirect_url",
     SETTINGS_BUT("\"perSec\":100000,\"redirectHosts\":[],"
                  "\"redirectUrl\":\"https://app.example.com/elsewhere\""),
     true},
    {"neither is set", SETTINGS_BUT("\"perSec\":100000,\"redirectHosts\":[]"), false},
    {"others are set",
     SETTINGS_BUT("\"perSec\":100000,\"redirectHosts\":[\"a.example\"],"
                  "\"redirectUrl\":\"https://b.example/\""),
     false},
};

START_TEST(redirect_goes_to_hosts_of_the_configuration_only)
{
    push("{\"endUserId\":\"u\",\"redirectUrl\":\"https://app.example.com/\"}");
    size_t handed_out = claimed_count(CLAIM(.settings = host_settings[_i].settings));

    ck_assert_msg((handed_out == 1) == host_settings[_i].is_allowed, "%s", host_settings[_i].name);
}
END_TEST

START_TEST(delayed_job_is_checked_again)
{
    push("{\"endUserId\":\"u\",\"redirectUrl\":\"https://app.example.com/\"}");
    CLAIM(0);
    SETTLE(1, {.user = "u", .kind = "returned"});
    CLAIM(.lease = LEASE_2, .settings = SETTINGS_BUT("\"perSec\":100000,\"redirectHosts\":[]"));
    ck_assert_str_eq(field_of(last_letter(), "reason"), "bad_redirect");
    ck_assert_int_eq(number_of(COMMAND("ZCARD", key_of("delayed"))), 0);
}
END_TEST

static const char *const no_records[] = {
    "",
    "x",
    "end_usr_1",
    "1 2 3",
    "1 0 0 0 0",
    "a 0 0 0 0 u",
    "1 -1 0 0 0 u",
    "1 0 0 0 x u",
    "12345678901234567890123456789012 0 0 0 0 u",
    "1 1234567890 0 0 0 u",
};

START_TEST(member_of_delayed_that_is_no_record_is_buried)
{
    COMMAND("ZADD", key_of("delayed"), "1", no_records[_i]);
    ck_assert_uint_eq(claimed_count(CLAIM(0)), 0);
    ck_assert_str_eq(field_of(last_letter(), "reason"), "bad_record");
    ck_assert_str_eq(field_of(last_letter(), "payload"), no_records[_i]);
    ck_assert_int_eq(number_of(COMMAND("ZCARD", key_of("delayed"))), 0);
    ck_assert_int_eq(counter_value("taken"), 1);
}
END_TEST

/* A lease is not claimed from; it is met by reap and by settle. */
START_TEST(member_of_a_lease_that_is_no_record_is_buried_by_reap)
{
    store_lease(OLD_LEASE, "u", no_records[_i], server_now_ms());
    COMMAND("DEL", key_of("stats"));
    expect_fine(REAP(OLD_LEASE));
    ck_assert_str_eq(field_of(last_letter(), "reason"), "bad_record");
    ck_assert_int_eq(number_of(COMMAND("EXISTS", key_of("lease:" OLD_LEASE))), 0);
    ck_assert_int_eq(number_of(COMMAND("HLEN", key_of("inflight"))), 0);
}
END_TEST

START_TEST(member_of_a_lease_that_is_no_record_is_buried_by_settle)
{
    store_lease(LEASE, "u", no_records[_i], server_now_ms());
    COMMAND("DEL", key_of("stats"));
    expect_fine(SETTLE(1, {.user = "u", .kind = "created"}));
    ck_assert_str_eq(field_of(last_letter(), "reason"), "bad_record");
    ck_assert_int_eq(number_of(COMMAND("EXISTS", key_of("session:u"))), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jobs");
    TCase *tcase = tcase_create("jobs");
    const int record_count = (int)(sizeof no_records / sizeof no_records[0]);

    read_rows();
    add_world(tcase);
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, job_is_taken_or_refused_as_the_table_says, 0, row_count);
    tcase_add_test(tcase, dead_letter_says_what_the_job_was);
    tcase_add_test(tcase, members_of_the_job_reach_its_holder);
    tcase_add_loop_test(tcase, redirect_goes_to_hosts_of_the_configuration_only, 0,
                        (int)(sizeof host_settings / sizeof host_settings[0]));
    tcase_add_test(tcase, delayed_job_is_checked_again);
    tcase_add_loop_test(tcase, member_of_delayed_that_is_no_record_is_buried, 0, record_count);
    tcase_add_loop_test(tcase, member_of_a_lease_that_is_no_record_is_buried_by_reap, 0,
                        record_count);
    tcase_add_loop_test(tcase, member_of_a_lease_that_is_no_record_is_buried_by_settle, 0,
                        record_count);
    suite_add_tcase(suite, tcase);

    int status = run_suite(suite);
    while (row_count > 0)
        free(rows[--row_count].name);
    return status;
}
