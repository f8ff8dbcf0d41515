/* json.c - writes JSON, member by member. */
#include "ctl/json.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void begin(struct json *json, const char *key)
{
    if (json->needs_comma)
        buffer_append_char(json->text, ',');
    json->needs_comma = true;
    if (key == NULL)
        return;
    buffer_append_json_string(json->text, key, strlen(key));
    buffer_append_char(json->text, ':');
}

static void open_bracket(struct json *json, const char *key, char bracket)
{
    begin(json, key);
    buffer_append_char(json->text, bracket);
    json->needs_comma = false;
}

static void close_bracket(struct json *json, char bracket)
{
    buffer_append_char(json->text, bracket);
    json->needs_comma = true;
}

void json_open_object(struct json *json, const char *key)
{
    open_bracket(json, key, '{');
}

void json_close_object(struct json *json)
{
    close_bracket(json, '}');
}

void json_open_array(struct json *json, const char *key)
{
    open_bracket(json, key, '[');
}

void json_close_array(struct json *json)
{
    close_bracket(json, ']');
}

void json_text(struct json *json, const char *key, const char *text, size_t len)
{
    begin(json, key);
    if (text_is_utf8(text, len)) {
        buffer_append_json_string(json->text, text, len);
        return;
    }
    struct buffer sound;
    buffer_init(&sound, 3 * len + 1);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x80)
            buffer_append_char(&sound, text[i]);
        else
            buffer_append_str(&sound, "\xef\xbf\xbd"); /* U+FFFD */
    buffer_append_json_string(json->text, buffer_text(&sound), sound.len);
    buffer_done(&sound);
}

void json_int(struct json *json, const char *key, int64_t number)
{
    begin(json, key);
    buffer_append_format(json->text, "%" PRId64, number);
}

void json_double(struct json *json, const char *key, double number)
{
    begin(json, key);
    if (isfinite(number))
        buffer_append_format(json->text, "%.6g", number);
    else
        buffer_append_str(json->text, "null");
}

void json_bool(struct json *json, const char *key, bool is_true)
{
    begin(json, key);
    buffer_append_str(json->text, is_true ? "true" : "false");
}

void json_null(struct json *json, const char *key)
{
    begin(json, key);
    buffer_append_str(json->text, "null");
}
