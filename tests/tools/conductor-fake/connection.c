/* connection.c - one client. */
#include "connection.h"

#include "api.h"
#include "base/clock.h"
#include "control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX_BYTES (HTTP_HEAD_MAX_BYTES + CONTROL_BODY_MAX_BYTES + 65536)
#define WIRE_MAX_BYTES  (REPLY_MAX_BYTES + HTTP_HEAD_MAX_BYTES + 65536)
#define READ_BYTES      16384

enum state {
    CONNECTION_READING,  /* waits for a request, or for the rest of one */
    CONNECTION_WAITING,  /* an answer is made; the timer delivers the next piece */
    CONNECTION_FLUSHING, /* delivered, but not all of it is with the kernel yet */
    CONNECTION_STALLED,  /* nothing will come; only the client can end it */
    CONNECTION_CLOSED,   /* freed when the callback returns */
};

struct connection {
    struct connection_host *host;
    struct connection *next;
    struct connection *previous;
    struct bufferevent *bev; /* owns, with the socket */
    SSL *ssl;                /* the bufferevent's; NULL: plain */
    struct event *timer;     /* owns; next piece of an answer, or idle */
    enum state state;
    uint64_t number;
    int64_t answers;
    struct buffer input;
    size_t used;       /* bytes of `input` that the request under way takes */
    bool is_head_seen; /* of the request that is being read */
    struct http_request request;
    struct exchange exchange;
    struct buffer wire;
    size_t wire_head_len;
    size_t wire_end; /* so much of `wire` is to be sent */
    size_t sent;
};

static void free_connection(struct connection *connection)
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

void connection_stop(struct connection *connection)
{
    free_connection(connection);
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
        free_connection(connection);
}

static void close_politely(struct connection *connection)
{
    if (connection->ssl != NULL) {
        SSL_shutdown(connection->ssl); /* close_notify: without it an end looks like an attack */
        ERR_clear_error();
    }
    connection->state = CONNECTION_CLOSED;
}

static void start_timer(struct connection *connection, int64_t delay_us)
{
    struct timeval delay = {.tv_sec = (time_t)(delay_us / US_PER_SEC),
                            .tv_usec = (suseconds_t)(delay_us % US_PER_SEC)};

    evtimer_add(connection->timer, &delay);
}

