/* test_claim.c - what is sent to claim.lua, and which replies are believed. */
#include "base/clock.h"
#include "queue/claim.h"
#include "run_tests.h"
#include "support_queue.h"
#include "support_redis.h"

#include <check.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

static struct {
    struct event_base *base;
    struct evdns_base *dns;
    struct fake_redis *fake;
    struct test_server server;
    struct claimer *claimer;
    struct job_pool jobs;
    const char *answer;
    char leases[512]; /* of the claims received, and what they wanted */
    bool is_answered;
    struct claim_reply reply; /* the last; its texts are copied */
    char cause[64], detail[128], rate[64];
    enum result read;
    uint32_t count;
    struct job first, last;
} test;

static const char *on_command(size_t count, const redisReply *const *words, void *user)
{
    (void)user;
    if (strcmp(words[0]->str, "EVALSHA") != 0)
        return "+OK\r\n";
    ck_assert_uint_eq(count, 3 + 11 + 8);
    size_t used = strlen(test.leases);
    snprintf(test.leases + used, sizeof test.leases - used, "%s %s;", words[15]->str,
             words[16]->str);
    return test.answer;
}

static void copy_job(struct job *target, const struct job *job)
{
    *target = *job;
    target->next = NULL;
}

static void on_claimed(const struct claim_reply *reply, void *user)
{
    struct job *list = NULL;

    (void)user;
    test.is_answered = true;
    test.reply = *reply;
    snprintf(test.cause, sizeof test.cause, "%s", reply->cause);
    snprintf(test.detail, sizeof test.detail, "%s", reply->detail);
    snprintf(test.rate, sizeof test.rate, "%s", reply->rate);
    if (reply->word != CLAIM_JOBS)
        return;
    test.read = claim_read_jobs(reply, &test.jobs, &list, &test.count);
    if (test.read != RESULT_OK || list == NULL)
        return;
    copy_job(&test.first, list);
    for (const struct job *job = list; job != NULL; job = job->next)
        copy_job(&test.last, job);
    job_pool_give_back_list(&test.jobs, list);
}

static void begin_with(const struct link_address *address)
{
    struct queue_settings settings = test_settings(address);

    settings.redirect_url = "https://x";
    settings.link_expiry_mins = 45;
    job_pool_init(&test.jobs);
    test_server_init(&test.server, test.base, test.dns, &settings);
    test.claimer = claimer_new(&test.server.server, on_claimed, NULL);
    ck_assert_ptr_nonnull(test.claimer);
    run_until(test.base, &test.server.is_up);
}

static void begin(void)
{
    memset(&test, 0, sizeof test);
    test.base = event_base_new();
    test.dns = evdns_base_new(test.base, 0);
    test.fake = fake_redis_new(test.base, on_command, NULL);
    struct link_address address = fake_redis_address(test.fake);
    begin_with(&address);
}

static void begin_real(void)
{
    struct link_address address = redis_address();

    memset(&test, 0, sizeof test);
    redis_flush();
    test.base = event_base_new();
    test.dns = evdns_base_new(test.base, 0);
    begin_with(&address);
}

static void end(void)
{
    claimer_free(test.claimer);
    test_server_done(&test.server);
    job_pool_done(&test.jobs);
    fake_redis_free(test.fake);
    evdns_base_free(test.dns, 0);
    event_base_free(test.base);
}

static void claim(uint32_t want)
{
    test.is_answered = false;
    ck_assert_int_eq(claimer_send(test.claimer, want), RESULT_OK);
    run_until(test.base, &test.is_answered);
}

#define JOB(user, attempts, slot, mins)                                                            \
    "$" user "\r\n$1\r\n7\r\n:" attempts "\r\n:0\r\n:5000\r\n:" slot "\r\n$0\r\n\r\n:" mins        \
    "\r\n$1\r\nr\r\n"
#define HEAD(probe)                                                                                \
    "*8\r\n:1700000000000\r\n$4\r\njobs\r\n:" probe "\r\n:12\r\n:-1\r\n$9\r\n10 1 500 \r\n"
#define JOBS(probe, elements, jobs) HEAD(probe) "*" elements "\r\n" jobs "*0\r\n"
#define PLAIN_JOB(user, slot)       "$" user "\r\n$1\r\n7\r\n:" slot "\r\n"
#define PLAIN_JOBS(elements, jobs)  HEAD("0") "*0\r\n*" elements "\r\n" jobs

