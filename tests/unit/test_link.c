/* test_link.c - commands and replies on a connection to a server that misbehaves. */
#include "run_tests.h"
#include "support_link.h"

#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(commands_are_answered_in_their_order)
{
    static const char answers[] = "+1\r\n$1\r\n2\r\n-ERR 3\r\n";

    peer_start(5000);
    peer.answer_to_ping = NULL;
    peer_ping("a");
    peer_ping("b");
    peer_ping("c");
    while (fake_redis_commands(peer.fake) < 4) /* with CLIENT SETNAME */
        run_for_ms(peer.base, 1);
    fake_redis_say(peer.fake, answers, strlen(answers));
    peer_wait_for_answers(3);
    ck_assert_str_eq(peer.order, "a=1 b=2 c=ERR 3 ");
}
END_TEST

/* Bytes in place of an answer, after which the stream cannot be followed. */
static const struct {
    const char *name;
    const char *bytes;
    size_t padding; /* this many bytes after it */
} broken_streams[] = {
    {"no reply at all", "HTTP/1.1 400 Bad Request\r\n", 0},
    {"bulk without a length", "$x\r\n", 0},
    {"array of two milliards", "*2147483647\r\n", 0},
    {"array in array of two milliards", "*2\r\n+a\r\n*2147483647\r\n", 0},
    {"array with one element too many", "*65537\r\n", 0},
    {"bulk over 1 MiB", "$2000000\r\n", 1100 * 1024},
    {"line without an end", "+", 1100 * 1024},
    {"array that never ends", "*65536\r\n$2000000\r\n", 1100 * 1024},
    {"two answers to one question", "+PONG\r\n+PONG\r\n", 0},
};

START_TEST(stream_that_cannot_be_followed_is_closed)
{
    static char padding[1100 * 1024];

    memset(padding, 'x', sizeof padding);
    peer_start(60000); /* not by the deadline */
    peer.answer_to_ping = NULL;
    peer_ping("a");
    while (fake_redis_commands(peer.fake) < 2)
        run_for_ms(peer.base, 1);
    fake_redis_say(peer.fake, broken_streams[_i].bytes, strlen(broken_streams[_i].bytes));
    fake_redis_say(peer.fake, padding, broken_streams[_i].padding);
    run_until(peer.base, &peer.is_down);
    ck_assert_msg(peer.replies + peer.losses == 1, "%s: %d replies, %d losses",
                  broken_streams[_i].name, peer.replies, peer.losses);
    run_until(peer.base, &peer.is_up); /* and made again */
}
END_TEST

START_TEST(reply_may_come_byte_by_byte)
{
    static const char bytes[] = "$5\r\nhello\r\n";

    peer_start(5000);
    peer.answer_to_ping = NULL;
    peer_ping("a");
    while (fake_redis_commands(peer.fake) < 2)
        run_for_ms(peer.base, 1);
    for (size_t i = 0; i < sizeof bytes - 1; i++) {
        ck_assert_int_eq(peer.replies, 0);
        fake_redis_say(peer.fake, bytes + i, 1);
        run_for_ms(peer.base, 2);
    }
    peer_wait_for_answers(1);
    ck_assert_str_eq(peer.order, "a=hello ");
}
END_TEST

START_TEST(silence_beyond_the_deadline_closes_the_connection)
{
    peer_start(150);
    peer.answer_to_ping = NULL;
    peer_ping("a");
    peer_ping("b");
    peer_wait_for_answers(2);
    ck_assert_int_eq(peer.losses, 2);
    ck_assert_ptr_nonnull(strstr(peer.why, "in time"));
    run_until(peer.base, &peer.is_up);
    ck_assert_int_eq(fake_redis_connections(peer.fake), 2);
}
END_TEST

START_TEST(lost_connection_tells_each_command_once_and_is_made_again)
{
    peer_start(5000);
    peer.answer_to_ping = NULL;
    peer_ping("a");
    peer_ping("b");
    while (fake_redis_commands(peer.fake) < 3)
        run_for_ms(peer.base, 1);
    fake_redis_hang_up(peer.fake);
    run_until(peer.base, &peer.is_down);
    ck_assert_int_eq(peer.losses, 2);
    run_until(peer.base, &peer.is_up);
    ck_assert_int_eq(peer.losses, 2);
    ck_assert_int_eq(peer.downs, 1);
    peer.answer_to_ping = "+PONG\r\n";
    peer_ping("c");
    peer_wait_for_answers(3);
    ck_assert_str_eq(peer.order, "c=PONG ");
}
END_TEST

static void drop_on_reply(const redisReply *reply, void *user)
{
    (void)user;
    if (reply != NULL)
        link_drop(peer.link, "enough");
}

