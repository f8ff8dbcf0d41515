/* auth_session.c - checks the object that the API calls an auth session. */
#include "conductor/auth_session.h"

#include "base/clock.h"
#include "base/text.h"
#include "conductor/strict_json.h"
#include "core/api_time.h"

#include <stdbool.h>
#include <string.h>

#define MS_PER_MIN (INT64_C(60) * MS_PER_SEC)

/* What the API may add to the minutes that were asked for (design.md section 2). */
#define LIFE_GRACE_MINS 5

static enum result fail(struct auth_session_fault *reterr_fault, const char *field, const char *why)
{
    *reterr_fault = (struct auth_session_fault){field, why};
    return RESULT_INVALID;
}

/* Copies the string of that name; it must be there once and be 1 to size - 1 bytes. */
static enum result read_string(const cJSON *object, const char *name, char *target, size_t size,
                               struct auth_session_fault *reterr_fault)
{
    const char *text = "";
    enum result result = strict_json_string(object, name, &text);

    if (result == RESULT_NOT_FOUND)
        return fail(reterr_fault, name, "missing");
    if (result == RESULT_EXISTS)
        return fail(reterr_fault, name, "there twice");
    if (result != RESULT_OK)
        return fail(reterr_fault, name, "no string");
    if (text[0] == '\0')
        return fail(reterr_fault, name, "empty");
    if (text_copy(target, size, text, strlen(text)) != RESULT_OK)
        return fail(reterr_fault, name, "too long");
    return RESULT_OK;
}

static enum result check_equals(const cJSON *object, const char *name, const char *expected,
                                const char *why, struct auth_session_fault *reterr_fault)
{
    char value[JOB_ID_MAX_LEN + 1];
    enum result result = read_string(object, name, value, sizeof value, reterr_fault);

    if (result == RESULT_OK && strcmp(value, expected) != 0)
        return fail(reterr_fault, name, why);
    return result;
}

/* The port that is meant anyway, or none; then path, query, fragment or nothing. */
static bool is_port_fine(const char *rest)
{
    if (text_starts_with(rest, ":443"))
        rest += 4;
    return *rest == '\0' || strchr("/?#", *rest) != NULL;
}

static enum result check_link(const char *url, const struct answer_expected *expected,
                              struct auth_session_fault *reterr_fault)
{
    const char *name = "authFlowUrl";
    size_t host_len;
    const char *host = https_url_host(url, strlen(url), &host_len);

    if (host == NULL)
        return fail(reterr_fault, name, "no sound https URL");
    if (!host_list_has(expected->link_hosts, host, host_len) || !is_port_fine(host + host_len))
        return fail(reterr_fault, name, "leads to a host that is not in conductor.link_hosts");
    return RESULT_OK;
}

static enum result read_time(const cJSON *object, const char *name, char *target, size_t size,
                             int64_t *ret_unix_ms, struct auth_session_fault *reterr_fault)
{
    enum result result = read_string(object, name, target, size, reterr_fault);

    if (result == RESULT_OK && api_time_parse(target, strlen(target), ret_unix_ms) != RESULT_OK)
        return fail(reterr_fault, name, "no time");
    return result;
}

/* expiresAt, and createdAt where there is one: by both of them the life of the link. */
static enum result read_life(const cJSON *object, const struct answer_expected *expected,
                             int64_t date_unix_ms, struct session *session,
                             struct auth_session_fault *reterr_fault)
{
    int64_t asked_ms = expected->link_expiry_mins * MS_PER_MIN;
    int64_t expires_unix_ms;
    int64_t created_unix_ms;
    enum result result = read_time(object, "expiresAt", session->expires_at,
                                   sizeof session->expires_at, &expires_unix_ms, reterr_fault);

    if (result != RESULT_OK)
        return result;
    if (cJSON_GetObjectItemCaseSensitive(object, "createdAt") != NULL) {
        result = read_time(object, "createdAt", session->created_at, sizeof session->created_at,
                           &created_unix_ms, reterr_fault);
        if (result != RESULT_OK)
            return result;
    } else {
        created_unix_ms = date_unix_ms >= 0 ? date_unix_ms : expires_unix_ms - asked_ms;
    }

    int64_t max_ms = asked_ms + LIFE_GRACE_MINS * MS_PER_MIN;
    session->life_ms = expires_unix_ms - created_unix_ms;
    if (session->life_ms > max_ms)
        session->life_ms = max_ms;
    return RESULT_OK;
}

enum result auth_session_read(const cJSON *object, const struct answer_expected *expected,
                              int64_t date_unix_ms, struct session *ret_session,
                              struct auth_session_fault *reterr_fault)
{
    struct session *session = ret_session;

    session->id[0] = session->created_at[0] = session->expires_at[0] = '\0';
    session->auth_flow_url[0] = '\0';
    enum result result =
        check_equals(object, "objectType", "auth_session", "not auth_session", reterr_fault);

    if (result == RESULT_OK)
        result = check_equals(object, "endUserId", expected->end_user_id,
                              "not the end user who was asked for", reterr_fault);
    if (result == RESULT_OK)
        result = read_string(object, "id", session->id, sizeof session->id, reterr_fault);
    if (result == RESULT_OK && !text_is_one_word(session->id))
        result = fail(reterr_fault, "id", "holds bytes that no ID has");
    if (result == RESULT_OK)
        result = read_string(object, "authFlowUrl", session->auth_flow_url,
                             sizeof session->auth_flow_url, reterr_fault);
    if (result == RESULT_OK)
        result = check_link(session->auth_flow_url, expected, reterr_fault);
    if (result == RESULT_OK)
        result = read_life(object, expected, date_unix_ms, session, reterr_fault);
    if (result != RESULT_OK)
        session_wipe(session);
    return result;
}
