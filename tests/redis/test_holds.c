/* test_holds.c - what stops the fleet, who may probe, and what lifts a hold. */
#include "support_steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT       "account:" KEY_FP
#define UNKNOWN_USERS "unknown_users:" KEY_FP
#define PROBE         OWNER "/" BOOT "/9"

struct hold {
    bool is_there;
    int64_t since_ms, until_ms, next_ms, backoff_ms;
    char probe[96], detail[256];
};

static struct hold read_hold(const char *cause)
{
    struct hold hold = {0};
    const char *text = hash_field("holds", cause);
    char *rest;

    if (text[0] == '\0')
        return hold;
    hold.is_there = true;
    hold.since_ms = strtoll(text, &rest, 10);
    hold.until_ms = strtoll(rest, &rest, 10);
    hold.next_ms = strtoll(rest, &rest, 10);
    hold.backoff_ms = strtoll(rest, &rest, 10);
    size_t len = strcspn(rest + 1, " ");
    snprintf(hold.probe, sizeof hold.probe, "%.*s", (int)len, rest + 1);
    snprintf(hold.detail, sizeof hold.detail, "%s", rest + 1 + len + 1);
    return hold;
}

/* A hold as settle writes it; `next_in_ms` from now. */
static void write_hold(const char *cause, int64_t until_ms, int64_t next_in_ms, int64_t backoff_ms,
                       const char *probe)
{
    char text[256];
    int64_t now_ms = server_now_ms();

    snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %s why it is so",
             now_ms - 1000, until_ms, now_ms + next_in_ms, backoff_ms, probe);
    COMMAND("HSET", key_of("holds"), cause, text);
}

/* One job in a lease of its own ends with this signal; what it leaves is cleared away. */
static void settle_signal(int64_t settle_number, const char *job_key, const char *kind,
                          const char *signal)
{
    static int lease_number = 100;
    char lease[96], record[96];

    snprintf(lease, sizeof lease, "%s/%s/%d", OWNER, BOOT, lease_number++);
    snprintf(record, sizeof record, "%s 0 0 1000 0 u%s", job_key, job_key);
    char user[32];
    snprintf(user, sizeof user, "u%s", job_key);
    store_lease(lease, user, record, server_now_ms() + 40000);
    expect_fine(SETTLE(settle_number, {.user = user,
                                       .lease = lease,
                                       .kind = kind,
                                       .signal = signal,
                                       .detail = "answered so",
                                       .delay_ms = 1000}));
    COMMAND("DEL", key_of("delayed"), key_of("dead"), key_of("stats"));
}

/* Words: <job key>:<signal>. The row raises an outage, or does not. */
static const struct {
    const char *name;
    const char *signals;
    int64_t last_ok_ago_ms; /* 0: never */
    bool is_raised;
} rows[] = {
    {"five failures of five jobs", "1:down 2:down 3:down 4:down 5:down", 0, true},
    {"five failures of three jobs", "1:down 2:down 3:down 1:down 2:down", 0, true},
    {"five failures of two jobs", "1:down 2:down 1:down 2:down 1:down", 0, false},
    {"nine failures of one job", "1:down 1:down 1:down 1:down 1:down 1:down 1:down 1:down 1:down",
     0, false},
    {"four failures", "1:down 2:down 3:down 4:down", 0, false},
    {"a success among them", "1:down 2:down 3:down 4:down 6:ok 5:down", 0, false},
    {"a refusal among them", "1:down 2:down 3:down 4:down 6:own 5:down", 0, false},
    {"an unknown user among them", "1:down 2:down 3:down 4:down 6:missing 5:down", 0, false},
    {"an account error among them", "1:down 2:down 3:down 4:down 6:account 5:down", 0, false},
    {"a throttled one among them", "1:down 2:down 3:down 4:down 6:throttled 5:down", 0, true},
    {"one never sent among them", "1:down 2:down 3:down 4:down 6:none 5:down", 0, true},
    {"a success just before them", "1:down 2:down 3:down 4:down 5:down", 500, false},
    {"a success a second before them", "1:down 2:down 3:down 4:down 5:down", 1100, true},
    {"a success in an hour that the clock went back", "1:down 2:down 3:down 4:down 5:down",
     -3600000, true},
};

