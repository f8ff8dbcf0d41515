/* link_socket.c - a stream socket to Redis. */
#include "queue/link_socket.h"

#include "base/log.h"
#include "base/text.h"
#include "queue/link_tls.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define KEEPALIVE_IDLE_SEC     10
#define KEEPALIVE_INTERVAL_SEC 3
#define KEEPALIVE_COUNT        3
#define TCP_USER_TIMEOUT_MS    15000

struct link_socket {
    struct event_base *base;     /* borrows */
    struct evdns_base *dns;      /* borrows */
    struct link_address address; /* where to */
    struct link_socket_callbacks callbacks;
    void *user;
    struct evdns_getaddrinfo_request *lookup; /* under way, or NULL */
    struct evutil_addrinfo *found;            /* owns; addresses of the name */
    struct evutil_addrinfo *next;             /* in found: to be tried next */
    struct bufferevent *stream;               /* owns, or NULL */
    bool is_agreed;                           /* TCP stands, and TLS */
    bool has_bytes;                           /* Redis has said something */
    bool is_refused_by_tls;                   /* at one of the addresses: the failure to be told */
    char last_failure[LINK_WHY_MAX_LEN + 1];
};

struct link_socket *link_socket_new(struct event_base *base, struct evdns_base *dns,
                                    const struct link_address *address,
                                    const struct link_socket_callbacks *callbacks, void *user)
{
    struct link_socket *socket = calloc(1, sizeof *socket);

    if (socket == NULL)
        return NULL;
    *socket = (struct link_socket){
        .base = base, .dns = dns, .address = *address, .callbacks = *callbacks, .user = user};
    return socket;
}

void link_socket_close(struct link_socket *socket)
{
    struct evdns_getaddrinfo_request *lookup = socket->lookup;

    socket->lookup = NULL; /* its callback, which still comes, sees that nobody waits */
    if (lookup != NULL)
        evdns_getaddrinfo_cancel(lookup);
    if (socket->found != NULL)
        evutil_freeaddrinfo(socket->found);
    socket->found = NULL;
    socket->next = NULL;
    if (socket->stream != NULL)
        bufferevent_free(socket->stream);
    socket->stream = NULL;
}

struct link_socket *link_socket_free(struct link_socket *socket)
{
    if (socket == NULL)
        return NULL;
    link_socket_close(socket);
    free(socket);
    return NULL;
}

static void fail(struct link_socket *socket, const char *why)
{
    link_socket_close(socket);
    socket->callbacks.on_lost(why, socket->user);
}

static void set_option(int fd, int level, int name, int value)
{
    /* An option that the kernel refuses costs speed of detection only: deadlines hold anyway. */
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static void set_options(int fd, bool is_tcp)
{
    evutil_make_socket_closeonexec(fd);
    if (!is_tcp)
        return;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SEC);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SEC);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS);
}

static void on_readable(struct bufferevent *stream, void *user)
{
    struct link_socket *socket = user;
    struct evbuffer *input = bufferevent_get_input(stream);

    /* A callback may close the stream: then socket->stream is another, or none. */
    while (socket->stream == stream) {
        size_t len = evbuffer_get_contiguous_space(input);
        if (len == 0)
            return;
        socket->has_bytes = true;
        char chunk[4096];
        int taken = evbuffer_remove(input, chunk, sizeof chunk);
        if (taken <= 0)
            return;
        socket->callbacks.on_bytes(chunk, (size_t)taken, socket->user);
    }
}

static void try_next(struct link_socket *socket);

/* What TLS refuses is told even if another address of the name then refuses the connection itself.
 */
static void note_failure(struct link_socket *socket, const char *why)
{
    if (!socket->is_refused_by_tls)
        text_copy(socket->last_failure, sizeof socket->last_failure, why, strlen(why));
}

