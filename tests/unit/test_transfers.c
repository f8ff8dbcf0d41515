/* test_transfers.c - requests over the network of this machine, and what may befall them. */
#include "conductor/transfers.h"

#include "conductor/transfer_target.h"
#include "run_tests.h"
#include "support_client.h"
#include "support_http.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SHORT_MS 300
#define LONG_MS  30000

static void plain_client(struct client *client, const struct http_server *server,
                         int64_t timeout_ms)
{
    client_init(client, "http", "127.0.0.1", http_server_port(server), "", timeout_ms, 64);
}

static bool answer_ok(struct http_connection *connection, const struct http_request *request,
                      void *user)
{
    (void)user;
    http_answer(connection, 200, "Conductor-Request-Id: req_1\r\n", request->body);
    return true;
}

static bool keep_request(struct http_connection *connection, const struct http_request *request,
                         void *user)
{
    memcpy(user, request, sizeof *request);
    return answer_ok(connection, request, NULL);
}

static bool has_line(const struct http_request *request, const char *line)
{
    const char *at = strstr(request->head, line);

    return at != NULL && at >= request->head + 2 && memcmp(at - 2, "\r\n", 2) == 0 &&
           (at[strlen(line)] == '\r' || at[strlen(line)] == '\0');
}

START_TEST(request_on_the_wire_is_what_the_api_wants)
{
    static struct http_request request;
    struct http_server *server = http_server_start(keep_request, &request, NULL);
    char host[64];

    struct client client;

    plain_client(&client, server, LONG_MS);
    const struct client_end *end = client_do(&client, "{\"a\":1}");
    ck_assert_int_eq(end->state, ANSWER_WHOLE);
    ck_assert_int_eq(end->http_status, 200);
    ck_assert_str_eq(end->request_id, "req_1");
    ck_assert_str_eq(end->body, "{\"a\":1}");

    snprintf(host, sizeof host, "Host: 127.0.0.1:%d", http_server_port(server));
    http_server_stop(server);
    ck_assert(has_line(&request, host));
    ck_assert(strncmp(request.head, "POST /v1/auth-sessions HTTP/1.1\r\n", 33) == 0);
    ck_assert(has_line(&request, "Authorization: Bearer " CLIENT_SECRET_KEY));
    ck_assert(has_line(&request, "Content-Type: application/json"));
    ck_assert(has_line(&request, "Accept: application/json"));
    ck_assert(has_line(&request, "Content-Length: 7"));
    ck_assert(has_line(&request, "User-Agent: authlinkd/" AUTHLINKD_VERSION));
    ck_assert_str_eq(request.body, "{\"a\":1}");
    ck_assert_msg(strcasestr(request.head, "expect") == NULL, "%s", request.head);
    ck_assert_msg(strcasestr(request.head, "accept-encoding") == NULL, "%s", request.head);
    ck_assert_msg(strcasestr(request.head, "cookie") == NULL, "%s", request.head);
    client_done(&client);
}
END_TEST

static bool close_after_second(struct http_connection *connection,
                               const struct http_request *request, void *user)
{
    if (connection->requests == 2)
        return false;
    return answer_ok(connection, request, user);
}

START_TEST(post_on_a_connection_that_dies_is_not_sent_again)
{
    struct http_server *server = http_server_start(close_after_second, NULL, NULL);
    struct client client;

    plain_client(&client, server, LONG_MS);

    ck_assert_int_eq(client_do(&client, "1")->state, ANSWER_WHOLE);
    const struct client_end *end = client_do(&client, "2");
    ck_assert_int_eq(end->state, ANSWER_BROKEN);
    ck_assert_msg(strstr(end->failure, "may have taken") != NULL, "%s", end->failure);
    ck_assert_int_eq(http_server_requests(server), 2);
    ck_assert_int_eq(client_do(&client, "3")->state, ANSWER_WHOLE);
    ck_assert_int_eq(http_server_requests(server), 3);
    http_server_stop(server);
    client_done(&client);
}
END_TEST

START_TEST(refused_connection_is_unsent)
{
    struct client client;

    client_init(&client, "http", "127.0.0.1", http_unused_port(), "", LONG_MS, 1);
    const struct client_end *end = client_do(&client, "{}");
    ck_assert_int_eq(end->state, ANSWER_UNSENT);
    ck_assert_msg(strstr(end->failure, "no connection to 127.0.0.1") != NULL, "%s", end->failure);
    ck_assert_msg(strstr(end->failure, "base_url") != NULL, "%s", end->failure);
    client_done(&client);
}
END_TEST

START_TEST(unknown_host_is_unsent)
{
    struct client client;

    client_init(&client, "https", "no-such-host.invalid", 443, "", LONG_MS, 1);
    const struct client_end *end = client_do(&client, "{}");
    ck_assert_int_eq(end->state, ANSWER_UNSENT);
    ck_assert_msg(strstr(end->failure, "no connection to no-such-host.invalid") != NULL, "%s",
                  end->failure);
    client_done(&client);
}
END_TEST

