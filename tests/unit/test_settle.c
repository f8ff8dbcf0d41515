/* test_settle.c - outcomes are kept until Redis has them, and are told once. */
#include "base/clock.h"
#include "queue/settle.h"
#include "queue/settle_item.h"
#include "run_tests.h"
#include "support_queue.h"
#include "support_redis.h"

#include <check.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DONE  "*4\r\n:1700000000000\r\n$4\r\ndone\r\n*0\r\n*0\r\n"
#define AGAIN "*4\r\n:1700000000000\r\n$5\r\nagain\r\n*0\r\n*0\r\n"

static struct {
    struct event_base *base;
    struct evdns_base *dns;
    struct fake_redis *fake;
    struct test_server server;
    struct settler *settler;
    const char *answer;
    int settles;
    char numbers[256];
    size_t longest;
    unsigned counts[16];
    uint32_t settled;
    int holds;
    size_t hold_words;
} test;

#define FIXED_WORDS (3 + 9 + 4)
#define SHADE_WORDS 6

/* Returns how many there are. */
static unsigned note_items(size_t count, const redisReply *const *words)
{
    size_t at = FIXED_WORDS + SHADE_WORDS, bytes = 0;
    unsigned items = 0;

    for (size_t i = FIXED_WORDS; i < count; i++) {
        bytes += words[i]->len;
        ck_assert(i >= at || words[i]->len == 0);
    }
    while (at < count) {
        unsigned of_group = (unsigned)strtoul(words[at]->str, NULL, 10);
        items += of_group;
        at += SETTLE_GROUP_WORDS + of_group * SETTLE_ITEM_WORDS;
    }
    ck_assert_uint_eq(at, count);
    if (bytes > test.longest)
        test.longest = bytes;
    return items;
}

static const char *on_command(size_t count, const redisReply *const *words, void *user)
{
    (void)user;
    if (strcmp(words[0]->str, "EVALSHA") != 0)
        return "+OK\r\n";
    ck_assert_uint_ge(count, FIXED_WORDS + SHADE_WORDS);
    size_t used = strlen(test.numbers);
    snprintf(test.numbers + used, sizeof test.numbers - used, "%s;", words[13]->str);
    unsigned items = note_items(count, words);
    if (test.settles < 16)
        test.counts[test.settles] = items;
    test.settles++;
    return test.answer;
}

static void on_settled(struct job *list, void *user)
{
    (void)user;
    for (; list != NULL; list = list->next)
        test.settled++;
}

static void on_holds(const redisReply *holds, void *user)
{
    (void)user;
    test.holds++;
    test.hold_words = holds->elements;
}

static void begin_with(const struct link_address *address)
{
    static const struct settler_callbacks callbacks = {.on_settled = on_settled,
                                                       .on_holds = on_holds};
    struct queue_settings settings = test_settings(address);

    test_server_init(&test.server, test.base, test.dns, &settings);
    test.settler = settler_new(test.base, &test.server.server, &callbacks, NULL);
    ck_assert_ptr_nonnull(test.settler);
    run_until(test.base, &test.server.is_up);
}

static void begin(void)
{
    memset(&test, 0, sizeof test);
    test.base = event_base_new();
    test.dns = evdns_base_new(test.base, 0);
    test.fake = fake_redis_new(test.base, on_command, NULL);
    test.answer = DONE;
    struct link_address address = fake_redis_address(test.fake);
    begin_with(&address);
    settler_resume(test.settler);
}

static void begin_real(void)
{
    struct link_address address = redis_address();

    memset(&test, 0, sizeof test);
    redis_flush();
    test.base = event_base_new();
    test.dns = evdns_base_new(test.base, 0);
    begin_with(&address);
    settler_resume(test.settler);
}

static void end(void)
{
    settler_free(test.settler);
    test_server_done(&test.server);
    fake_redis_free(test.fake);
    evdns_base_free(test.dns, 0);
    event_base_free(test.base);
}

static bool has_settled(void *user)
{
    return test.settled >= *(const uint32_t *)user;
}

static void wait_for_settled(uint32_t count)
{
    run_until_true(test.base, has_settled, &count);
}

static bool has_received(void *user)
{
    return test.settles >= *(const int *)user;
}

static void add(struct job *job)
{
    struct outcome outcome = test_created(job);

    ck_assert_int_eq(settler_add(test.settler, job, &outcome), RESULT_OK);
}

START_TEST(outcomes_of_one_loop_turn_go_together)
{
    struct job jobs[] = {test_job("a", 1), test_job("b", 1), test_job("c", 2)};

    for (int i = 0; i < 3; i++)
        add(&jobs[i]);
    ck_assert_uint_eq(settler_count(test.settler), 3);
    wait_for_settled(3);
    ck_assert_int_eq(test.settles, 1);
    ck_assert_uint_eq(test.counts[0], 3);
    ck_assert_uint_eq(settler_count(test.settler), 0);
    ck_assert_int_eq(test.holds, 1);
}
END_TEST

