/* delivery.c - how an answer goes out: at once, late, in pieces, cut or not at all. */
#include "delivery.h"

#include "api.h"
#include "base/clock.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

#define LINGER_US (2 * US_PER_SEC)

static void start_timer(struct connection *connection, int64_t delay_us)
{
    struct timeval delay = {.tv_sec = (time_t)(delay_us / US_PER_SEC),
                            .tv_usec = (suseconds_t)(delay_us % US_PER_SEC)};

    evtimer_add(connection->timer, &delay);
}

/* Straight to the kernel where that is possible: it saves two turns of the loop. */
void delivery_send(struct connection *connection, const char *bytes, size_t len)
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

void delivery_close(struct connection *connection)
{
    if (connection->ssl != NULL) {
        SSL_shutdown(connection->ssl); /* close_notify: without it an end looks like an attack */
        ERR_clear_error();
    }
    connection->state = CONNECTION_CLOSED;
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
        delivery_close(connection);
    else if (settings->idle_close_ms > 0)
        start_timer(connection, settings->idle_close_ms * US_PER_MS);
}

/* A socket closed with bytes unread sends a reset, which may overtake the answer. */
static void linger(struct connection *connection)
{
    struct evbuffer *input = bufferevent_get_input(connection->bev);

    if (connection->ssl != NULL) {
        delivery_close(connection);
        return;
    }
    shutdown(bufferevent_getfd(connection->bev), SHUT_WR);
    evbuffer_drain(input, evbuffer_get_length(input));
    connection->state = CONNECTION_LINGERING;
    start_timer(connection, LINGER_US);
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
        delivery_close(connection);
        break;
    case ENDING_LINGERS:
        linger(connection);
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

void delivery_flush(struct connection *connection)
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

void delivery_go_on(struct connection *connection)
{
    while (connection->sent < connection->wire_end) {
        int64_t wait_us = 0;
        size_t stop = next_stop(connection, &wait_us);
        delivery_send(connection, connection->wire.data + connection->sent,
                      stop - connection->sent);
        connection->sent = stop;
        if (wait_us > 0 && stop < connection->wire_end) {
            start_timer(connection, wait_us);
            return;
        }
    }
    delivery_flush(connection);
}

/* Renders the answer at once, since it borrows from rules that may change, and starts it off. */
void delivery_start(struct connection *connection)
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
        delivery_go_on(connection);
}