/* Fills the queue of a listener that never accepts, so that further connections hang. */
static int fill_backlog(int *fds, int count, int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fds[0], (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(fds[0], 0), 0);
    ck_assert_int_eq(getsockname(fds[0], (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    for (int i = 1; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        int rc = connect(fds[i], (struct sockaddr *)&address, len);
        ck_assert(rc == 0 || errno == EINPROGRESS);
    }
    return count;
}

START_TEST(connection_that_never_comes_about_is_unsent_at_the_deadline)
{
    int fds[8];
    int port;
    int count = fill_backlog(fds, 8, &port);
    struct client client;

    client_init(&client, "http", "127.0.0.1", port, "", SHORT_MS, 1);
    const struct client_end *end = client_do(&client, "{}");
    ck_assert_int_eq(end->state, ANSWER_UNSENT);
    ck_assert_msg(strstr(end->failure, "timed out") != NULL, "%s", end->failure);
    client_done(&client);
    for (int i = 0; i < count; i++)
        close(fds[i]);
}
END_TEST

static void *reset_at_once(void *user)
{
    const int *listener = user;
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    int fd = accept(*listener, NULL, NULL);

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    return NULL;
}

START_TEST(connection_reset_before_anything_is_read_ends_once)
{
    struct client client;
    pthread_t thread;
    int port;
    int listener;

    fill_backlog(&listener, 1, &port);
    ck_assert_int_eq(pthread_create(&thread, NULL, reset_at_once, &listener), 0);
    client_init(&client, "http", "127.0.0.1", port, "", LONG_MS, 1);
    /* Whether bytes were out by then is the kernel's secret; that no answer came is none. */
    const struct client_end *end = client_do(&client, "{}");
    ck_assert_int_ne(end->state, ANSWER_WHOLE);
    ck_assert_int_eq(client.ended, 1);
    pthread_join(thread, NULL);
    close(listener);
    client_done(&client);
}
END_TEST

START_TEST(proxy_of_the_environment_is_not_used)
{
    struct http_server *server = http_server_start(answer_ok, NULL, NULL);
    char proxy[64];

    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", http_unused_port());
    setenv("http_proxy", proxy, 1);
    setenv("https_proxy", proxy, 1);
    setenv("ALL_PROXY", proxy, 1);
    struct client client;

    plain_client(&client, server, LONG_MS);
    ck_assert_int_eq(client_do(&client, "{}")->state, ANSWER_WHOLE);
    http_server_stop(server);
    client_done(&client);
}
END_TEST

START_TEST(key_with_a_line_end_is_refused)
{
    struct endpoint endpoint;
    const char *why;

    ck_assert_int_eq(endpoint_parse("https://api.example/v1", &endpoint, &why), RESULT_OK);
    ck_assert_ptr_null(transfer_target_new(&endpoint, "sk_1\r\nX: y", "", LONG_MS));
    ck_assert_ptr_null(transfer_target_new(&endpoint, "sk_1 x", "", LONG_MS));
    ck_assert_ptr_null(transfer_target_new(&endpoint, "", "", LONG_MS));
}
END_TEST

START_TEST(request_bears_the_key_of_its_target_and_a_retired_key_is_forgotten)
{
    static struct http_request request;
    struct http_server *server = http_server_start(keep_request, &request, NULL);
    struct client client;

    plain_client(&client, server, LONG_MS);
    struct transfer_target *first = client.target;
    struct transfer_target *second =
        transfer_target_new(&first->endpoint, "sk_conductor_second", "", LONG_MS);
    client_do(&client, "{}");
    client.target = second;
    client_do(&client, "{}");
    ck_assert(has_line(&request, "Authorization: Bearer sk_conductor_second"));
    client.target = first;
    client_do(&client, "{}");
    ck_assert(has_line(&request, "Authorization: Bearer " CLIENT_SECRET_KEY));

    ck_assert_uint_eq(first->references, 2); /* ours, and that of the handle that waits */
    transfers_retire_target(client.transfers, first);
    ck_assert_uint_eq(first->references, 1);
    client_do(&client, "{}"); /* one that began before it was retired, as it were */
    ck_assert_uint_eq(first->references, 1);
    transfer_target_release(second);
    http_server_stop(server);
    client_done(&client);
}
END_TEST

START_TEST(full_pool_takes_no_more_until_one_ends)
{
    struct http_server *server = http_server_start(answer_ok, NULL, NULL);
    struct client client;
    struct buffer body;

    client_init(&client, "http", "127.0.0.1", http_server_port(server), "", LONG_MS, 2);
    buffer_init(&body, 16);
    ck_assert_int_eq(buffer_append_str(&body, "{}"), RESULT_OK);
    client_start(&client, "{}", 1);
    client_start(&client, "{}", 2);
    ck_assert_int_eq(transfers_start(client.transfers, client.target, &body, NULL), RESULT_FULL);
    ck_assert_uint_eq(transfers_running(client.transfers), 2);
    client_run_until(&client, 1);
    client_start(&client, "{}", 3);
    client_run_until(&client, 3);
    buffer_done(&body);
    http_server_stop(server);
    client_done(&client);
}
END_TEST

static bool wait_for_end(struct http_connection *connection, const struct http_request *request,
                         void *user)
{
    (void)request;
    (void)user;
    http_wait_for_end(connection);
    return false;
}

START_TEST(free_drops_what_runs_without_a_call)
{
    struct http_server *server = http_server_start(wait_for_end, NULL, NULL);
    struct client client;

    plain_client(&client, server, LONG_MS);

    for (int i = 0; i < 8; i++)
        client_start(&client, "{}", i);
    while (http_server_requests(server) < 8)
        event_base_loop(client.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    client_done(&client);
    ck_assert_int_eq(client.ended, 0);
    http_server_stop(server);
}
END_TEST

static bool answer_and_close(struct http_connection *connection, const struct http_request *request,
                             void *user)
{
    answer_ok(connection, request, user);
    return false;
}

START_TEST(idle_connection_that_its_peer_closes_is_watched_no_longer)
{
    struct http_server *server = http_server_start(answer_and_close, NULL, NULL);
    struct client client;

    plain_client(&client, server, LONG_MS);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(client_do(&client, "{}")->http_status, 200);
        /* 1: nothing is watched any more, so nothing can turn the loop for ever. */
        while (event_base_loop(client.base, EVLOOP_ONCE) == 0)
            continue;
        ck_assert_int_eq(event_base_loop(client.base, EVLOOP_NONBLOCK), 1);
    }
    ck_assert_int_eq(http_server_requests(server), 3);
    client_done(&client);
    http_server_stop(server);
}
END_TEST

#define UNASKED "HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nstray"

/* Answers; on the first connection more than once, when the client is told to be idle. */
static bool answer_unasked(struct http_connection *connection, const struct http_request *request,
                           void *user)
{
    atomic_bool *is_idle = user;

    answer_ok(connection, request, NULL);
    if (connection->number > 1)
        return true;
    while (!atomic_load(is_idle))
        usleep(1000);
    for (int i = 0; i < 1000; i++)
        http_write(connection, UNASKED, strlen(UNASKED));
    return true;
}

START_TEST(answer_that_nobody_asked_for_is_not_that_of_the_next_request)
{
    atomic_bool is_idle = false;
    struct http_server *server = http_server_start(answer_unasked, &is_idle, NULL);
    struct client client;

    plain_client(&client, server, LONG_MS);
    ck_assert_int_eq(client_do(&client, "{}")->http_status, 200);
    atomic_store(&is_idle, true);
    while (event_base_loop(client.base, EVLOOP_ONCE) == 0) /* until nothing is watched any more */
        continue;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(client_do(&client, "{}")->http_status, 200);
    ck_assert_int_eq(http_server_requests(server), 4);
    client_done(&client);
    http_server_stop(server);
}
END_TEST

#define MANY      10000
#define IN_FLIGHT 64

static void start_one_more(struct client *client)
{
    ck_assert_int_eq(client->last.http_status, 200);
    if (client->started < MANY)
        client_start(client, "{\"n\":1}", client->started);
}

START_TEST(many_requests_share_few_connections)
{
    struct http_server *server = http_server_start(answer_ok, NULL, NULL);
    struct client client;

    plain_client(&client, server, LONG_MS);

    client.on_end = start_one_more;
    for (int i = 0; i < IN_FLIGHT; i++)
        client_start(&client, "{\"n\":1}", i);
    client_run_until(&client, MANY);
    ck_assert_int_eq(client.started, MANY);
    ck_assert_int_eq(http_server_requests(server), MANY);
    ck_assert_int_le(http_server_connections(server), IN_FLIGHT);
    http_server_stop(server);
    client_done(&client);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transfers");
    TCase *tcase = tcase_create("transfers");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, request_on_the_wire_is_what_the_api_wants);
    tcase_add_test(tcase, post_on_a_connection_that_dies_is_not_sent_again);
    tcase_add_test(tcase, refused_connection_is_unsent);
    tcase_add_test(tcase, unknown_host_is_unsent);
    tcase_add_test(tcase, connection_that_never_comes_about_is_unsent_at_the_deadline);
    tcase_add_test(tcase, connection_reset_before_anything_is_read_ends_once);
    tcase_add_test(tcase, proxy_of_the_environment_is_not_used);
    tcase_add_test(tcase, key_with_a_line_end_is_refused);
    tcase_add_test(tcase, request_bears_the_key_of_its_target_and_a_retired_key_is_forgotten);
    tcase_add_test(tcase, full_pool_takes_no_more_until_one_ends);
    tcase_add_test(tcase, free_drops_what_runs_without_a_call);
    tcase_add_test(tcase, idle_connection_that_its_peer_closes_is_watched_no_longer);
    tcase_add_test(tcase, answer_that_nobody_asked_for_is_not_that_of_the_next_request);
    tcase_add_test(tcase, many_requests_share_few_connections);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
