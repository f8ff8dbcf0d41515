/* envelope.c - the API's error envelope. Sources: conductor-api.md 3.1 to 3.3. */
#include "reply.h"

#include <string.h>

static const char *usual_type(int status)
{
    if (status == 401)
        return "AUTHENTICATION_ERROR";
    if (status == 403)
        return "PERMISSION_ERROR";
    return status >= 500 ? "INTERNAL_ERROR" : "INVALID_REQUEST_ERROR";
}

static const char *usual_code(int status)
{
    switch (status) {
    case 401:
        return "API_KEY_INVALID";
    case 404:
        return "RESOURCE_MISSING";
    case 429:
        return "RATE_LIMIT_EXCEEDED"; /* nobody knows the real one */
    default:
        return status >= 500 ? "INTERNAL_ERROR" : "INVALID_REQUEST";
    }
}

static void append_member(struct buffer *json, const char *name, const char *value)
{
    buffer_append_format(json, "\"%s\":", name);
    buffer_append_json_string(json, value, strlen(value));
    buffer_append_char(json, ',');
}

void reply_set_error(struct reply *reply, const struct envelope *envelope)
{
    const char *message = envelope->message != NULL ? envelope->message : "Made by conductor-fake.";
    const char *type = envelope->type != NULL ? envelope->type : usual_type(envelope->status);
    const char *code = envelope->code != NULL ? envelope->code : usual_code(envelope->status);
    const char *user_message =
        envelope->user_message != NULL
            ? envelope->user_message
            : "An internal server error occurred. Please contact the developers of this app.";
    struct buffer *body = &reply->body;

    reply->status = envelope->status;
    buffer_reset(body);
    buffer_append_str(body, "{\"error\":{");
    append_member(body, "message", message);
    append_member(body, "userFacingMessage", user_message);
    append_member(body, "type", type);
    append_member(body, "code", code);
    buffer_append_format(body, "\"httpStatusCode\":%d,", envelope->status);
    if (envelope->integration_code != NULL)
        append_member(body, "integrationCode", envelope->integration_code);
    buffer_append_format(body, "\"requestId\":\"%s\"}}", reply->request_id);
}
