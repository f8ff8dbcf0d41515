/* control.c - /_fake/. */
#include "control.h"

#include "auth_sessions.h"
#include "base/text.h"
#include "body_check.h"
#include "control_lists.h"

#include <inttypes.h>
#include <string.h>

#define LIMIT_DEFAULT 1000

/* RESULT_INVALID: *reterr_reason holds a sentence. */
typedef enum result handler(struct fake *fake, const struct exchange *exchange, struct buffer *json,
                            struct buffer *reterr_reason);

static enum result show_stats(struct fake *fake, const struct exchange *exchange,
                              struct buffer *json, struct buffer *reterr_reason)
{
    const struct stats *stats = &fake->stats;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"requests", stats->requests},
        {"malformed", stats->malformed},
        {"created", stats->created},
        {"throttled", stats->throttled},
        {"faults", stats->faults},
        {"dropped", stats->dropped},
        {"inFlight", stats->in_flight},
        {"maxInFlight", stats->max_in_flight},
        {"maxInFlightPerUser", stats->max_in_flight_per_user},
        {"connections", stats->connections},
        {"openConnections", stats->open_connections},
        {"maxOpenConnections", stats->max_open_connections},
        {"recorded", fake->record.next_number - 1},
    };
    const char *comma = "";

    (void)exchange;
    (void)reterr_reason;
    buffer_append_char(json, '{');
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        buffer_append_format(json, "\"%s\":%" PRIu64 ",", rows[i].name, rows[i].value);
    buffer_append_str(json, "\"byStatus\":{");
    for (int status = 0; status <= HTTP_STATUS_MAX; status++) {
        if (stats->by_status[status] == 0)
            continue;
        buffer_append_format(json, "%s\"%d\":%" PRIu64, comma, status, stats->by_status[status]);
        comma = ",";
    }
    buffer_append_str(json, "}}");
    return RESULT_OK;
}

static enum result show_counts(struct fake *fake, const struct exchange *exchange,
                               struct buffer *json, struct buffer *reterr_reason)
{
    const char *comma = "";

    (void)exchange;
    (void)reterr_reason;
    buffer_append_char(json, '{');
    for (size_t i = 0; i < fake->users.bucket_count; i++) {
        for (const struct user *user = fake->users.buckets[i]; user != NULL;
             user = user->next_in_bucket) {
            if (user->created == 0)
                continue;
            buffer_append_format(json, "%s\"%s\":%" PRIu32, comma, user->id, user->created);
            comma = ",";
        }
    }
    buffer_append_char(json, '}');
    return RESULT_OK;
}

/* The number behind `name=` in the query; `fallback` when it is not there. */
static enum result query_number(const struct exchange *exchange, const char *name, int64_t fallback,
                                int64_t *ret_number)
{
    struct http_text rest = exchange->request->query;
    struct http_text value = {"", 0};

    *ret_number = fallback;
    while (rest.len > 0) {
        const char *and = memchr(rest.data, '&', rest.len);
        struct http_text pair = {rest.data, and == NULL ? rest.len : (size_t)(and-rest.data)};
        rest.data += pair.len + (and != NULL);
        rest.len -= pair.len + (and != NULL);
        if (http_text_follows(pair, name, &value))
            return text_to_int64(value.data, value.len, 0, INT64_MAX, ret_number);
    }
    return RESULT_OK;
}

static enum result read_range(const struct exchange *exchange, int64_t *ret_since,
                              int64_t *ret_limit, struct buffer *reterr_reason)
{
    if (query_number(exchange, "since=", 1, ret_since) == RESULT_OK &&
        query_number(exchange, "limit=", LIMIT_DEFAULT, ret_limit) == RESULT_OK)
        return RESULT_OK;
    buffer_append_str(reterr_reason, "since and limit must be numbers");
    return RESULT_INVALID;
}

static enum result show_requests(struct fake *fake, const struct exchange *exchange,
                                 struct buffer *json, struct buffer *reterr_reason)
{
    int64_t since = 0;
    int64_t limit = 0;

    if (read_range(exchange, &since, &limit, reterr_reason) != RESULT_OK)
        return RESULT_INVALID;
    buffer_append_format(json, "{\"oldest\":%" PRIu64 ",\"next\":%" PRIu64 ",\"requests\":",
                         ring_oldest(&fake->record), fake->record.next_number);
    record_append_json(&fake->record, (uint64_t)since, (uint64_t)limit, json);
    buffer_append_char(json, '}');
    return RESULT_OK;
}

static enum result show_sessions(struct fake *fake, const struct exchange *exchange,
                                 struct buffer *json, struct buffer *reterr_reason)
{
    const struct session *session = NULL;
    int64_t since = 0;
    int64_t limit = 0;

    if (read_range(exchange, &since, &limit, reterr_reason) != RESULT_OK)
        return RESULT_INVALID;
    uint64_t oldest = ring_oldest(&fake->sessions);
    uint64_t number = (uint64_t)since < oldest ? oldest : (uint64_t)since;
    buffer_append_format(json, "{\"oldest\":%" PRIu64 ",\"next\":%" PRIu64 ",\"sessions\":[",
                         oldest, fake->sessions.next_number);
    for (int64_t i = 0; i < limit && (session = ring_get(&fake->sessions, number)) != NULL;
         i++, number++) {
        if (i > 0)
            buffer_append_char(json, ',');
        buffer_append(json, session->json, session->len);
    }
    buffer_append_str(json, "]}");
    return RESULT_OK;
}

