/* auth_sessions.c - creates auth sessions. Sources: conductor-api.md section 2. */
#include "auth_sessions.h"

#include "base/clock.h"
#include "body_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIFE_DEFAULT_MINS 30.0
#define LIFE_MIN_MINS     15.0
#define LIFE_MAX_MINS     10080.0
#define SECRET_LEN        32
#define ID_LEN            24
#define ID_SIZE           96
#define TIME_SIZE         40

/* What a body asked for. The texts are the JSON's. */
struct wish {
    const char *publishable_key;
    const char *end_user_id;
    double life_mins;
    const char *redirect_url; /* NULL: none */
};

void sessions_init(struct ring *sessions, size_t max)
{
    ring_init(sessions, max, free);
}

static bool read_life(const struct settings *settings, const cJSON *value, struct wish *wish)
{
    double mins = value->valuedouble;

    if (!cJSON_IsNumber(value) || !(mins >= LIFE_MIN_MINS && mins <= LIFE_MAX_MINS))
        return false;
    if (settings->whole_minutes && mins != floor(mins))
        return false;
    wish->life_mins = mins;
    return true;
}

static const char *read_member(const struct settings *settings, const cJSON *value,
                               struct wish *wish)
{
    const char *name = value->string;

    if (strcmp(name, "publishableKey") == 0) {
        wish->publishable_key = body_text(value);
        return wish->publishable_key == NULL ? "must be a non-empty string" : NULL;
    }
    if (strcmp(name, "endUserId") == 0) {
        wish->end_user_id = body_text(value);
        return wish->end_user_id == NULL ? "must be a non-empty string" : NULL;
    }
    if (strcmp(name, "linkExpiryMins") == 0) {
        if (settings->allow_null && cJSON_IsNull(value))
            return NULL;
        return read_life(settings, value, wish) ? NULL
               : settings->whole_minutes        ? "must be a whole number from 15 to 10080"
                                                : "must be a number from 15 to 10080";
    }
    if (strcmp(name, "redirectUrl") == 0) {
        if (settings->allow_null && cJSON_IsNull(value))
            return NULL;
        wish->redirect_url = body_text(value);
        return wish->redirect_url == NULL || !body_is_uri(wish->redirect_url)
                   ? "must be an absolute URI"
                   : NULL;
    }
    return settings->allow_unknown_members ? NULL : "is not a recognized key";
}

/* Reads the body; false: the error is in the reply. Of two equal names the last counts. */
static bool read_wish(struct fake *fake, struct exchange *exchange, struct wish *wish)
{
    const cJSON *value = NULL;

    *wish = (struct wish){.life_mins = LIFE_DEFAULT_MINS};
    if (!body_is_object(fake, exchange))
        return false;
    cJSON_ArrayForEach(value, exchange->json)
    {
        const char *wrong = read_member(&fake->settings, value, wish);
        if (wrong != NULL) {
            body_refuse(fake, exchange, value->string, wrong);
            return false;
        }
    }
    if (wish->publishable_key == NULL || wish->end_user_id == NULL) {
        body_refuse(fake, exchange, wish->publishable_key == NULL ? "publishableKey" : "endUserId",
                    "is required");
        return false;
    }
    return true;
}

static bool belongs_together(struct fake *fake, struct exchange *exchange, const char *project,
                             const struct wish *wish)
{
    struct users_rule rule = {fake->settings.missing_prefix, fake->settings.known_users_only};
    char message[512];

    if (strcmp(wish->publishable_key, project) != 0) {
        reply_set_error(&exchange->reply,
                        &(struct envelope){
                            .status = (int)fake->settings.publishable_key_status,
                            .type = "INVALID_REQUEST_ERROR",
                            .code = fake->settings.validation_code,
                            .message = "Invalid publishableKey: it is not that of the project to "
                                       "which your secret key belongs.",
                        });
        return false;
    }
    if (!users_exists(&fake->users, &rule, project, wish->end_user_id, strlen(wish->end_user_id))) {
        snprintf(message, sizeof message, "No such end-user: '%.256s'.", wish->end_user_id);
        reply_set_error(&exchange->reply, &(struct envelope){
                                              .status = (int)fake->settings.missing_status,
                                              .type = "INVALID_REQUEST_ERROR",
                                              .code = "RESOURCE_MISSING",
                                              .message = message,
                                          });
        return false;
    }
    return true;
}

