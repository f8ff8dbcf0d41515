/*
 * fleet.h - this instance among others: the fleet's rate, the hash that shows it, the server's fitness.
 */
#ifndef AUTHLINKD_QUEUE_FLEET_H
#define AUTHLINKD_QUEUE_FLEET_H

#include "queue/server.h"

struct fleet;

/* NULL when memory is short. Borrows base and server. */
struct fleet *fleet_new(struct event_base *base, struct server *server);
struct fleet *fleet_free(struct fleet *fleet);

/* Connected: looks at the server's version and settings, and sets the rate if that is due. */
void fleet_connected(struct fleet *fleet);

/* Started or reloaded: this instance's rate becomes the fleet's. */
void fleet_set_rate(struct fleet *fleet);

/* The fleet's rate as a step reported it: warns once when it is not ours; says when the pace changed much. */
void fleet_note_rate(struct fleet *fleet, const char *rate);

/* What :instance:<owner> says from now on. */
void fleet_report(struct fleet *fleet, const char *state, uint32_t in_flight, uint32_t waiting);

#endif