static enum result show_settings(struct fake *fake, const struct exchange *exchange,
                                 struct buffer *json, struct buffer *reterr_reason)
{
    (void)exchange;
    (void)reterr_reason;
    settings_append_json(&fake->settings, json);
    return RESULT_OK;
}

static enum result change_settings(struct fake *fake, const struct exchange *exchange,
                                   struct buffer *json, struct buffer *reterr_reason)
{
    if (!cJSON_IsObject(exchange->json)) {
        buffer_append_str(reterr_reason, "an object of settings is expected");
        return RESULT_INVALID;
    }
    enum result result = settings_change(&fake->settings, exchange->json, reterr_reason);
    if (result == RESULT_OK)
        settings_append_json(&fake->settings, json);
    return result;
}

static enum result show_faults(struct fake *fake, const struct exchange *exchange,
                               struct buffer *json, struct buffer *reterr_reason)
{
    (void)exchange;
    (void)reterr_reason;
    faults_append_json(&fake->faults, json);
    return RESULT_OK;
}

static enum result add_faults(struct fake *fake, const struct exchange *exchange,
                              struct buffer *json, struct buffer *reterr_reason)
{
    enum result result = faults_add(&fake->faults, exchange->json, reterr_reason);

    if (result == RESULT_OK)
        faults_append_json(&fake->faults, json);
    return result;
}

/* All or nothing: rules that are wrong leave the old ones. */
static enum result set_faults(struct fake *fake, const struct exchange *exchange,
                              struct buffer *json, struct buffer *reterr_reason)
{
    struct faults fresh = {0};
    enum result result = faults_add(&fresh, exchange->json, reterr_reason);

    if (result != RESULT_OK) {
        faults_clear(&fresh);
        return result;
    }
    faults_clear(&fake->faults);
    fake->faults = fresh;
    faults_append_json(&fake->faults, json);
    return RESULT_OK;
}

static enum result change_keys(struct fake *fake, const struct exchange *exchange,
                               struct buffer *json, struct buffer *reterr_reason)
{
    buffer_append_str(json, "{}");
    return control_change_keys(fake, exchange->json, reterr_reason);
}

static enum result change_users(struct fake *fake, const struct exchange *exchange,
                                struct buffer *json, struct buffer *reterr_reason)
{
    buffer_append_str(json, "{}");
    return control_change_users(fake, exchange->json, reterr_reason);
}

static enum result reset(struct fake *fake, const struct exchange *exchange, struct buffer *json,
                         struct buffer *reterr_reason)
{
    (void)exchange;
    buffer_append_str(json, "{}");
    return fake_reset(fake, reterr_reason);
}

/* clang-format off */
static const struct {
    const char *method;
    const char *path;
    handler *handle;
} routes[] = {
    {"GET",  "/_fake/counts",     show_counts},
    {"POST", "/_fake/end-users",  change_users},
    {"GET",  "/_fake/faults",     show_faults},
    {"POST", "/_fake/faults",     set_faults},
    {"POST", "/_fake/faults/add", add_faults},
    {"POST", "/_fake/keys",       change_keys},
    {"GET",  "/_fake/requests",   show_requests},
    {"POST", "/_fake/reset",      reset},
    {"GET",  "/_fake/sessions",   show_sessions},
    {"GET",  "/_fake/settings",   show_settings},
    {"POST", "/_fake/settings",   change_settings},
    {"GET",  "/_fake/stats",      show_stats},
};
/* clang-format on */

bool control_is_for(struct http_text path)
{
    struct http_text rest = {"", 0};

    return http_text_follows(path, "/_fake/", &rest);
}

static enum result handle(struct fake *fake, struct exchange *exchange,
                          struct buffer *reterr_reason)
{
    const struct http_request *request = exchange->request;

    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (http_text_is(request->method, routes[i].method) &&
            http_text_is(request->path, routes[i].path))
            return routes[i].handle(fake, exchange, &exchange->reply.body, reterr_reason);
    buffer_append_str(reterr_reason, "no such method and path under /_fake/");
    return RESULT_NOT_FOUND;
}

void control_answer(struct fake *fake, struct exchange *exchange)
{
    struct reply *reply = &exchange->reply;
    struct buffer reason;

    buffer_init(&reason, 1024);
    exchange->delivery = (struct delivery){.cut_after_bytes = SIZE_MAX};
    exchange->form = (struct wire_form){
        .omits_request_id = true,
        .date_unix_ms = fake_clock_unix_ms(fake),
    };
    exchange->json = body_parse(exchange->request->body);
    reply_reset(reply);
    enum result result = handle(fake, exchange, &reason);
    if (result != RESULT_OK) {
        reply->status = result == RESULT_NOT_FOUND ? 404 : 400;
        buffer_reset(&reply->body);
        buffer_append_str(&reply->body, "{\"error\":");
        const char *text = reason.len > 0 ? buffer_text(&reason) : result_text(result);
        buffer_append_json_string(&reply->body, text, strlen(text));
        buffer_append_char(&reply->body, '}');
    }
    buffer_done(&reason);
}
