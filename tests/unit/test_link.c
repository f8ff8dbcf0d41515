/* test_link.c - the connection to Redis, against a server that misbehaves and against a real one.
 */
#include "base/clock.h"
#include "queue/link.h"
#include "support_redis.h"

#include <check.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PINGS_MAX 8

static struct {
    struct event_base *base;
    struct evdns_base *dns;
    struct fake_redis *fake;
    struct link *link;
    const char *answer_to_ping; /* NULL: silence */
    const char *answer_to_auth;
    char greeting[256]; /* the words before the first PING */
    const char *password;
    bool has_no_password;
    bool is_up;
    bool is_down;
    int ups, downs;
    int passwords_asked;
    char why[200];
    int replies, losses; /* of PINGs */
    char order[PINGS_MAX * 8];
} test;

static const char *on_command(size_t count, const redisReply *const *words, void *user)
{
    (void)user;
    if (strcmp(words[0]->str, "PING") == 0)
        return test.answer_to_ping;
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(test.greeting);
        snprintf(test.greeting + used, sizeof test.greeting - used, "%s%s", words[i]->str,
                 i + 1 < count ? " " : ";");
    }
    return strcmp(words[0]->str, "AUTH") == 0 ? test.answer_to_auth : "+OK\r\n";
}

static void on_up(void *user)
{
    (void)user;
    test.is_up = true;
    test.is_down = false;
    test.ups++;
}

static void on_down(const char *why, void *user)
{
    (void)user;
    test.is_up = false;
    test.is_down = true;
    test.downs++;
    snprintf(test.why, sizeof test.why, "%s", why);
}

static bool on_password_wanted(char *target, size_t size, void *user)
{
    (void)user;
    test.passwords_asked++;
    snprintf(target, size, "%s", test.password);
    return !test.has_no_password;
}

static void on_pong(const redisReply *reply, void *user)
{
    size_t used = strlen(test.order);

    if (reply == NULL) {
        test.losses++;
        return;
    }
    test.replies++;
    snprintf(test.order + used, sizeof test.order - used, "%s=%.20s ", (const char *)user,
             reply->str != NULL ? reply->str : "?");
}

static struct link_times times_of(int64_t command_timeout_ms)
{
    struct link_times times = {.command_timeout_us = command_timeout_ms * US_PER_MS,
                               .reconnect_min_us = 10 * US_PER_MS,
                               .reconnect_max_us = 100 * US_PER_MS};

    return times;
}

static const struct link_callbacks callbacks = {
    .on_up = on_up, .on_down = on_down, .on_password_wanted = on_password_wanted};

static void start_link(const struct link_address *address, int64_t command_timeout_ms)
{
    struct link_times times = times_of(command_timeout_ms);

    test.link = link_new(test.base, test.dns, "authlinkd-test", address, &times, &callbacks, NULL);
    ck_assert_ptr_nonnull(test.link);
    link_start(test.link);
}

static void begin(void)
{
    memset(&test, 0, sizeof test);
    test.base = event_base_new();
    test.dns = evdns_base_new(test.base, 0);
    test.fake = fake_redis_new(test.base, on_command, NULL);
    test.answer_to_ping = "+PONG\r\n";
    test.answer_to_auth = "+OK\r\n";
    test.password = "";
}

static void end(void)
{
    link_free(test.link);
    fake_redis_free(test.fake);
    evdns_base_free(test.dns, 0);
    event_base_free(test.base);
}

static void start_with_fake(int64_t command_timeout_ms)
{
    struct link_address address = fake_redis_address(test.fake);

    start_link(&address, command_timeout_ms);
    run_until(test.base, &test.is_up);
}

static void ping(const char *name)
{
    const char *words[] = {"PING"};
    const size_t lens[] = {4};
    char *label;

    memcpy(&label, &name, sizeof label); /* lent to on_pong, which only reads it */
    ck_assert_int_eq(link_command(test.link, 1, words, lens, on_pong, label), RESULT_OK);
}

static bool has_all_answers(void *user)
{
    return test.replies + test.losses == *(const int *)user;
}

static void wait_for_answers(int count)
{
    run_until_true(test.base, has_all_answers, &count);
}

START_TEST(commands_are_answered_in_their_order)
{
    static const char answers[] = "+1\r\n$1\r\n2\r\n-ERR 3\r\n";

    start_with_fake(5000);
    test.answer_to_ping = NULL;
    ping("a");
    ping("b");
    ping("c");
    while (fake_redis_commands(test.fake) < 4) /* with CLIENT SETNAME */
        run_for_ms(test.base, 1);
    fake_redis_say(test.fake, answers, strlen(answers));
    wait_for_answers(3);
    ck_assert_str_eq(test.order, "a=1 b=2 c=ERR 3 ");
}
END_TEST

