/* buffer.c - bytes that grow, up to a hard maximum. */
#include "base/buffer.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256

void buffer_init(struct buffer *buffer, size_t max_len)
{
    *buffer = (struct buffer){.max_len = max_len};
}

void buffer_done(struct buffer *buffer)
{
    free(buffer->data);
    buffer_init(buffer, buffer->max_len);
}

void buffer_reset(struct buffer *buffer)
{
    buffer->len = 0;
    buffer->failed = false;
    if (buffer->data != NULL)
        buffer->data[0] = '\0';
}

/* Makes room for `extra` bytes and the NUL behind them. */
static enum result reserve(struct buffer *buffer, size_t extra)
{
    if (extra > buffer->max_len - buffer->len) {
        buffer->failed = true;
        return RESULT_FULL;
    }

    size_t needed = buffer->len + extra + 1;
    if (needed <= buffer->cap)
        return RESULT_OK;

    size_t cap = buffer->cap == 0 ? FIRST_CAP : buffer->cap;
    while (cap < needed)
        cap *= 2;

    char *data = realloc(buffer->data, cap);
    if (data == NULL) {
        buffer->failed = true;
        return RESULT_NO_MEMORY;
    }
    buffer->data = data;
    buffer->cap = cap;
    return RESULT_OK;
}

enum result buffer_append(struct buffer *buffer, const void *bytes, size_t len)
{
    enum result result = reserve(buffer, len);

    if (result != RESULT_OK)
        return result;
    if (len > 0)
        memcpy(buffer->data + buffer->len, bytes, len);
    buffer->len += len;
    buffer->data[buffer->len] = '\0';
    return RESULT_OK;
}

enum result buffer_append_str(struct buffer *buffer, const char *str)
{
    return buffer_append(buffer, str, strlen(str));
}

enum result buffer_append_char(struct buffer *buffer, char c)
{
    return buffer_append(buffer, &c, 1);
}

/* Writes into the room that is there, which nearly always is enough, and a second time if not. */
enum result buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    size_t room = buffer->cap - buffer->len;
    char *end = room == 0 ? NULL : buffer->data + buffer->len;
    va_list args;

    va_start(args, format);
    int len = vsnprintf(end, room, format, args);
    va_end(args);
    if (len < 0)
        buffer->failed = true;
    enum result result = len < 0 ? RESULT_INVALID : reserve(buffer, (size_t)len);
    if (result != RESULT_OK) {
        if (end != NULL)
            *end = '\0';
        return result;
    }
    if ((size_t)len >= room) {
        va_start(args, format);
        vsnprintf(buffer->data + buffer->len, (size_t)len + 1, format, args);
        va_end(args);
    }
    buffer->len += (size_t)len;
    return RESULT_OK;
}

static enum result append_escaped(struct buffer *buffer, unsigned char byte)
{
    if (byte == '"' || byte == '\\')
        return buffer_append_format(buffer, "\\%c", byte);
    return buffer_append_format(buffer, "\\u%04x", byte);
}

enum result buffer_append_json_string(struct buffer *buffer, const char *text, size_t len)
{
    size_t start = buffer->len;
    enum result result = buffer_append_char(buffer, '"');

    while (len > 0 && result == RESULT_OK) {
        size_t plain_len = text_json_plain_len(text, len);
        result = buffer_append(buffer, text, plain_len);
        if (result == RESULT_OK && plain_len < len)
            result = append_escaped(buffer, (unsigned char)text[plain_len++]);
        text += plain_len;
        len -= plain_len;
    }
    if (result == RESULT_OK)
        result = buffer_append_char(buffer, '"');
    if (result != RESULT_OK) {
        buffer->len = start;
        if (buffer->data != NULL)
            buffer->data[start] = '\0';
    }
    return result;
}

const char *buffer_text(const struct buffer *buffer)
{
    return buffer->data == NULL ? "" : buffer->data;
}