/* Errors that leave the connection: the same number and items again. */
static const char *const refusals[] = {
    "-MISCONF Redis is configured to save RDB snapshots\r\n",
    "-LOADING Redis is loading the dataset in memory\r\n",
    "-NOREPLICAS Not enough good replicas to write.\r\n",
    "-BUSY Redis is busy running a script.\r\n",
    "-CLUSTERDOWN The cluster is down\r\n",
    "-NOPERM this user has no permissions\r\n",
    "-ERR something new\r\n",
};

static bool is_behind(void *user)
{
    (void)user;
    return settler_is_behind(test.settler, clock_mono_us());
}

START_TEST(refused_settle_is_sent_again_with_its_number_and_items)
{
    struct job jobs[] = {test_job("a", 1), test_job("b", 1)};

    test.answer = refusals[_i];
    add(&jobs[0]);
    run_until_true(test.base, has_received, &(int){1});
    run_until_true(test.base, is_behind, NULL);
    add(&jobs[1]); /* must wait for the next number */
    run_until_true(test.base, has_received, &(int){2});
    ck_assert_uint_eq(test.counts[1], 1);
    test.answer = DONE;
    wait_for_settled(2);
    ck_assert_ptr_eq(strstr(test.numbers, "1;1;"), test.numbers);
    ck_assert_ptr_nonnull(strstr(test.numbers, "1;2;"));
    ck_assert(!settler_is_behind(test.settler, clock_mono_us()));
    ck_assert_int_eq(test.server.downs, 0);
}
END_TEST

START_TEST(unanswered_settle_is_sent_again_on_the_next_connection)
{
    struct job jobs[] = {test_job("a", 1), test_job("b", 1)};

    test.answer = NULL;
    add(&jobs[0]);
    run_until_true(test.base, has_received, &(int){1});
    fake_redis_hang_up(test.fake);
    test.server.is_up = false;
    run_until(test.base, &test.server.is_up);
    settler_pause(test.settler);
    add(&jobs[1]);
    run_for_ms(test.base, 20);
    ck_assert_int_eq(test.settles, 1); /* not before it is told to */
    test.answer = AGAIN;
    settler_resume(test.settler);
    run_until_true(test.base, has_received, &(int){2});
    test.answer = DONE;
    wait_for_settled(2);
    ck_assert_str_eq(test.numbers, "1;1;2;");
    ck_assert_uint_eq(test.counts[1], 1);
}
END_TEST

/* Replies that are none: the connection is given up, the outcomes are kept. */
static const char *const wrong_replies[] = {
    "*0\r\n",
    "+OK\r\n",
    "*-1\r\n",
    "*5\r\n:1\r\n$4\r\nnope\r\n*0\r\n*0\r\n$1\r\n1\r\n",
    "*4\r\n$1\r\n1\r\n$4\r\ndone\r\n*0\r\n*0\r\n",
    "*3\r\n:1\r\n$4\r\ndone\r\n*0\r\n",
    "*4\r\n:1\r\n$4\r\ndone\r\n*0\r\n:5\r\n",
    "-READONLY You can't write against a read only replica.\r\n",
};

START_TEST(wrong_reply_loses_the_connection_and_no_outcome)
{
    struct job job = test_job("a", 1);

    test.answer = wrong_replies[_i];
    add(&job);
    run_until_true(test.base, has_received, &(int){1});
    run_for_ms(test.base, 1);
    while (test.server.downs == 0)
        run_for_ms(test.base, 1);
    ck_assert_uint_eq(test.settled, 0);
    ck_assert_uint_eq(settler_count(test.settler), 1);
    test.answer = DONE;
    run_until(test.base, &test.server.is_up);
    settler_resume(test.settler);
    wait_for_settled(1);
    ck_assert_str_eq(test.numbers, "1;1;");
}
END_TEST

