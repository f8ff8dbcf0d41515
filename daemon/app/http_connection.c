/* http_connection.c - one request and its answer. */
#include "app/http_connection.h"

#include "app/request_line.h"
#include "base/clock.h"
#include "base/timer.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The request itself is among it. */
#define DRAINED_MAX_BYTES (4 * HTTP_REQUEST_MAX_BYTES)

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

/* What nobody need be told twice: version 0.0.4 is the text format of Prometheus. */
static void answer(struct http_connection *connection, int status, bool has_body)
{
    struct evbuffer *out = bufferevent_get_output(connection->stream);
    const struct buffer *body = &connection->body;

    connection->state = HTTP_ANSWERING;
    evbuffer_add_printf(out,
                        "HTTP/1.1 %d %s\r\n"
                        "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                        "Content-Length: %zu\r\n"
                        "Cache-Control: no-store\r\n"
                        "%s"
                        "Connection: close\r\n\r\n",
                        status, reason_of(status), body->len,
                        status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (has_body)
        evbuffer_add(out, buffer_text(body), body->len);
}

static void answer_short(struct http_connection *connection, int status)
{
    buffer_append_format(&connection->body, "%s\n", reason_of(status));
    answer(connection, status, true);
}

static void answer_request(struct http_connection *connection, const char *text, size_t len)
{
    struct request_line line;

    if (request_line_parse(text, len, &line) != RESULT_OK) {
        answer_short(connection, 400);
        return;
    }
    if (line.method == REQUEST_OTHER) {
        answer_short(connection, 405);
        return;
    }
    int status = connection->on_get(line.path, &connection->body, connection->user);
    if (connection->body.failed) {
        buffer_reset(&connection->body);
        answer_short(connection, 500);
        return;
    }
    answer(connection, status, line.method == REQUEST_GET);
}

/* The line that ends the head is empty; a lone LF will do (RFC 9112 section 2.2). */
static bool has_whole_head(struct evbuffer *in)
{
    return evbuffer_search(in, "\r\n\r\n", 4, NULL).pos >= 0 ||
           evbuffer_search(in, "\n\n", 2, NULL).pos >= 0;
}

static void read_request(struct http_connection *connection)
{
    struct evbuffer *in = bufferevent_get_input(connection->stream);
    char text[HTTP_REQUEST_MAX_BYTES];

    if (has_whole_head(in)) /* copied: to pull it up takes memory, which may be short */
        answer_request(connection, text, (size_t)evbuffer_copyout(in, text, sizeof text));
    else if (evbuffer_get_length(in) >= HTTP_REQUEST_MAX_BYTES)
        answer_short(connection, 431);
}

/* What comes behind a request is of no use; who sends much of it is cut off. */
static void drain(struct http_connection *connection)
{
    struct evbuffer *in = bufferevent_get_input(connection->stream);
    size_t len = evbuffer_get_length(in);

    evbuffer_drain(in, len);
    connection->drained_bytes += len;
    if (connection->drained_bytes > DRAINED_MAX_BYTES)
        http_connection_end(connection);
}

static void on_readable(struct bufferevent *stream, void *user)
{
    struct http_connection *connection = user;

    (void)stream;
    if (connection->state == HTTP_READING)
        read_request(connection);
    if (connection->state != HTTP_READING)
        drain(connection);
}

static void on_written(struct bufferevent *stream, void *user)
{
    struct http_connection *connection = user;
    const struct evbuffer *out = bufferevent_get_output(stream);

    /* Comes for the empty beginning, too. */
    if (connection->state != HTTP_ANSWERING || evbuffer_get_length(out) > 0)
        return;
    connection->state = HTTP_CLOSING;
    shutdown(bufferevent_getfd(stream), SHUT_WR);
}

/* A peer that ends its side first still gets its answer. */
static void on_ended(struct bufferevent *stream, short what, void *user)
{
    struct http_connection *connection = user;

    (void)stream;
    if ((what & BEV_EVENT_ERROR) != 0 || connection->state != HTTP_ANSWERING)
        http_connection_end(connection);
}

static void on_deadline(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    http_connection_end(user);
}

enum result http_connection_init(struct http_connection *connection, struct event_base *base,
                                 http_server_on_get on_get, void *user)
{
    *connection = (struct http_connection){.on_get = on_get, .user = user};
    buffer_init(&connection->body, HTTP_BODY_MAX_BYTES);
    connection->deadline = evtimer_new(base, on_deadline, connection);
    return connection->deadline == NULL ? RESULT_NO_MEMORY : RESULT_OK;
}

void http_connection_done(struct http_connection *connection)
{
    if (connection->deadline == NULL)
        return; /* never begun: all zeros */
    http_connection_end(connection);
    event_free(connection->deadline);
    buffer_done(&connection->body);
}

void http_connection_begin(struct http_connection *connection, struct event_base *base, int fd)
{
    struct bufferevent *stream =
        bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);

    if (stream == NULL) {
        close(fd);
        return;
    }
    connection->stream = stream;
    connection->state = HTTP_READING;
    connection->began_us = clock_mono_us();
    connection->drained_bytes = 0;
    buffer_reset(&connection->body);
    bufferevent_setcb(stream, on_readable, on_written, on_ended, connection);
    /* What is not read yet stays in the kernel, which then stops the peer. */
    bufferevent_setwatermark(stream, EV_READ, 0, HTTP_REQUEST_MAX_BYTES);
    bufferevent_enable(stream, EV_READ | EV_WRITE);
    timer_arm(connection->deadline, HTTP_DEADLINE_US);
}

void http_connection_end(struct http_connection *connection)
{
    if (connection->stream == NULL)
        return;
    event_del(connection->deadline);
    bufferevent_free(connection->stream);
    connection->stream = NULL;
    connection->state = HTTP_FREE;
}
