/* http_body.c - the body of a request, of known length or chunked. */
#include "http_request.h"

#include <stdint.h>
#include <string.h>

/* A chunk's size line is short: extensions are refused, so eight digits and CR LF suffice. */
#define SIZE_LINE_MAX_BYTES 10

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

/* Reads `<hex digits> CR LF` at data[*at] and moves *at behind it. */
static enum result read_chunk_size(const char *data, size_t len, size_t *at, size_t *ret_size)
{
    size_t visible = len - *at > SIZE_LINE_MAX_BYTES ? SIZE_LINE_MAX_BYTES : len - *at;
    const char *line = data + *at;
    size_t size = 0;
    size_t i = 0;

    while (i < visible && hex_value(line[i]) >= 0)
        size = size * 16 + (size_t)hex_value(line[i++]);
    if (i + 2 > visible)
        return visible == SIZE_LINE_MAX_BYTES ? RESULT_INVALID : RESULT_LATER;
    if (i == 0 || line[i] != '\r' || line[i + 1] != '\n')
        return RESULT_INVALID;
    *at += i + 2;
    *ret_size = size;
    return RESULT_OK;
}

/*
 * Walks over the chunks. With `target` their contents are moved together there,
 * which is never ahead of what is still to be read.
 */
static enum result walk_chunks(const char *data, size_t len, size_t max_body_bytes, char *target,
                               size_t *ret_body_len, size_t *ret_used, int *reterr_status)
{
    size_t at = 0;
    size_t body_len = 0;

    *reterr_status = 400;
    for (;;) {
        size_t size = 0;
        enum result result = read_chunk_size(data, len, &at, &size);
        if (result != RESULT_OK)
            return result;
        if (size > max_body_bytes - body_len) {
            *reterr_status = 413;
            return RESULT_INVALID;
        }
        if (len - at < size + 2)
            return RESULT_LATER;
        if (memcmp(data + at + size, "\r\n", 2) != 0)
            return RESULT_INVALID; /* behind the last chunk this also refuses trailers */
        if (target != NULL && size > 0)
            memmove(target + body_len, data + at, size);
        body_len += size;
        at += size + 2;
        if (size == 0)
            break;
    }
    *ret_body_len = body_len;
    *ret_used = at;
    return RESULT_OK;
}

enum result http_body_read(struct http_request *request, char *data, size_t len,
                           size_t max_body_bytes, size_t *ret_used, int *reterr_status)
{
    char *body = data + request->head_len;
    size_t arrived = len - request->head_len;
    size_t body_len = request->content_length;
    size_t used = body_len;

    if (request->is_chunked) {
        enum result result =
            walk_chunks(body, arrived, max_body_bytes, NULL, &body_len, &used, reterr_status);
        if (result != RESULT_OK)
            return result;
        result = walk_chunks(body, arrived, max_body_bytes, body, &body_len, &used, reterr_status);
        if (result != RESULT_OK)
            return result;
    } else if (body_len > max_body_bytes) {
        *reterr_status = 413;
        return RESULT_INVALID;
    } else if (arrived < body_len) {
        return RESULT_LATER;
    }
    request->body = (struct http_text){body, body_len};
    *ret_used = request->head_len + used;
    return RESULT_OK;
}