START_TEST(outage_is_five_failures_in_a_row_of_three_jobs_and_no_success_for_a_second)
{
    char words[256];
    char *rest = words;
    int64_t count = 0;

    snprintf(words, sizeof words, "%s", rows[_i].signals);
    if (rows[_i].last_ok_ago_ms != 0)
        COMMAND("HSET", key_of("limiter"), "lastOkMs",
                digits(server_now_ms() - rows[_i].last_ok_ago_ms));
    for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
        char *signal = strchr(word, ':');
        *signal++ = '\0';
        settle_signal(++count, word, strcmp(signal, "ok") == 0 ? "created" : "retry", signal);
    }
    struct hold hold = read_hold("outage");
    ck_assert_msg(hold.is_there == rows[_i].is_raised, "%s", rows[_i].name);
    if (hold.is_there) {
        ck_assert_int_eq(hold.until_ms, 0);
        ck_assert_int_eq(hold.backoff_ms, 1000);
        ck_assert_int_eq(hold.next_ms, hold.since_ms + 1000);
        ck_assert_str_eq(hold.probe, "-");
        ck_assert_str_eq(hold.detail, "answered so");
    }
}
END_TEST

START_TEST(one_account_error_raises_a_hold_that_says_why)
{
    take("u", LEASE);
    const redisReply *holds = at(SETTLE(1, {.user = "u",
                                            .kind = "account_error",
                                            .signal = "account",
                                            .detail = "the key was revoked"}),
                                 3);
    ck_assert_uint_eq(holds->elements, 3);
    ck_assert_str_eq(text_of(at(holds, 0)), ACCOUNT);
    ck_assert_int_eq(number_of(at(holds, 1)), 1000);
    ck_assert_str_eq(text_of(at(holds, 2)), "the key was revoked");
    ck_assert_int_eq(only_delayed().attempts, 0);
}
END_TEST

START_TEST(hold_that_is_there_is_not_raised_again)
{
    take("u", OTHER_LEASE);
    write_hold(ACCOUNT, 0, 50000, 60000, "-");
    struct hold before = read_hold(ACCOUNT);
    SETTLE(1, {.user = "u", .lease = OTHER_LEASE, .kind = "account_error", .signal = "account"});
    ck_assert_int_eq(read_hold(ACCOUNT).next_ms, before.next_ms);
    ck_assert_int_eq(read_hold(ACCOUNT).backoff_ms, 60000);
}
END_TEST

START_TEST(account_hold_binds_instances_with_its_key_only)
{
    write_hold(ACCOUNT, 0, 50000, 60000, "-");
    push("u");
    ck_assert_str_eq(word_of(CLAIM(0)), "hold");
    ck_assert_uint_eq(claimed_count(CLAIM(.key_fp = OTHER_KEY_FP)), 1);
}
END_TEST

static const struct {
    const char *name;
    int before;
    const char *signals; /* of one settle */
    bool is_raised;
} unknowns[] = {
    {"nineteen", 18, "m", false},
    {"twenty", 19, "m", true},
    {"twenty in one settle", 0, "mmmmmmmmmmmmmmmmmmmm", true},
    {"a success first", 19, "om", false},
    {"a success last", 19, "mo", true},
    {"a refusal between", 18, "mxm", true},
};

START_TEST(twenty_unknown_users_before_the_first_success_are_a_wrong_project)
{
    struct item items[32];
    char users[32][24];
    size_t count = strlen(unknowns[_i].signals);

    COMMAND("HSET", key_of("limiter"), "missing:" KEY_FP, digits(unknowns[_i].before));
    for (size_t i = 0; i < count; i++) {
        char c = unknowns[_i].signals[i];
        snprintf(users[i], sizeof users[i], "u%zu", i);
        push(users[i]);
        items[i] = (struct item){.user = users[i],
                                 .kind = c == 'o' ? "created" : "rejected",
                                 .signal = c == 'o'   ? "ok"
                                           : c == 'm' ? "missing"
                                                      : "own"};
    }
    CLAIM(0);
    settle(1, count, items);
    ck_assert_msg(read_hold(UNKNOWN_USERS).is_there == unknowns[_i].is_raised, "%s",
                  unknowns[_i].name);
}
END_TEST

