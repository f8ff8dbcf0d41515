/* support_http.c - a server on loopback that does what a test says, request by request. */
#include "support_http.h"

#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256

struct worker {
    struct http_connection connection;
    pthread_t thread;
    bool is_open;
};

struct http_server {
    http_serve serve;
    void *user;
    SSL_CTX *tls;
    int listener;
    int port;
    pthread_t acceptor;
    pthread_mutex_t mutex; /* of all that follows */
    bool is_stopping;
    int connections;
    int requests;
    struct worker workers[CONNECTIONS_MAX];
};

static ssize_t read_some(struct http_connection *connection, char *target, size_t size)
{
    if (connection->ssl != NULL)
        return SSL_read(connection->ssl, target, (int)size);
    return recv(connection->fd, target, size, 0);
}

static bool read_exactly(struct http_connection *connection, char *target, size_t len)
{
    while (len > 0) {
        ssize_t taken = read_some(connection, target, len);
        if (taken <= 0)
            return false;
        target += taken;
        len -= (size_t)taken;
    }
    return true;
}

/* Byte by byte, so that nothing of a body or a next request is taken. */
static bool read_head(struct http_connection *connection, struct http_request *request)
{
    for (size_t len = 0; len < sizeof request->head - 1; len++) {
        if (!read_exactly(connection, request->head + len, 1))
            return false;
        request->head[len + 1] = '\0';
        if (len >= 3 && memcmp(request->head + len - 3, "\r\n\r\n", 4) == 0) {
            request->head[len - 3] = '\0';
            return true;
        }
    }
    return false;
}

static bool read_request(struct http_connection *connection, struct http_request *request)
{
    if (!read_head(connection, request))
        return false;

    const char *length = strcasestr(request->head, "\r\nContent-Length:");
    request->body_len =
        length == NULL ? 0 : strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    if (request->body_len >= sizeof request->body ||
        !read_exactly(connection, request->body, request->body_len))
        return false;
    request->body[request->body_len] = '\0';
    return true;
}

static bool note_request(struct http_connection *connection)
{
    struct http_server *server = connection->server;

    connection->requests++;
    pthread_mutex_lock(&server->mutex);
    server->requests++;
    pthread_mutex_unlock(&server->mutex);
    return true;
}

static void *serve_connection(void *user)
{
    struct worker *worker = user;
    struct http_connection *connection = &worker->connection;
    struct http_server *server = connection->server;
    struct http_request *request = malloc(sizeof *request);

    if (connection->ssl == NULL || SSL_accept(connection->ssl) == 1)
        while (request != NULL && read_request(connection, request) && note_request(connection) &&
               server->serve(connection, request, server->user))
            ;
    free(request);
    pthread_mutex_lock(&server->mutex);
    if (connection->ssl != NULL)
        SSL_free(connection->ssl);
    close(connection->fd);
    worker->is_open = false;
    pthread_mutex_unlock(&server->mutex);
    return NULL;
}

static void start_worker(struct http_server *server, int fd)
{
    pthread_mutex_lock(&server->mutex);
    if (server->is_stopping || server->connections == CONNECTIONS_MAX) {
        close(fd);
    } else {
        struct worker *worker = &server->workers[server->connections++];
        worker->connection = (struct http_connection){
            .server = server,
            .fd = fd,
            .ssl = server->tls == NULL ? NULL : SSL_new(server->tls),
            .number = server->connections,
        };
        if (worker->connection.ssl != NULL)
            SSL_set_fd(worker->connection.ssl, fd);
        worker->is_open = true;
        if (pthread_create(&worker->thread, NULL, serve_connection, worker) != 0)
            abort();
    }
    pthread_mutex_unlock(&server->mutex);
}

static void *accept_connections(void *user)
{
    struct http_server *server = user;
    int fd;

    while ((fd = accept(server->listener, NULL, NULL)) >= 0)
        start_worker(server, fd);
    return NULL;
}

static int listen_on_free_port(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

struct http_server *http_server_start(http_serve serve, void *user, SSL_CTX *tls)
{
    struct http_server *server = calloc(1, sizeof *server);

    ck_assert_ptr_nonnull(server);
    server->serve = serve;
    server->user = user;
    server->tls = tls;
    server->listener = listen_on_free_port(&server->port);
    ck_assert_int_eq(listen(server->listener, 128), 0);
    ck_assert_int_eq(pthread_mutex_init(&server->mutex, NULL), 0);
    ck_assert_int_eq(pthread_create(&server->acceptor, NULL, accept_connections, server), 0);
    return server;
}

struct http_server *http_server_stop(struct http_server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->is_stopping = true;
    for (int i = 0; i < server->connections; i++)
        if (server->workers[i].is_open)
            shutdown(server->workers[i].connection.fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->mutex);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    close(server->listener);
    for (int i = 0; i < server->connections; i++)
        pthread_join(server->workers[i].thread, NULL);
    pthread_mutex_destroy(&server->mutex);
    free(server);
    return NULL;
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

int http_server_connections(struct http_server *server)
{
    pthread_mutex_lock(&server->mutex);
    int connections = server->connections;
    pthread_mutex_unlock(&server->mutex);
    return connections;
}

int http_server_requests(struct http_server *server)
{
    pthread_mutex_lock(&server->mutex);
    int requests = server->requests;
    pthread_mutex_unlock(&server->mutex);
    return requests;
}

void http_write(struct http_connection *connection, const char *bytes, size_t len)
{
    if (connection->ssl != NULL) {
        SSL_write(connection->ssl, bytes, (int)len);
        return;
    }
    while (len > 0) {
        ssize_t written = send(connection->fd, bytes, len, MSG_NOSIGNAL);
        if (written <= 0)
            return;
        bytes += written;
        len -= (size_t)written;
    }
}

void http_answer(struct http_connection *connection, int status, const char *headers,
                 const char *body)
{
    char answer[HTTP_BODY_MAX_BYTES];
    int len = snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n%s",
                       status, strlen(body), headers, body);

    http_write(connection, answer, (size_t)len);
}

void http_reset(struct http_connection *connection)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void http_wait_for_end(struct http_connection *connection)
{
    char byte;

    while (read_some(connection, &byte, 1) > 0)
        ;
}

int http_unused_port(void)
{
    int port;
    int fd = listen_on_free_port(&port);

    close(fd);
    return port;
}
