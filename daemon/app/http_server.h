/*
 * http_server.h - answers GET and HEAD to a local peer, and can do nothing else.
 *
 * Not libevent's evhttp: that has no bound on connections (before 2.2) and none on the time of a
 * request that drips in byte by byte. Here nobody gets more of the loop than this:
 * HTTP_ACCEPTS_A_SEC connections a second, HTTP_CONNECTIONS_MAX at once (the oldest makes room),
 * HTTP_REQUEST_MAX_BYTES a request, HTTP_DEADLINE_US from the first byte to the last; one request a
 * connection.
 *
 * An address that cannot be had is no reason to end: it is said once, and tried again.
 */
#ifndef AUTHLINKD_APP_HTTP_SERVER_H
#define AUTHLINKD_APP_HTTP_SERVER_H

#include "base/buffer.h"
#include "core/listen_address.h"

#define HTTP_ACCEPTS_A_SEC     20
#define HTTP_CONNECTIONS_MAX   8
#define HTTP_REQUEST_MAX_BYTES 8192
#define HTTP_BODY_MAX_BYTES    65536
#define HTTP_DEADLINE_US       INT64_C(5000000)
#define HTTP_PATIENCE_US       INT64_C(500000)

struct event_base;
struct http_server;

/* Writes the page of `path` into `body`, which is empty; returns the status. */
typedef int (*http_server_on_get)(const char *path, struct buffer *body, void *user);

/* NULL when memory is short. Borrows `base` and `user`. Listens nowhere. */
struct http_server *http_server_new(struct event_base *base, http_server_on_get on_get, void *user);

/* Accepts NULL. Returns NULL. Not from on_get. */
struct http_server *http_server_free(struct http_server *server);

/*
 * Listens there from now on, and nowhere else; where it listens there already, nothing changes.
 * `shown` is the address for the log. Requests under way end as they would.
 */
void http_server_listen(struct http_server *server, const struct listen_address *address,
                        const char *shown);

#endif
