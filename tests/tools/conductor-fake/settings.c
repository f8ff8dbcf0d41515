/* settings.c - the table of settings. */
#include "settings.h"

#include "tls.h"

#include <string.h>

static const char *const limit_names[] = {"bucket", "window", "log", NULL};
static const char *const retry_after_names[] = {"seconds", "ms", "date", "zero", "none", NULL};
const char *const body_kind_names[] = {"auto",  "real",    "envelope", "html",
                                       "empty", "badJson", NULL};

#define AT(member) offsetof(struct settings, member)
#define FLAG(name, member, help)                                                                   \
    {                                                                                              \
        name, FIELD_FLAG, AT(member), 0, 1, NULL, help                                             \
    }
#define INT(name, member, min, max, help)                                                          \
    {                                                                                              \
        name, FIELD_INT, AT(member), min, max, NULL, help                                          \
    }
#define REAL(name, member, min, max, help)                                                         \
    {                                                                                              \
        name, FIELD_REAL, AT(member), min, max, NULL, help                                         \
    }
#define TEXT(name, member, help)                                                                   \
    {                                                                                              \
        name, FIELD_TEXT, AT(member), 0, 0, NULL, help                                             \
    }
#define CHOICE(name, member, choices, help)                                                        \
    {                                                                                              \
        name, FIELD_CHOICE, AT(member), 0, 0, choices, help                                        \
    }

/* clang-format off */
const struct field settings_fields[] = {
    INT("port", port, 0, 65535, "port on 127.0.0.1; 0: a free one, printed (8090)"),
    INT("controlPort", control_port, -1, 65535, "a second port, plain and without faults; 0: a free one (none)"),
    TEXT("tls", tls, "folder of certificates, made there when missing: TLS only"),
    CHOICE("certificate", certificate, certificate_names, "which certificate to show (good)"),
    FLAG("noRecord", no_record, "keep no requests and sessions, counts only"),
    FLAG("recordAnswers", record_answers, "keep the bodies of answers too"),
    INT("recordMax", record_max, 1, 10000000, "newest requests and sessions kept (200000)"),

    REAL("latencyMs", latency_ms, 0, 600000, "time to answer, milliseconds (0)"),
    REAL("latencySigma", latency_sigma, 0, 5, "above 0: log-normal, latencyMs its median (0)"),
    INT("seed", seed, 0, 9e15, "of latencies, shares and IDs; 0: another each time (0)"),

    CHOICE("limit", limit, limit_names, "form of the rate limit (bucket)"),
    REAL("rate", rate, 0, 1000000, "requests a second allowed; 0: any number (0)"),
    INT("burst", burst, 1, 1000000, "size of the token bucket (1)"),
    INT("windowMs", window_ms, 1, 86400000, "length of fixed windows and of the log (1000)"),
    INT("concurrency", concurrency, 0, 1000000, "requests at once allowed; 0: any number (0)"),
    CHOICE("retryAfter", retry_after, retry_after_names, "how a 429 says when (seconds)"),
    TEXT("retryAfterText", retry_after_text, "Retry-After of a 429, as it stands"),
    FLAG("rateHeaders", rate_headers, "RateLimit-* headers on every answer"),
    INT("throttleStatus", throttle_status, 400, 599, "status of a throttled request, a guess (429)"),
    CHOICE("throttleBody", throttle_body, body_kind_names, "its body, a guess (auto: the envelope)"),

    REAL("failShare", fail_share, 0, 1, "share of requests that fail at random (0)"),
    INT("failStatus", fail_status, 200, 599, "with this status (500)"),
    CHOICE("failBody", fail_body, body_kind_names, "and this body (auto: the envelope)"),

    FLAG("legacy", legacy, "the API of early 2024: old paths, IDs and time stamps"),
    INT("clockOffsetMs", clock_offset_ms, -1e13, 1e13, "the API's clock against this machine's (0)"),
    FLAG("noRequestId", no_request_id, "no Conductor-Request-Id header"),
    FLAG("chunked", chunked, "answers in chunks, without Content-Length"),
    FLAG("gzip", gzip, "answers gzipped where the request offers it"),
    INT("idleCloseMs", idle_close_ms, 0, 3600000, "close idle connections after; 0: never (0)"),
    INT("requestsPerConnection", requests_per_connection, 0, 1000000000,
        "close a connection, unannounced, after so many; 0: never (0)"),

    INT("validationStatus", validation_status, 400, 499, "of a wrong body, a guess (400)"),
    TEXT("validationCode", validation_code, "its code, a guess (INVALID_REQUEST)"),
    INT("publishableKeyStatus", publishable_key_status, 400, 499, "of a wrong publishable key, a guess (400)"),
    INT("missingStatus", missing_status, 400, 499, "of an unknown end user, a guess (404)"),
    INT("duplicateStatus", duplicate_status, 200, 499,
        "of a sourceId that is taken, a guess; 200: the end user who has it (409)"),
    TEXT("duplicateCode", duplicate_code, "its code, a guess (RESOURCE_ALREADY_EXISTS)"),
    FLAG("allowNull", allow_null, "optional members may be null, a guess (no)"),
    FLAG("allowUnknownMembers", allow_unknown_members, "unknown members are ignored (no: refused)"),
    FLAG("wholeMinutes", whole_minutes, "linkExpiryMins must be whole, a guess (no)"),

    TEXT("missingPrefix", missing_prefix, "end users that do not exist (end_usr_missing)"),
    FLAG("knownUsersOnly", known_users_only, "only end users that were created or named exist"),
};
/* clang-format on */

