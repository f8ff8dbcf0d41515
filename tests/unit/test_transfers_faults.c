/* test_transfers_faults.c - what a peer may do with a request that it has read. */
#include "conductor/transfers.h"
#include "run_tests.h"

#include "support_client.h"
#include "support_http.h"

#include <check.h>
#include <string.h>

#define SHORT_MS 300
#define LONG_MS  30000

/* What a server does with the one request of a row. */
struct reaction {
    const char *name;
    const char *bytes; /* written first */
    enum { THEN_CLOSE, THEN_RESET, THEN_WAIT, THEN_FLOOD, THEN_GO_ON } then;
    enum answer_state state;
    int http_status;
    const char *tells; /* in the failure, or in the body */
};

static const struct reaction reactions[] = {
    {"closes", "", THEN_CLOSE, ANSWER_BROKEN, 0, "no whole answer from 127.0.0.1"},
    {"resets", "", THEN_RESET, ANSWER_BROKEN, 0, "no whole answer"},
    {"closes in the status", "HTTP/1.1 20", THEN_CLOSE, ANSWER_BROKEN, 0, "no whole answer"},
    {"closes in the header", "HTTP/1.1 200 OK\r\nContent-Le", THEN_CLOSE, ANSWER_BROKEN, 0, ""},
    {"closes in the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", THEN_CLOSE,
     ANSWER_BROKEN, 0, "no whole answer"},
    {"resets in the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", THEN_RESET,
     ANSWER_BROKEN, 0, "no whole answer"},
    {"closes between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
     THEN_CLOSE, ANSWER_BROKEN, 0, "no whole answer"},
    {"speaks no HTTP", "220 smtp ready\r\n", THEN_CLOSE, ANSWER_BROKEN, 0, ""},
    {"stalls", "", THEN_WAIT, ANSWER_BROKEN, 0, "timed out"},
    {"stalls in the header", "HTTP/1.1 200 OK\r\n", THEN_WAIT, ANSWER_BROKEN, 0, "timed out"},
    {"stalls in the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", THEN_WAIT,
     ANSWER_BROKEN, 0, "timed out"},
    {"sends a body without end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     THEN_FLOOD, ANSWER_BROKEN, 0, "longer than 64 KiB"},
    {"sends a header without end", "HTTP/1.1 200 OK\r\n", THEN_FLOOD, ANSWER_BROKEN, 0,
     "headers of the answer are too many"},
    {"answers in chunks",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
     THEN_GO_ON, ANSWER_WHOLE, 200, "abc"},
    {"answers until it closes", "HTTP/1.1 200 OK\r\n\r\nabc", THEN_CLOSE, ANSWER_WHOLE, 200, "abc"},
    {"answers in the end",
     "HTTP/1.1 103 Early Hints\r\nConductor-Request-Id: early\r\n\r\n"
     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
     THEN_GO_ON, ANSWER_WHOLE, 200, "abc"},
    {"sends trailers",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
     "Conductor-Request-Id: late\r\n\r\n",
     THEN_GO_ON, ANSWER_WHOLE, 200, "a"},
    {"has nothing to say", "HTTP/1.1 204 No Content\r\n\r\n", THEN_GO_ON, ANSWER_WHOLE, 204, ""},
    {"redirects", "HTTP/1.1 302 Found\r\nLocation: /v1/x\r\nContent-Length: 0\r\n\r\n", THEN_GO_ON,
     ANSWER_WHOLE, 302, ""},
    {"redirects the POST", "HTTP/1.1 307 X\r\nLocation: /v1/x\r\nContent-Length: 0\r\n\r\n",
     THEN_GO_ON, ANSWER_WHOLE, 307, ""},
    {"wants a name", "HTTP/1.1 401 X\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
     THEN_GO_ON, ANSWER_WHOLE, 401, ""},
    {"fails", "HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\nno", THEN_GO_ON, ANSWER_WHOLE, 500, "no"},
};

/* Five MiB in chunks of 16 KiB, or as many header lines. */
static void flood(struct http_connection *connection, bool is_of_headers)
{
    static char chunk[16384];

    memset(chunk, 'x', sizeof chunk);
    for (int i = 0; i < 320; i++) {
        if (is_of_headers) {
            http_write(connection, "X: y\r\n", 6);
        } else {
            http_write(connection, "4000\r\n", 6);
            http_write(connection, chunk, sizeof chunk);
            http_write(connection, "\r\n", 2);
        }
    }
    http_wait_for_end(connection);
}

static bool react(struct http_connection *connection, const struct http_request *request,
                  void *user)
{
    const struct reaction *reaction = user;

    (void)request;
    http_write(connection, reaction->bytes, strlen(reaction->bytes));
    switch (reaction->then) {
    case THEN_RESET:
        http_reset(connection);
        return false;
    case THEN_WAIT:
        http_wait_for_end(connection);
        return false;
    case THEN_FLOOD:
        flood(connection, strstr(reaction->bytes, "chunked") == NULL);
        return false;
    case THEN_CLOSE:
        return false;
    case THEN_GO_ON:
        break;
    }
    return true;
}

START_TEST(end_is_told_once_and_as_it_was)
{
    const struct reaction *reaction = &reactions[_i];
    char copy[sizeof *reaction];

    memcpy(copy, reaction, sizeof copy);
    struct http_server *server = http_server_start(react, copy, NULL);
    struct client client;

    client_init(&client, "http", "127.0.0.1", http_server_port(server), "",
                reaction->then == THEN_WAIT ? SHORT_MS : LONG_MS, 1);
    const struct client_end *end = client_do(&client, "{}");
    ck_assert_msg(end->state == reaction->state, "%s: %s", reaction->name, end->failure);
    ck_assert_msg(end->http_status == reaction->http_status, "%s: %d", reaction->name,
                  end->http_status);
    ck_assert_msg(strstr(end->state == ANSWER_WHOLE ? end->body : end->failure, reaction->tells),
                  "%s: %s%s", reaction->name, end->body, end->failure);
    ck_assert_str_eq(end->request_id, "");
    ck_assert_uint_le(end->body_len, TRANSFER_BODY_MAX_BYTES);
    ck_assert_int_eq(http_server_requests(server), 1);
    ck_assert_uint_eq(transfers_running(client.transfers), 0);
    http_server_stop(server);
    client_done(&client);
    ck_assert_int_eq(client.ended, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transfers_faults");
    TCase *tcase = tcase_create("transfers_faults");

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, end_is_told_once_and_as_it_was, 0,
                        sizeof reactions / sizeof reactions[0]);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
