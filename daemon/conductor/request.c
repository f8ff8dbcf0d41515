/* request.c - the body of POST /v1/auth-sessions. */
#include "conductor/request.h"

#include <inttypes.h>
#include <string.h>

static enum result append_member(struct buffer *body, const char *name, const char *value)
{
    enum result result = buffer_append_str(body, name);

    if (result != RESULT_OK)
        return result;
    return buffer_append_json_string(body, value, strlen(value));
}

enum result request_write(struct buffer *body, const char *publishable_key, const struct job *job)
{
    buffer_reset(body);

    enum result result = append_member(body, "{\"publishableKey\":", publishable_key);
    if (result == RESULT_OK)
        result = append_member(body, ",\"endUserId\":", job->end_user_id);
    if (result == RESULT_OK)
        result = buffer_append_format(body, ",\"linkExpiryMins\":%" PRIu32, job->link_expiry_mins);
    if (result == RESULT_OK && job->redirect_url[0] != '\0')
        result = append_member(body, ",\"redirectUrl\":", job->redirect_url);
    if (result == RESULT_OK)
        result = buffer_append_char(body, '}');
    return result;
}