/* Which word a reply is understood as; a reply that is none closes the connection. */
static const struct {
    const char *name;
    const char *answer;
    enum claim_word expected;
    bool is_closed;
} replies[] = {
    {"no jobs", JOBS("0", "0", ""), CLAIM_JOBS, false},
    {"one job", JOBS("0", "9", JOB("1\r\nu", "2", "100", "30")), CLAIM_JOBS, false},
    {"a plain job", PLAIN_JOBS("3", PLAIN_JOB("1\r\nu", "100")), CLAIM_JOBS, false},
    {"a plain job and a piece", PLAIN_JOBS("4", PLAIN_JOB("1\r\nu", "100") ":1\r\n"), CLAIM_LOST,
     true},
    {"plain jobs of another type", HEAD("0") "*0\r\n:5\r\n", CLAIM_LOST, true},
    {"wait", "*3\r\n:1\r\n$4\r\nwait\r\n:17\r\n", CLAIM_WAIT, false},
    {"hold", "*5\r\n:1\r\n$4\r\nhold\r\n$6\r\noutage\r\n:17\r\n$1\r\nd\r\n", CLAIM_HOLD, false},
    {"foreign", "*4\r\n:1\r\n$7\r\nforeign\r\n$6\r\nschema\r\n$1\r\n2\r\n", CLAIM_FOREIGN, false},
    {"out of memory", "-OOM command not allowed\r\n", CLAIM_REFUSED, false},
    {"wrong type", "-ERR authlink wrongtype authlink:queue is a hash, expected a list\r\n",
     CLAIM_REFUSED, false},
    {"replica", "-READONLY You can't write against a read only replica.\r\n", CLAIM_LOST, true},
    {"no array", ":5\r\n", CLAIM_LOST, true},
    {"null", "*-1\r\n", CLAIM_LOST, true},
    {"empty array", "*0\r\n", CLAIM_LOST, true},
    {"no time", "*3\r\n$1\r\nx\r\n$4\r\nwait\r\n:17\r\n", CLAIM_LOST, true},
    {"no word", "*1\r\n:1\r\n", CLAIM_LOST, true},
    {"another word", "*2\r\n:1\r\n$4\r\nwhat\r\n", CLAIM_LOST, true},
    {"wait without a time", "*2\r\n:1\r\n$4\r\nwait\r\n", CLAIM_LOST, true},
    {"wait of a negative time", "*3\r\n:1\r\n$4\r\nwait\r\n:-5\r\n", CLAIM_LOST, true},
    {"hold without a time", "*3\r\n:1\r\n$4\r\nhold\r\n$6\r\noutage\r\n", CLAIM_LOST, true},
    {"jobs without jobs", "*2\r\n:1\r\n$4\r\njobs\r\n", CLAIM_LOST, true},
    {"a job and a half", JOBS("0", "1", "$1\r\nu\r\n"), CLAIM_LOST, true},
    {"jobs of another type", HEAD("0") ":5\r\n*0\r\n", CLAIM_LOST, true},
};

START_TEST(reply_is_understood_or_closes_the_connection)
{
    test.answer = replies[_i].answer;
    claim(1);
    ck_assert_msg(test.reply.word == replies[_i].expected, "%s: got %d", replies[_i].name,
                  (int)test.reply.word);
    ck_assert_msg(test.server.is_up != replies[_i].is_closed, "%s: closed is %d", replies[_i].name,
                  !test.server.is_up);
    ck_assert_uint_eq(claimer_outstanding(test.claimer), 0);
}
END_TEST

/* Jobs that are not believed. */
static const struct {
    const char *name;
    const char *job;
} wrong_jobs[] = {
    {"no user", JOB("0\r\n", "0", "0", "30")},
    {"user with a quote", JOB("3\r\na\"b", "0", "0", "30")},
    {"user with a blank", JOB("3\r\na b", "0", "0", "30")},
    {"slot before now", JOB("1\r\nu", "0", "-1", "30")},
    {"slot of next year", JOB("1\r\nu", "0", "99000000000", "30")},
    {"link of no time", JOB("1\r\nu", "0", "0", "0")},
    {"link of a month", JOB("1\r\nu", "0", "0", "43200")},
    {"negative attempts", JOB("1\r\nu", "-1", "0", "30")},
    {"attempts beyond number", JOB("1\r\nu", "99999999999", "0", "30")},
    {"all of another type", "*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n"},
};

