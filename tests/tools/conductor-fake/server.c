/* server.c - accepts connections. */
#include "server.h"

#include "api.h"
#include "connection.h"
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 4096

struct server {
    struct connection_host host;
    struct evconnlistener *listener;
    struct evconnlistener *control_listener; /* NULL: no second port */
    struct event *on_terminate;
    struct event *on_interrupt;
    SSL_CTX *tls; /* owns; NULL: plain HTTP */
};

static struct bufferevent *make_plain(struct server *server, evutil_socket_t fd)
{
    return bufferevent_socket_new(server->host.base, fd, BEV_OPT_CLOSE_ON_FREE);
}

static struct bufferevent *make_tls(struct server *server, evutil_socket_t fd)
{
    SSL *ssl = SSL_new(server->tls);

    return ssl == NULL
               ? NULL
               : bufferevent_openssl_socket_new(server->host.base, fd, ssl,
                                                BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
}

static void start_connection(struct server *server, evutil_socket_t fd, bool is_tls, bool stalls)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct bufferevent *bev = is_tls ? make_tls(server, fd) : make_plain(server, fd);
    if (bev == NULL)
        close(fd);
    else
        connection_start(&server->host, bev, stalls);
}

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd,
                        struct sockaddr *address, int address_len, void *user)
{
    struct server *server = user;
    enum fault_drop drop = api_drop_at_accept(server->host.fake);

    (void)listener;
    (void)address;
    (void)address_len;
    if (drop == FAULT_DROP_RST || drop == FAULT_DROP_CLOSE) {
        server->host.fake->stats.connections++;
        if (drop == FAULT_DROP_RST)
            connection_reset_socket(fd);
        close(fd);
        return;
    }
    bool stalls = drop == FAULT_DROP_STALL; /* then it does not even shake hands */
    start_connection(server, fd, server->tls != NULL && !stalls, stalls);
}

static void on_control_accepted(struct evconnlistener *listener, evutil_socket_t fd,
                                struct sockaddr *address, int address_len, void *user)
{
    (void)listener;
    (void)address;
    (void)address_len;
    start_connection(user, fd, false, false);
}

static void on_signal(evutil_socket_t number, short events, void *user)
{
    (void)number;
    (void)events;
    event_base_loopbreak(user);
}

/* Listens and says so; port 0 is a free one. NULL: *reterr_reason holds a sentence. */
static struct evconnlistener *listen_on_loopback(struct server *server, const char *what,
                                                 int64_t port, evconnlistener_cb on_connection,
                                                 struct buffer *reterr_reason)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof address;
    struct evconnlistener *listener =
        evconnlistener_new_bind(server->host.base, on_connection, server,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                BACKLOG, (struct sockaddr *)&address, sizeof address);

    if (listener == NULL) {
        buffer_append_format(reterr_reason, "port %d: %s", (int)port, strerror(errno));
        return NULL;
    }
    getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &len);
    printf("%s on 127.0.0.1:%d\n", what, ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static enum result start_listening(struct server *server, struct buffer *reterr_reason)
{
    const struct settings *settings = &server->host.fake->settings;

    server->listener =
        listen_on_loopback(server, "listening", settings->port, on_accepted, reterr_reason);
    if (server->listener == NULL)
        return RESULT_SYSTEM;
    if (settings->control_port < 0)
        return RESULT_OK;
    server->control_listener = listen_on_loopback(server, "control", settings->control_port,
                                                  on_control_accepted, reterr_reason);
    return server->control_listener == NULL ? RESULT_SYSTEM : RESULT_OK;
}

static enum result start(struct server *server, struct buffer *reterr_reason)
{
    const struct settings *settings = &server->host.fake->settings;

    server->host.base = event_base_new();
    if (server->host.base == NULL)
        return RESULT_NO_MEMORY;
    if (settings->tls != NULL) {
        enum result result =
            tls_context_make(settings->tls, (enum certificate_kind)settings->certificate,
                             &server->tls, reterr_reason);
        if (result != RESULT_OK)
            return result;
    }
    server->on_terminate = evsignal_new(server->host.base, SIGTERM, on_signal, server->host.base);
    server->on_interrupt = evsignal_new(server->host.base, SIGINT, on_signal, server->host.base);
    if (server->on_terminate == NULL || server->on_interrupt == NULL ||
        evsignal_add(server->on_terminate, NULL) != 0 ||
        evsignal_add(server->on_interrupt, NULL) != 0)
        return RESULT_NO_MEMORY;
    return start_listening(server, reterr_reason);
}

static void stop(struct server *server)
{
    while (server->host.first != NULL)
        connection_stop(server->host.first);
    if (server->listener != NULL)
        evconnlistener_free(server->listener);
    if (server->control_listener != NULL)
        evconnlistener_free(server->control_listener);
    if (server->on_terminate != NULL)
        event_free(server->on_terminate);
    if (server->on_interrupt != NULL)
        event_free(server->on_interrupt);
    SSL_CTX_free(server->tls);
    if (server->host.base != NULL)
        event_base_free(server->host.base);
}

enum result server_run(struct fake *fake, struct buffer *reterr_reason)
{
    struct server server = {.host = {.fake = fake}};
    enum result result = start(&server, reterr_reason);

    signal(SIGPIPE, SIG_IGN);
    if (result == RESULT_OK && event_base_dispatch(server.host.base) < 0)
        result = RESULT_SYSTEM;
    stop(&server);
    return result;
}
