/* connection.c - one client. */
#include "connection.h"

#include "api.h"
#include "base/clock.h"
#include "control.h"
#include "delivery.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>

#define INPUT_MAX_BYTES (HTTP_HEAD_MAX_BYTES + CONTROL_BODY_MAX_BYTES + 65536)
#define WIRE_MAX_BYTES  (REPLY_MAX_BYTES + HTTP_HEAD_MAX_BYTES + 65536)
#define READ_BYTES      16384

void connection_stop(struct connection *connection)
{
    struct connection_host *host = connection->host;

    api_leave(host->fake, &connection->exchange, FATE_LEFT);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else if (host->first == connection)
        host->first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    host->fake->stats.open_connections--;
    if (connection->timer != NULL)
        event_free(connection->timer);
    bufferevent_free(connection->bev);
    buffer_done(&connection->input);
    buffer_done(&connection->wire);
    reply_done(&connection->exchange.reply);
    free(connection);
}

void connection_reset_socket(evutil_socket_t fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/* Every callback ends here: nothing is freed while it is still on the stack. */
static void leave_callback(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED)
        connection_stop(connection);
}

/* A request that is none: answered by HTTP alone, then the connection ends. */
static void refuse(struct connection *connection, int status)
{
    struct fake *fake = connection->host->fake;
    struct exchange *exchange = &connection->exchange;

    fake->stats.malformed++;
    connection->used = connection->input.len;
    reply_reset(&exchange->reply);
    fake_make_id(fake, "req_", 20, exchange->reply.request_id, sizeof exchange->reply.request_id);
    reply_set_html(&exchange->reply, status);
    exchange->form = (struct wire_form){.date_unix_ms = fake_clock_unix_ms(fake)};
    exchange->form.closes = true;
    exchange->delivery = (struct delivery){.cut_after_bytes = SIZE_MAX, .ending = ENDING_LINGERS};
    delivery_start(connection);
}

static void drop(struct connection *connection, enum fault_drop drop)
{
    if (drop == FAULT_DROP_STALL) {
        connection->state = CONNECTION_STALLED;
        return;
    }
    if (drop == FAULT_DROP_RST)
        connection_reset_socket(bufferevent_getfd(connection->bev));
    connection->state = CONNECTION_CLOSED;
}

/* What happens once for each request, as soon as its head is there. False: it goes no further. */
static bool meet_head(struct connection *connection)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct http_request *request = &connection->request;
    enum fault_drop fault = FAULT_DROP_NONE;

    if (connection->is_head_seen)
        return true;
    connection->is_head_seen = true;
    if (!control_is_for(request->path))
        fault = api_drop_at_head(connection->host->fake, request);
    if (fault != FAULT_DROP_NONE) {
        drop(connection, fault);
        return false;
    }
    if (request->expects_continue && connection->input.len == request->head_len)
        delivery_send(connection, go_on, sizeof go_on - 1);
    return true;
}

static void answer_request(struct connection *connection)
{
    struct fake *fake = connection->host->fake;
    struct exchange *exchange = &connection->exchange;
    struct http_text rest = {"", 0};

    evtimer_del(connection->timer);
    exchange->request = &connection->request;
    exchange->head = connection->input.data;
    exchange->connection = connection->number;
    exchange->now_us = clock_mono_us();
    if (control_is_for(connection->request.path)) {
        control_answer(fake, exchange);
    } else if (http_text_follows(connection->request.path, "/v1/", &rest)) {
        api_answer(fake, exchange);
    } else {
        refuse(connection, 404);
        return;
    }
    delivery_start(connection);
}