/* Straight to the kernel where that is possible: it saves two turns of the loop. */
static void send_bytes(struct connection *connection, const char *bytes, size_t len)
{
    struct evbuffer *output = bufferevent_get_output(connection->bev);
    ssize_t sent = 0;

    if (connection->ssl == NULL && evbuffer_get_length(output) == 0)
        sent = send(bufferevent_getfd(connection->bev), bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        sent = 0; /* an error shows again at the bufferevent */
    if ((size_t)sent < len)
        bufferevent_write(connection->bev, bytes + sent, len - (size_t)sent);
}

static void prepare_next(struct connection *connection)
{
    const struct settings *settings = &connection->host->fake->settings;
    struct buffer *input = &connection->input;

    connection->state = CONNECTION_READING;
    connection->is_head_seen = false;
    memmove(input->data, input->data + connection->used, input->len - connection->used);
    input->len -= connection->used;
    connection->answers++;
    if (settings->requests_per_connection > 0 &&
        connection->answers >= settings->requests_per_connection)
        close_politely(connection);
    else if (settings->idle_close_ms > 0)
        start_timer(connection, settings->idle_close_ms * US_PER_MS);
}

static enum fate fate_of(const struct connection *connection)
{
    if (connection->exchange.delivery.is_silent)
        return FATE_DROPPED;
    return connection->wire_end < connection->wire.len ? FATE_CUT : FATE_ANSWERED;
}

/* All that shall be sent is with the kernel. */
static void end_answer(struct connection *connection)
{
    enum ending ending = connection->exchange.delivery.ending;

    if (ending != ENDING_STALLS)
        api_leave(connection->host->fake, &connection->exchange, fate_of(connection));
    switch (ending) {
    case ENDING_STAYS:
        prepare_next(connection);
        break;
    case ENDING_CLOSES:
        close_politely(connection);
        break;
    case ENDING_RESETS:
        connection_reset_socket(bufferevent_getfd(connection->bev));
        connection->state = CONNECTION_CLOSED;
        break;
    case ENDING_STALLS:
        connection->state = CONNECTION_STALLED;
        break;
    }
}

static void flush(struct connection *connection)
{
    connection->state = CONNECTION_FLUSHING;
    if (evbuffer_get_length(bufferevent_get_output(connection->bev)) == 0)
        end_answer(connection);
}

/* How far to send now, and how long to wait then. */
static size_t next_stop(const struct connection *connection, int64_t *ret_wait_us)
{
    const struct delivery *delivery = &connection->exchange.delivery;
    size_t stop = connection->wire_end;

    *ret_wait_us = 0;
    if (connection->sent < connection->wire_head_len) {
        if (delivery->body_delay_us > 0 || delivery->piece_bytes > 0) {
            stop = connection->wire_head_len;
            *ret_wait_us = delivery->body_delay_us;
        }
    } else if (delivery->piece_bytes > 0) {
        stop = connection->sent + delivery->piece_bytes;
        *ret_wait_us = delivery->piece_delay_us;
    }
    return stop > connection->wire_end ? connection->wire_end : stop;
}

static void deliver(struct connection *connection)
{
    while (connection->sent < connection->wire_end) {
        int64_t wait_us = 0;
        size_t stop = next_stop(connection, &wait_us);
        send_bytes(connection, connection->wire.data + connection->sent, stop - connection->sent);
        connection->sent = stop;
        if (wait_us > 0 && stop < connection->wire_end) {
            start_timer(connection, wait_us);
            return;
        }
    }
    flush(connection);
}

/* Renders the answer at once, since it borrows from rules that may change, and starts it off. */
static void start_answer(struct connection *connection)
{
    struct exchange *exchange = &connection->exchange;
    struct delivery *delivery = &exchange->delivery;

    if (!connection->request.keeps_alive && delivery->ending == ENDING_STAYS) {
        delivery->ending = ENDING_CLOSES;
        exchange->form.closes = true;
    }
    buffer_reset(&connection->wire);
    connection->sent = 0;
    if (reply_render(&exchange->reply, &exchange->form, &connection->wire,
                     &connection->wire_head_len) != RESULT_OK) {
        connection->state = CONNECTION_CLOSED;
        return;
    }
    size_t body_len = connection->wire.len - connection->wire_head_len;
    connection->wire_end =
        connection->wire_head_len +
        (delivery->cut_after_bytes > body_len ? body_len : delivery->cut_after_bytes);
    if (delivery->is_silent)
        connection->wire_end = 0;
    connection->state = CONNECTION_WAITING;
    if (delivery->delay_us > 0)
        start_timer(connection, delivery->delay_us);
    else
        deliver(connection);
}

/* A request that is none: answered by HTTP alone, then the connection ends. */
static void refuse(struct connection *connection, int status)
{
    struct fake *fake = connection->host->fake;
    struct exchange *exchange = &connection->exchange;

    fake->stats.malformed++;
    connection->used = connection->input.len;
    connection->request.keeps_alive = false;
    reply_reset(&exchange->reply);
    fake_make_id(fake, "req_", 20, exchange->reply.request_id, sizeof exchange->reply.request_id);
    reply_set_html(&exchange->reply, status);
    exchange->form = (struct wire_form){.date_unix_ms = fake_clock_unix_ms(fake)};
    exchange->delivery = (struct delivery){.cut_after_bytes = SIZE_MAX};
    start_answer(connection);
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
        send_bytes(connection, go_on, sizeof go_on - 1);
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
    start_answer(connection);
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

    (void)bev;
    advance(connection);
    leave_callback(connection);
}

static void on_written(struct bufferevent *bev, void *user)
{
    struct connection *connection = user;

    (void)bev;
    if (connection->state == CONNECTION_FLUSHING) {
        flush(connection);
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
        deliver(connection);
        advance(connection);
    } else if (connection->state == CONNECTION_READING) {
        close_politely(connection); /* idle */
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
        free_connection(connection);
        return NULL;
    }
    bufferevent_setcb(bev, on_readable, on_written, on_event, connection);
    bufferevent_setwatermark(bev, EV_READ, 0, READ_BYTES * 4);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    return connection;
}
