/* flat_json.c - a scanner for JSON objects without nesting. */
#include "core/flat_json.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

char flat_json_peek(const struct flat_json *json)
{
    return json->at < json->len ? json->text[json->at] : '\0';
}

bool flat_json_take(struct flat_json *json, char wanted)
{
    if (json->at >= json->len || json->text[json->at] != wanted)
        return false;
    json->at++;
    return true;
}

void flat_json_skip_blanks(struct flat_json *json)
{
    while (json->at < json->len && json->text[json->at] != '\0' &&
           strchr(" \t\r\n", json->text[json->at]) != NULL)
        json->at++;
}

static void append_byte(struct flat_json_value *value, uint32_t byte)
{
    assert(value->len <
           FLAT_JSON_MAX_BYTES); /* what is decoded is never longer than what is read */
    value->text[value->len++] = (char)byte;
}

/* RFC 3629 section 3. */
static void append_utf8(struct flat_json_value *value, uint32_t point)
{
    if (point < 0x80) {
        append_byte(value, point);
    } else if (point < 0x800) {
        append_byte(value, 0xc0 | point >> 6);
        append_byte(value, 0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        append_byte(value, 0xe0 | point >> 12);
        append_byte(value, 0x80 | (point >> 6 & 0x3f));
        append_byte(value, 0x80 | (point & 0x3f));
    } else {
        append_byte(value, 0xf0 | point >> 18);
        append_byte(value, 0x80 | (point >> 12 & 0x3f));
        append_byte(value, 0x80 | (point >> 6 & 0x3f));
        append_byte(value, 0x80 | (point & 0x3f));
    }
}

/* The value of one hexadecimal digit; -1: it is none. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four digits of \uXXXX. */
static bool take_hex4(struct flat_json *json, uint32_t *ret_unit)
{
    uint32_t unit = 0;

    for (int i = 0; i < 4; i++) {
        int digit = hex_value(flat_json_peek(json));
        if (digit < 0)
            return false;
        unit = unit << 4 | (uint32_t)digit;
        json->at++;
    }
    *ret_unit = unit;
    return true;
}

/* Behind "\u"; half a pair of surrogates is refused (RFC 8259 section 8.2). */
static bool take_unicode(struct flat_json *json, struct flat_json_value *value)
{
    uint32_t high;
    uint32_t low;

    if (!take_hex4(json, &high))
        return false;
    if (high < 0xd800 || high > 0xdfff) {
        append_utf8(value, high);
        return true;
    }
    if (high > 0xdbff || !flat_json_take(json, '\\') || !flat_json_take(json, 'u') ||
        !take_hex4(json, &low) || low < 0xdc00 || low > 0xdfff)
        return false;
    append_utf8(value, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
    return true;
}

/* Behind a backslash. */
static bool take_escape(struct flat_json *json, struct flat_json_value *value)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    char name = flat_json_peek(json);

    if (name == 'u') {
        json->at++;
        return take_unicode(json, value);
    }
    const char *found = name == '\0' ? NULL : strchr(names, name);
    if (found == NULL)
        return false;
    json->at++;
    append_byte(value, (unsigned char)meanings[found - names]);
    return true;
}

bool flat_json_take_string(struct flat_json *json, struct flat_json_value *ret_value)
{
    struct flat_json ahead = *json;

    assert(json->len <= FLAT_JSON_MAX_BYTES);
    ret_value->type = FLAT_JSON_TEXT;
    ret_value->len = 0;
    if (!flat_json_take(&ahead, '"'))
        return false;
    while (!flat_json_take(&ahead, '"')) {
        unsigned char byte = (unsigned char)flat_json_peek(&ahead);
        if (byte < 0x20) /* the end of the text too */
            return false;
        ahead.at++;
        if (byte != '\\')
            append_byte(ret_value, byte);
        else if (!take_escape(&ahead, ret_value))
            return false;
    }
    ret_value->text[ret_value->len] = '\0';
    *json = ahead;
    return true;
}

static size_t digits_at(const char *text)
{
    return strspn(text, "0123456789");
}

/* RFC 8259 section 6. The readers of C and Lua take more: hex, nan, +1, 01. */
static bool is_number(const char *word)
{
    const char *at = word[0] == '-' ? word + 1 : word;
    size_t digits = digits_at(at);

    if (digits == 0 || (digits > 1 && at[0] == '0'))
        return false;
    at += digits;
    if (at[0] == '.') {
        digits = digits_at(at + 1);
        if (digits == 0)
            return false;
        at += 1 + digits;
    }
    if (at[0] == 'e' || at[0] == 'E') {
        at += at[1] == '+' || at[1] == '-' ? 2 : 1;
        digits = digits_at(at);
        if (digits == 0)
            return false;
        at += digits;
    }
    return at[0] == '\0';
}

static bool is_word_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '+' || c == '-';
}

bool flat_json_take_value(struct flat_json *json, struct flat_json_value *ret_value)
{
    char first = flat_json_peek(json);

    if (first == '"')
        return flat_json_take_string(json, ret_value);
    ret_value->type = FLAT_JSON_OTHER;
    ret_value->len = 0;
    if (first == '{' || first == '[')
        return true;
    for (size_t at = json->at; at < json->len && is_word_byte(json->text[at]); at++)
        append_byte(ret_value, (unsigned char)json->text[at]);
    ret_value->text[ret_value->len] = '\0';

    if (strcmp(ret_value->text, "true") == 0)
        ret_value->type = FLAT_JSON_TRUE;
    else if (strcmp(ret_value->text, "false") == 0)
        ret_value->type = FLAT_JSON_FALSE;
    else if (is_number(ret_value->text))
        ret_value->type = FLAT_JSON_NUMBER;
    else if (strcmp(ret_value->text, "null") != 0)
        return false;
    json->at += ret_value->len;
    return true;
}
