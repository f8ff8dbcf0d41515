/* test_link_connect.c - how a connection to Redis comes about, and why it does not. */
#include "support_link.h"

#include "base/clock.h"
#include "run_tests.h"

#include <check.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(greeting_names_itself_and_nothing_else_by_default)
{
    peer_start(5000);
    ck_assert_str_eq(peer.greeting, "CLIENT SETNAME authlinkd-test;");
}
END_TEST

START_TEST(greeting_gives_user_password_and_database_first)
{
    struct link_address address = fake_redis_address(peer.fake);

    snprintf(address.user, sizeof address.user, "worker");
    address.db = 3;
    peer.password = "pass word";
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_up);
    ck_assert_str_eq(peer.greeting,
                     "AUTH worker pass word;SELECT 3;CLIENT SETNAME authlinkd-test;");
}
END_TEST

START_TEST(refused_password_ends_the_connection_and_is_not_tried_again_at_once)
{
    struct link_address address = fake_redis_address(peer.fake);

    peer.password = "wrong";
    peer.answer_to_auth = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    ck_assert(!link_is_up(peer.link));
    ck_assert_ptr_nonnull(strstr(peer.why, "WRONGPASS"));
    ck_assert_ptr_null(strstr(peer.why, "wrong\""));
    run_for_ms(peer.base, 300); /* thirty times the shortest back-off */
    ck_assert_int_eq(peer.passwords_asked, 1);
    ck_assert_int_eq(fake_redis_connections(peer.fake), 1);
}
END_TEST

START_TEST(refused_password_is_tried_again_at_once_when_it_was_mended)
{
    struct link_address address = fake_redis_address(peer.fake);

    peer.password = "wrong";
    peer.answer_to_auth = "-WRONGPASS no\r\n";
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    peer.answer_to_auth = "+OK\r\n";
    link_hurry(peer.link);
    run_until(peer.base, &peer.is_up);
    link_hurry(peer.link); /* nothing to hurry */
    ck_assert(link_is_up(peer.link));
}
END_TEST

START_TEST(password_that_cannot_be_read_is_a_reason_to_be_down)
{
    struct link_address address = fake_redis_address(peer.fake);

    peer.has_no_password = true;
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    ck_assert_ptr_nonnull(strstr(peer.why, "password"));
    ck_assert_str_eq(peer.greeting, "");
    peer.has_no_password = false; /* asked for afresh every time */
    run_until(peer.base, &peer.is_up);
}
END_TEST

START_TEST(server_that_sends_away_at_the_greeting_is_left)
{
    struct link_address address = fake_redis_address(peer.fake);

    peer.password = "any";
    peer.answer_to_auth = "-DENIED Redis is running in protected mode\r\n";
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    ck_assert_int_eq(peer.ups, 0);
    ck_assert_ptr_nonnull(strstr(peer.why, "DENIED"));
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

    peer.is_dropped_again = true;
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    run_for_ms(peer.base, 300);
    ck_assert_msg(peer.downs == 1, "%d times, at last: %s", peer.downs, peer.why);
    ck_assert_int_eq(peer.ups, 0);
    close(fd);
}
END_TEST

START_TEST(another_reason_to_be_down_is_told)
{
    struct link_address address = fake_redis_address(peer.fake);

    peer.has_no_password = true;
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    peer.has_no_password = false;
    peer.password = "any";
    peer.answer_to_auth = "-WRONGPASS no\r\n";
    peer.is_down = false;
    run_until(peer.base, &peer.is_down);
    ck_assert_ptr_nonnull(strstr(peer.why, "WRONGPASS"));
    ck_assert_int_eq(peer.downs, 2);
}
END_TEST

static void add_hosts(const char *lines)
{
    char path[] = "/tmp/authlinkd-hosts-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, lines, strlen(lines)), (ssize_t)strlen(lines));
    close(fd);
    ck_assert_int_eq(evdns_base_load_hosts(peer.dns, path), 0);
    unlink(path);
}

