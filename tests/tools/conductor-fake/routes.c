/* routes.c - authentication, then the resource. Sources: conductor-api.md sections 1, 2.4, 4.1. */
#include "api.h"

#include "auth_sessions.h"
#include "end_users.h"

#include <stdio.h>
#include <string.h>

/* `sk_conduc..............abcd`: beginning, dots, last four, as the API quotes a key. */
static void refuse_key(struct exchange *exchange)
{
    struct http_text key = exchange->key;
    char message[128] = "No API key was sent: use Authorization: Bearer <secret key>.";

    if (key.len > 16)
        snprintf(message, sizeof message, "Invalid API key: %.7s..............%.4s", key.data,
                 key.data + key.len - 4);
    else if (key.len > 0)
        snprintf(message, sizeof message, "Invalid API key: it is too short.");
    reply_set_error(&exchange->reply, &(struct envelope){.status = 401, .message = message});
}

static void refuse_path(struct exchange *exchange)
{
    struct http_text path = exchange->request->path;
    char message[256];

    snprintf(message, sizeof message, "Unrecognized request: %.*s %.*s.",
             exchange->request->method.len > 20 ? 20 : (int)exchange->request->method.len,
             exchange->request->method.data, path.len > 160 ? 160 : (int)path.len, path.data);
    reply_set_error(&exchange->reply, &(struct envelope){.status = 404, .message = message});
}

/* What was withdrawn in 2024 and 2025. */
static bool route_legacy(struct fake *fake, struct exchange *exchange, const char *project)
{
    const struct http_request *request = exchange->request;
    struct http_text rest = {"", 0};

    if (!fake->settings.legacy)
        return false;
    if (http_text_is(request->method, "POST") && http_text_is(request->path, "/v1/auth_sessions")) {
        auth_sessions_create(fake, exchange, project);
        return true;
    }
    if (http_text_is(request->method, "GET") &&
        (http_text_follows(request->path, "/v1/auth-sessions/", &rest) ||
         http_text_follows(request->path, "/v1/auth_sessions/", &rest))) {
        auth_sessions_retrieve(fake, exchange, rest);
        return true;
    }
    return end_users_route_legacy(fake, exchange, project);
}

void api_route(struct fake *fake, struct exchange *exchange)
{
    const struct http_request *request = exchange->request;
    const char *project = keys_project(&fake->keys, exchange->key.data, exchange->key.len);

    if (project == NULL)
        refuse_key(exchange);
    else if (http_text_is(request->method, "POST") &&
             http_text_is(request->path, "/v1/auth-sessions"))
        auth_sessions_create(fake, exchange, project);
    else if (!end_users_route(fake, exchange, project) && !route_legacy(fake, exchange, project))
        refuse_path(exchange);
}
