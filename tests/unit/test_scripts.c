/* test_scripts.c - steps called by their digests. */
#include "queue/scripts.h"
#include "run_tests.h"
#include "support_queue.h"
#include "support_redis.h"

#include <check.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    struct event_base *base;
    struct evdns_base *dns;
    struct fake_redis *fake;
    struct test_server server;
    const char *answer_to_load;
    const char *answer_to_call;
    int loads, calls;
    int answers;
    bool is_answered;
    bool was_lost;
    char error[128];
    int64_t first_number;
} test;

static const char *on_command(size_t count, const redisReply *const *words, void *user)
{
    (void)user;
    (void)count;
    if (strcmp(words[0]->str, "SCRIPT") == 0) {
        test.loads++;
        return test.answer_to_load;
    }
    if (strcmp(words[0]->str, "EVALSHA") == 0) {
        test.calls++;
        return test.answer_to_call;
    }
    return "+OK\r\n";
}

static void on_reply(const redisReply *reply, void *user)
{
    (void)user;
    test.answers++;
    test.is_answered = true;
    test.was_lost = reply == NULL;
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
        snprintf(test.error, sizeof test.error, "%s", reply->str);
    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements > 0)
        test.first_number = reply->element[0]->integer;
}

static void begin(void)
{
    memset(&test, 0, sizeof test);
    test.base = event_base_new();
    test.dns = evdns_base_new(test.base, 0);
}

static void connect_to(const struct link_address *address)
{
    struct queue_settings settings = test_settings(address);

    test_server_init(&test.server, test.base, test.dns, &settings);
    run_until(test.base, &test.server.is_up);
}

static void begin_fake(void)
{
    begin();
    test.fake = fake_redis_new(test.base, on_command, NULL);
    test.answer_to_load = "$40\r\n0123456789012345678901234567890123456789\r\n";
    test.answer_to_call = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
    struct link_address address = fake_redis_address(test.fake);
    connect_to(&address);
}

static void begin_real(void)
{
    struct link_address address = redis_address();

    begin();
    redis_flush();
    freeReplyObject(redis_ask("CONFIG RESETSTAT"));
    connect_to(&address);
}

static void end(void)
{
    test_server_done(&test.server);
    fake_redis_free(test.fake);
    evdns_base_free(test.dns, 0);
    event_base_free(test.base);
}

/* Calls rate.lua; its answer begins with the server's time. */
static void call(void)
{
    struct script_args args = {0};

    script_args_key(&args, test.server.server.keys.limiter);
    script_args_text(&args, test.server.server.keys.prefix);
    script_args_text(&args, "10");
    script_args_text(&args, "1");
    script_args_text(&args, "500");
    test.is_answered = false;
    ck_assert_int_eq(scripts_call(test.server.server.scripts, LUA_STEP_rate, &args, on_reply, NULL),
                     RESULT_OK);
}

static void call_and_wait(void)
{
    call();
    run_until(test.base, &test.is_answered);
}

static int count_calls(const char *command)
{
    char text[16384];
    char line[64];

    redis_ask_text("INFO commandstats", text, sizeof text);
    snprintf(line, sizeof line, "cmdstat_%s:calls=", command);
    const char *found = strstr(text, line);
    return found == NULL ? 0 : (int)strtol(found + strlen(line), NULL, 10);
}

START_TEST(unknown_step_is_loaded_once_and_then_known)
{
    call_and_wait();
    ck_assert_int_gt(test.first_number, 0);
    ck_assert_int_eq(count_calls("script|load"), 1);
    ck_assert_int_eq(count_calls("evalsha"), 2);
    call_and_wait();
    ck_assert_int_eq(count_calls("script|load"), 1);
    ck_assert_int_eq(count_calls("evalsha"), 3);
    ck_assert_int_eq(test.answers, 2);
}
END_TEST

START_TEST(step_that_was_flushed_is_loaded_again)
{
    call_and_wait();
    freeReplyObject(redis_ask("SCRIPT FLUSH"));
    call_and_wait();
    ck_assert_int_gt(test.first_number, 0);
    ck_assert_str_eq(test.error, "");
    ck_assert_int_eq(count_calls("script|load"), 2);
}
END_TEST

START_TEST(every_step_can_be_loaded)
{
    for (int id = 0; id < LUA_STEP_COUNT; id++) {
        struct lua_step step = lua_step((enum lua_step_id)id);
        char *text = strndup((const char *)step.text, step.len);
        const char *words[] = {"SCRIPT", "LOAD", text};
        redisReply *reply = redis_ask_argv(3, words);
        ck_assert_msg(reply->type == REDIS_REPLY_STRING, "%s: %s", step.name, reply->str);
        freeReplyObject(reply);
        free(text);
    }
}
END_TEST

START_TEST(server_that_forgets_at_once_is_answered_with_its_error)
{
    call_and_wait();
    ck_assert_int_eq(test.loads, 1);
    ck_assert_int_eq(test.calls, 2);
    ck_assert_int_eq(test.answers, 1);
    ck_assert_ptr_nonnull(strstr(test.error, "NOSCRIPT"));
}
END_TEST

START_TEST(load_that_is_refused_is_the_answer)
{
    test.answer_to_load =
        "-NOPERM this user has no permissions to run the 'script|load' command\r\n";
    call_and_wait();
    ck_assert_int_eq(test.calls, 1);
    ck_assert_int_eq(test.answers, 1);
    ck_assert_ptr_nonnull(strstr(test.error, "NOPERM"));
}
END_TEST

static bool was_loaded(void *user)
{
    (void)user;
    return test.loads == 1;
}

START_TEST(loss_while_it_is_loaded_is_told_once)
{
    test.answer_to_load = NULL;
    call();
    run_until_true(test.base, was_loaded, NULL);
    fake_redis_hang_up(test.fake);
    run_until(test.base, &test.is_answered);
    ck_assert(test.was_lost);
    run_until(test.base, &test.server.is_up);
    ck_assert_int_eq(test.answers, 1);
    ck_assert_int_eq(test.calls, 1); /* and nothing is sent on the next connection */
}
END_TEST

START_TEST(calls_under_way_get_no_answer_when_all_is_freed)
{
    test.answer_to_call = NULL;
    call();
    call();
    run_for_ms(test.base, 5);
    ck_assert_int_eq(test.answers, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scripts");
    TCase *fake = tcase_create("against a server that misbehaves");
    TCase *real = tcase_create("against a real server");

    tcase_add_checked_fixture(fake, begin_fake, end);
    tcase_add_test(fake, server_that_forgets_at_once_is_answered_with_its_error);
    tcase_add_test(fake, load_that_is_refused_is_the_answer);
    tcase_add_test(fake, loss_while_it_is_loaded_is_told_once);
    tcase_add_test(fake, calls_under_way_get_no_answer_when_all_is_freed);
    tcase_set_timeout(fake, 60);
    suite_add_tcase(suite, fake);

    tcase_add_unchecked_fixture(real, redis_begin, redis_end);
    tcase_add_checked_fixture(real, begin_real, end);
    tcase_add_test(real, unknown_step_is_loaded_once_and_then_known);
    tcase_add_test(real, step_that_was_flushed_is_loaded_again);
    tcase_add_test(real, every_step_can_be_loaded);
    tcase_set_timeout(real, 60);
    suite_add_tcase(suite, real);
    return run_tests(suite);
}
