/* end_users.c - end users and their connections. Sources: conductor-api.md section 4. */
#include "end_users.h"

#include "base/clock.h"
#include "body_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ID_LETTERS 24
#define TIME_SIZE  40

/* When those end users were made that exist without having been created: 2024-01-01. */
#define LONG_AGO_UNIX_MS INT64_C(1704067200000)

static void append_member(struct buffer *json, const char *name, const char *value)
{
    buffer_append_format(json, ",\"%s\":", name);
    buffer_append_json_string(json, value, strlen(value));
}

static void append_time(struct buffer *json, const char *name, int64_t unix_ms, bool is_legacy)
{
    char text[TIME_SIZE];

    body_time(unix_ms, is_legacy, text, sizeof text);
    append_member(json, name, text);
}

static int64_t created_unix_ms(const struct user *user)
{
    return user == NULL || user->profile == NULL ? LONG_AGO_UNIX_MS
                                                 : user->profile->created_unix_ms;
}

/* The connection's record: it is there as soon as the user has started the flow. */
static void append_connection(const struct fake *fake, const struct user *user, struct buffer *json)
{
    int64_t created_ms = created_unix_ms(user);

    buffer_append_format(json, "{\"id\":\"int_conn_%s\",\"objectType\":\"integration_connection\"",
                         user->id);
    append_time(json, "createdAt", created_ms, fake->settings.legacy);
    if (fake->settings.legacy)
        append_member(json, "endUserId", user->id);
    append_member(json, "integrationSlug", "quickbooks_desktop");
    if (!fake->settings.legacy && user->connection == USER_CONNECTED) {
        append_time(json, "lastRequestAt", created_ms + 1, false);
        append_time(json, "lastSuccessfulRequestAt", created_ms + 1, false);
    } else if (!fake->settings.legacy) {
        buffer_append_str(json, ",\"lastRequestAt\":null,\"lastSuccessfulRequestAt\":null");
    }
    buffer_append_char(json, '}');
}

/* `user` may be NULL: it exists as everyone does, and all about it is made up. */
static void append_user(const struct fake *fake, const struct user *user, struct http_text id,
                        struct buffer *json)
{
    const struct user_profile *profile = user == NULL ? NULL : user->profile;
    char email[USER_ID_MAX_LEN + 32];

    buffer_append_format(json, "{\"id\":\"%.*s\",\"objectType\":\"end_user\"", (int)id.len,
                         id.data);
    append_time(json, "createdAt", created_unix_ms(user), fake->settings.legacy);
    if (profile == NULL)
        snprintf(email, sizeof email, "%.*s@example.com", (int)id.len, id.data);
    append_member(json, "companyName", profile == NULL ? "Example Inc." : profile->company_name);
    append_member(json, "sourceId", profile == NULL ? email : profile->source_id);
    append_member(json, "email", profile == NULL ? email : profile->email);
    if (!fake->settings.legacy) { /* older than the member */
        buffer_append_str(json, ",\"integrationConnections\":[");
        if (user != NULL && user->connection != USER_NOT_STARTED)
            append_connection(fake, user, json);
        buffer_append_char(json, ']');
    }
    buffer_append_char(json, '}');
}