START_TEST(unknown_users_are_no_news_after_a_first_success)
{
    take("u", LEASE);
    SETTLE(1, {.user = "u", .kind = "created", .signal = "ok"});
    COMMAND("HSET", key_of("limiter"), "missing:" KEY_FP, "40");
    take("other", LEASE_2);
    SETTLE(2, {.user = "other", .lease = LEASE_2, .kind = "rejected", .signal = "missing"});
    ck_assert(!read_hold(UNKNOWN_USERS).is_there);
}
END_TEST

enum verdict { ENDS, DOUBLES, WAITS, NOW };

static const struct {
    const char *signal;
    enum verdict outage, account;
} verdicts[] = {
    {"ok", ENDS, ENDS},         {"own", ENDS, ENDS},      {"missing", ENDS, ENDS},
    {"account", ENDS, DOUBLES}, {"down", DOUBLES, WAITS}, {"none", NOW, NOW},
    {"throttled", NOW, NOW},
};

static void expect_verdict(const char *cause, enum verdict verdict, const char *signal,
                           int64_t before_ms)
{
    struct hold hold = read_hold(cause);

    ck_assert_msg(hold.is_there == (verdict != ENDS), "%s after %s", cause, signal);
    if (verdict == ENDS)
        return;
    ck_assert_str_eq(hold.probe, "-");
    int64_t wait_ms = verdict == NOW ? 0 : verdict == DOUBLES ? 8000 : 4000;
    ck_assert_int_ge(hold.next_ms, before_ms + wait_ms);
    ck_assert_int_le(hold.next_ms, server_now_ms() + wait_ms);
    ck_assert_int_eq(hold.backoff_ms, verdict == DOUBLES ? 8000 : 4000);
}

START_TEST(answer_to_a_probe_ends_its_holds_or_puts_the_next_probe_off)
{
    const char *signal = verdicts[_i].signal;

    take("u", PROBE);
    write_hold("outage", 0, 30000, 4000, PROBE);
    write_hold(ACCOUNT, 0, 30000, 4000, PROBE);
    int64_t before_ms = server_now_ms();
    SETTLE(1, {.user = "u",
               .lease = PROBE,
               .signal = signal,
               .kind = strcmp(signal, "ok") == 0 ? "created" : "retry"});
    expect_verdict("outage", verdicts[_i].outage, signal, before_ms);
    expect_verdict(ACCOUNT, verdicts[_i].account, signal, before_ms);
}
END_TEST

START_TEST(only_the_probe_lifts_a_hold)
{
    take("u", LEASE); /* sent before the hold began */
    write_hold("outage", 0, 30000, 4000, PROBE);
    write_hold(ACCOUNT, 0, 30000, 4000, PROBE);
    const char *before = text_of(COMMAND("HGET", key_of("holds"), "outage"));
    SETTLE(1, {.user = "u", .kind = "created", .signal = "ok"});
    ck_assert_str_eq(hash_field("holds", "outage"), before);
    ck_assert(read_hold(ACCOUNT).is_there);
}
END_TEST

START_TEST(fenced_probe_lifts_nothing)
{
    write_hold("outage", 0, 30000, 4000, PROBE);
    SETTLE(1, {.user = "u", .lease = PROBE, .kind = "created", .signal = "ok"});
    ck_assert_str_eq(read_hold("outage").probe, PROBE);
}
END_TEST

START_TEST(probe_of_an_outage_that_finds_an_account_error_raises_that_hold)
{
    take("u", PROBE);
    write_hold("outage", 0, 30000, 4000, PROBE);
    SETTLE(1, {.user = "u", .lease = PROBE, .kind = "account_error", .signal = "account"});
    ck_assert(!read_hold("outage").is_there);
    ck_assert(read_hold(ACCOUNT).is_there);
}
END_TEST