START_TEST(greeting_names_itself_and_nothing_else_by_default)
{
    start_with_fake(5000);
    ck_assert_str_eq(test.greeting, "CLIENT SETNAME authlinkd-test;");
}
END_TEST

START_TEST(greeting_gives_user_password_and_database_first)
{
    struct link_address address = fake_redis_address(test.fake);

    snprintf(address.user, sizeof address.user, "worker");
    address.db = 3;
    test.password = "pass word";
    start_link(&address, 5000);
    run_until(test.base, &test.is_up);
    ck_assert_str_eq(test.greeting,
                     "AUTH worker pass word;SELECT 3;CLIENT SETNAME authlinkd-test;");
}
END_TEST

START_TEST(refused_password_ends_the_connection_and_is_not_tried_again_at_once)
{
    struct link_address address = fake_redis_address(test.fake);

    test.password = "wrong";
    test.answer_to_auth = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    start_link(&address, 5000);
    run_until(test.base, &test.is_down);
    ck_assert(!link_is_up(test.link));
    ck_assert_ptr_nonnull(strstr(test.why, "WRONGPASS"));
    ck_assert_ptr_null(strstr(test.why, "wrong\""));
    run_for_ms(test.base, 300); /* thirty times the shortest back-off */
    ck_assert_int_eq(test.passwords_asked, 1);
    ck_assert_int_eq(fake_redis_connections(test.fake), 1);
}
END_TEST

START_TEST(refused_password_is_tried_again_at_once_when_it_was_mended)
{
    struct link_address address = fake_redis_address(test.fake);

    test.password = "wrong";
    test.answer_to_auth = "-WRONGPASS no\r\n";
    start_link(&address, 5000);
    run_until(test.base, &test.is_down);
    test.answer_to_auth = "+OK\r\n";
    link_hurry(test.link);
    run_until(test.base, &test.is_up);
    link_hurry(test.link); /* nothing to hurry */
    ck_assert(link_is_up(test.link));
}
END_TEST

START_TEST(password_that_cannot_be_read_is_a_reason_to_be_down)
{
    struct link_address address = fake_redis_address(test.fake);

    test.has_no_password = true;
    start_link(&address, 5000);
    run_until(test.base, &test.is_down);
    ck_assert_ptr_nonnull(strstr(test.why, "password"));
    ck_assert_str_eq(test.greeting, "");
    test.has_no_password = false; /* asked for afresh every time */
    run_until(test.base, &test.is_up);
}
END_TEST

START_TEST(server_that_sends_away_at_the_greeting_is_left)
{
    struct link_address address = fake_redis_address(test.fake);

    test.password = "any";
    test.answer_to_auth = "-DENIED Redis is running in protected mode\r\n";
    start_link(&address, 5000);
    run_until(test.base, &test.is_down);
    ck_assert_int_eq(test.ups, 0);
    ck_assert_ptr_nonnull(strstr(test.why, "DENIED"));
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
    start_with_fake(60000); /* not by the deadline */
    test.answer_to_ping = NULL;
    ping("a");
    while (fake_redis_commands(test.fake) < 2)
        run_for_ms(test.base, 1);
    fake_redis_say(test.fake, broken_streams[_i].bytes, strlen(broken_streams[_i].bytes));
    fake_redis_say(test.fake, padding, broken_streams[_i].padding);
    run_until(test.base, &test.is_down);
    ck_assert_msg(test.replies + test.losses == 1, "%s: %d replies, %d losses",
                  broken_streams[_i].name, test.replies, test.losses);
    run_until(test.base, &test.is_up); /* and made again */
}
END_TEST

START_TEST(reply_may_come_byte_by_byte)
{
    static const char bytes[] = "$5\r\nhello\r\n";

    start_with_fake(5000);
    test.answer_to_ping = NULL;
    ping("a");
    while (fake_redis_commands(test.fake) < 2)
        run_for_ms(test.base, 1);
    for (size_t i = 0; i < sizeof bytes - 1; i++) {
        ck_assert_int_eq(test.replies, 0);
        fake_redis_say(test.fake, bytes + i, 1);
        run_for_ms(test.base, 2);
    }
    wait_for_answers(1);
    ck_assert_str_eq(test.order, "a=hello ");
}
END_TEST

START_TEST(silence_beyond_the_deadline_closes_the_connection)
{
    start_with_fake(150);
    test.answer_to_ping = NULL;
    ping("a");
    ping("b");
    wait_for_answers(2);
    ck_assert_int_eq(test.losses, 2);
    ck_assert_ptr_nonnull(strstr(test.why, "in time"));
    run_until(test.base, &test.is_up);
    ck_assert_int_eq(fake_redis_connections(test.fake), 2);
}
END_TEST

