/* support_fake_redis.c - a Redis that says what a test wants. */
#include "support_redis.h"

#include <check.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peer {
    struct fake_redis *fake;
    struct bufferevent *stream;
    redisReader *reader;
    struct peer *next;
};

struct fake_redis {
    struct event_base *base;
    struct evconnlistener *listener;
    fake_on_command on_command;
    void *user;
    struct peer *first;
    int connections;
    int commands;
};

static void drop(struct peer *peer)
{
    struct peer **place = &peer->fake->first;

    while (*place != peer)
        place = &(*place)->next;
    *place = peer->next;
    bufferevent_free(peer->stream);
    redisReaderFree(peer->reader);
    free(peer);
}

static void answer(struct peer *peer, const redisReply *command)
{
    struct fake_redis *fake = peer->fake;
    const redisReply *const *words = (const redisReply *const *)command->element;

    fake->commands++;
    const char *bytes = fake->on_command(command->elements, words, fake->user);
    if (bytes != NULL)
        bufferevent_write(peer->stream, bytes, strlen(bytes));
}

static void on_readable(struct bufferevent *stream, void *user)
{
    struct peer *peer = user;
    char bytes[4096];
    size_t len;
    void *command = NULL;

    while ((len = bufferevent_read(stream, bytes, sizeof bytes)) > 0)
        ck_assert_int_eq(redisReaderFeed(peer->reader, bytes, len), REDIS_OK);
    while (redisReaderGetReply(peer->reader, &command) == REDIS_OK && command != NULL) {
        answer(peer, command);
        freeReplyObject(command);
    }
}

static void on_event(struct bufferevent *stream, short what, void *user)
{
    (void)stream;
    (void)what;
    drop(user);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int len, void *user)
{
    struct fake_redis *fake = user;
    struct peer *peer = calloc(1, sizeof *peer);

    (void)listener;
    (void)address;
    (void)len;
    ck_assert_ptr_nonnull(peer);
    *peer = (struct peer){.fake = fake, .reader = redisReaderCreate(), .next = fake->first};
    peer->stream =
        bufferevent_socket_new(fake->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    bufferevent_setcb(peer->stream, on_readable, NULL, on_event, peer);
    bufferevent_enable(peer->stream, EV_READ | EV_WRITE);
    fake->first = peer;
    fake->connections++;
}

struct fake_redis *fake_redis_new(struct event_base *base, fake_on_command on_command, void *user)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct fake_redis *fake = calloc(1, sizeof *fake);

    ck_assert_ptr_nonnull(fake);
    *fake = (struct fake_redis){.base = base, .on_command = on_command, .user = user};
    fake->listener = evconnlistener_new_bind(base, on_accept, fake,
                                             LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
                                             (const struct sockaddr *)&address, sizeof address);
    ck_assert_ptr_nonnull(fake->listener);
    return fake;
}

struct fake_redis *fake_redis_free(struct fake_redis *fake)
{
    if (fake == NULL)
        return NULL;
    fake_redis_hang_up(fake);
    evconnlistener_free(fake->listener);
    free(fake);
    return NULL;
}

uint16_t fake_redis_port(const struct fake_redis *fake)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;

    ck_assert_int_eq(
        getsockname(evconnlistener_get_fd(fake->listener), (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

struct link_address fake_redis_address(const struct fake_redis *fake)
{
    struct link_address address = {.host = "127.0.0.1", .port = fake_redis_port(fake)};

    return address;
}

void fake_redis_say(struct fake_redis *fake, const char *bytes, size_t len)
{
    for (struct peer *peer = fake->first; peer != NULL; peer = peer->next)
        bufferevent_write(peer->stream, bytes, len);
}

void fake_redis_hang_up(struct fake_redis *fake)
{
    while (fake->first != NULL)
        drop(fake->first);
}

int fake_redis_connections(const struct fake_redis *fake)
{
    return fake->connections;
}

int fake_redis_commands(const struct fake_redis *fake)
{
    return fake->commands;
}