START_TEST(settle_has_at_most_256_items)
{
    static struct job jobs[700];

    for (int i = 0; i < 700; i++) {
        jobs[i] = test_job("a", 1);
        add(&jobs[i]);
    }
    ck_assert(settler_is_behind(test.settler, clock_mono_us())); /* over 256 wait (C9) */
    wait_for_settled(700);
    ck_assert_int_eq(test.settles, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_le(test.counts[i], 256);
}
END_TEST

START_TEST(settle_has_at_most_256_kib)
{
    static struct job jobs[256];

    for (int i = 0; i < 256; i++) {
        struct outcome outcome;
        jobs[i] = test_job("a", 1);
        memset(jobs[i].redirect_url, '/', JOB_REDIRECT_MAX_LEN);
        outcome = test_created(&jobs[i]);
        memset(outcome.answer.session.auth_flow_url, 'x', SESSION_URL_MAX_LEN);
        ck_assert_int_eq(settler_add(test.settler, &jobs[i], &outcome), RESULT_OK);
    }
    wait_for_settled(256);
    ck_assert_int_gt(test.settles, 1);
    ck_assert_uint_le(test.longest, 256 * 1024);
}
END_TEST

START_TEST(worst_outcome_still_fits_into_a_settle)
{
    struct job job = test_job("a", 1);
    struct outcome outcome;

    memset(job.end_user_id, 'u', JOB_ID_MAX_LEN);
    memset(job.ref, '"', JOB_REF_MAX_LEN);
    memset(job.redirect_url, '"', JOB_REDIRECT_MAX_LEN);
    outcome = test_created(&job);
    memset(outcome.answer.session.auth_flow_url, '\\', SESSION_URL_MAX_LEN);
    memset(outcome.answer.session.id, '\\', SESSION_ID_MAX_LEN);
    memset(outcome.answer.detail, '\x01', DETAIL_MAX_LEN);
    ck_assert_int_eq(settler_add(test.settler, &job, &outcome), RESULT_OK);
    wait_for_settled(1);
    ck_assert_uint_eq(test.counts[0], 1);
}
END_TEST

/* Puts the user into a lease as claim.lua does. */
static void put_into_lease(const char *user, int seq)
{
    char words[256];

    snprintf(words, sizeof words, "HSET authlink:lease:" TEST_OWNER "/00000000000000aa/%d %s", seq,
             user);
    char record[512];
    snprintf(record, sizeof record, "0000000000000001 0 0 1700000000000 1700000000000000 %s", user);
    const char *argv[] = {"HSET", words + strlen("HSET "), user, record};
    *strrchr(words, ' ') = '\0';
    freeReplyObject(redis_ask_argv(4, argv));
    snprintf(words, sizeof words,
             "ZADD authlink:leases 9999999999999 " TEST_OWNER "/00000000000000aa/%d", seq);
    freeReplyObject(redis_ask(words));
    snprintf(words, sizeof words, "HSET authlink:inflight %s " TEST_OWNER "/00000000000000aa/%d",
             user, seq);
    freeReplyObject(redis_ask(words));
}

START_TEST(real_server_stores_the_link_and_shows_it_nowhere_else)
{
    struct job job = test_job("end_usr_a", 3);
    char text[512];

    freeReplyObject(redis_ask("CONFIG SET slowlog-log-slower-than 0"));
    freeReplyObject(redis_ask("SLOWLOG RESET"));
    put_into_lease("end_usr_a", 3);
    add(&job);
    wait_for_settled(1);
    redis_ask_text("HGET authlink:session:end_usr_a authFlowUrl", text, sizeof text);
    ck_assert_str_eq(text, "https://connect.conductor.is/qbd/secret_of_end_usr_a");
    ck_assert_int_eq(redis_ask_int("EXISTS authlink:leases authlink:inflight"), 0);

    redisReply *log = redis_ask("SLOWLOG GET 128");
    ck_assert_uint_gt(log->elements, 0);
    for (size_t i = 0; i < log->elements; i++) {
        const redisReply *words = log->element[i]->element[3];
        for (size_t j = 0; j < words->elements; j++)
            ck_assert_ptr_null(strstr(words->element[j]->str, "secret_of"));
    }
    freeReplyObject(log);
}
END_TEST

START_TEST(real_server_fences_what_is_in_no_lease)
{
    struct job job = test_job("end_usr_a", 3);
    char text[64];

    add(&job);
    wait_for_settled(1);
    ck_assert_str_eq(redis_ask_text("HGET authlink:stats fenced", text, sizeof text), "1");
}
END_TEST

START_TEST(real_server_without_memory_takes_outcomes)
{
    struct job job = test_job("end_usr_a", 3);

    put_into_lease("end_usr_a", 3);
    freeReplyObject(redis_ask("CONFIG SET maxmemory 1"));
    add(&job);
    wait_for_settled(1);
    freeReplyObject(redis_ask("CONFIG SET maxmemory 0"));
    ck_assert_int_eq(redis_ask_int("EXISTS authlink:session:end_usr_a"), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settle");
    TCase *fake = tcase_create("against a server that misbehaves");
    TCase *real = tcase_create("against a real server");

    tcase_add_checked_fixture(fake, begin, end);
    tcase_add_test(fake, outcomes_of_one_loop_turn_go_together);
    tcase_add_loop_test(fake, refused_settle_is_sent_again_with_its_number_and_items, 0,
                        sizeof refusals / sizeof refusals[0]);
    tcase_add_test(fake, unanswered_settle_is_sent_again_on_the_next_connection);
    tcase_add_loop_test(fake, wrong_reply_loses_the_connection_and_no_outcome, 0,
                        sizeof wrong_replies / sizeof wrong_replies[0]);
    tcase_add_test(fake, settle_has_at_most_256_items);
    tcase_add_test(fake, settle_has_at_most_256_kib);
    tcase_add_test(fake, worst_outcome_still_fits_into_a_settle);
    tcase_set_timeout(fake, 60);
    suite_add_tcase(suite, fake);

    tcase_add_unchecked_fixture(real, redis_begin, redis_end);
    tcase_add_checked_fixture(real, begin_real, end);
    tcase_add_test(real, real_server_stores_the_link_and_shows_it_nowhere_else);
    tcase_add_test(real, real_server_fences_what_is_in_no_lease);
    tcase_add_test(real, real_server_without_memory_takes_outcomes);
    tcase_set_timeout(real, 60);
    suite_add_tcase(suite, real);
    return run_tests(suite);
}
