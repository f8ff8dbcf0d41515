/* test_http_server.c - what a request meets where memory is short; the rest is in
 * tests/system/test_metrics.py. */
#include "app/http_server.h"
#include "run_tests.h"

#include <arpa/inet.h>
#include <check.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_BYTES 6000

static size_t largest_allocation = SIZE_MAX;

static void *allocate(size_t bytes)
{
    return bytes > largest_allocation ? NULL : malloc(bytes);
}

static void *reallocate(void *memory, size_t bytes)
{
    return bytes > largest_allocation ? NULL : realloc(memory, bytes);
}

static int on_get(const char *path, struct buffer *body, void *user)
{
    (void)user;
    buffer_append_str(body, path);
    return 200;
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* A piece at a time, so that it lies in several pieces in the server, too. */
static void send_request(struct event_base *base, int fd)
{
    char request[REQUEST_BYTES];

    memset(request, 'x', sizeof request);
    memcpy(request, "GET /page HTTP/1.1\r\nX: ", 23);
    memcpy(request + sizeof request - 4, "\r\n\r\n", 4);
    for (size_t at = 0; at < sizeof request; at += sizeof request / 3) {
        ck_assert_int_eq(send(fd, request + at, sizeof request / 3, 0), sizeof request / 3);
        for (int turn = 0; turn < 20; turn++)
            event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

START_TEST(a_request_in_pieces_is_answered_where_memory_is_short)
{
    struct event_base *base = event_base_new();
    struct http_server *server = http_server_new(base, on_get, NULL);
    struct listen_address address = {.family = LISTEN_IPV4, .port = free_port()};
    char answer[1024];
    ssize_t len = -1;

    http_server_listen(server, &address, "here");
    int fd = connect_to(address.port);
    largest_allocation = REQUEST_BYTES - 1;
    send_request(base, fd);
    while (len < 0) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        len = recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
    }
    answer[len] = '\0';
    ck_assert_msg(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", answer);
    close(fd);
    http_server_free(server);
    event_base_free(base);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_server");
    TCase *tcase = tcase_create("http_server");
    event_set_mem_functions(allocate, reallocate, free); /* before anything else of libevent */
    tcase_add_test(tcase, a_request_in_pieces_is_answered_where_memory_is_short);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
