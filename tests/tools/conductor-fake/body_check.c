/* body_check.c - checks of bodies. */
#include "body_check.h"

#include "base/clock.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * cJSON 1.7.15 would end a string at \u0000, take invalid UTF-8 and leave what
 * stands behind the value unread: all three are looked for here.
 */
cJSON *body_parse(struct http_text body)
{
    const char *end = NULL;
    size_t rest_len = 0;

    if (body.len == 0 || !text_is_utf8(body.data, body.len) ||
        memmem(body.data, body.len, "\\u0000", 6) != NULL)
        return NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(body.data, body.len, &end, false);
    if (json == NULL)
        return NULL;
    text_trim(end, body.len - (size_t)(end - body.data), &rest_len);
    if (rest_len > 0) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

static void refuse(struct fake *fake, struct exchange *exchange, const char *message)
{
    reply_set_error(&exchange->reply, &(struct envelope){
                                          .status = (int)fake->settings.validation_status,
                                          .type = "INVALID_REQUEST_ERROR",
                                          .code = fake->settings.validation_code,
                                          .message = message,
                                      });
}

bool body_is_object(struct fake *fake, struct exchange *exchange)
{
    static const char wanted[] = "application/json";
    const struct http_text *type = http_header_find(exchange->request, "Content-Type");

    if (type == NULL || type->len < sizeof wanted - 1 ||
        !text_equals_ignoring_case(type->data, sizeof wanted - 1, wanted, sizeof wanted - 1)) {
        refuse(fake, exchange, "The body must be sent as Content-Type: application/json.");
        return false;
    }
    if (!cJSON_IsObject(exchange->json)) {
        refuse(fake, exchange,
               exchange->json == NULL ? "The body is not valid JSON."
                                      : "Expected object at the top of the body.");
        return false;
    }
    return true;
}

void body_refuse(struct fake *fake, struct exchange *exchange, const char *member,
                 const char *wrong)
{
    char message[256];

    snprintf(message, sizeof message, "Invalid request body: \"%.100s\" %s.", member, wrong);
    refuse(fake, exchange, message);
}

const char *body_text(const cJSON *value)
{
    return cJSON_IsString(value) && value->valuestring[0] != '\0' ? value->valuestring : NULL;
}

bool body_is_uri(const char *text)
{
    size_t scheme_len = strcspn(text, ":");
    const char *rest = text + scheme_len;

    if (!isalpha((unsigned char)text[0]) || *rest != ':' || rest[1] == '\0')
        return false;
    for (size_t i = 0; i < scheme_len; i++)
        if (!isalnum((unsigned char)text[i]) && strchr("+-.", text[i]) == NULL)
            return false;
    if (!text_is_printable(text, strlen(text)) || strpbrk(text, " <>\"\\^`{|}") != NULL)
        return false;
    if (text_equals_ignoring_case(text, scheme_len, "http", 4) ||
        text_equals_ignoring_case(text, scheme_len, "https", 5))
        return strncmp(rest, "://", 3) == 0 && rest[3] != '\0' && strchr("/?#", rest[3]) == NULL;
    return true;
}

void body_time(int64_t unix_ms, bool is_legacy, char *target, size_t size)
{
    time_t seconds = (time_t)(unix_ms / MS_PER_SEC);
    struct tm parts;

    gmtime_r(&seconds, &parts);
    snprintf(target, size, "%04d-%02d-%02d%c%02d:%02d:%02d.%03d%s", parts.tm_year + 1900,
             parts.tm_mon + 1, parts.tm_mday, is_legacy ? ' ' : 'T', parts.tm_hour, parts.tm_min,
             parts.tm_sec, (int)(unix_ms % MS_PER_SEC), is_legacy ? "+00" : "Z");
}