/* True: it was TLS that failed, and last_failure says how. */
static bool note_tls_failure(struct link_socket *socket, bool is_over, int code)
{
    const struct link_address *address = &socket->address;
    SSL *ssl = bufferevent_openssl_get_ssl(socket->stream);
    unsigned long error = bufferevent_get_openssl_error(socket->stream);
    char why[LINK_WHY_MAX_LEN + 1];

    if (ssl == NULL)
        return false;
    if (!link_tls_explain(address, ssl, error, why, sizeof why)) {
        bool is_cut =
            is_over || ERR_GET_LIB(error) == ERR_LIB_SSL || code == ECONNRESET || code == EPIPE;
        if (!is_cut || socket->has_bytes)
            return false;
        link_tls_explain_silence(address, socket->is_agreed, why, sizeof why);
    }
    socket->is_refused_by_tls = false; /* of two such, the later one */
    note_failure(socket, why);
    socket->is_refused_by_tls = true;
    return true;
}

/* A server with TLS ends a connection without at its first bytes. */
static void note_end(struct link_socket *socket, const char *why)
{
    const struct link_address *address = &socket->address;
    bool may_want_tls = !address->tls.is_on && address->unix_path[0] == '\0' && socket->is_agreed &&
                        !socket->has_bytes;
    char text[LINK_WHY_MAX_LEN + 1];

    snprintf(text, sizeof text, "%s%s", why,
             may_want_tls ? " before Redis said anything; if it speaks TLS at this port, redis.url "
                            "must begin with rediss://"
                          : "");
    note_failure(socket, text);
}

static void on_connected(struct link_socket *socket)
{
    set_options(bufferevent_getfd(socket->stream), socket->address.unix_path[0] == '\0');
    if (socket->found != NULL)
        evutil_freeaddrinfo(socket->found);
    socket->found = NULL;
    socket->next = NULL;
    if (socket->address.tls
            .is_on) /* a reply says itself how long it is: nobody can cut one unseen */
        bufferevent_openssl_set_allow_dirty_shutdown(socket->stream, 1);
    socket->is_agreed = true;
    socket->is_refused_by_tls = false;
    socket->callbacks.on_connected(socket->user);
}

static void on_event(struct bufferevent *stream, short what, void *user)
{
    struct link_socket *socket = user;
    int code = EVUTIL_SOCKET_ERROR();
    bool is_over = (what & BEV_EVENT_EOF) != 0;

    if (what & BEV_EVENT_CONNECTED) {
        on_connected(socket);
        return;
    }
    /* EOF and error are one event: the stream is over. */
    if (!note_tls_failure(socket, is_over, code))
        note_end(socket, is_over     ? "Redis closed the connection"
                         : code != 0 ? evutil_socket_error_to_string(code)
                                     : "the connection to Redis broke");
    if (socket->next != NULL) {
        bufferevent_free(stream);
        socket->stream = NULL;
        try_next(socket);
        return;
    }
    fail(socket, socket->last_failure);
}

static struct bufferevent *make_stream(struct link_socket *socket)
{
    const int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
    char why[LINK_WHY_MAX_LEN + 1];

    if (!socket->address.tls.is_on)
        return bufferevent_socket_new(socket->base, -1, options);
    SSL *ssl = link_tls_open(&socket->address, why, sizeof why);
    if (ssl == NULL) {
        note_failure(socket, why);
        socket->is_refused_by_tls = true;
        return NULL;
    }
    return bufferevent_openssl_socket_new(socket->base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
                                          options); /* owns `ssl` */
}

/* False: last_failure says why. */
static bool open_stream(struct link_socket *socket, const struct sockaddr *address, int len)
{
    socket->is_agreed = false;
    socket->has_bytes = false;
    errno = ENOMEM;
    socket->stream = make_stream(socket);
    if (socket->stream != NULL) {
        bufferevent_setcb(socket->stream, on_readable, NULL, on_event, socket);
        bufferevent_enable(socket->stream, EV_READ | EV_WRITE);
        /* A connection refused at once is told by on_event, too: callbacks are deferred. */
        if (bufferevent_socket_connect(socket->stream, address, len) == 0)
            return true;
    }
    note_failure(socket, strerror(errno));
    if (socket->stream != NULL)
        bufferevent_free(socket->stream);
    socket->stream = NULL;
    return false;
}

static void try_next(struct link_socket *socket)
{
    while (socket->next != NULL) {
        const struct evutil_addrinfo *candidate = socket->next;
        socket->next = candidate->ai_next;
        if (open_stream(socket, candidate->ai_addr, (int)candidate->ai_addrlen))
            return;
    }
    fail(socket, socket->last_failure);
}

