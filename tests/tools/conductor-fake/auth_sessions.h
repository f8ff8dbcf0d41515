/*
 * auth_sessions.h - POST /v1/auth-sessions, and what it created.
 */
#ifndef CONDUCTOR_FAKE_AUTH_SESSIONS_H
#define CONDUCTOR_FAKE_AUTH_SESSIONS_H

#include "fake.h"

/* As it was answered. */
struct session {
    size_t len;
    char json[];
};

void sessions_init(struct ring *sessions, size_t max);

/* Checks the body and creates a session; a body that was sent twice makes two. */
void auth_sessions_create(struct fake *fake, struct exchange *exchange, const char *project);

/* The API of early 2024 could read a session back. */
void auth_sessions_retrieve(struct fake *fake, struct exchange *exchange, struct http_text id);

#endif
