/* server.c - accepts connections. */
#include "server.h"

#include "api.h"
#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
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
    struct event *on_terminate;
    struct event *on_interrupt;
};

static struct bufferevent *make_bufferevent(struct server *server, evutil_socket_t fd)
{
    return bufferevent_socket_new(server->host.base, fd, BEV_OPT_CLOSE_ON_FREE);
}

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd,
                        struct sockaddr *address, int address_len, void *user)
{
    struct server *server = user;
    enum fault_drop drop = api_drop_at_accept(server->host.fake);
    int one = 1;

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
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct bufferevent *bev = make_bufferevent(server, fd);
    if (bev == NULL)
        close(fd);
    else
        connection_start(&server->host, bev, drop == FAULT_DROP_STALL);
}

static void on_signal(evutil_socket_t number, short events, void *user)
{
    (void)number;
    (void)events;
    event_base_loopbreak(user);
}

static enum result listen_on_loopback(struct server *server, struct buffer *reterr_reason)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)server->host.fake->settings.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof address;

    server->listener =
        evconnlistener_new_bind(server->host.base, on_accepted, server,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                BACKLOG, (struct sockaddr *)&address, sizeof address);
    if (server->listener == NULL || getsockname(evconnlistener_get_fd(server->listener),
                                                (struct sockaddr *)&address, &len) != 0) {
        buffer_append_format(reterr_reason, "port %d: %s", (int)server->host.fake->settings.port,
                             strerror(errno));
        return RESULT_SYSTEM;
    }
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return RESULT_OK;
}

static enum result start(struct server *server, struct buffer *reterr_reason)
{
    server->host.base = event_base_new();
    if (server->host.base == NULL)
        return RESULT_NO_MEMORY;
    server->on_terminate = evsignal_new(server->host.base, SIGTERM, on_signal, server->host.base);
    server->on_interrupt = evsignal_new(server->host.base, SIGINT, on_signal, server->host.base);
    if (server->on_terminate == NULL || server->on_interrupt == NULL ||
        evsignal_add(server->on_terminate, NULL) != 0 ||
        evsignal_add(server->on_interrupt, NULL) != 0)
        return RESULT_NO_MEMORY;
    return listen_on_loopback(server, reterr_reason);
}

static void stop(struct server *server)
{
    while (server->host.first != NULL)
        connection_stop(server->host.first);
    if (server->listener != NULL)
        evconnlistener_free(server->listener);
    if (server->on_terminate != NULL)
        event_free(server->on_terminate);
    if (server->on_interrupt != NULL)
        event_free(server->on_interrupt);
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
