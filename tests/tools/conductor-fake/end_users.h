/*
 * end_users.h - /v1/end-users, the health check, and what they were before 2025.
 */
#ifndef CONDUCTOR_FAKE_END_USERS_H
#define CONDUCTOR_FAKE_END_USERS_H

#include "fake.h"

/* Both: false when the request is for none of their resources. */
bool end_users_route(struct fake *fake, struct exchange *exchange, const char *project);
bool end_users_route_legacy(struct fake *fake, struct exchange *exchange, const char *project);

#endif
