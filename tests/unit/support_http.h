/*
 * support_http.h - a server on loopback that does what a test says, request by request.
 *
 * A thread accepts, each connection has a thread of its own, so what a test says is plain
 * blocking code. Everything is gone after http_server_stop().
 */
#ifndef AUTHLINKD_TESTS_SUPPORT_HTTP_H
#define AUTHLINKD_TESTS_SUPPORT_HTTP_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX_BYTES 8192
#define HTTP_BODY_MAX_BYTES 8192

struct http_server;

struct http_connection {
    struct http_server *server;
    int fd;
    SSL *ssl;     /* NULL: plain */
    int number;   /* of all connections, from 1 */
    int requests; /* read on this one, the present one included */
};

/* Both parts ended with NUL. */
struct http_request {
    char head[HTTP_HEAD_MAX_BYTES]; /* up to the empty line, which is left out */
    char body[HTTP_BODY_MAX_BYTES];
    size_t body_len;
};

/* Answers one request. False: the connection is closed. */
typedef bool (*http_serve)(struct http_connection *connection, const struct http_request *request,
                           void *user);

/*
 * Listens on a free port of 127.0.0.1. `tls` NULL: plain HTTP; else it is borrowed.
 */
struct http_server *http_server_start(http_serve serve, void *user, SSL_CTX *tls);

/* Closes all connections and waits for all threads. Returns NULL. */
struct http_server *http_server_stop(struct http_server *server);

int http_server_port(const struct http_server *server);
int http_server_connections(struct http_server *server); /* accepted so far */
int http_server_requests(struct http_server *server);    /* read so far, whole ones */

/* From within http_serve. */
void http_write(struct http_connection *connection, const char *bytes, size_t len);
void http_answer(struct http_connection *connection, int status, const char *headers,
                 const char *body);
void http_reset(struct http_connection *connection);        /* the peer sees RST */
void http_wait_for_end(struct http_connection *connection); /* until the peer or the test is gone */

/* A port of 127.0.0.1 on which nobody listens. */
int http_unused_port(void);

#endif