/* Answers the request in `input`, if it is complete. False: it is not. */
static bool take_request(struct connection *connection)
{
    struct buffer *input = &connection->input;
    int status = 0;
    enum result result =
        http_head_read(buffer_text(input), input->len, &connection->request, &status);

    if (result == RESULT_OK) {
        if (!meet_head(connection))
            return false;
        bool is_control = control_is_for(connection->request.path);
        result = http_body_read(&connection->request, input->data, input->len,
                                is_control ? CONTROL_BODY_MAX_BYTES : API_BODY_MAX_BYTES,
                                &connection->used, &status);
    }
    if (result == RESULT_LATER)
        return false;
    if (result == RESULT_OK)
        answer_request(connection);
    else
        refuse(connection, status);
    return true;
}

static bool read_more(struct connection *connection)
{
    struct evbuffer *source = bufferevent_get_input(connection->bev);
    char bytes[READ_BYTES];
    bool has_read = false;
    int len = 0;

    while ((len = evbuffer_remove(source, bytes, sizeof bytes)) > 0) {
        if (buffer_append(&connection->input, bytes, (size_t)len) != RESULT_OK) {
            connection->state = CONNECTION_CLOSED;
            return false;
        }
        has_read = true;
    }
    return has_read;
}

/* Goes on for as long as requests are there and answered at once. */
static void advance(struct connection *connection)
{
    while (connection->state == CONNECTION_READING) {
        if (connection->input.len > 0 && take_request(connection))
            continue;
        if (connection->state != CONNECTION_READING || !read_more(connection))
            break;
    }
}

static void on_readable(struct bufferevent *bev, void *user)
{
    struct connection *connection = user;

    if (connection->state == CONNECTION_LINGERING) {
        struct evbuffer *input = bufferevent_get_input(bev);
        evbuffer_drain(input, evbuffer_get_length(input));
    }
    advance(connection);
    leave_callback(connection);
}

static void on_written(struct bufferevent *bev, void *user)
{
    struct connection *connection = user;

    (void)bev;
    if (connection->state == CONNECTION_FLUSHING) {
        delivery_flush(connection);
        advance(connection);
    }
    leave_callback(connection);
}

static void on_event(struct bufferevent *bev, short events, void *user)
{
    struct connection *connection = user;

    (void)bev;
    if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        connection->state = CONNECTION_CLOSED;
    leave_callback(connection);
}

static void on_timer(evutil_socket_t fd, short events, void *user)
{
    struct connection *connection = user;

    (void)fd;
    (void)events;
    if (connection->state == CONNECTION_WAITING) {
        delivery_go_on(connection);
        advance(connection);
    } else if (connection->state == CONNECTION_READING && connection->input.len == 0) {
        delivery_close(connection); /* idle, not in the midst of a request */
    } else if (connection->state == CONNECTION_LINGERING) {
        connection->state = CONNECTION_CLOSED;
    }
    leave_callback(connection);
}

static void count_connection(struct connection *connection)
{
    struct stats *stats = &connection->host->fake->stats;

    connection->number = ++stats->connections;
    stats->open_connections++;
    if (stats->open_connections > stats->max_open_connections)
        stats->max_open_connections = stats->open_connections;
}

struct connection *connection_start(struct connection_host *host, struct bufferevent *bev,
                                    bool stalls)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL) {
        bufferevent_free(bev);
        return NULL;
    }
    connection->host = host;
    connection->bev = bev;
    connection->ssl = bufferevent_openssl_get_ssl(bev);
    connection->state = stalls ? CONNECTION_STALLED : CONNECTION_READING;
    connection->timer = evtimer_new(host->base, on_timer, connection);
    buffer_init(&connection->input, INPUT_MAX_BYTES);
    buffer_init(&connection->wire, WIRE_MAX_BYTES);
    reply_init(&connection->exchange.reply);
    count_connection(connection);
    connection->next = host->first;
    if (host->first != NULL)
        host->first->previous = connection;
    host->first = connection;
    if (connection->timer == NULL) {
        connection_stop(connection);
        return NULL;
    }
    bufferevent_setcb(bev, on_readable, on_written, on_event, connection);
    bufferevent_setwatermark(bev, EV_READ, 0, READ_BYTES * 4);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    return connection;
}
