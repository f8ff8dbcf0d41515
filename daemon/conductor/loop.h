/*
 * loop.h - a libcurl multi handle on a libevent loop. Inside conductor/ only.
 *
 * libcurl says which sockets to watch and when to be called again; this turns both
 * into events, and hands every finished easy handle over.
 *
 * Sources  CURLMOPT_SOCKETFUNCTION(3), CURLMOPT_TIMERFUNCTION(3), curl_multi_socket_action(3).
 */
#ifndef AUTHLINKD_CONDUCTOR_LOOP_H
#define AUTHLINKD_CONDUCTOR_LOOP_H

#include "base/result.h"

#include <curl/curl.h>
#include <stdint.h>

struct event_base;
struct loop;

/* The handle has left the multi handle before the call; it may be added again from inside. */
typedef void (*loop_on_finished)(CURL *easy, CURLcode code, void *user);

/*
 * on_acted comes after each turn of work in libcurl, before its finished handles. NULL when
 * memory is short.
 */
struct loop *loop_new(struct event_base *base, void (*on_acted)(void *user),
                      loop_on_finished on_finished, void *user);

/* Accepts NULL. Returns NULL. No handle may be in it any more. */
struct loop *loop_free(struct loop *loop);

/* What a new handle needs before it is added: its connections are opened and closed by the loop. */
MUST_CHECK enum result loop_set_up(struct loop *loop, CURL *easy);

MUST_CHECK enum result loop_add(struct loop *loop, CURL *easy);

/*
 * Begins what was added now; without it that waits for the next turn of the loop. May call
 * on_finished; not from within it.
 */
void loop_begin(struct loop *loop);

void loop_remove(struct loop *loop, CURL *easy);

/* How many connections are kept, idle ones included. */
void loop_set_connections(struct loop *loop, uint32_t max_connections);

#endif