START_TEST(job_of_a_wrong_form_is_not_taken)
{
    char answer[1024];

    snprintf(answer, sizeof answer, "%s%s%s*0\r\n", HEAD("0") "*18\r\n",
             JOB("1\r\nv", "0", "0", "30"), wrong_jobs[_i].job);
    test.answer = answer;
    claim(2);
    ck_assert_msg(test.read == RESULT_INVALID, "%s: taken", wrong_jobs[_i].name);
}
END_TEST

static const char *const wrong_plain_jobs[] = {
    PLAIN_JOBS("3", PLAIN_JOB("3\r\na b", "0")),
    PLAIN_JOBS("3", PLAIN_JOB("1\r\nu", "-1")),
};

START_TEST(plain_job_of_a_wrong_form_is_not_taken)
{
    test.answer = wrong_plain_jobs[_i];
    claim(1);
    ck_assert_int_eq(test.read, RESULT_INVALID);
}
END_TEST

START_TEST(plain_jobs_go_by_the_settings_and_have_nothing_of_their_own)
{
    test.answer = PLAIN_JOBS("6", PLAIN_JOB("1\r\nu", "0") PLAIN_JOB("4\r\nlast", "123456"));
    claim(2);
    ck_assert_uint_eq(test.count, 2);
    ck_assert_str_eq(test.first.end_user_id, "u");
    ck_assert_str_eq(test.last.end_user_id, "last");
    ck_assert_str_eq(test.last.job_key, "7");
    ck_assert_str_eq(test.last.redirect_url, "https://x");
    ck_assert_str_eq(test.last.ref, "");
    ck_assert_uint_eq(test.last.link_expiry_mins, 45);
    ck_assert_uint_eq(test.last.attempts, 0);
    ck_assert_int_eq(test.last.age_ms, 0);
    ck_assert_int_eq(test.last.slot_due_us - test.first.slot_due_us, 123456);
}
END_TEST

START_TEST(job_is_read_whole_with_its_slot_and_its_deadline)
{
    int64_t before_us = clock_mono_us();
    int64_t before_boot_us = clock_boot_us();

    test.answer = JOBS("1", "9", JOB("4\r\nuser", "3", "123456", "45"));
    claim(1);
    ck_assert_uint_eq(test.count, 1);
    ck_assert_str_eq(test.first.end_user_id, "user");
    ck_assert_str_eq(test.first.job_key, "7");
    ck_assert_str_eq(test.first.ref, "r");
    ck_assert_str_eq(test.first.redirect_url, "");
    ck_assert_uint_eq(test.first.attempts, 3);
    ck_assert_int_eq(test.first.age_ms, 5000);
    ck_assert_uint_eq(test.first.link_expiry_mins, 45);
    ck_assert_uint_eq(test.first.lease_seq, 1);
    ck_assert(test.first.is_probe);
    ck_assert(test.first.next == NULL);
    /* Late, never early: counted from the receipt (C7); the lease from the sending (C6). */
    ck_assert_int_ge(test.first.slot_due_us, before_us + 123456);
    ck_assert_int_le(test.first.slot_due_us, clock_mono_us() + 123456);
    ck_assert_int_ge(test.first.lease_end_boot_us, before_boot_us + 40 * US_PER_SEC);
    ck_assert_int_le(test.first.lease_end_boot_us, clock_boot_us() + 40 * US_PER_SEC);
}
END_TEST

START_TEST(every_claim_has_the_next_name_and_none_is_sent_twice)
{
    test.answer = "-OOM no\r\n";
    claim(5);
    test.answer = "*3\r\n:1\r\n$4\r\nwait\r\n:17\r\n";
    claim(6);
    ck_assert_str_eq(test.leases,
                     TEST_OWNER "/00000000000000aa/1 5;" TEST_OWNER "/00000000000000aa/2 6;");
    test.answer = NULL;
    ck_assert_int_eq(claimer_send(test.claimer, 1), RESULT_OK);
    ck_assert_int_eq(claimer_send(test.claimer, 1), RESULT_LATER);
    ck_assert_uint_eq(claimer_outstanding(test.claimer), 3);
}
END_TEST