START_TEST(connection_may_be_dropped_from_a_reply)
{
    const char *words[] = {"PING"};
    const size_t lens[] = {4};

    peer_start(5000);
    ck_assert_int_eq(link_command(peer.link, 1, words, lens, drop_on_reply, NULL), RESULT_OK);
    peer_ping("behind");
    run_until(peer.base, &peer.is_down);
    ck_assert_str_eq(peer.why, "enough");
    ck_assert_int_eq(peer.losses, 1);
    run_until(peer.base, &peer.is_up);
}
END_TEST

START_TEST(nothing_is_sent_without_a_connection)
{
    const char *words[] = {"PING"};
    const size_t lens[] = {4};
    struct link_address address = fake_redis_address(peer.fake);

    peer_start_link(&address, 5000);
    ck_assert_int_eq(link_command(peer.link, 1, words, lens, drop_on_reply, NULL),
                     RESULT_DISCONNECTED);
    run_until(peer.base, &peer.is_up);
    fake_redis_hang_up(peer.fake);
    run_until(peer.base, &peer.is_down);
    ck_assert_int_eq(link_command(peer.link, 1, words, lens, drop_on_reply, NULL),
                     RESULT_DISCONNECTED);
    ck_assert_int_eq(peer.losses, 0);
}
END_TEST

#define LONG_LEN (32 << 20) /* more than sockets hold */

static const char short_ping[] = "*1\r\n$4\r\nPING\r\n";

static enum result send_long_ping(void)
{
    char *bytes = malloc(LONG_LEN + 64);

    ck_assert_ptr_nonnull(bytes);
    size_t len = (size_t)sprintf(bytes, "*2\r\n$4\r\nPING\r\n$%d\r\n", LONG_LEN);
    memset(bytes + len, 'x', LONG_LEN);
    memcpy(bytes + len + LONG_LEN, "\r\n", 2);
    enum result result = link_send(peer.link, bytes, len + LONG_LEN + 2, 0, peer_pong, "long");
    free(bytes);
    return result;
}

/* What the kernel does not take at once is written later; what comes after it waits, also when the
 * kernel has room again. */
START_TEST(long_command_stays_whole_and_before_the_next)
{
    enum { NEXT = 100 };

    peer_start(60000);
    ck_assert_int_eq(send_long_ping(), RESULT_OK);
    for (int i = 0; i < NEXT; i++) {
        ck_assert_int_eq(fake_redis_commands(peer.fake), 1); /* CLIENT SETNAME */
        ck_assert_int_eq(link_send(peer.link, short_ping, strlen(short_ping), 0, peer_pong, "s"),
                         RESULT_OK);
        event_base_loop(peer.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
    peer_wait_for_answers(1 + NEXT);
    ck_assert_int_eq(peer.replies, 1 + NEXT);
    ck_assert_int_eq(fake_redis_commands(peer.fake), 2 + NEXT);
}
END_TEST

static bool is_memory_short;

static void *perhaps_malloc(size_t size)
{
    return is_memory_short ? NULL : malloc(size);
}

/* Redis has the beginning of a command whose rest found no memory: nothing may follow on that
 * connection. */
START_TEST(command_that_is_cut_ends_the_connection)
{
    peer_start(60000);
    is_memory_short = true;
    ck_assert_int_eq(send_long_ping(), RESULT_NO_MEMORY);
    is_memory_short = false;
    run_until(peer.base, &peer.is_down);
    run_until(peer.base, &peer.is_up);
    ck_assert_int_eq(link_send(peer.link, short_ping, strlen(short_ping), 0, peer_pong, "next"),
                     RESULT_OK);
    peer_wait_for_answers(1);
    ck_assert_str_eq(peer.order, "next=PONG ");
}
END_TEST

START_TEST(freed_link_calls_nobody)
{
    peer_start(5000);
    peer.answer_to_ping = NULL;
    peer_ping("a");
    peer.link = link_free(peer.link);
    run_for_ms(peer.base, 20);
    ck_assert_int_eq(peer.replies + peer.losses, 0);
    ck_assert_int_eq(peer.downs, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link");
    TCase *tcase = tcase_create("link");

    event_set_mem_functions(perhaps_malloc, realloc, free);
    tcase_add_checked_fixture(tcase, peer_begin, peer_end);
    tcase_add_test(tcase, commands_are_answered_in_their_order);
    tcase_add_loop_test(tcase, stream_that_cannot_be_followed_is_closed, 0,
                        sizeof broken_streams / sizeof broken_streams[0]);
    tcase_add_test(tcase, reply_may_come_byte_by_byte);
    tcase_add_test(tcase, silence_beyond_the_deadline_closes_the_connection);
    tcase_add_test(tcase, lost_connection_tells_each_command_once_and_is_made_again);
    tcase_add_test(tcase, connection_may_be_dropped_from_a_reply);
    tcase_add_test(tcase, nothing_is_sent_without_a_connection);
    tcase_add_test(tcase, long_command_stays_whole_and_before_the_next);
    tcase_add_test(tcase, command_that_is_cut_ends_the_connection);
    tcase_add_test(tcase, freed_link_calls_nobody);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
