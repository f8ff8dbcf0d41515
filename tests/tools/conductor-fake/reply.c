/* reply.c - puts an answer on the wire. */
#include "reply.h"

#include "base/clock.h"
#include "base/text.h"
#include "gzip.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define HEADERS_MAX_BYTES 65536

void reply_init(struct reply *reply)
{
    *reply = (struct reply){0};
    buffer_init(&reply->headers, HEADERS_MAX_BYTES);
    buffer_init(&reply->body, REPLY_MAX_BYTES);
    reply_reset(reply);
}

void reply_done(struct reply *reply)
{
    buffer_done(&reply->headers);
    buffer_done(&reply->body);
}

void reply_reset(struct reply *reply)
{
    reply->status = 200;
    reply->content_type = "application/json; charset=utf-8";
    buffer_reset(&reply->headers);
    buffer_reset(&reply->body);
}

void reply_add_header(struct reply *reply, const char *name, const char *value)
{
    buffer_append_format(&reply->headers, "%s: %s\r\n", name, value);
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unnamed";
}

void reply_set_html(struct reply *reply, int status)
{
    reply->status = status;
    reply->content_type = "text/html";
    buffer_reset(&reply->body);
    buffer_append_format(&reply->body,
                         "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n"
                         "<center><h1>%d %s</h1></center>\r\n</body>\r\n</html>\r\n",
                         status, reason_of(status), status, reason_of(status));
}

void reply_set_empty(struct reply *reply, int status)
{
    reply->status = status;
    reply->content_type = NULL;
    buffer_reset(&reply->body);
}

void http_date(int64_t unix_ms, char target[HTTP_DATE_LEN + 1])
{
    time_t seconds = (time_t)(unix_ms / MS_PER_SEC);
    struct tm parts;

    gmtime_r(&seconds, &parts);
    strftime(target, HTTP_DATE_LEN + 1, "%a, %d %b %Y %H:%M:%S GMT", &parts);
}

static bool is_replaced(const cJSON *headers, const char *name)
{
    const cJSON *header = NULL;

    cJSON_ArrayForEach(header, headers)
    {
        if (text_equals_ignoring_case(header->string, strlen(header->string), name, strlen(name)))
            return true;
    }
    return false;
}

static void add_line(const struct wire_form *form, struct buffer *wire, const char *name,
                     const char *value)
{
    if (form->headers == NULL || !is_replaced(form->headers, name)) {
        buffer_append_str(wire, name);
        buffer_append(wire, ": ", 2);
        buffer_append_str(wire, value);
        buffer_append(wire, "\r\n", 2);
    }
}

static bool has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static void render_head(const struct reply *reply, const struct wire_form *form, size_t body_len,
                        struct buffer *wire)
{
    const cJSON *header = NULL;
    char text[HTTP_DATE_LEN + 1];

    buffer_append_format(wire, "HTTP/1.1 %d %s\r\n", reply->status, reason_of(reply->status));
    http_date(form->date_unix_ms, text);
    add_line(form, wire, "Date", text);
    if (!form->omits_request_id)
        add_line(form, wire, "Conductor-Request-Id", reply->request_id);
    if (has_body(reply->status)) {
        if (reply->content_type != NULL)
            add_line(form, wire, "Content-Type", reply->content_type);
        if (form->is_gzipped)
            add_line(form, wire, "Content-Encoding", "gzip");
        snprintf(text, sizeof text, "%zu", body_len);
        if (form->is_chunked)
            add_line(form, wire, "Transfer-Encoding", "chunked");
        else
            add_line(form, wire, "Content-Length", text);
    }
    add_line(form, wire, "Connection", form->closes ? "close" : "keep-alive");
    buffer_append(wire, buffer_text(&reply->headers), reply->headers.len);
    cJSON_ArrayForEach(header, form->headers)
    {
        if (cJSON_IsString(header))
            buffer_append_format(wire, "%s: %s\r\n", header->string, header->valuestring);
    }
    buffer_append(wire, "\r\n", 2);
}

static void append_chunks(const char *body, size_t len, size_t chunk_bytes, struct buffer *wire)
{
    for (size_t at = 0; at < len;) {
        size_t size = chunk_bytes == 0 || chunk_bytes > len - at ? len - at : chunk_bytes;
        buffer_append_format(wire, "%zx\r\n", size);
        buffer_append(wire, body + at, size);
        buffer_append(wire, "\r\n", 2);
        at += size;
    }
    buffer_append_str(wire, "0\r\n\r\n");
}

enum result reply_render(const struct reply *reply, const struct wire_form *form,
                         struct buffer *wire, size_t *ret_head_len)
{
    struct buffer packed;
    const struct buffer *body = &reply->body;

    buffer_init(&packed, REPLY_MAX_BYTES);
    if (form->is_gzipped) {
        gzip_store(reply->body.data, reply->body.len, &packed);
        body = &packed;
    }
    render_head(reply, form, body->len, wire);
    *ret_head_len = wire->len;
    if (!form->omits_body && has_body(reply->status)) {
        if (form->is_chunked)
            append_chunks(body->data, body->len, form->chunk_bytes, wire);
        else
            buffer_append(wire, body->data, body->len);
    }
    bool failed = wire->failed || packed.failed || reply->body.failed || reply->headers.failed;
    buffer_done(&packed);
    return failed ? RESULT_NO_MEMORY : RESULT_OK;
}