static bool is_received(void *user)
{
    (void)user;
    return test.leases[0] != '\0';
}

START_TEST(claim_whose_reply_is_lost_is_over)
{
    test.answer = NULL;
    test.is_answered = false;
    ck_assert_int_eq(claimer_send(test.claimer, 1), RESULT_OK);
    run_until_true(test.base, is_received, NULL);
    fake_redis_hang_up(test.fake);
    run_until(test.base, &test.is_answered);
    ck_assert_int_eq(test.reply.word, CLAIM_LOST);
    ck_assert_uint_eq(claimer_outstanding(test.claimer), 0);
    run_until(test.base, &test.server.is_up);
    run_for_ms(test.base, 20);
    ck_assert_str_eq(test.leases, TEST_OWNER "/00000000000000aa/1 1;");
}
END_TEST

START_TEST(real_server_hands_out_what_was_pushed)
{
    freeReplyObject(redis_ask("RPUSH authlink:queue end_usr_a end_usr_b "
                              "{\"endUserId\":\"end_usr_c\",\"linkExpiryMins\":60,\"ref\":\"x\"}"));
    claim(10);
    ck_assert_int_eq(test.reply.word, CLAIM_JOBS);
    ck_assert_int_eq(test.read, RESULT_OK);
    ck_assert_uint_eq(test.count, 3);
    ck_assert_str_eq(test.first.end_user_id, "end_usr_a");
    ck_assert_uint_eq(test.first.link_expiry_mins, 45);
    ck_assert_str_eq(test.last.end_user_id, "end_usr_c");
    ck_assert_uint_eq(test.last.link_expiry_mins, 60);
    ck_assert_str_eq(test.last.ref, "x");
    ck_assert_int_eq(redis_ask_int("HLEN authlink:lease:" TEST_OWNER "/00000000000000aa/1"), 3);
    ck_assert_int_ne(server_now_ms(&test.server.server), 0);
    claim(10);
    ck_assert_int_eq(test.reply.word, CLAIM_JOBS);
    ck_assert_uint_eq(test.reply.job_count, 0);
    ck_assert_int_eq(test.reply.queue_len, 0);
    ck_assert_int_eq(test.reply.next_due_ms, -1);
}
END_TEST

START_TEST(real_server_without_memory_hands_out_nothing)
{
    freeReplyObject(redis_ask("RPUSH authlink:queue end_usr_a"));
    freeReplyObject(redis_ask("CONFIG SET maxmemory 1"));
    claim(10);
    ck_assert_int_eq(test.reply.word, CLAIM_REFUSED);
    freeReplyObject(redis_ask("CONFIG SET maxmemory 0"));
    ck_assert_int_eq(redis_ask_int("LLEN authlink:queue"), 1);
    ck_assert_int_eq(redis_ask_int("EXISTS authlink:stats"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("claim");
    TCase *fake = tcase_create("against a server that misbehaves");
    TCase *real = tcase_create("against a real server");

    tcase_add_checked_fixture(fake, begin, end);
    tcase_add_loop_test(fake, reply_is_understood_or_closes_the_connection, 0,
                        sizeof replies / sizeof replies[0]);
    tcase_add_loop_test(fake, job_of_a_wrong_form_is_not_taken, 0,
                        sizeof wrong_jobs / sizeof wrong_jobs[0]);
    tcase_add_loop_test(fake, plain_job_of_a_wrong_form_is_not_taken, 0,
                        sizeof wrong_plain_jobs / sizeof wrong_plain_jobs[0]);
    tcase_add_test(fake, plain_jobs_go_by_the_settings_and_have_nothing_of_their_own);
    tcase_add_test(fake, job_is_read_whole_with_its_slot_and_its_deadline);
    tcase_add_test(fake, every_claim_has_the_next_name_and_none_is_sent_twice);
    tcase_add_test(fake, claim_whose_reply_is_lost_is_over);
    tcase_set_timeout(fake, 60);
    suite_add_tcase(suite, fake);

    tcase_add_unchecked_fixture(real, redis_begin, redis_end);
    tcase_add_checked_fixture(real, begin_real, end);
    tcase_add_test(real, real_server_hands_out_what_was_pushed);
    tcase_add_test(real, real_server_without_memory_hands_out_nothing);
    tcase_set_timeout(real, 60);
    suite_add_tcase(suite, real);
    return run_tests(suite);
}