/* Or the few jobs of a short line would be used up by the probes of a long outage. */
START_TEST(probe_that_finds_the_API_down_is_no_attempt_of_its_job)
{
    take("u", PROBE);
    write_hold("outage", 0, 30000, 4000, PROBE);
    SETTLE(1, {.user = "u", .lease = PROBE, .kind = "retry", .signal = "down"});
    ck_assert_int_eq(only_delayed().attempts, 0);
    COMMAND("DEL", key_of("holds"));
    COMMAND("ZADD", key_of("delayed"), "XX", "1", only_delayed().record);
    ck_assert_uint_eq(claimed_count(CLAIM(.lease = LEASE_2)), 1);
    SETTLE(2, {.user = "u", .lease = LEASE_2, .kind = "retry", .signal = "down"});
    ck_assert_int_eq(only_delayed().attempts, 1);
}
END_TEST

START_TEST(back_off_of_a_hold_ends_at_a_minute)
{
    take("u", PROBE);
    write_hold("outage", 0, 30000, 40000, PROBE);
    SETTLE(1, {.user = "u", .lease = PROBE, .kind = "retry", .signal = "down"});
    ck_assert_int_eq(read_hold("outage").backoff_ms, 60000);
}
END_TEST

START_TEST(repeated_settle_raises_no_lifted_hold_again)
{
    take("u", LEASE);
    SETTLE(1, {.user = "u", .kind = "account_error", .signal = "account"});
    COMMAND("HDEL", key_of("holds"), ACCOUNT);
    ck_assert_str_eq(
        word_of(SETTLE(1, {.user = "u", .kind = "account_error", .signal = "account"})), "again");
    ck_assert(!read_hold(ACCOUNT).is_there);
}
END_TEST

START_TEST(back_offs_are_those_of_the_settings)
{
    const char *settings =
        SETTINGS_BUT("\"perSec\":100000,\"holdBackoffMinMs\":50,\"holdBackoffMaxMs\":80");
    const struct item first = {.user = "u", .kind = "account_error", .signal = "account"};
    const struct item probe = {
        .user = "u2", .lease = PROBE, .kind = "account_error", .signal = "account"};

    take("u", LEASE);
    settle_as(&(const struct settle_args){
        .settings = settings, .number = 1, .count = 1, .items = &first});
    ck_assert_int_eq(read_hold(ACCOUNT).backoff_ms, 50);
    COMMAND("DEL", key_of("holds"));
    take("u2", PROBE);
    write_hold(ACCOUNT, 0, 30000, 50, PROBE);
    settle_as(&(const struct settle_args){
        .settings = settings, .number = 2, .count = 1, .items = &probe});
    ck_assert_int_eq(read_hold(ACCOUNT).backoff_ms, 80);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("holds");
    TCase *tcase = tcase_create("holds");

    add_world(tcase);
    tcase_add_loop_test(tcase,
                        outage_is_five_failures_in_a_row_of_three_jobs_and_no_success_for_a_second,
                        0, (int)(sizeof rows / sizeof rows[0]));
    tcase_add_test(tcase, one_account_error_raises_a_hold_that_says_why);
    tcase_add_test(tcase, hold_that_is_there_is_not_raised_again);
    tcase_add_test(tcase, account_hold_binds_instances_with_its_key_only);
    tcase_add_loop_test(tcase, twenty_unknown_users_before_the_first_success_are_a_wrong_project, 0,
                        (int)(sizeof unknowns / sizeof unknowns[0]));
    tcase_add_test(tcase, unknown_users_are_no_news_after_a_first_success);
    tcase_add_loop_test(tcase, answer_to_a_probe_ends_its_holds_or_puts_the_next_probe_off, 0,
                        (int)(sizeof verdicts / sizeof verdicts[0]));
    tcase_add_test(tcase, only_the_probe_lifts_a_hold);
    tcase_add_test(tcase, fenced_probe_lifts_nothing);
    tcase_add_test(tcase, probe_of_an_outage_that_finds_an_account_error_raises_that_hold);
    tcase_add_test(tcase, probe_that_finds_the_API_down_is_no_attempt_of_its_job);
    tcase_add_test(tcase, back_off_of_a_hold_ends_at_a_minute);
    tcase_add_test(tcase, repeated_settle_raises_no_lifted_hold_again);
    tcase_add_test(tcase, back_offs_are_those_of_the_settings);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
