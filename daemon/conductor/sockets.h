/*
 * sockets.h - libcurl's sockets, watched on a libevent loop. Inside conductor/ only.
 *
 * libcurl says for each request anew which socket it waits for, and that it waits no more. To
 * follow it to the letter takes two system calls a request. So a connection that libcurl opened
 * through here stays watched while it is idle, and is told of no more until libcurl wants it
 * again; if something comes meanwhile (its end, mostly), it is shut down and watched no longer.
 *
 * Sources  CURLMOPT_SOCKETFUNCTION(3), CURLOPT_OPENSOCKETFUNCTION(3),
 *          CURLOPT_CLOSESOCKETFUNCTION(3).
 */
#ifndef AUTHLINKD_CONDUCTOR_SOCKETS_H
#define AUTHLINKD_CONDUCTOR_SOCKETS_H

#include <curl/curl.h>

struct event_base;
struct sockets;

/* `ready` of EV_READ and EV_WRITE; 0: nobody watched it, it must be tested. */
typedef void (*sockets_on_ready)(curl_socket_t socket, short ready, void *user);

/* NULL when memory is short. Borrows `base` and `user`. */
struct sockets *sockets_new(struct event_base *base, sockets_on_ready on_ready, void *user);

/* All sockets are closed, or nobody's. Accepts NULL. Returns NULL. */
struct sockets *sockets_free(struct sockets *sockets);

/*
 * From now on `wanted` of it, EV_READ, EV_WRITE or both, is watched; 0: nothing. When memory is
 * short nothing is.
 */
void sockets_want(struct sockets *sockets, curl_socket_t socket, short wanted);

/* To open and close connections with: `sockets` is a struct sockets. */
curl_socket_t sockets_open(void *sockets, curlsocktype purpose, struct curl_sockaddr *address);
int sockets_close(void *sockets, curl_socket_t socket);

#endif
