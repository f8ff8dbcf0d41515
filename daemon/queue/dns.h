/*
 * dns.h - the resolver of the loop. Inside queue/ only.
 *
 * Sources  libevent: without a base of this kind a name would be looked up by the C library,
 *          and the loop stand still for ten seconds (measured).
 */
#ifndef AUTHLINKD_QUEUE_DNS_H
#define AUTHLINKD_QUEUE_DNS_H

struct event_base;
struct evdns_base;

/* Reads /etc/resolv.conf and /etc/hosts; without them addresses still work. NULL when memory is
 * short. */
struct evdns_base *dns_new(struct event_base *base);

/* Accepts NULL. Returns NULL. */
struct evdns_base *dns_free(struct evdns_base *dns);

#endif
