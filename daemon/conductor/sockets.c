/* sockets.c - libcurl's sockets, watched on a libevent loop. */
#include "conductor/sockets.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket that the kernel does not watch for us: late by this, at a hundred looks a second. */
#define UNWATCHED_LOOK_US 10000

/* What is known of the socket of that number. */
struct watch {
    struct event *event; /* owns; NULL: not watched */
    short wanted;        /* by `event`; 0: the kernel refused, it is looked at now and then */
    bool is_ours;        /* opened here, so its end comes through here, too */
    bool is_idle;        /* libcurl wants nothing of it */
};

struct sockets {
    struct event_base *base; /* borrows */
    sockets_on_ready on_ready;
    void *user;
    struct watch *watches; /* owns; by the number of the socket */
    size_t count;
};

struct sockets *sockets_new(struct event_base *base, sockets_on_ready on_ready, void *user)
{
    struct sockets *sockets = calloc(1, sizeof *sockets);

    if (sockets != NULL)
        *sockets = (struct sockets){.base = base, .on_ready = on_ready, .user = user};
    return sockets;
}

static void end_watch(struct watch *watch)
{
    if (watch->event != NULL)
        event_free(watch->event);
    watch->event = NULL;
    watch->is_idle = false;
}

struct sockets *sockets_free(struct sockets *sockets)
{
    if (sockets == NULL)
        return NULL;
    for (size_t i = 0; i < sockets->count; i++)
        end_watch(&sockets->watches[i]);
    free(sockets->watches);
    free(sockets);
    return NULL;
}

/* NULL when memory is short. */
static struct watch *watch_of(struct sockets *sockets, curl_socket_t socket)
{
    size_t index = (size_t)socket;

    if (index >= sockets->count) {
        size_t count = 2 * index + 1;
        struct watch *longer = reallocarray(sockets->watches, count, sizeof *longer);
        if (longer == NULL)
            return NULL;
        memset(longer + sockets->count, 0, (count - sockets->count) * sizeof *longer);
        sockets->watches = longer;
        sockets->count = count;
    }
    return &sockets->watches[index];
}

/*
 * Nothing comes on an idle connection but its end. What else has come would be the answer to the
 * next request: libcurl 7.88 calls a connection with bytes to read alive (measured: the next
 * end user's job was rejected by a late 400). Shut down it takes no more, and empty it is dead.
 */
static void end_connection(curl_socket_t socket)
{
    char unasked[4096];

    shutdown(socket, SHUT_RDWR);
    while (recv(socket, unasked, sizeof unasked, MSG_DONTWAIT) > 0)
        continue;
}

static void on_event(evutil_socket_t socket, short ready, void *user)
{
    struct sockets *sockets = user;
    struct watch *watch = &sockets->watches[socket];

    if (watch->is_idle) {
        end_connection(socket);
        end_watch(watch);
    } else {
        sockets->on_ready(socket, ready, sockets->user);
    }
}

static void on_look(evutil_socket_t socket, short what, void *user)
{
    struct sockets *sockets = user;

    (void)what;
    sockets->on_ready(socket, 0, sockets->user);
}

/* Where the kernel refuses to watch it (epoll_ctl: ENOMEM, ENOSPC) it is looked at now and then. */
static void begin_watch(struct sockets *sockets, struct watch *watch, curl_socket_t socket,
                        short wanted)
{
    watch->wanted = wanted;
    watch->event = event_new(sockets->base, socket, wanted | EV_PERSIST, on_event, sockets);
    if (watch->event != NULL && event_add(watch->event, NULL) == 0)
        return;
    end_watch(watch);
    watch->wanted = 0;
    watch->event = event_new(sockets->base, socket, EV_PERSIST, on_look, sockets);
    if (watch->event != NULL)
        event_add(watch->event, &(struct timeval){.tv_usec = UNWATCHED_LOOK_US});
}

void sockets_want(struct sockets *sockets, curl_socket_t socket, short wanted)
{
    struct watch *watch = watch_of(sockets, socket);

    if (watch == NULL)
        return;
    if (watch->event != NULL && watch->is_ours && watch->wanted == EV_READ &&
        (wanted == EV_READ || wanted == 0)) {
        watch->is_idle = wanted == 0;
        return;
    }
    end_watch(watch);
    if (wanted != 0)
        begin_watch(sockets, watch, socket, wanted);
}

curl_socket_t sockets_open(void *sockets, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    int number = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    struct watch *watch = number < 0 ? NULL : watch_of(sockets, number);

    if (watch != NULL)
        watch->is_ours = true;
    return number < 0 ? CURL_SOCKET_BAD : number;
}

int sockets_close(void *sockets, curl_socket_t socket)
{
    struct watch *watch = watch_of(sockets, socket);

    if (watch != NULL) {
        end_watch(watch);
        watch->is_ours = false;
    }
    return close(socket);
}
