/* http_server.c - answers GET and HEAD to a local peer. */
#include "app/http_server.h"

#include "app/http_connection.h"
#include "app/listen_socket.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/timer.h"

#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How soon an address that could not be had is tried again. */
#define RETRY_US (2 * US_PER_SEC)

#define WHY_MAX_LEN 255

/* How soon a place is looked for, when none is free. */
#define FULL_REST_US (50 * US_PER_MS)

struct http_server {
    struct event_base *base;       /* borrows */
    struct listen_address address; /* where it is to listen */
    char shown[LISTEN_TEXT_MAX_LEN + 1];
    struct listen_socket socket;     /* its file; the listener closes the socket */
    struct evconnlistener *listener; /* owns; NULL: listens nowhere */
    struct event *retry_timer;       /* owns */
    struct event *pause_timer;       /* owns; runs while the listener rests */
    int64_t second_began_us;
    uint32_t accepts; /* in this second */
    char told_why[WHY_MAX_LEN + 1];
    struct http_connection connections[HTTP_CONNECTIONS_MAX];
};

static bool is_same(const struct listen_address *a, const struct listen_address *b)
{
    return a->family == b->family && a->port == b->port && strcmp(a->unix_path, b->unix_path) == 0;
}

/* NULL: none is free. */
static struct http_connection *find_free(struct http_server *server)
{
    for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        if (server->connections[i].state == HTTP_FREE)
            return &server->connections[i];
    return NULL;
}

/* The oldest makes room, once it has had its time: whoever dawdles must not keep others out. */
static void make_room(struct http_server *server, int64_t now_us)
{
    struct http_connection *oldest = &server->connections[0];

    for (int i = 1; i < HTTP_CONNECTIONS_MAX; i++)
        if (server->connections[i].began_us < oldest->began_us)
            oldest = &server->connections[i];
    if (now_us - oldest->began_us >= HTTP_PATIENCE_US)
        http_connection_end(oldest);
}

static void rest(struct http_server *server, int64_t wait_us)
{
    evconnlistener_disable(server->listener);
    timer_arm(server->pause_timer, wait_us);
}

static void on_pause_over(evutil_socket_t fd, short what, void *user)
{
    struct http_server *server = user;

    (void)fd;
    (void)what;
    if (server->listener == NULL)
        return;
    if (find_free(server) == NULL)
        make_room(server, clock_mono_us());
    if (find_free(server) == NULL)
        rest(server, FULL_REST_US);
    else
        evconnlistener_enable(server->listener);
}

/* Who is let in has a place; with the last one the listener rests, and others wait in its line. */
static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd,
                        struct sockaddr *address, int address_len, void *user)
{
    struct http_server *server = user;
    struct http_connection *connection = find_free(server);
    int64_t now_us = clock_mono_us();

    (void)listener;
    (void)address;
    (void)address_len;
    if (now_us - server->second_began_us >= US_PER_SEC) {
        server->second_began_us = now_us;
        server->accepts = 0;
    }
    if (connection == NULL)
        close(fd);
    else
        http_connection_begin(connection, server->base, fd);
    if (++server->accepts >= HTTP_ACCEPTS_A_SEC)
        rest(server, server->second_began_us + US_PER_SEC - now_us);
    else if (find_free(server) == NULL)
        rest(server, FULL_REST_US);
}

/* Without descriptors a listener would spin: the peer stays in its line. */
static void on_accept_error(struct evconnlistener *listener, void *user)
{
    (void)listener;
    rest(user, US_PER_SEC);
}

static void tell_failure(struct http_server *server, const char *why)
{
    if (strcmp(server->told_why, why) == 0)
        return;
    text_copy(server->told_why, sizeof server->told_why, why, strlen(why));
    log_error("metrics.unbound", log_str("listen", server->shown), log_str("why", why),
              log_str("now", "links are made all the same; trying again"));
}

static void stop(struct http_server *server)
{
    event_del(server->retry_timer);
    event_del(server->pause_timer);
    if (server->listener != NULL)
        evconnlistener_free(server->listener);
    server->listener = NULL;
    listen_socket_done(&server->socket, false);
}

static enum result open_listener(struct http_server *server, struct buffer *why)
{
    enum result result = listen_socket_open(&server->address, &server->socket, why);

    if (result != RESULT_OK)
        return result;
    server->listener =
        evconnlistener_new(server->base, on_accepted, server,
                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, server->socket.fd);
    if (server->listener == NULL) {
        listen_socket_done(&server->socket, true);
        buffer_append_str(why, result_text(RESULT_NO_MEMORY));
        return RESULT_NO_MEMORY;
    }
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    return RESULT_OK;
}

static void start(struct http_server *server)
{
    struct buffer why;

    if (server->address.family == LISTEN_NOWHERE)
        return;
    buffer_init(&why, WHY_MAX_LEN);
    if (open_listener(server, &why) == RESULT_OK) {
        server->told_why[0] = '\0';
        log_notice("metrics.listening", log_str("listen", server->shown));
    } else {
        tell_failure(server, buffer_text(&why));
        timer_arm(server->retry_timer, RETRY_US);
    }
    buffer_done(&why);
}

static void on_retry(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    start(user);
}

void http_server_listen(struct http_server *server, const struct listen_address *address,
                        const char *shown)
{
    if (is_same(&server->address, address))
        return;
    stop(server);
    server->address = *address;
    server->told_why[0] = '\0';
    text_copy(server->shown, sizeof server->shown, shown, strlen(shown));
    start(server);
}

struct http_server *http_server_new(struct event_base *base, http_server_on_get on_get, void *user)
{
    struct http_server *server = calloc(1, sizeof *server);
    bool is_whole = true;

    if (server == NULL)
        return NULL;
    server->base = base;
    server->socket.fd = -1;
    server->retry_timer = evtimer_new(base, on_retry, server);
    server->pause_timer = evtimer_new(base, on_pause_over, server);
    for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        is_whole &= http_connection_init(&server->connections[i], base, on_get, user) == RESULT_OK;
    if (server->retry_timer == NULL || server->pause_timer == NULL || !is_whole)
        return http_server_free(server);
    return server;
}

struct http_server *http_server_free(struct http_server *server)
{
    if (server == NULL)
        return NULL;
    if (server->retry_timer != NULL && server->pause_timer != NULL)
        stop(server);
    for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        http_connection_done(&server->connections[i]);
    if (server->retry_timer != NULL)
        event_free(server->retry_timer);
    if (server->pause_timer != NULL)
        event_free(server->pause_timer);
    free(server);
    return NULL;
}