START_TEST(lost_connection_tells_each_command_once_and_is_made_again)
{
    start_with_fake(5000);
    test.answer_to_ping = NULL;
    ping("a");
    ping("b");
    while (fake_redis_commands(test.fake) < 3)
        run_for_ms(test.base, 1);
    fake_redis_hang_up(test.fake);
    run_until(test.base, &test.is_down);
    ck_assert_int_eq(test.losses, 2);
    run_until(test.base, &test.is_up);
    ck_assert_int_eq(test.losses, 2);
    ck_assert_int_eq(test.downs, 1);
    test.answer_to_ping = "+PONG\r\n";
    ping("c");
    wait_for_answers(3);
    ck_assert_str_eq(test.order, "c=PONG ");
}
END_TEST

static void drop_on_reply(const redisReply *reply, void *user)
{
    (void)user;
    if (reply != NULL)
        link_drop(test.link, "enough");
}

START_TEST(connection_may_be_dropped_from_a_reply)
{
    const char *words[] = {"PING"};
    const size_t lens[] = {4};

    start_with_fake(5000);
    ck_assert_int_eq(link_command(test.link, 1, words, lens, drop_on_reply, NULL), RESULT_OK);
    ping("behind");
    run_until(test.base, &test.is_down);
    ck_assert_str_eq(test.why, "enough");
    ck_assert_int_eq(test.losses, 1);
    run_until(test.base, &test.is_up);
}
END_TEST

START_TEST(nothing_is_sent_without_a_connection)
{
    const char *words[] = {"PING"};
    const size_t lens[] = {4};
    struct link_address address = fake_redis_address(test.fake);

    start_link(&address, 5000);
    ck_assert_int_eq(link_command(test.link, 1, words, lens, on_pong, NULL), RESULT_DISCONNECTED);
    run_until(test.base, &test.is_up);
    fake_redis_hang_up(test.fake);
    run_until(test.base, &test.is_down);
    ck_assert_int_eq(link_command(test.link, 1, words, lens, on_pong, NULL), RESULT_DISCONNECTED);
    ck_assert_int_eq(test.losses, 0);
}
END_TEST

START_TEST(freed_link_calls_nobody)
{
    start_with_fake(5000);
    test.answer_to_ping = NULL;
    ping("a");
    test.link = link_free(test.link);
    run_for_ms(test.base, 20);
    ck_assert_int_eq(test.replies + test.losses, 0);
    ck_assert_int_eq(test.downs, 0);
}
END_TEST