static void on_lookup(int code, struct evutil_addrinfo *found, void *user)
{
    struct link_socket *socket = user;

    if (code == EVUTIL_EAI_CANCEL)
        return; /* closed, perhaps freed */
    socket->lookup = NULL;
    if (code != 0) {
        snprintf(socket->last_failure, sizeof socket->last_failure, "%s cannot be resolved: %s",
                 socket->address.host, evutil_gai_strerror(code));
        fail(socket, socket->last_failure);
        return;
    }
    socket->found = found;
    socket->next = found;
    try_next(socket);
}

bool link_socket_skip(struct link_socket *socket)
{
    if (socket->next == NULL)
        return false;
    bufferevent_free(socket->stream); /* addresses are left, so one is being tried */
    socket->stream = NULL;
    char why[LINK_WHY_MAX_LEN + 1];
    snprintf(why, sizeof why, "no address of %s answers", socket->address.host);
    note_failure(socket, why);
    try_next(socket);
    return true;
}

const char *link_socket_missing(struct link_socket *socket)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;

    /* It took the connection, and is silent: a Redis without TLS waits for the end of a line. */
    if (socket->address.tls.is_on && socket->stream != NULL && !socket->is_agreed &&
        getpeername(bufferevent_getfd(socket->stream), (struct sockaddr *)&peer, &len) == 0)
        link_tls_explain_silence(&socket->address, false, socket->last_failure,
                                 sizeof socket->last_failure);
    else if (!socket->is_refused_by_tls)
        return "no connection to Redis in time";
    return socket->last_failure;
}

static void look_up(struct link_socket *socket)
{
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
    char port[8];

    snprintf(port, sizeof port, "%u", socket->address.port);
    /* May call on_lookup before it returns (a numeric address), and then returns NULL. */
    socket->lookup =
        evdns_getaddrinfo(socket->dns, socket->address.host, port, &hints, on_lookup, socket);
}

void link_socket_connect(struct link_socket *socket)
{
    socket->is_refused_by_tls = false;
    socket->last_failure[0] = '\0';
    if (socket->address.unix_path[0] == '\0') {
        look_up(socket);
        return;
    }

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    text_copy(address.sun_path, sizeof address.sun_path, socket->address.unix_path,
              strlen(socket->address.unix_path));
    if (!open_stream(socket, (const struct sockaddr *)&address, sizeof address)) {
        char why[LINK_WHY_MAX_LEN + 1];
        snprintf(why, sizeof why, "%s: %.200s", address.sun_path, socket->last_failure);
        fail(socket, why);
    }
}

/*
 * What the kernel takes at once, of what has nothing before it; 0 also on failure, which the
 * stream then meets itself. A bufferevent writes at the next turn of the loop, when it has asked
 * whether it may: four system calls instead of one, while somebody waits for a link.
 */
static size_t write_now(const struct link_socket *socket, const char *bytes, size_t len)
{
    bool is_ready = socket->is_agreed && !socket->address.tls.is_on &&
                    evbuffer_get_length(bufferevent_get_output(socket->stream)) == 0;
    ssize_t written =
        is_ready ? send(bufferevent_getfd(socket->stream), bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL)
                 : 0;

    return written > 0 ? (size_t)written : 0;
}

enum result link_socket_write(struct link_socket *socket, const char *bytes, size_t len)
{
    if (socket->stream == NULL)
        return RESULT_DISCONNECTED;

    size_t written = write_now(socket, bytes, len);
    if (written == len || bufferevent_write(socket->stream, bytes + written, len - written) == 0)
        return RESULT_OK;
    if (written > 0) /* the next command must not be taken for the rest of this one */
        shutdown(bufferevent_getfd(socket->stream), SHUT_RDWR);
    return RESULT_NO_MEMORY;
}

static void wipe(const void *bytes, size_t len, void *command)
{
    (void)bytes;
    explicit_bzero(command, len);
    redisFreeCommand(command);
}

enum result link_socket_give(struct link_socket *socket, char *command, size_t len)
{
    if (socket->stream != NULL && evbuffer_add_reference(bufferevent_get_output(socket->stream),
                                                         command, len, wipe, command) == 0)
        return RESULT_OK;
    wipe(NULL, len, command);
    return socket->stream == NULL ? RESULT_DISCONNECTED : RESULT_NO_MEMORY;
}