START_TEST(second_address_of_a_name_is_tried_when_the_first_refuses)
{
    struct link_address address = {.host = "redis.test", .port = fake_redis_port(peer.fake)};

    add_hosts("127.0.0.2 redis.test\n127.0.0.1 redis.test\n");
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_up);
    ck_assert_int_eq(peer.downs, 0);
}
END_TEST

START_TEST(all_addresses_of_a_name_may_refuse)
{
    struct link_address address = {.host = "redis.test", .port = fake_redis_port(peer.fake)};

    add_hosts("127.0.0.2 redis.test\n127.0.0.3 redis.test\n");
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    ck_assert_ptr_nonnull(strstr(peer.why, "refused"));
}
END_TEST

START_TEST(name_that_cannot_be_resolved_does_not_stop_the_loop)
{
    struct link_address address = {.host = "nowhere.invalid", .port = 6379};
    int64_t began_us = clock_mono_us();

    peer_start_link(&address, 200);
    run_for_ms(peer.base, 1);
    ck_assert_int_lt(clock_mono_us() - began_us, 5 * US_PER_SEC);
    run_until(peer.base, &peer.is_down);
    peer.link = link_free(peer.link); /* also while a name is looked up */
}
END_TEST

START_TEST(unix_socket_that_is_not_there_is_a_reason_to_be_down)
{
    struct link_address address = {.unix_path = "/nonexistent/redis.sock"};

    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    ck_assert_ptr_nonnull(strstr(peer.why, "/nonexistent/redis.sock"));
}
END_TEST

static void check_real(const struct link_address *address)
{
    peer.password = "";
    peer_start_link(address, 5000);
    run_until(peer.base, &peer.is_up);
    peer_ping("real");
    peer_wait_for_answers(1);
    ck_assert_str_eq(peer.order, "real=PONG ");
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
    peer.password = "not it";
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    ck_assert_ptr_nonnull(strstr(peer.why, "WRONGPASS"));
    ck_assert_ptr_null(strstr(peer.why, "not it"));
    link_free(peer.link);
    peer.password = "secret";
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_up);
    freeReplyObject(redis_ask("ACL DELUSER worker"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link_connect");
    TCase *fake = tcase_create("against a server that misbehaves");
    TCase *real = tcase_create("against a real server");

    tcase_add_checked_fixture(fake, peer_begin, peer_end);
    tcase_add_test(fake, greeting_names_itself_and_nothing_else_by_default);
    tcase_add_test(fake, greeting_gives_user_password_and_database_first);
    tcase_add_test(fake, refused_password_ends_the_connection_and_is_not_tried_again_at_once);
    tcase_add_test(fake, refused_password_is_tried_again_at_once_when_it_was_mended);
    tcase_add_test(fake, password_that_cannot_be_read_is_a_reason_to_be_down);
    tcase_add_test(fake, server_that_sends_away_at_the_greeting_is_left);
    tcase_add_test(fake, reason_to_be_down_is_told_once_while_it_stays_the_same);
    tcase_add_test(fake, another_reason_to_be_down_is_told);
    tcase_add_test(fake, second_address_of_a_name_is_tried_when_the_first_refuses);
    tcase_add_test(fake, all_addresses_of_a_name_may_refuse);
    tcase_add_test(fake, name_that_cannot_be_resolved_does_not_stop_the_loop);
    tcase_add_test(fake, unix_socket_that_is_not_there_is_a_reason_to_be_down);
    tcase_set_timeout(fake, 60);
    suite_add_tcase(suite, fake);

    tcase_add_unchecked_fixture(real, redis_begin, redis_end);
    tcase_add_checked_fixture(real, peer_begin, peer_end);
    tcase_add_test(real, real_server_is_reached_by_unix_socket);
    tcase_add_test(real, real_server_is_reached_by_tcp);
    tcase_add_test(real, real_server_wants_its_user_and_password);
    tcase_set_timeout(real, 60);
    suite_add_tcase(suite, real);
    return run_tests(suite);
}