static void append_member(struct buffer *json, const char *name, const char *value)
{
    buffer_append_format(json, ",\"%s\":", name);
    if (value == NULL)
        buffer_append_str(json, "null");
    else
        buffer_append_json_string(json, value, strlen(value));
}

/* In the order of the examples; the form of early 2024 lacks createdAt. */
static void write_session(struct fake *fake, struct exchange *exchange, const struct wish *wish)
{
    bool is_legacy = fake->settings.legacy;
    int64_t now_ms = fake_clock_unix_ms(fake);
    int64_t life_ms = llround(wish->life_mins * 60.0 * (double)MS_PER_SEC);
    struct buffer *json = &exchange->reply.body;
    char text[TIME_SIZE];
    char id[ID_SIZE];
    char secret[ID_SIZE];

    fake_make_id(fake, is_legacy ? "int_conn_auth_sess_" : "auth_sess_", ID_LEN, id, sizeof id);
    fake_make_id(fake, "auth_sess_client_secret_", SECRET_LEN, secret, sizeof secret);
    buffer_append_format(json, "{\"id\":\"%s\",\"objectType\":\"auth_session\"", id);
    body_time(now_ms, is_legacy, text, sizeof text);
    if (!is_legacy)
        append_member(json, "createdAt", text);
    append_member(json, "endUserId", wish->end_user_id);
    append_member(json, "clientSecret", secret);
    buffer_append_format(json, ",\"authFlowUrl\":\"https://connect.conductor.is/qbd/%s?key=%s\"",
                         secret, wish->publishable_key);
    body_time(now_ms + life_ms, is_legacy, text, sizeof text);
    append_member(json, "expiresAt", text);
    append_member(json, "redirectUrl", wish->redirect_url);
    buffer_append_char(json, '}');
}

static void remember(struct fake *fake, const struct buffer *json)
{
    struct session *session = malloc(sizeof *session + json->len);

    if (session == NULL)
        return;
    session->len = json->len;
    memcpy(session->json, json->data, json->len);
    if (ring_push(&fake->sessions, session) != RESULT_OK)
        free(session);
}

void auth_sessions_create(struct fake *fake, struct exchange *exchange, const char *project)
{
    struct wish wish;

    if (!read_wish(fake, exchange, &wish) || !belongs_together(fake, exchange, project, &wish))
        return;
    write_session(fake, exchange, &wish);
    exchange->created = true;
    fake->stats.created++;
    if (exchange->user != NULL)
        exchange->user->created++;
    if (!fake->settings.no_record)
        remember(fake, &exchange->reply.body);
}

void auth_sessions_retrieve(struct fake *fake, struct exchange *exchange, struct http_text id)
{
    char start[ID_SIZE + 16];
    int len = snprintf(start, sizeof start, "{\"id\":\"%.*s\",",
                       id.len > ID_SIZE ? ID_SIZE : (int)id.len, id.data);

    for (uint64_t number = fake->sessions.next_number; number > ring_oldest(&fake->sessions);
         number--) {
        const struct session *session = ring_get(&fake->sessions, number - 1);
        if (session->len > (size_t)len && memcmp(session->json, start, (size_t)len) == 0) {
            buffer_append(&exchange->reply.body, session->json, session->len);
            return;
        }
    }
    reply_set_error(&exchange->reply,
                    &(struct envelope){.status = 404, .message = "No such auth session."});
}
