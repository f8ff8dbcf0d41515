/*
 * reply.h - an answer before it is put on the wire, and its rendering.
 */
#ifndef CONDUCTOR_FAKE_REPLY_H
#define CONDUCTOR_FAKE_REPLY_H

#include "base/buffer.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#define REPLY_MAX_BYTES    ((size_t)256 * 1024 * 1024) /* all requests of a long test, recorded */
#define REQUEST_ID_MAX_LEN 31

struct reply {
    int status;
    const char *content_type; /* static */
    char request_id[REQUEST_ID_MAX_LEN + 1];
    struct buffer headers; /* further lines, each with CR LF */
    struct buffer body;
};

/* How a reply goes onto the wire. */
struct wire_form {
    bool closes; /* say `Connection: close` */
    bool is_chunked;
    bool is_gzipped;
    bool omits_request_id;
    bool omits_body;    /* the answer to HEAD */
    size_t chunk_bytes; /* size of the chunks; 0: one */
    int64_t date_unix_ms;
    const cJSON *headers; /* object: replaces headers of these names; null leaves one out */
};

void reply_init(struct reply *reply);
void reply_done(struct reply *reply);

/* Empty, status 200, JSON. Keeps the memory. */
void reply_reset(struct reply *reply);

void reply_add_header(struct reply *reply, const char *name, const char *value);

/* A page as a proxy in front of the API would send it. */
void reply_set_html(struct reply *reply, int status);

void reply_set_empty(struct reply *reply, int status);

/*
 * The API's error envelope. Any of type, code, user_message and integration_code may be NULL:
 * the usual ones for the status, or none. Sources: conductor-api.md 3.1 to 3.3.
 */
struct envelope {
    int status;
    const char *type;
    const char *code;
    const char *message;
    const char *user_message;
    const char *integration_code;
};

void reply_set_error(struct reply *reply, const struct envelope *envelope);

/*
 * Appends the bytes of the whole answer to `wire`; the head takes *ret_head_len of them.
 * RESULT_NO_MEMORY, RESULT_FULL.
 */
MUST_CHECK enum result reply_render(const struct reply *reply, const struct wire_form *form,
                                    struct buffer *wire, size_t *ret_head_len);

/* `Tue, 24 Nov 2026 12:00:00 GMT`, RFC 9110 section 5.6.7. */
#define HTTP_DATE_LEN 29
void http_date(int64_t unix_ms, char target[HTTP_DATE_LEN + 1]);

#endif