/* Reads the three texts; false: the error is in the reply. */
static bool read_profile(struct fake *fake, struct exchange *exchange, struct user_profile *profile)
{
    const cJSON *texts[3] = {NULL, NULL, NULL};
    static const char *const names[3] = {"companyName", "sourceId", "email"};
    const cJSON *value = NULL;

    if (!body_is_object(fake, exchange))
        return false;
    cJSON_ArrayForEach(value, exchange->json)
    {
        size_t i = 0;
        while (i < 3 && strcmp(names[i], value->string) != 0)
            i++;
        if (i < 3) {
            texts[i] = value;
        } else if (!fake->settings.allow_unknown_members) {
            body_refuse(fake, exchange, value->string, "is not a recognized key");
            return false;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        if (texts[i] == NULL || body_text(texts[i]) == NULL) {
            body_refuse(fake, exchange, names[i], "must be a non-empty string");
            return false;
        }
    }
    profile->company_name = texts[0]->valuestring;
    profile->source_id = texts[1]->valuestring;
    profile->email = texts[2]->valuestring;
    return true;
}

static void create(struct fake *fake, struct exchange *exchange, const char *project)
{
    struct user_profile profile = {.created_unix_ms = fake_clock_unix_ms(fake)};
    char project_copy[1024];
    char id[USER_ID_MAX_LEN + 1];
    struct user *user = NULL;

    if (!read_profile(fake, exchange, &profile))
        return;
    snprintf(project_copy, sizeof project_copy, "%s", project);
    profile.project = project_copy;
    fake_make_id(fake, "end_usr_", ID_LETTERS, id, sizeof id);
    enum result result = users_create(&fake->users, id, strlen(id), &profile, &user);
    if (result == RESULT_EXISTS && fake->settings.duplicate_status != 200) {
        reply_set_error(&exchange->reply,
                        &(struct envelope){.status = (int)fake->settings.duplicate_status,
                                           .type = "INVALID_REQUEST_ERROR",
                                           .code = fake->settings.duplicate_code,
                                           .message = "An end-user with this sourceId exists."});
        return;
    }
    if (result != RESULT_OK && result != RESULT_EXISTS) {
        reply_set_error(&exchange->reply, &(struct envelope){.status = 500});
        return;
    }
    append_user(fake, user, (struct http_text){user->id, user->id_len}, &exchange->reply.body);
}

/* Unpaged, and only of those who were created: the others are without number. */
static void list(struct fake *fake, struct exchange *exchange, const char *project)
{
    struct buffer *json = &exchange->reply.body;
    const char *comma = "";

    buffer_append_str(json, "{\"objectType\":\"list\",\"url\":\"/v1/end-users\",\"data\":[");
    for (const struct user *user = fake->users.first_created; user != NULL;
         user = user->next_created) {
        if (strcmp(user->profile->project, project) != 0)
            continue;
        buffer_append_str(json, comma);
        append_user(fake, user, (struct http_text){user->id, user->id_len}, json);
        comma = ",";
    }
    buffer_append_str(json, "]}");
}

/* Whether the project has this end user; false: the error is in the reply. */
static bool exists(struct fake *fake, struct exchange *exchange, const char *project,
                   struct http_text id)
{
    struct users_rule rule = {fake->settings.missing_prefix, fake->settings.known_users_only};
    char message[256];

    if (users_exists(&fake->users, &rule, project, id.data, id.len))
        return true;
    snprintf(message, sizeof message, "No such end-user: '%.*s'.",
             id.len > USER_ID_MAX_LEN ? USER_ID_MAX_LEN : (int)id.len, id.data);
    reply_set_error(&exchange->reply,
                    &(struct envelope){.status = (int)fake->settings.missing_status,
                                       .type = "INVALID_REQUEST_ERROR",
                                       .code = "RESOURCE_MISSING",
                                       .message = message});
    return false;
}

static void retrieve(struct fake *fake, struct exchange *exchange, const char *project,
                     struct http_text id)
{
    if (exists(fake, exchange, project, id))
        append_user(fake, users_find(&fake->users, id.data, id.len), id, &exchange->reply.body);
}

static void remove_user(struct fake *fake, struct exchange *exchange, const char *project,
                        struct http_text id)
{
    struct user *user = NULL;

    if (!exists(fake, exchange, project, id))
        return;
    user = users_touch(&fake->users, id.data, id.len);
    if (user == NULL) {
        reply_set_error(&exchange->reply, &(struct envelope){.status = 500});
        return;
    }
    users_delete(&fake->users, user);
    buffer_append_format(&exchange->reply.body,
                         "{\"id\":\"%s\",\"objectType\":\"end_user\",\"deleted\":true}", user->id);
}

/* A round trip to the user's QuickBooks; false: the error is in the reply. */
static bool reaches_quickbooks(struct fake *fake, struct exchange *exchange, const char *project,
                               struct http_text id)
{
    const struct user *user = NULL;

    if (!exists(fake, exchange, project, id))
        return false;
    user = users_find(&fake->users, id.data, id.len);
    if (user == NULL || user->connection != USER_CONNECTED) {
        reply_set_error(&exchange->reply,
                        &(struct envelope){
                            .status = 409,
                            .type = "INTEGRATION_CONNECTION_ERROR",
                            .code = "INTEGRATION_CONNECTION_NOT_SET_UP",
                            .message = "The QuickBooks Desktop connection is not set up yet.",
                        });
        return false;
    }
    if (user->is_pc_off) {
        reply_set_error(&exchange->reply, &(struct envelope){
                                              .status = 502,
                                              .type = "INTEGRATION_CONNECTION_ERROR",
                                              .code = "QBD_CONNECTION_ERROR",
                                              .message = "Could not reach QuickBooks Desktop.",
                                              .integration_code = "0x80040420",
                                          });
        return false;
    }
    return true;
}

static void check_health(struct fake *fake, struct exchange *exchange, const char *project)
{
    const struct http_text *id = http_header_find(exchange->request, "Conductor-End-User-Id");

    if (id == NULL)
        body_refuse(fake, exchange, "Conductor-End-User-Id", "is a required header");
    else if (reaches_quickbooks(fake, exchange, project, *id))
        buffer_append_str(&exchange->reply.body, "{\"duration\":1234,\"status\":\"ok\"}");
}

/* The part of the path behind the collection; both spellings when the API is an old one. */
static bool is_in_collection(const struct fake *fake, struct http_text path,
                             struct http_text *ret_rest)
{
    return http_text_follows(path, "/v1/end-users", ret_rest) ||
           (fake->settings.legacy && http_text_follows(path, "/v1/end_users", ret_rest));
}

bool end_users_route(struct fake *fake, struct exchange *exchange, const char *project)
{
    const struct http_request *request = exchange->request;
    struct http_text rest = {"", 0};
    struct http_text id = {"", 0};

    if (http_text_is(request->method, "GET") &&
        http_text_is(request->path, "/v1/quickbooks-desktop/health-check")) {
        check_health(fake, exchange, project);
        return true;
    }
    if (!is_in_collection(fake, request->path, &rest))
        return false;
    if (rest.len == 0 && http_text_is(request->method, "POST"))
        create(fake, exchange, project);
    else if (rest.len == 0 && http_text_is(request->method, "GET"))
        list(fake, exchange, project);
    else if (!http_text_follows(rest, "/", &id) || memchr(id.data, '/', id.len) != NULL)
        return false;
    else if (http_text_is(request->method, "GET"))
        retrieve(fake, exchange, project, id);
    else if (http_text_is(request->method, "DELETE"))
        remove_user(fake, exchange, project, id);
    else
        return false;
    return true;
}

static bool has_connection_id(const struct user *user, struct http_text id)
{
    struct http_text user_id = {"", 0};

    return http_text_follows(id, "int_conn_", &user_id) && http_text_is(user_id, user->id);
}

/* GET /v1/integration-connections and its members. */
static void show_connections(struct fake *fake, struct exchange *exchange, struct http_text id)
{
    struct buffer *json = &exchange->reply.body;
    const char *comma = "";

    if (id.len == 0)
        buffer_append_str(
            json, "{\"objectType\":\"list\",\"url\":\"/v1/integration-connections\",\"data\":[");
    for (size_t i = 0; i < fake->users.bucket_count; i++) {
        for (const struct user *user = fake->users.buckets[i]; user != NULL;
             user = user->next_in_bucket) {
            if (user->connection == USER_NOT_STARTED ||
                (id.len > 0 && !has_connection_id(user, id)))
                continue;
            buffer_append_str(json, comma);
            append_connection(fake, user, json);
            comma = ",";
        }
    }
    if (id.len == 0)
        buffer_append_str(json, "]}");
    else if (json->len == 0)
        reply_set_error(&exchange->reply, &(struct envelope){
                                              .status = 404,
                                              .message = "No such integration connection.",
                                          });
}

bool end_users_route_legacy(struct fake *fake, struct exchange *exchange, const char *project)
{
    static const char ping[] = "/ping/quickbooks_desktop";
    const struct http_request *request = exchange->request;
    struct http_text rest = {"", 0};

    if (!http_text_is(request->method, "GET"))
        return false;
    if (http_text_follows(request->path, "/v1/integration-connections", &rest) ||
        http_text_follows(request->path, "/v1/integration_connections", &rest)) {
        struct http_text id = {"", 0};
        if (rest.len > 0 && !http_text_follows(rest, "/", &id))
            return false;
        show_connections(fake, exchange, id);
        return true;
    }
    if (!is_in_collection(fake, request->path, &rest) || rest.len < sizeof ping ||
        memcmp(rest.data + rest.len - (sizeof ping - 1), ping, sizeof ping - 1) != 0)
        return false;
    if (reaches_quickbooks(fake, exchange, project,
                           (struct http_text){rest.data + 1, rest.len - sizeof ping}))
        buffer_append_str(&exchange->reply.body, "{\"duration\":1234}");
    return true;
}
