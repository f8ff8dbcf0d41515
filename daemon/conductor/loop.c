/* loop.c - a libcurl multi handle on a libevent loop. */
#include "conductor/loop.h"

#include "base/clock.h"
#include "base/timer.h"
#include "conductor/sockets.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>

struct loop {
    CURLM *multi;            /* owns */
    struct sockets *sockets; /* owns */
    struct event *timer;     /* owns */
    void (*on_acted)(void *user);
    loop_on_finished on_finished;
    void *user;
};

static void deliver_finished(struct loop *loop)
{
    CURLMsg *message;
    int messages_left;

    /* The queue is read afresh after each call: on_finished may add handles. */
    while ((message = curl_multi_info_read(loop->multi, &messages_left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        /* `message` dies with curl_multi_remove_handle(): copy first. */
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        curl_multi_remove_handle(loop->multi, easy);
        loop->on_finished(easy, code, loop->user);
    }
}

static void act(struct loop *loop, curl_socket_t socket, int what)
{
    int running;

    /* A multi handle fails here only when memory is short; its transfers end by their deadline. */
    (void)curl_multi_socket_action(loop->multi, socket, what, &running);
    loop->on_acted(loop->user);
    deliver_finished(loop);
}

/* Without word of what is ready libcurl tests the socket itself: curl_multi_socket_action(3). */
static void on_ready(curl_socket_t socket, short ready, void *user)
{
    act(user, socket,
        (ready & EV_READ ? CURL_CSELECT_IN : 0) | (ready & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t socket, short what, void *arg)
{
    (void)socket;
    (void)what;
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/*
 * libcurl wants `what` of `socket` watched.
 * Never -1: it makes the multi handle dead, which then refuses new handles and asks for no timer
 * any more, so that those in it never end (libcurl's lib/multi.c, 7.88 to 8.14). A socket that
 * nobody watches ends its transfer by the deadline.
 */
static int on_socket_wanted(CURL *easy, curl_socket_t socket, int what, void *user, void *mark)
{
    struct loop *loop = user;
    short wanted = 0;

    (void)easy;
    (void)mark;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        wanted |= EV_READ;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        wanted |= EV_WRITE;
    sockets_want(loop->sockets, socket, wanted);
    return 0;
}

static int on_timer_wanted(CURLM *multi, long timeout_ms, void *user)
{
    struct loop *loop = user;

    (void)multi;
    if (timeout_ms < 0) {
        event_del(loop->timer);
        return 0;
    }
    /* Never called from here directly, not even for 0: libcurl is on the stack. */
    timer_arm(loop->timer, timeout_ms * US_PER_MS);
    return 0;
}

struct loop *loop_new(struct event_base *base, void (*on_acted)(void *user),
                      loop_on_finished on_finished, void *user)
{
    struct loop *loop = calloc(1, sizeof *loop);

    if (loop == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(loop);
        return NULL;
    }
    *loop = (struct loop){.on_acted = on_acted, .on_finished = on_finished, .user = user};
    loop->multi = curl_multi_init();
    loop->sockets = sockets_new(base, on_ready, loop);
    loop->timer = evtimer_new(base, on_timer, loop);
    if (loop->multi == NULL || loop->sockets == NULL || loop->timer == NULL)
        return loop_free(loop);
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
    return loop;
}

struct loop *loop_free(struct loop *loop)
{
    if (loop == NULL)
        return NULL;
    /* It calls back for its idle sockets: they and the timer still stand. */
    if (loop->multi != NULL)
        curl_multi_cleanup(loop->multi);
    sockets_free(loop->sockets);
    if (loop->timer != NULL)
        event_free(loop->timer);
    free(loop);
    curl_global_cleanup(); /* counted: the last one cleans up */
    return NULL;
}

enum result loop_set_up(struct loop *loop, CURL *easy)
{
    bool is_set =
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, sockets_open) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, loop->sockets) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, sockets_close) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, loop->sockets) == CURLE_OK;

    return is_set ? RESULT_OK : RESULT_NO_MEMORY;
}

enum result loop_add(struct loop *loop, CURL *easy)
{
    return curl_multi_add_handle(loop->multi, easy) == CURLM_OK ? RESULT_OK : RESULT_NO_MEMORY;
}

void loop_begin(struct loop *loop)
{
    act(loop, CURL_SOCKET_TIMEOUT, 0); /* libcurl begins handles by their time, which is now */
}

void loop_remove(struct loop *loop, CURL *easy)
{
    curl_multi_remove_handle(loop->multi, easy);
}

void loop_set_connections(struct loop *loop, uint32_t max_connections)
{
    curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, (long)max_connections);
    curl_multi_setopt(loop->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)max_connections);
}