const size_t settings_field_count = sizeof settings_fields / sizeof settings_fields[0];
const size_t settings_start_only_count = 7;

enum result settings_init(struct settings *settings)
{
    *settings = (struct settings){
        .port = 8090,
        .control_port = -1,
        .record_max = 200000,
        .burst = 1,
        .window_ms = 1000,
        .throttle_status = 429,
        .fail_status = 500,
        .validation_status = 400,
        .validation_code = strdup("INVALID_REQUEST"),
        .publishable_key_status = 400,
        .missing_status = 404,
        .duplicate_status = 409,
        .duplicate_code = strdup("RESOURCE_ALREADY_EXISTS"),
        .missing_prefix = strdup("end_usr_missing"),
    };
    if (settings->validation_code != NULL && settings->duplicate_code != NULL &&
        settings->missing_prefix != NULL)
        return RESULT_OK;
    settings_done(settings);
    return RESULT_NO_MEMORY;
}

void settings_done(struct settings *settings)
{
    fields_done(settings_fields, settings_field_count, settings);
}

static enum result apply(struct settings *settings, const cJSON *object,
                         struct buffer *reterr_reason)
{
    const cJSON *value = NULL;

    cJSON_ArrayForEach(value, object)
    {
        const struct field *field =
            field_find(settings_fields, settings_field_count, value->string);
        if (field == NULL || field < settings_fields + settings_start_only_count) {
            buffer_append_format(reterr_reason, "%s: %s", value->string,
                                 field == NULL ? "no such setting" : "only at the start");
            return RESULT_INVALID;
        }
        enum result result = field_set_json(field, settings, value, reterr_reason);
        if (result != RESULT_OK)
            return result;
    }
    return RESULT_OK;
}

enum result settings_change(struct settings *settings, const cJSON *object,
                            struct buffer *reterr_reason)
{
    struct settings trial;
    enum result result = settings_init(&trial);

    if (result != RESULT_OK)
        return result;
    result = apply(&trial, object, reterr_reason);
    settings_done(&trial);
    return result != RESULT_OK ? result : apply(settings, object, reterr_reason);
}

void settings_append_json(const struct settings *settings, struct buffer *json)
{
    for (size_t i = 0; i < settings_field_count; i++) {
        buffer_append_format(json, "%s\"%s\":", i == 0 ? "{" : ",", settings_fields[i].name);
        field_append_json(&settings_fields[i], settings, json);
    }
    buffer_append_char(json, '}');
}
