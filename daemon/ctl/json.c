/* json.c - writes JSON, member by member. */
#include "ctl/json.h"

#include "base/text.h"
#include "ctl/terminal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* The code point of a character of two or three bytes, as those are that a terminal obeys. */
static unsigned int code_point(const char *at, size_t len)
{
    unsigned int first = (unsigned char)at[0] & (len == 2 ? 0x1f : 0x0f);

    for (size_t i = 1; i < len; i++)
        first = first << 6 | ((unsigned char)at[i] & 0x3f);
    return first;
}

/* What a terminal would obey is written by its number, which means the same to a program. */
static void append_string(struct buffer *target, const char *text, size_t len)
{
    struct buffer string;

    buffer_init(&string, 6 * len + 3);
    buffer_append_json_string(&string, text, len);
    for (size_t i = 0; i < string.len;) {
        size_t harm_len = terminal_harm_len(string.data + i, string.len - i);
        if (harm_len > 0)
            buffer_append_format(target, "\\u%04x", code_point(string.data + i, harm_len));
        else
            buffer_append_char(target, string.data[i]);
        i += harm_len > 0 ? harm_len : 1;
    }
    buffer_done(&string);
}

/* A text from outside; bytes that are no UTF-8 become U+FFFD. */
static void append_text(struct buffer *target, const char *text, size_t len)
{
    struct buffer sound;

    if (text_is_utf8(text, len)) {
        append_string(target, text, len);
        return;
    }
    buffer_init(&sound, 3 * len + 1);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x80)
            buffer_append_char(&sound, text[i]);
        else
            buffer_append_str(&sound, "\xef\xbf\xbd");
    append_string(target, buffer_text(&sound), sound.len);
    buffer_done(&sound);
}

static void begin(struct json *json, const char *key)
{
    if (json->needs_comma)
        buffer_append_char(json->text, ',');
    json->needs_comma = true;
    if (key == NULL)
        return;
    append_text(json->text, key, strlen(key)); /* a field of a hash may have any name */
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
    append_text(json->text, text, len);
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
