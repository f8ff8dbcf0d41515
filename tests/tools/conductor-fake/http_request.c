/* http_request.c - the head of a request, strictly. */
#include "http_request.h"

#include "base/text.h"

#include <string.h>

bool http_text_is(struct http_text text, const char *wanted)
{
    return text.len == strlen(wanted) && memcmp(text.data, wanted, text.len) == 0;
}

bool http_text_follows(struct http_text text, const char *prefix, struct http_text *ret_rest)
{
    size_t len = strlen(prefix);

    if (text.len < len || memcmp(text.data, prefix, len) != 0)
        return false;
    *ret_rest = (struct http_text){text.data + len, text.len - len};
    return true;
}

const struct http_text *http_header_find(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct http_text sent = request->headers[i].name;
        if (text_equals_ignoring_case(sent.data, sent.len, name, strlen(name)))
            return &request->headers[i].value;
    }
    return NULL;
}

static bool is_token(struct http_text text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && (c == '\0' || strchr(marks, c) == NULL))
            return false;
    }
    return text.len > 0;
}

static bool is_field_value(struct http_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

/* Takes the text up to `end` out of *rest, `end` itself too. */
static bool take_until(struct http_text *rest, char end, struct http_text *ret_text)
{
    const char *at = memchr(rest->data, end, rest->len);

    if (at == NULL)
        return false;
    *ret_text = (struct http_text){rest->data, (size_t)(at - rest->data)};
    rest->len -= ret_text->len + 1;
    rest->data = at + 1;
    return true;
}

/* A line ends with CR LF; a CR or LF elsewhere is an error. */
static bool take_line(struct http_text *rest, struct http_text *ret_line)
{
    if (!take_until(rest, '\n', ret_line) || ret_line->len == 0)
        return false;
    ret_line->len--;
    return ret_line->data[ret_line->len] == '\r' &&
           memchr(ret_line->data, '\r', ret_line->len) == NULL;
}

static int read_request_line(struct http_text line, struct http_request *request)
{
    struct http_text version = line;

    if (!take_until(&version, ' ', &request->method) || !is_token(request->method) ||
        !take_until(&version, ' ', &request->target) ||
        !text_is_printable(request->target.data, request->target.len))
        return 400;
    if (request->target.len == 0 || request->target.data[0] != '/')
        return 400; /* the absolute form is for proxies */

    request->query = request->target;
    if (!take_until(&request->query, '?', &request->path)) {
        request->path = request->target;
        request->query = (struct http_text){"", 0};
    }
    if (http_text_is(version, "HTTP/1.1"))
        request->keeps_alive = true;
    else if (!http_text_is(version, "HTTP/1.0"))
        return http_text_follows(version, "HTTP/", &version) ? 505 : 400;
    return 0;
}

static int read_header(struct http_text line, struct http_request *request)
{
    struct http_text value = line;
    struct http_text name;

    if (request->header_count == HTTP_HEADERS_MAX)
        return 431;
    if (!take_until(&value, ':', &name) || !is_token(name))
        return 400; /* also a folded line, which begins with a blank */
    value.data = text_trim(value.data, value.len, &value.len);
    if (!is_field_value(value))
        return 400;
    request->headers[request->header_count++] = (struct http_header){name, value};
    return 0;
}

static bool equals(struct http_text text, const char *wanted)
{
    return text_equals_ignoring_case(text.data, text.len, wanted, strlen(wanted));
}

static int read_content_length(struct http_text value, bool seen, struct http_request *request)
{
    int64_t len = 0;

    if (value.len == 0 || value.data[0] == '-' ||
        text_to_int64(value.data, value.len, 0, INT64_MAX, &len) != RESULT_OK)
        return 400;
    if (seen && (size_t)len != request->content_length)
        return 400; /* two that differ: the way requests are smuggled */
    request->content_length = (size_t)len;
    return 0;
}

/* Draws from the headers what concerns the message itself. */
static int interpret(struct http_request *request)
{
    bool has_length = false;
    int hosts = 0;
    int status = 0;

    for (size_t i = 0; i < request->header_count && status == 0; i++) {
        struct http_text name = request->headers[i].name;
        struct http_text value = request->headers[i].value;
        if (equals(name, "content-length")) {
            status = read_content_length(value, has_length, request);
            has_length = true;
        } else if (equals(name, "transfer-encoding")) {
            if (!equals(value, "chunked"))
                return 501;
            if (request->is_chunked)
                return 400;
            request->is_chunked = true;
        } else if (equals(name, "connection")) {
            if (equals(value, "close"))
                request->keeps_alive = false;
            else if (equals(value, "keep-alive"))
                request->keeps_alive = true;
        } else if (equals(name, "expect")) {
            if (!equals(value, "100-continue"))
                return 417;
            request->expects_continue = true;
        } else if (equals(name, "host")) {
            hosts++;
        }
    }
    if (status == 0 && ((request->is_chunked && has_length) || hosts != 1))
        return 400;
    return status;
}

enum result http_head_read(const char *data, size_t len, struct http_request *ret_request,
                           int *reterr_status)
{
    size_t visible = len > HTTP_HEAD_MAX_BYTES ? HTTP_HEAD_MAX_BYTES : len;
    const char *end = visible == 0 ? NULL : memmem(data, visible, "\r\n\r\n", 4);

    if (end == NULL) {
        *reterr_status = 431;
        return len >= HTTP_HEAD_MAX_BYTES ? RESULT_INVALID : RESULT_LATER;
    }

    struct http_text rest = {data, (size_t)(end - data) + 2};
    struct http_text line = {"", 0};
    ret_request->header_count = 0;
    ret_request->head_len = rest.len + 2;
    ret_request->content_length = 0;
    ret_request->is_chunked = ret_request->keeps_alive = ret_request->expects_continue = false;
    ret_request->body = (struct http_text){"", 0};

    int status = take_line(&rest, &line) ? read_request_line(line, ret_request) : 400;
    while (status == 0 && rest.len > 0)
        status = take_line(&rest, &line) ? read_header(line, ret_request) : 400;
    if (status == 0)
        status = interpret(ret_request);
    if (status == 0)
        return RESULT_OK;
    *reterr_status = status;
    return RESULT_INVALID;
}