/* A port of 127.0.0.1 that is taken, and where nobody listens. */
static int take_deaf_port(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

START_TEST(reason_to_be_down_is_told_once_while_it_stays_the_same)
{
    struct link_address address = {.host = "127.0.0.1"};
    int fd = take_deaf_port(&address.port);

    start_link(&address, 5000);
    run_until(test.base, &test.is_down);
    run_for_ms(test.base, 300);
    ck_assert_int_eq(test.downs, 1);
    ck_assert_int_eq(test.ups, 0);
    link_drop(test.link, "while it waits: nothing");
    ck_assert_int_eq(test.downs, 1);
    close(fd);
}
END_TEST

START_TEST(another_reason_to_be_down_is_told)
{
    struct link_address address = fake_redis_address(test.fake);

    test.has_no_password = true;
    start_link(&address, 5000);
    run_until(test.base, &test.is_down);
    test.has_no_password = false;
    test.password = "any";
    test.answer_to_auth = "-WRONGPASS no\r\n";
    test.is_down = false;
    run_until(test.base, &test.is_down);
    ck_assert_ptr_nonnull(strstr(test.why, "WRONGPASS"));
    ck_assert_int_eq(test.downs, 2);
}
END_TEST

static void add_hosts(const char *lines)
{
    char path[] = "/tmp/authlinkd-hosts-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, lines, strlen(lines)), (ssize_t)strlen(lines));
    close(fd);
    ck_assert_int_eq(evdns_base_load_hosts(test.dns, path), 0);
    unlink(path);
}

START_TEST(second_address_of_a_name_is_tried_when_the_first_refuses)
{
    struct link_address address = {.host = "redis.test", .port = fake_redis_port(test.fake)};

    add_hosts("127.0.0.2 redis.test\n127.0.0.1 redis.test\n");
    start_link(&address, 5000);
    run_until(test.base, &test.is_up);
    ck_assert_int_eq(test.downs, 0);
}
END_TEST

START_TEST(all_addresses_of_a_name_may_refuse)
{
    struct link_address address = {.host = "redis.test", .port = fake_redis_port(test.fake)};

    add_hosts("127.0.0.2 redis.test\n127.0.0.3 redis.test\n");
    start_link(&address, 5000);
    run_until(test.base, &test.is_down);
    ck_assert_ptr_nonnull(strstr(test.why, "refused"));
}
END_TEST

START_TEST(name_that_cannot_be_resolved_does_not_stop_the_loop)
{
    struct link_address address = {.host = "nowhere.invalid", .port = 6379};
    int64_t began_us = clock_mono_us();

    start_link(&address, 200);
    run_for_ms(test.base, 1);
    ck_assert_int_lt(clock_mono_us() - began_us, 5 * US_PER_SEC);
    run_until(test.base, &test.is_down);
    test.link = link_free(test.link); /* also while a name is looked up */
}
END_TEST

START_TEST(unix_socket_that_is_not_there_is_a_reason_to_be_down)
{
    struct link_address address = {.unix_path = "/nonexistent/redis.sock"};

    start_link(&address, 5000);
    run_until(test.base, &test.is_down);
    ck_assert_ptr_nonnull(strstr(test.why, "/nonexistent/redis.sock"));
}
END_TEST

static void check_real(const struct link_address *address)
{
    test.password = "";
    start_link(address, 5000);
    run_until(test.base, &test.is_up);
    ping("real");
    wait_for_answers(1);
    ck_assert_str_eq(test.order, "real=PONG ");
}

START_TEST(real_server_is_reached_by_unix_socket)
{
    struct link_address address = redis_address();

    check_real(&address);
}
END_TEST

START_TEST(real_server_is_reached_by_tcp)
{
    struct link_address address = {.host = "127.0.0.1", .port = redis_port(), .db = 2};
    char list[4096];

    check_real(&address);
    redis_ask_text("CLIENT LIST", list, sizeof list);
    ck_assert_ptr_nonnull(strstr(list, "name=authlinkd-test"));
    ck_assert_ptr_nonnull(strstr(list, "db=2"));
}
END_TEST

START_TEST(real_server_wants_its_user_and_password)
{
    struct link_address address = redis_address();

    freeReplyObject(redis_ask("ACL SETUSER worker on >secret ~* +@all"));
    snprintf(address.user, sizeof address.user, "worker");
    test.password = "not it";
    start_link(&address, 5000);
    run_until(test.base, &test.is_down);
    ck_assert_ptr_nonnull(strstr(test.why, "WRONGPASS"));
    ck_assert_ptr_null(strstr(test.why, "not it"));
    link_free(test.link);
    test.password = "secret";
    start_link(&address, 5000);
    run_until(test.base, &test.is_up);
    freeReplyObject(redis_ask("ACL DELUSER worker"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link");
    TCase *fake = tcase_create("against a server that misbehaves");
    TCase *real = tcase_create("against a real server");

    tcase_add_checked_fixture(fake, begin, end);
    tcase_add_test(fake, commands_are_answered_in_their_order);
    tcase_add_test(fake, greeting_names_itself_and_nothing_else_by_default);
    tcase_add_test(fake, greeting_gives_user_password_and_database_first);
    tcase_add_test(fake, refused_password_ends_the_connection_and_is_not_tried_again_at_once);
    tcase_add_test(fake, refused_password_is_tried_again_at_once_when_it_was_mended);
    tcase_add_test(fake, password_that_cannot_be_read_is_a_reason_to_be_down);
    tcase_add_test(fake, server_that_sends_away_at_the_greeting_is_left);
    tcase_add_loop_test(fake, stream_that_cannot_be_followed_is_closed, 0,
                        sizeof broken_streams / sizeof broken_streams[0]);
    tcase_add_test(fake, reply_may_come_byte_by_byte);
    tcase_add_test(fake, silence_beyond_the_deadline_closes_the_connection);
    tcase_add_test(fake, lost_connection_tells_each_command_once_and_is_made_again);
    tcase_add_test(fake, connection_may_be_dropped_from_a_reply);
    tcase_add_test(fake, nothing_is_sent_without_a_connection);
    tcase_add_test(fake, freed_link_calls_nobody);
    tcase_add_test(fake, reason_to_be_down_is_told_once_while_it_stays_the_same);
    tcase_add_test(fake, another_reason_to_be_down_is_told);
    tcase_add_test(fake, second_address_of_a_name_is_tried_when_the_first_refuses);
    tcase_add_test(fake, all_addresses_of_a_name_may_refuse);
    tcase_add_test(fake, name_that_cannot_be_resolved_does_not_stop_the_loop);
    tcase_add_test(fake, unix_socket_that_is_not_there_is_a_reason_to_be_down);
    tcase_set_timeout(fake, 60);
    suite_add_tcase(suite, fake);

    tcase_add_unchecked_fixture(real, redis_begin, redis_end);
    tcase_add_checked_fixture(real, begin, end);
    tcase_add_test(real, real_server_is_reached_by_unix_socket);
    tcase_add_test(real, real_server_is_reached_by_tcp);
    tcase_add_test(real, real_server_wants_its_user_and_password);
    tcase_set_timeout(real, 60);
    suite_add_tcase(suite, real);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
